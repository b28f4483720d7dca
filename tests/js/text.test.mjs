import assert from "node:assert/strict";
import { test } from "node:test";

import { printed } from "./frames.mjs";
import { smoothed } from "../../nbtrack/_view/static/smooth.js";
import { numberText, rateText, singleText, timeText } from "../../nbtrack/_view/static/text.js";

test("numbers are written as the kernel writes them", () => {
  const numbers = [0.1 + 0.2, 3, -7, 1e-9, 1234567.89, 99999.96, 0.00012345678, -1.5e-5, 12.5];
  const theirs = printed(
    `from nbtrack._draw.spec import format_number\n` +
      `print(*map(format_number, ${JSON.stringify(numbers)}))`,
  );
  assert.deepEqual(numbers.map(numberText), theirs.trim().split(" "));
  assert.deepEqual([NaN, Infinity, -Infinity].map(numberText), ["nan", "inf", "-inf"]);
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

test("digits that a float32 does not have are not shown", () => {
  const shown = [123456789, -16777216, 16777215, 2.5, NaN].map(Math.fround).map(singleText);
  assert.deepEqual(shown, ["123.46M", "-16.777M", "16777215", "2.5", "nan"]);
});
