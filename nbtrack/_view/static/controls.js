// What a person can change without the kernel: it may be busy for hours.

import { element, setText } from "./dom.js";

let made = 0;

/**
 * @param {import("./chart.js").Options} options changed in place
 * @param {() => void} onChange
 * @param {AbortSignal} signal
 */
export function controls(options, onChange, signal) {
  const slider = /** @type {HTMLInputElement} */ (element("input"));
  Object.assign(slider, { type: "range", min: "0", max: "0.99", step: "0.01", value: "0" });
  const shown = element("output", "nbt-output", "0");
  const onSlide = () => {
    options.smoothing = Number(slider.value);
    setText(shown, slider.value);
    onChange();
  };
  slider.addEventListener("input", onSlide, { signal });

  const log = /** @type {HTMLInputElement} */ (element("input"));
  log.type = "checkbox";
  const onLog = () => {
    options.isLog = log.checked;
    onChange();
  };
  log.addEventListener("change", onLog, { signal });

  const smoothing = labelled("Smoothing", slider);
  smoothing.append(shown);
  return element("div", "nbt-controls", smoothing, labelled("Log y", log));
}

/**
 * @param {string} text
 * @param {HTMLInputElement} input
 */
function labelled(text, input) {
  input.id = `nbt-control-${++made}-${Math.random().toString(36).slice(2)}`;
  const label = element("label", "", text);
  label.setAttribute("for", input.id);
  return element("span", "nbt-control", label, input);
}
