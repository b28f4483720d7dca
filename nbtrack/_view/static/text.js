// Numbers and times as a person reads them.

/** @param {number} value */
export function numberText(value) {
  if (value !== value) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) {
    const [digits, power] = value.toExponential(3).split("e");
    return `${Number(digits)}e${power.replace("+", "")}`;
  }
  return String(Number(value.toPrecision(5)));
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
  const [minutes, secs] = parts.map((part) => String(part).padStart(2, "0"));
  if (hours) return `${hours}:${minutes}:${secs}`;
  return `${parts[0]}:${secs}`;
}

/** @param {number} rate */
export function rateText(rate) {
  return rate >= 100 ? countText(rate) : String(Number(rate.toPrecision(3)));
}
