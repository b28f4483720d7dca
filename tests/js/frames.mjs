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
from nbtrack._draw.spec import Card
from nbtrack._view.wire import Cursor, pack

axes = {}
rules = types.SimpleNamespace(
    step_metric=axes.get, hidden=lambda key: False, goal=lambda key: None
)
summary = types.SimpleNamespace(as_dict=lambda: {})
board = Board(lambda: Card("<b>name</b>", "id", "p", "running"), rules, summary)
cursor = Cursor()
out = []

def feed(step, **row):
    us = round(step * 250_000)
    board.feed([types.SimpleNamespace(kind="row", step=step, us=us, data=row)])

def send(key=False):
    frame = board.frame(cursor, key=key)
    if frame:
        out.append([frame.head, *(base64.b64encode(b).decode() for b in frame.buffers)])

def truth():
    none = lambda v: None if math.isnan(v) else v
    points = {key: track.points(key) for key, track in board._tracks.by_key.items()}
    return {key: [list(x), list(map(none, y))] for key, (x, y) in points.items()}

def places():
    tracks = board._tracks.by_key.items()
    return {key: [list(c) for c in t.placed_points(key)[0]] for key, t in tracks}
`;

/**
 * Run lines of Python that call feed() and send().
 * @param {string} code
 * @returns {{frames: [any, ...ArrayBuffer[]][],
 *            truth: Record<string, [number[], (number | null)[]]>,
 *            places: Record<string, number[][]>}} of each metric x and y; and its
 *   steps, its values of the axis if there is one, its seconds
 */
export function framesOf(code) {
  const last = "print(json.dumps([out, truth(), places()]))";
  const text = execFileSync(python ?? "python3", ["-c", `${PRELUDE}\n${code}\n${last}`], {
    cwd: root,
    maxBuffer: 1e9,
    encoding: "utf8",
  });
  const [frames, truth, places] = JSON.parse(text);
  return { frames: frames.map(([head, ...buffers]) => [head, ...buffers.map(bytes)]), truth, places };
}

/** @param {string} base64 */
export function bytes(base64) {
  return Uint8Array.from(Buffer.from(base64, "base64")).buffer;
}

/** Run one Python expression and give what it prints. @param {string} code */
export function printed(code) {
  return execFileSync(python ?? "python3", ["-c", code], { cwd: root, encoding: "utf8" });
}
