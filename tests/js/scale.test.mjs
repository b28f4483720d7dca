import assert from "node:assert/strict";
import { test } from "node:test";

import { Scale, rangeOf, widened } from "../../nbtrack/_view/static/scale.js";
import { smoothed } from "../../nbtrack/_view/static/smooth.js";

const texts = (low, high, isLog = false, most = 5) => {
  const { values, text } = new Scale(low, high, isLog, 0, 100).ticks(most);
  return values.map(text);
};

test("ticks are round numbers, written alike", () => {
  assert.deepEqual(texts(0, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.deepEqual(texts(0, 399), ["0", "100", "200", "300"]);
  assert.deepEqual(texts(0, 1e6), ["0", "0.2M", "0.4M", "0.6M", "0.8M", "1.0M"]);
  assert.deepEqual(texts(-2e-5, 2e-5), ["-2e-5", "-1e-5", "0", "1e-5", "2e-5"]);
});

test("a log axis has its decades", () => {
  assert.deepEqual(texts(0.02, 2, true), ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]);
  assert.deepEqual(texts(1e-8, 1e4, true, 4), ["1e-6", "0.001", "1", "1000"]);
});

test("no range makes ticks without end or none that can be drawn", () => {
  const odd = [[0, 5e-324], [1, 1 + 2 ** -52], [-1e308, 1e308], [1e300, 2e300], [0, 1e-310], [5, 5.0000001]];
  for (const [low, high] of odd) {
    for (const isLog of [false, true]) {
      if (isLog && low <= 0) continue;
      const { values, text } = new Scale(low, high, isLog, 0, 100).ticks(5);
      assert.ok(values.length < 60, `${low} ${high}`);
      values.map(text);
    }
    assert.ok(new Scale(low, high, false, 0, 100).timeTicks(5, 0).values.length < 60);
  }
});

test("ticks of time are whole seconds, minutes, days", () => {
  const of = (to) => {
    const { values, text } = new Scale(0, to, false, 0, 100).timeTicks(4, 0);
    return values.map(text);
  };
  assert.deepEqual(of(190), ["0:00", "1:00", "2:00", "3:00"]);
  assert.deepEqual(of(3600 * 5), ["0:00", "2:00:00", "4:00:00"]);
  assert.deepEqual(of(86400 * 7), ["0 d", "2 d", "4 d", "6 d"]);
  assert.deepEqual(of(0.4).at(-1), "0.4 s");
});

test("a scale goes there and back", () => {
  for (const isLog of [false, true]) {
    const scale = new Scale(0.1, 30, isLog, 40, 200);
    assert.equal(Math.round(scale.at(0.1)), 40);
    assert.equal(Math.round(scale.at(30)), 200);
    assert.ok(Math.abs(scale.back(scale.at(7)) - 7) < 1e-9);
  }
});

test("the robust range leaves outliers out, the plain one none", () => {
  const values = Float32Array.from({ length: 500 }, (_, i) => (i === 77 ? 1e6 : i / 500));
  values[3] = NaN;
  const all = () => true;
  assert.equal(rangeOf(values, 500, all, false)[1], 1e6);
  assert.ok(rangeOf(values, 500, all, true)[1] < 1);
  assert.equal(rangeOf(values, 500, () => false, true), null);
  assert.deepEqual(widened([3, 3], false, 0.06).map((v) => v.toFixed(1)), ["2.7", "3.3"]);
  assert.deepEqual(widened([0, 0], false, 0.06), [-0.5, 0.5]);
});

test("running mean and Gaussian keep a constant, pass gaps over, and calm a spike", () => {
  for (const filter of ["gauss", "mean"]) {
    const flat = smoothed([4, NaN, 4, 4], 4, 0.8, filter);
    assert.ok(Number.isNaN(flat[1]));
    assert.ok(Math.abs(flat[3] - 4) < 1e-12);
    const spike = smoothed(Array.from({ length: 41 }, (_, i) => Number(i === 20)), 41, 0.8, filter);
    assert.ok(spike[20] < 0.3 && Math.abs(spike[19] - spike[21]) < 1e-12, "it leans to neither side");
  }
});

test("every day is named once where clocks are put back or forward", () => {
  const zone = process.env.TZ;
  process.env.TZ = "America/New_York";
  for (const [month, day] of [[9, 29], [2, 5]]) {
    const start = Date.UTC(2026, month, day, 16) / 1000;
    const { values, text } = new Scale(0, 7 * 86400, false, 0, 800).timeTicks(7, start);
    const days = values.map(text);
    assert.equal(new Set(days).size, days.length, days.join());
  }
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});
