import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { printed } from "./frames.mjs";

const joined = printed("from nbtrack._view import assets; print(assets.joined())");

/** @param {string} code */
const stripped = (code) =>
  JSON.parse(
    printed(
      `import base64, json; from nbtrack._view.stripped import stripped\n` +
        `code = base64.b64decode(${JSON.stringify(Buffer.from(code).toString("base64"))}).decode()\n` +
        `print(json.dumps(stripped(code)))`,
    ),
  );

test("the joined module is a program", () => {
  execFileSync("node", ["--input-type=module", "--check", "-"], { input: joined });
});

test("no comment and no indentation is left", () => {
  assert.doesNotMatch(joined, /^\s+\S/m);
  assert.doesNotMatch(joined, /@typedef|@param/);
});

test("strings, templates and patterns stay as they are", () => {
  // A tick stands for a backtick here.
  const code = String.raw`
    const a = "// no comment", b = '/* nor "this" */', c = "a \" // b";
    const d = ´two  spaces // and #{ [1, /* kept */ 2].map((x) => ´<  #{x}  >´).join(" , ") }
  a second line \#{ ´;
    const e = /[/"'´]\/\/ +/g.source; // gone
    let f = 8; const g = f / 2 / 2; const h = (f) / 2; const i = [f][0] / 2;
    return [a, b, c, d, e, g, h, i, "x // y".replace(/ \/\/ /, "-")];`
    .replaceAll("´", "`")
    .replaceAll("#{", "${");
  const short = stripped(code);
  assert.deepEqual(new Function(short)(), new Function(code)());
  assert.ok(!short.includes("gone"));
});

test("a line's end that ends a statement stays, and so does a blank between words", () => {
  const code = `
    let a = 1
    let b = a
    ++b
    const f = function () {
      return
      1
    }
    const g = async (x) => { await null; return typeof x in { number: 1 } }
    const minus = a - -b + +a
    return [a, b, f(), minus, 1 .toFixed(1), a
      ? "yes" : "no"]`;
  assert.deepEqual(new Function(stripped(code))(), new Function(code)());
});

test("what has no end is an error that says where", () => {
  for (const [code, what] of [["\n\n'abc\n", "a string"], ["\n`a ${b`", "a template"], ["/* a", "a comment"]]) {
    assert.throws(() => stripped(code), new RegExp(what));
  }
});
