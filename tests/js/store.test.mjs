import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../nbtrack/_view/static/store.js";
import { unpacked } from "../../nbtrack/_view/static/wire.js";
import { bytes, framesOf, printed } from "./frames.mjs";

/** What a store shows of every chart. */
function shown(store) {
  const charts = store.layout.flatMap((section) => section.charts);
  return Object.fromEntries(
    charts.map(({ key, track, series }) => {
      const { x, ys, length } = store.tracks.get(track);
      const y = [...ys[series].subarray(0, length)];
      return [key, [[...x.subarray(0, length)], y.map((v) => (Number.isNaN(v) ? null : v))]];
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
  const again = frames.flatMap(([head]) => head.tracks).filter((part) => part.epoch > 0);
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
        out.append([snapshot[0], base64.b64encode(snapshot[1]).decode()])
send()
`);
  const store = new Store();
  for (const [head, body] of frames.slice(1)) assert.ok(store.take(head, body));
  assert.deepEqual(shown(store), truth);
});

test("an unknown message is an error that names it", () => {
  const head = { v: 2, kind: "frame", n: 1, key: true, tracks: [] };
  assert.throws(() => new Store().take(head, new ArrayBuffer(0)), /frame v2/);
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
from nbtrack._view.wire import pack
head = {"v": 1, "kind": "frame", "n": 3, "key": True, "tracks": []}
print(base64.b64encode(pack((head, bytes(16)))).decode())
`);
  const { head, body } = unpacked(new DataView(bytes(packed)));
  assert.deepEqual([head.n, head.key, body.byteLength], [3, true, 16]);
});
