import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { printed } from "./frames.mjs";

const joined = printed("from nbtrack._view import assets; print(assets.joined())");
const packed = printed("from nbtrack._view import assets; print(assets.esm())");

test("the joined module loads by itself and gives a widget", async () => {
  const url = `data:text/javascript;base64,${Buffer.from(joined).toString("base64")}`;
  const { default: make } = await import(url);
  const widget = make();
  assert.deepEqual(Object.keys(widget).sort(), ["initialize", "render"]);
  assert.notEqual(make(), widget, "each model has a state of its own");
});

test("the module is small as it is sent, and unpacks to the joined one", () => {
  assert.ok(Buffer.byteLength(packed) <= 40_000, `${Buffer.byteLength(packed)} bytes`);
  const words = packed.slice(0, packed.indexOf("const packed"));
  const size = Number(/slice\(0,(\d+)\)/.exec(packed)[1]);
  const bytes = new Function(`${words}; return bytes.buffer.slice(0, ${size})`)();
  assert.equal(gunzipSync(bytes).toString(), joined.trim());
});

test("nothing is loaded from elsewhere and nothing is set as markup", () => {
  for (const code of [joined, packed]) assert.doesNotMatch(code, /https?:\/\/|innerHTML|outerHTML|insertAdjacentHTML|^import /m);
});

test("the widget says what it holds, and asks when something is missing", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const url = `data:text/javascript;base64,${Buffer.from(joined).toString("base64")}`;
  const { default: make } = await import(url);
  const sent = [];
  const handlers = new Map();
  const model = {
    get: () => undefined,
    set: () => {},
    send: (message) => sent.push(message),
    on: (name, handler) => handlers.set(name, handler),
    off: (name) => handlers.delete(name),
  };
  const undo = make().initialize({ model });
  const frame = (n, key) => ({ v: 2, kind: "frame", n, key, tracks: [] });
  const hear = (head) => handlers.get("msg:custom")(head, [new ArrayBuffer(0)]);
  t.mock.timers.tick(5000);
  assert.deepEqual(sent.splice(0), [{ v: 2, kind: "ready", n: 0 }]);
  hear(frame(1, true));
  assert.deepEqual(sent.splice(0), [{ v: 2, kind: "ready", n: 1 }]);
  hear(frame(2, false));
  hear(frame(4, false));
  hear(frame(5, false));
  assert.deepEqual(sent.splice(0), [{ v: 2, kind: "ready", n: 0 }], "asked once");
  hear({ ...frame(6, true), v: 9 });
  assert.match(sent.pop().message, /v9/);
  undo();
  assert.equal(handlers.size, 0);
});
