// Colours of the page, for what CSS cannot reach: the insides of a chart.

/** @typedef {{text: string, faint: string, grid: string, ground: string,
 *             font: string, isDark: boolean}} Theme */

/**
 * @param {Element} root an element of the board
 * @returns {Theme}
 */
export function themeOf(root) {
  const probe = document.createElement("i");
  root.append(probe);
  /** @param {string} name */
  const read = (name) => {
    probe.style.color = `var(--nbt-${name})`;
    return getComputedStyle(probe).color;
  };
  const theme = {
    text: read("text"),
    faint: read("faint"),
    grid: read("grid"),
    ground: read("ground"),
    font: getComputedStyle(root).fontFamily,
  };
  probe.remove();
  const [bright = 255] = theme.ground.match(/\d+/) ?? [];
  return { ...theme, isDark: Number(bright) < 128 };
}

const SETTLED_MS = 200;

/**
 * Call back when the page may have changed its colours. A new theme comes in steps:
 * a name on the body, the old style sheet gone, the new one loaded. Only what stands
 * still for a moment is worth drawing, and the last step shows as a transition.
 * @param {HTMLElement} root
 * @param {() => void} onChange
 * @param {AbortSignal} signal
 */
export function watchTheme(root, onChange, signal) {
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLED_MS);
  };
  const observer = new MutationObserver(soon);
  for (const target of [document.body, document.documentElement]) {
    observer.observe(target, { attributes: true });
  }
  root.addEventListener("transitionend", soon, { signal });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", soon, { signal });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    observer.disconnect();
  });
}
