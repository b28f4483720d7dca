import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../nbtrack/_view/static/store.js";
import { unpacked } from "../../nbtrack/_view/static/wire.js";
import { bytes, framesOf, printed } from "./frames.mjs";

/** What a store shows of every chart. */
function shown(store) {
  const charts = store.layout.flatMap((section) => section.panels);
  return Object.fromEntries(
    charts.map(({ key, track, series }) => {
      const { step, axis, ys, length } = store.tracks.get(track);
      const y = [...ys[series].subarray(0, length)];
      return [key, [[...(axis ?? step).subarray(0, length)], y.map((v) => (Number.isNaN(v) ? null : v))]];
    }),
  );
}

const MANY = `
random.seed(7)
for step in range(9000):
    value = float(random.randrange(1000))
    row = {"a": value, "b": -value if step % 50 else math.nan}
    if step > 100 and step % 3 == 0:
        row["late"] = 1.0
    feed(step, **row)
    if step % 37 == 0:
        send(key=step == 0)
send()
`;

test("frames in order give the kernel's picture, through halvings and splits", () => {
  const { frames, truth } = framesOf(MANY);
  const store = new Store();
  for (const [head, body] of frames) assert.ok(store.take(head, body));
  assert.deepEqual(shown(store), truth);
  assert.equal(store.card.name, "<b>name</b>");
});

test("halving in the browser spares sending everything again", () => {
  const { frames } = framesOf(MANY);
  const again = frames.flatMap(([head]) => head.tracks ?? []).filter((part) => part.epoch > 0);
  assert.ok(again.filter((part) => part.from === 0).length <= 4, "new tracks only");
});

test("after a lost frame the picture stands still until a key frame", () => {
  const { frames, truth } = framesOf(`${MANY}\nsend(key=True)`);
  const store = new Store();
  const lost = 20;
  const taken = frames.map(([head, body], i) => i !== lost && store.take(head, body));
  const before = taken.slice(0, lost);
  assert.ok(before.every(Boolean));
  assert.ok(taken.slice(lost, -1).every((ok) => !ok));
  assert.ok(taken.at(-1));
  assert.deepEqual(shown(store), truth);
});

test("nothing is shown before the first key frame", () => {
  const { frames } = framesOf("feed(0, a=1)\nsend()");
  const store = new Store();
  assert.equal(store.take(...frames[0]), false);
  assert.equal(store.tracks.size, 0);
});

test("a snapshot taken between two frames fits in before the second", () => {
  const { frames, truth } = framesOf(`
for step in range(1500):
    feed(step, a=step)
    if step in (700, 1400):
        send(key=step == 700)
    if step == 1300:
        snapshot = board.frame(Cursor(n=cursor.n - 1), key=True)
        out.append([snapshot.head, *(base64.b64encode(b).decode() for b in snapshot.buffers)])
send()
`);
  const store = new Store();
  for (const [head, body] of frames.slice(1)) assert.ok(store.take(head, body));
  assert.deepEqual(shown(store), truth);
});

test("an unknown message is an error that names it", () => {
  const head = { v: 3, kind: "frame", n: 1, key: true, tracks: [] };
  assert.throws(() => new Store().take(head, new ArrayBuffer(0)), /frame v3/);
});

test("listeners hear what has changed", () => {
  const { frames } = framesOf("feed(0, a=1)\nsend(key=True)\nfeed(1, a=2)\nsend()");
  const store = new Store();
  const heard = [];
  store.listeners.add((change) => heard.push([change.layout, [...change.tracks]]));
  for (const [head, body] of frames) store.take(head, body);
  assert.deepEqual(heard, [[true, [0]], [false, [0]]]);
});

test("a packed frame comes apart", () => {
  const packed = printed(`
import base64
from nbtrack._view.wire import Frame, pack
head = {"v": 2, "kind": "frame", "n": 3, "key": True, "tracks": []}
print(base64.b64encode(pack(Frame(head, [bytes(16), b"abc", b"defgh"]))).decode())
`);
  const { head, buffers } = unpacked(new DataView(bytes(packed)));
  assert.deepEqual([head.n, head.key], [3, true]);
  assert.deepEqual(buffers.map((b) => Buffer.from(b).toString()), ["\0".repeat(16), "abc", "defgh"]);
});

test("steps, axis and seconds of every point agree with the kernel", () => {
  const { frames, places } = framesOf(`
axes["b"] = "epoch"
for step in range(3000):
    feed(step, a=step, b=-step, epoch=step / 10)
    if step % 301 == 0:
        send(key=step == 0)
send()
`);
  const store = new Store();
  for (const [head, body] of frames) assert.ok(store.take(head, body));
  let axes = 0;
  for (const { key, track: id } of store.layout.flatMap((section) => section.panels)) {
    const { step, axis, seconds, length } = store.tracks.get(id);
    const columns = [step, axis, seconds].filter(Boolean).map((c) => [...c.subarray(0, length)]);
    axes += Number(Boolean(axis));
    const theirs = places[key].map((c, i) => (i < places[key].length - 1 ? c : c.map(Math.fround)));
    assert.deepEqual(columns, theirs, key);
  }
  assert.equal(axes, 1);
});

