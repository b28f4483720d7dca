// Who the run is and how far it is.

import { element, setText } from "./dom.js";
import { countText, rateText, timeText } from "./text.js";

const TICK_MS = 1000;

/** The card's facts; the elapsed time goes on by itself while the run does. */
export class Header {
  /**
   * @param {import("./store.js").Store} store
   * @param {AbortSignal} signal
   */
  constructor(store, signal) {
    this.store = store;
    this.state = element("span", "nbt-state");
    this.name = element("strong", "nbt-name");
    this.project = element("span", "nbt-project");
    this.tags = element("span", "nbt-tags");
    this.notes = element("p", "nbt-notes");
    this.facts = element("div", "nbt-facts");
    this.bar = element("div", "nbt-bar", element("div", "nbt-bar-fill"));
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", "progress");
    this.faults = element("ul", "nbt-faults");
    this.faults.setAttribute("role", "alert");
    /** @type {Map<string, HTMLElement>} */
    this.cells = new Map();
    for (const label of ["Step", "Elapsed", "Left", "Steps/s"]) {
      const value = element("span", "nbt-fact-value");
      this.cells.set(label, value);
      this.facts.append(element("span", "nbt-fact", element("span", "", label), value));
    }
    const dot = element("span", "nbt-dot");
    dot.setAttribute("aria-hidden", "true");
    const badge = element("span", "nbt-badge", dot, this.state);
    const who = element("div", "nbt-who", this.name, this.project, badge, this.tags);
    const line = element("div", "nbt-headline", who, this.facts);
    this.root = element("header", "", line, this.notes, this.bar, this.faults);
    const ticker = setInterval(() => this.tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(ticker));
  }

  get isRunning() {
    return this.store.card.state === "running";
  }

  update() {
    const card = this.store.card;
    this.root.dataset.state = card.state ?? "";
    setText(this.state, card.state ?? "");
    setText(this.name, card.name ?? "");
    setText(this.project, card.project ?? "");
    setText(this.notes, card.notes ?? "");
    this.setTexts(this.tags, "span", card.tags ?? []);
    this.setTexts(this.faults, "li", card.faults ?? []);
    this.tick();
  }

  tick() {
    const { step, total_steps: total, steps_per_s: pace } = this.store.card;
    const isStepping = this.isRunning && pace > 0;
    const hasStep = step !== null && step !== undefined;
    const done = hasStep && total ? Math.min(1, (step + 1) / total) : 0;
    const of = total ? ` / ${countText(total)}` : "";
    this.show("Step", hasStep ? countText(step) + of : "");
    this.show("Elapsed", this.elapsedText());
    this.show("Steps/s", isStepping ? rateText(pace) : "");
    const left = isStepping && total ? (total - 1 - step) / pace : NaN;
    this.show("Left", left > 0 ? timeText(left) : "");
    this.bar.hidden = !total;
    this.bar.setAttribute("aria-valuenow", String(Math.round(done * 100)));
    const fill = /** @type {HTMLElement} */ (this.bar.firstChild);
    fill.style.width = `${(done * 100).toFixed(1)}%`;
  }

  elapsedText() {
    const elapsed = this.store.card.elapsed_s;
    if (elapsed === undefined) return "";
    const since = this.isRunning ? performance.now() - this.store.cardAt : 0;
    return timeText(elapsed + since / 1000);
  }

  /**
   * @param {string} label
   * @param {string} text
   */
  show(label, text) {
    const cell = /** @type {HTMLElement} */ (this.cells.get(label));
    setText(cell, text);
    /** @type {HTMLElement} */ (cell.parentElement).hidden = !text;
  }

  /**
   * @param {HTMLElement} parent
   * @param {string} tag
   * @param {string[]} texts
   */
  setTexts(parent, tag, texts) {
    if ([...parent.children].map((c) => c.textContent).join("\n") === texts.join("\n")) {
      return;
    }
    parent.replaceChildren(...texts.map((text) => element(tag, "", text)));
  }
}
