// Numbers and times as a person reads them.

/** @type {[number, string][]} */
export const UNITS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

/**
 * About five digits, as format_number in nbtrack/_draw/spec.py writes them.
 * @param {number} value
 */
export function numberText(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return roundText(value);
}

/** A float32, which does not know large integers to the last digit. @param {number} value */
export function singleText(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 2 ** 24) return String(value);
  if (size >= 1e5 && size < 1e15) return unitText(value);
  return roundText(value).replace(/e(.)0/, "e$1");
}

/** 2.99e11 → "299G", as an axis has it. @param {number} value @param {string} [gap] */
export function unitText(value, gap = "") {
  const [unit, name] = UNITS.find(([one]) => Math.abs(value) >= one) ?? [1, ""];
  return Number((value / unit).toPrecision(5)) + gap + name;
}

/** @param {number} value */
function roundText(value) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits, power] = value.toExponential(4).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 5) return String(Number(value.toPrecision(5)));
  const sign = exponent < 0 ? "-" : "+";
  return `${Number(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** @param {number} value */
export function countText(value) {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** 75 → "1:15", 3675 → "1:01:15" @param {number} seconds */
export function timeText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  const hours = Math.floor(whole / 3600);
  const [minutes, secs] = parts.map(twoDigits);
  if (hours) return `${hours}:${minutes}:${secs}`;
  return `${parts[0]}:${secs}`;
}

/** @param {number} rate */
export function rateText(rate) {
  return rate >= 100 ? countText(rate) : String(Number(rate.toPrecision(3)));
}

/** @param {number} seconds since 1970 */
export function clockText(seconds) {
  const at = new Date(seconds * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map(twoDigits).join(":");
}

/** @param {number} seconds since 1970 */
export function dayText(seconds) {
  const options = /** @type {const} */ ({ month: "short", day: "numeric" });
  return new Date(seconds * 1000).toLocaleDateString("en-US", options);
}

/** @param {number} value */
function twoDigits(value) {
  return String(value).padStart(2, "0");
}
