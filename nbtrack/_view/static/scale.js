// Axes: from values to pixels, and where the ticks stand.

import { UNITS, clockText, dayText, timeText } from "./text.js";

const DAY_S = 86400;
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
];

/** @typedef {{values: number[], text: (value: number) => string}} Ticks */

/** A stretch of values on a stretch of pixels. */
export class Scale {
  /**
   * @param {number} low
   * @param {number} high above ``low``
   * @param {boolean} isLog
   * @param {number} from the pixel of ``low``
   * @param {number} to
   */
  constructor(low, high, isLog, from, to) {
    this.low = low;
    this.high = high;
    this.isLog = isLog;
    this.from = from;
    this.base = isLog ? Math.log10(low) : low;
    this.factor = (to - from) / ((isLog ? Math.log10(high) : high) - this.base);
  }

  /** @param {number} value */
  at(value) {
    const placed = this.isLog ? Math.log10(value) : value;
    return this.from + (placed - this.base) * this.factor;
  }

  /** @param {number} pixel */
  back(pixel) {
    const placed = (pixel - this.from) / this.factor + this.base;
    return this.isLog ? 10 ** placed : placed;
  }

  /**
   * @param {number} most how many ticks there is room for
   * @returns {Ticks}
   */
  ticks(most) {
    const { low, high } = this;
    if (!this.isLog) return numberTicks(low, high, most);
    const decades = Math.log10(high / low);
    const values = [];
    const stride = Math.ceil(decades / most);
    const digits = decades > most / 2 ? [1] : [1, 2, 5];
    const first = Math.floor(Math.log10(low) / stride) * stride;
    for (let power = first; power <= Math.log10(high); power += stride) {
      for (const digit of digits) {
        const value = Number(`${digit}e${power}`);
        if (value >= low && value <= high) values.push(value);
      }
    }
    if (values.length < 2) return numberTicks(low, high, most);
    return { values, text: (value) => tickText(value, value, value) };
  }

  /**
   * Ticks of seconds; with ``start``, of the clock.
   * @param {number} most
   * @param {number} start seconds since 1970, or 0
   * @returns {Ticks}
   */
  timeTicks(most, start) {
    const rough = (this.high - this.low) / most;
    if (rough < 0.2) {
      const ticks = numberTicks(this.low, this.high, most);
      return { values: ticks.values, text: (value) => `${ticks.text(value)} s` };
    }
    const step =
      TIME_STEPS.find((one) => one >= rough) ?? niceStep(rough / DAY_S) * DAY_S;
    const shift = start && start - new Date(start * 1000).getTimezoneOffset() * 60;
    const values = [];
    let at = Math.ceil((this.low + shift) / step) * step - shift;
    for (; at <= this.high; at += step) values.push(at);
    return {
      values,
      text: (value) => {
        if (!start && step >= DAY_S) return `${value / DAY_S} d`;
        if (!start) return timeText(value);
        // By its noon: midnights move where clocks are changed.
        if (step >= DAY_S) return dayText(start + value + DAY_S / 2);
        return clockText(start + value).slice(0, step < 60 ? 8 : 5);
      },
    };
  }
}

/** The next of 1, 2, 5, 10, … @param {number} rough */
function niceStep(rough) {
  const unit = 10 ** Math.floor(Math.log10(rough));
  return unit * ([1, 2, 5].find((digit) => digit * unit >= rough * 0.999) ?? 10);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} most
 * @returns {Ticks}
 */
function numberTicks(low, high, most) {
  const step = niceStep((high - low) / most);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    values.push(i * step);
    if (values.length > 50) break; // where a double cannot tell them apart
  }
  const size = Math.max(Math.abs(low), Math.abs(high));
  return { values, text: (value) => tickText(value, step, size) };
}

/**
 * @param {number} value
 * @param {number} step how finely values differ
 * @param {number} size of the largest on the axis
 */
function tickText(value, step, size) {
  const power = Math.floor(Math.log10(Math.abs(step)) + 1e-9);
  if (Math.abs(value) < step / 2) return "0";
  if (size < 1e-3 || size >= 1e15) {
    const digits = Math.floor(Math.log10(Math.abs(value)) + 1e-9) - power;
    return value.toExponential(Math.min(Math.max(digits, 0), 9));
  }
  const [unit, name] = UNITS.find(([one]) => size >= (one === 1e3 ? 1e4 : one)) ?? [1, ""];
  const shift = Math.floor(Math.log10(unit) + 1e-9);
  return (value / unit).toFixed(Math.min(Math.max(shift - power, 0), 9)) + name;
}

/**
 * Least and greatest of the values that count; null when none does.
 * @param {ArrayLike<number>} values
 * @param {number} length
 * @param {(i: number) => boolean} counts
 * @param {boolean} isRobust leave out what lies beyond the 1st and 99th hundredth
 * @returns {[number, number] | null}
 */
export function rangeOf(values, length, counts, isRobust) {
  let low = Infinity;
  let high = -Infinity;
  const kept = isRobust ? new Float64Array(length) : null;
  let n = 0;
  for (let i = 0; i < length; i++) {
    const value = values[i];
    if (!Number.isFinite(value) || !counts(i)) continue;
    if (kept) kept[n] = value;
    n++;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!n) return null;
  if (kept && n > 4) {
    const sorted = kept.subarray(0, n).sort();
    low = sorted[Math.ceil(0.01 * (n - 1))];
    high = sorted[Math.floor(0.99 * (n - 1))];
  }
  return [low, high];
}

/**
 * Some room around; a range of one value gets a size.
 * @param {[number, number]} range
 * @param {boolean} isLog
 * @param {number} share of the range on each side
 * @returns {[number, number]}
 */
export function widened([low, high], isLog, share) {
  if (isLog) {
    const factor = low === high ? 2 : (high / low) ** share;
    return [low / factor, high * factor];
  }
  const room = low === high ? Math.abs(low) * 0.1 || 0.5 : (high - low) * share;
  return [low - room, high + room];
}