const head = (n, more) => ({ v: 2, kind: "frame", n, key: n === 1, tracks: [], ...more });
const none = new ArrayBuffer(0);
const item = (buffer, size = 3) => ({
  type: "image-file", caption: "", mime: "image/png", width: 1, height: 1, size, data: null, buffer,
});
const put = (store, n, media, contents = []) =>
  store.take(head(n, { media }), none, [none, ...contents.map((size) => new Uint8Array(size))]);

test("media come by step, and a step that is told again keeps its content", () => {
  const store = new Store();
  put(store, 1, [{ key: "img", step: 9, seconds: 1, items: [item(1)] }], [3]);
  put(store, 2, [{ key: "img", step: 4, seconds: 0, items: [item(-1)] }]);
  const { steps } = store.media.get("img");
  assert.deepEqual(steps.map((s) => [s.step, Boolean(s.items[0].url)]), [[4, false], [9, true]]);
  const { url } = steps[1].items[0];
  store.take({ ...head(3), key: true, media: [{ key: "img", step: 9, seconds: 1, items: [item(-1)] }] }, none);
  assert.equal(store.media.get("img").steps[1].items[0].url, url);
  put(store, 4, [{ key: "img", step: 9, seconds: 1, items: [item(1, 5)] }], [5]);
  assert.notEqual(store.media.get("img").steps[1].items[0].url, url, "another content");
});

test("contents beyond the budget go, the oldest first; their steps stay known", () => {
  const store = new Store();
  for (let n = 1; n <= 10; n++) {
    put(store, n, [{ key: "img", step: n, seconds: n, items: [item(1, 6e6)] }], [6e6]);
  }
  const { steps } = store.media.get("img");
  assert.deepEqual(steps.map((s) => Boolean(s.items[0].url)), [...Array(5).fill(false), ...Array(5).fill(true)]);
});

test("media of a panel that is gone are let go", (t) => {
  const revoked = t.mock.method(URL, "revokeObjectURL");
  const store = new Store();
  put(store, 1, [{ key: "img", step: 1, seconds: 1, items: [item(1)] }], [3]);
  store.take(head(2, { layout: [] }), none);
  assert.equal(store.media.size, 0);
  assert.equal(revoked.mock.callCount(), 1);
});

test("console lines replace those from their number on, and 500 are kept", () => {
  const store = new Store();
  const tell = (n, from, lines) => store.take(head(n, { console: { from, lines } }), none);
  const lines = (from, to) => Array.from({ length: to - from }, (_, i) => ["out", String(from + i)]);
  tell(1, 0, lines(0, 400));
  tell(2, 399, [["out", "399 again"], ...lines(400, 700)]);
  assert.equal(store.console.from, 200);
  assert.equal(store.console.lines.length, 500);
  assert.deepEqual(store.console.lines[199], ["out", "399 again"]);
  tell(3, 5000, lines(5000, 5001)); // after a pause, the lines between are gone
  assert.deepEqual([store.console.from, store.console.lines], [5000, [["out", "5000"]]]);
});

test("choices are kept for the project, and nothing else is taken from storage", (t) => {
  const held = new Map();
  globalThis.localStorage = {
    getItem: (name) => held.get(name) ?? null,
    setItem: (name, text) => held.set(name, text),
  };
  t.after(() => delete globalThis.localStorage);
  const store = new Store();
  store.card = { project: "digits" };
  store.setOptions({ smoothing: 0.7, pinned: ["loss"] });
  held.set("nbtrack:digits", JSON.stringify({ ...JSON.parse(held.get("nbtrack:digits")), isLog: "yes", evil: 1, sizes: [] }));
  const next = new Store();
  next.card = { project: "digits" };
  next.remember();
  assert.deepEqual([next.options.smoothing, next.options.pinned, next.options.isLog], [0.7, ["loss"], false]);
  assert.deepEqual([next.options.sizes, "evil" in next.options], [{}, false]);
  globalThis.localStorage = { getItem() { throw new Error("denied"); }, setItem() { throw new Error("denied"); } };
  next.setOptions({ smoothing: 0.1 });
  next.remember();
  assert.equal(next.options.smoothing, 0.1);
});

test("a metric that is not shown does not hold the others up", () => {
  const { frames } = framesOf(`
rules.hidden = lambda key: key == "epoch"
axes["loss"] = "epoch"
for step in range(40):
    late = {"late": 1.0} if step > 20 else {}
    feed(step, loss=1.0 * step, epoch=2.0 * step, **late)
    send(key=step in (0, 10))
`);
  const store = new Store();
  assert.ok(frames.map(([head, body]) => store.take(head, body)).every(Boolean));
});
