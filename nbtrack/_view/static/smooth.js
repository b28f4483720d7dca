// Smoothing for the eye; the data stay as they are.

/**
 * A gap stays a gap and does not count.
 * @param {ArrayLike<number>} values
 * @param {number} length
 * @param {number} weight 0 ≤ weight < 1; about 1 / (1 - weight) points are looked at
 * @param {string} [filter]
 */
export function smoothed(values, length, weight, filter = "ema") {
  if (filter !== "ema") return convolved(values, length, 1 / (1 - weight), filter);
  // Exponential moving average without the pull of the empty beginning.
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

/**
 * Running mean of ``width`` points, or Gaussian with that deviation.
 * @param {ArrayLike<number>} values
 * @param {number} length
 * @param {number} width
 * @param {string} filter
 */
function convolved(values, length, width, filter) {
  const isGauss = filter === "gauss";
  const reach = Math.round(isGauss ? 2.5 * width : width / 2);
  const weights = Array.from({ length: reach + 1 }, (_, i) =>
    isGauss ? Math.exp(-((i / width) ** 2) / 2) : 1,
  );
  const out = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    let sum = 0;
    let share = 0;
    const end = Math.min(length - 1, i + reach);
    for (let j = Math.max(0, i - reach); j <= end; j++) {
      const value = values[j];
      if (!Number.isFinite(value)) continue;
      const weight = weights[Math.abs(i - j)];
      sum += weight * value;
      share += weight;
    }
    out[i] = Number.isFinite(values[i]) ? sum / share : NaN;
  }
  return out;
}
