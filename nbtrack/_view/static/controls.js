// What a person can change without the kernel: it may be busy for hours.

import { button, element, labelled, setText } from "./dom.js";

/** @type {[string, string][]} */
const FILTERS = [["ema", "Exponential"], ["gauss", "Gaussian"], ["mean", "Running mean"]];
/** @type {[string, string][]} */
const AXES = [
  ["", "As logged"], ["step", "Step"], ["time", "Relative time"], ["wall", "Wall time"],
];
/** @type {["isLog" | "isLogX" | "isRobust" | "isSynced" | "isDeep", string][]} */
const SWITCHES = [
  ["isLogX", "Log x"],
  ["isRobust", "Ignore outliers"],
  ["isSynced", "Zoom all charts together"],
  ["isDeep", "Group by all parts of a name"],
];

/** Search, smoothing, axes; every view of a board shows the same choices. */
export class Controls {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./chart.js").Context} context
   * @param {() => void} onSearch
   */
  constructor(store, context, onSearch) {
    this.store = store;
    this.onSearch = onSearch;
    this.search = input("search", onSearch);
    this.search.placeholder = "Search metrics";
    this.search.ariaLabel = "Search metrics";
    this.hint = element("span", "nbt-hint");
    this.hint.role = "status";
    this.slider = input("range", () => set({ smoothing: Number(this.slider.value) }));
    Object.assign(this.slider, { min: "0", max: "0.99", step: "0.01" });
    this.shown = element("output", "nbt-output");
    /** @param {Partial<import("./store.js").Options>} changed */
    const set = (changed) => store.setOptions(changed);
    this.filter = choice(FILTERS, (filter) => set({ filter }));
    this.x = choice(AXES, (value) => {
      const metric = value.startsWith(":") ? value.slice(1) : "";
      set({ x: metric ? "" : value });
      if (metric === (store.card.x ?? "")) return;
      context.ask({ what: "axis", x: metric }).catch(context.onError);
    });
    this.metrics = /** @type {HTMLOptGroupElement} */ (element("optgroup"));
    this.metrics.label = "Metrics";
    this.metricsText = "";
    /** @type {Map<string, HTMLInputElement>} */
    this.switches = new Map();
    const [log, ...more] = /** @type {typeof SWITCHES} */ ([["isLog", "Log y"], ...SWITCHES]).map(
      ([name, text]) => {
        const box = input("checkbox", () => set({ [name]: box.checked }));
        this.switches.set(name, box);
        return labelled(text, box);
      },
    );
    const reset = button("Reset order, sizes and pins", "nbt-link", () =>
      set({ pinned: [], sizes: {}, folded: [] }),
    );
    const gear = element("summary", "nbt-icon nbt-i-gear");
    gear.ariaLabel = "Settings";
    gear.title = "Settings";
    const filter = labelled("Smoothing by", this.filter);
    this.menu = element(
      "details", "nbt-menu", gear, element("div", "nbt-menu-box", filter, ...more, reset),
    );
    this.menu.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      this.menu.removeAttribute("open");
      gear.focus();
    };
    this.smoothing = labelled("Smoothing", this.slider);
    this.smoothing.append(this.shown);
    this.root = element(
      "div", "nbt-controls",
      element("span", "nbt-search", this.search, this.hint),
      this.smoothing, labelled("X axis", this.x), log, this.menu,
    );
    const close = (/** @type {Event} */ event) => {
      if (!this.menu.contains(/** @type {Node} */ (event.target))) this.menu.removeAttribute("open");
    };
    document.addEventListener("pointerdown", close, { signal: context.signal });
    this.update();
  }

  update() {
    const { options, card } = this.store;
    const weight = String(options.smoothing);
    if (this.slider.value !== weight) this.slider.value = weight;
    setText(this.shown, weight);
    this.filter.value = options.filter;
    for (const [name, box] of this.switches) box.checked = Boolean(/** @type {any} */ (options)[name]);
    const names = /** @type {string[]} */ (card.x_axes ?? []);
    const all = card.x && !names.includes(card.x) ? [card.x, ...names] : names;
    if (this.metricsText !== all.join("\n")) {
      this.metricsText = all.join("\n");
      this.metrics.replaceChildren(...all.map((name) => optionOf(`:${name}`, name)));
      if (all.length) this.x.append(this.metrics);
      else this.metrics.remove();
    }
    this.x.value = options.x || (card.x ? `:${card.x}` : "");
  }

  /** Which keys are looked for. @returns {(key: string) => boolean} */
  matcher() {
    const text = this.search.value.trim();
    let pattern = null;
    try {
      pattern = new RegExp(text, "i");
    } catch {
      // Gently: half of an expression is typed first.
    }
    this.isPlain = Boolean(text) && !pattern;
    const plain = text.toLowerCase();
    return (key) => (pattern ? pattern.test(key) : key.toLowerCase().includes(plain));
  }

  /** @param {number} found @param {number} all */
  showFound(found, all) {
    const how = this.isPlain ? "not a pattern, so the text itself: " : "";
    setText(this.hint, this.search.value.trim() && `${how}${found} of ${all}`);
  }
}

/**
 * @param {string} type
 * @param {() => void} onInput
 */
function input(type, onInput) {
  const made = /** @type {HTMLInputElement} */ (element("input"));
  made.type = type;
  made.oninput = onInput;
  return made;
}

/**
 * @param {string} value
 * @param {string} text
 */
function optionOf(value, text) {
  const made = /** @type {HTMLOptionElement} */ (element("option", "", text));
  made.value = value;
  return made;
}

/**
 * @param {[string, string][]} options
 * @param {(value: string) => void} onChange
 */
function choice(options, onChange) {
  const made = /** @type {HTMLSelectElement} */ (element("select"));
  made.append(...options.map(([value, text]) => optionOf(value, text)));
  made.onchange = () => onChange(made.value);
  return made;
}
