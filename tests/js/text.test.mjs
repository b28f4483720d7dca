import assert from "node:assert/strict";
import { test } from "node:test";

import { smoothed } from "../../nbtrack/_view/static/smooth.js";
import { numberText, rateText, timeText } from "../../nbtrack/_view/static/text.js";

test("numbers are written as a person reads them", () => {
  const texts = [0.1 + 0.2, 3, 1234567.89, 1e-9, NaN, Infinity, -0.00012345].map(numberText);
  assert.deepEqual(texts, ["0.3", "3", "1.235e6", "1e-9", "nan", "inf", "-0.00012345"]);
});

test("times and rates", () => {
  assert.deepEqual([0, 75.9, 3675, -3].map(timeText), ["0:00", "1:15", "1:01:15", "0:00"]);
  assert.deepEqual([0.1234, 12.34, 1234.5].map(rateText), ["0.123", "12.3", "1,235"]);
});

test("smoothing starts at the first value and keeps a constant", () => {
  assert.deepEqual([...smoothed([5, 5, 5], 3, 0.9)].map((v) => v.toFixed(9)), Array(3).fill("5.000000000"));
  const [first, second] = smoothed([1, 3], 2, 0.5);
  assert.equal(first, 1);
  assert.ok(Math.abs(second - (0.25 * 1 + 0.5 * 3) / 0.75) < 1e-12);
});

test("a gap stays a gap and does not count", () => {
  const out = smoothed([2, NaN, 2], 3, 0.9);
  assert.ok(Number.isNaN(out[1]));
  assert.ok(Math.abs(out[2] - 2) < 1e-12);
});
