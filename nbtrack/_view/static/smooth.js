// Smoothing for the eye; the data stay as they are.

/**
 * Exponential moving average without the pull of the empty beginning. A gap stays a
 * gap and does not count.
 * @param {ArrayLike<number>} values
 * @param {number} length
 * @param {number} weight of what was, 0 ≤ weight < 1
 */
export function smoothed(values, length, weight) {
  const out = new Float64Array(length);
  let sum = 0;
  let share = 0;
  for (let i = 0; i < length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) {
      out[i] = NaN;
      continue;
    }
    sum = weight * sum + (1 - weight) * value;
    share = weight * share + (1 - weight);
    out[i] = sum / share;
  }
  return out;
}
