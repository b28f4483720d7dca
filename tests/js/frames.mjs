// Frames as the kernel makes them: these tests read what Python wrote.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const python = [process.env.PYTHON, `${root}.venv/bin/python`].find(
  (path) => path && existsSync(path),
);

const PRELUDE = `
import base64, json, math, random, types
from nbtrack._view.board import Board
from nbtrack._view.spec import Card
from nbtrack._view.wire import Cursor, pack

rules = types.SimpleNamespace(step_metric=lambda key: None, hidden=lambda key: False)
summary = types.SimpleNamespace(as_dict=lambda: {})
board = Board(lambda: Card("<b>name</b>", "id", "p", "running"), rules, summary)
cursor = Cursor()
out = []

def feed(step, **row):
    board.feed([types.SimpleNamespace(kind="row", step=step, data=row)])

def send(key=False):
    frame = board.frame(cursor, key=key)
    if frame:
        out.append([frame[0], base64.b64encode(frame[1]).decode()])

def truth():
    charts = [c for s in board.spec().sections for c in s.charts]
    none = lambda v: None if math.isnan(v) else v
    return {c.key: [list(c.curves[0].x), list(map(none, c.curves[0].y))] for c in charts}
`;

/**
 * Run lines of Python that call feed() and send().
 * @param {string} code
 * @returns {{frames: [any, ArrayBuffer][], truth: Record<string, [number[], (number | null)[]]>}}
 */
export function framesOf(code) {
  const last = "print(json.dumps([out, truth()]))";
  const text = execFileSync(python ?? "python3", ["-c", `${PRELUDE}\n${code}\n${last}`], {
    cwd: root,
    maxBuffer: 1e9,
    encoding: "utf8",
  });
  const [frames, truth] = JSON.parse(text);
  return { frames: frames.map(([head, body]) => [head, bytes(body)]), truth };
}

/** @param {string} base64 */
export function bytes(base64) {
  return Uint8Array.from(Buffer.from(base64, "base64")).buffer;
}

/** Run one Python expression and give what it prints. @param {string} code */
export function printed(code) {
  return execFileSync(python ?? "python3", ["-c", code], { cwd: root, encoding: "utf8" });
}
