// Who the run is and how far it is.

import { button, element, labelled, setText } from "./dom.js";
import { countText, rateText, timeText } from "./text.js";

const TICK_MS = 1000;
const SILENCE_S = 60; // without news while running: then it is said
/** @type {Record<string, string>} */
const WHAT = {
  edit: "Your change", stop: "Stopping", axis: "The x axis", detail: "Detail",
  media: "The picture", table: "The table",
};

/** The card's facts; the elapsed time goes on by itself while the run does. */
export class Header {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./chart.js").Context} context
   */
  constructor(store, context) {
    this.store = store;
    this.context = context;
    this.state = element("span", "nbt-state");
    this.name = element("strong", "nbt-name");
    this.project = element("span", "nbt-project");
    this.tags = element("span", "nbt-tags");
    this.notes = element("p", "nbt-notes");
    this.facts = element("div", "nbt-facts");
    this.bar = element("div", "nbt-bar", element("div", "nbt-bar-fill"));
    this.bar.role = "progressbar";
    this.bar.ariaLabel = "progress";
    this.faults = element("ul", "nbt-faults");
    this.faults.role = "alert";
    this.waiting = element("p", "nbt-waiting");
    this.waiting.role = "status";
    /** @type {Map<string, HTMLElement>} */
    this.cells = new Map();
    for (const label of ["Step", "Elapsed", "Left", "Steps/s"]) {
      const value = element("span", "nbt-fact-value");
      this.cells.set(label, value);
      this.facts.append(element("span", "nbt-fact", element("span", "", label), value));
    }
    const dot = element("span", "nbt-dot");
    dot.ariaHidden = "true";
    this.badge = element("span", "nbt-badge", dot, this.state);
    this.edit = button("Edit name, tags and notes", "nbt-icon nbt-i-edit", () => this.openForm());
    this.stop = button("", "nbt-button", () => this.ask({ what: "stop" }));
    this.actions = element("div", "nbt-actions", this.stop);
    const who = element(
      "div", "nbt-who", this.name, this.edit, this.badge, this.project, this.tags,
    );
    const line = element("div", "nbt-headline", who, this.facts, this.actions);
    this.form = element("form", "nbt-form");
    this.form.hidden = true;
    this.root = element(
      "header", "", line, this.form, this.notes, this.bar, this.waiting, this.faults,
    );
    const ticker = setInterval(() => this.tick(), TICK_MS);
    context.signal.addEventListener("abort", () => clearInterval(ticker));
  }

  get isRunning() {
    return this.store.card.state === "running" && !this.store.kernel;
  }

  update() {
    const { card, kernel } = this.store;
    const isLost = kernel && card.state === "running";
    this.root.dataset.state = isLost ? "gone" : card.state ?? "";
    setText(this.state, (isLost ? kernel : card.state) ?? "");
    setText(this.name, card.name ?? "");
    setText(this.project, [card.project, card.group, card.job_type].filter(Boolean).join(" · "));
    setText(this.notes, card.notes ?? "");
    setTexts(this.tags, "span", card.tags ?? []);
    setTexts(this.faults, "li", card.faults ?? []);
    const canEdit = Boolean(card.can_edit) && !kernel;
    this.edit.hidden = !canEdit;
    if (!canEdit) this.form.hidden = true;
    this.actions.hidden = !canEdit || card.state !== "running";
    setText(this.stop, card.stop ? "Stop asked for" : "Stop after this step");
    this.stop.removeAttribute("aria-label");
    this.stop.disabled = Boolean(card.stop);
    this.stop.title = card.stop
      ? "The loop ends where it looks at run.should_stop"
      : "Makes run.should_stop true, for a loop that looks at it";
    this.updateWaiting();
    this.tick();
  }

  updateWaiting() {
    const { waiting, kernel, card } = this.store;
    const whats = [...new Set(waiting.values())].map((what) => WHAT[what] ?? what);
    const text = whats.length ? `${whats.join(", ")}: when the cell is free` : "";
    setText(this.waiting, kernel
      ? `The kernel has ended or was restarted. What was logged is on disk: ${readerOf(card)} reads it, ` +
        `nbtrack.init(id="${card.run_id}", resume="auto") goes on.`
      : text);
  }

  tick() {
    const { total_steps: total, steps_per_s: pace } = this.store.card;
    const step = this.store.lastStep;
    const isStepping = this.isRunning && pace > 0;
    const hasStep = step >= 0;
    const done = hasStep && total ? Math.min(1, (step + 1) / total) : 0;
    const shown = total && step + 1 === total ? total : step; // counted from 0
    const of = total && shown <= total ? ` / ${countText(total)}` : "";
    this.show("Step", hasStep ? countText(shown) + of : "");
    this.show("Elapsed", this.elapsedText());
    this.show("Steps/s", isStepping ? rateText(pace) : "");
    const left = isStepping && total ? (total - 1 - step) / pace : NaN;
    this.show("Left", left > 0 ? timeText(left) : "");
    this.bar.hidden = !total;
    this.bar.ariaValueNow = String(Math.round(done * 100));
    const fill = /** @type {HTMLElement} */ (this.bar.firstChild);
    fill.style.width = `${(done * 100).toFixed(1)}%`;
    const silent = (performance.now() - this.store.heardAt) / 1000;
    const isSilent = this.isRunning && this.store.heardAt && silent > SILENCE_S;
    this.badge.title = isSilent ? `nothing new for ${timeText(silent)}` : "";
    this.badge.classList.toggle("nbt-is-silent", Boolean(isSilent));
  }

  elapsedText() {
    const { card, cardAt, goneAt } = this.store;
    if (card.elapsed_s === undefined) return "";
    const until = this.store.kernel ? goneAt : performance.now();
    const since = card.state === "running" ? Math.max(0, until - cardAt) : 0;
    return timeText(card.elapsed_s + since / 1000);
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

  openForm() {
    const { card } = this.store;
    /** @type {Record<string, string>} */
    const before = { name: card.name, tags: (card.tags ?? []).join(", "), notes: card.notes ?? "" };
    const fields = Object.entries(before).map(([field, value]) => {
      const box = element(field === "notes" ? "textarea" : "input");
      const made = /** @type {HTMLInputElement} */ (box);
      made.value = value;
      made.name = field;
      return labelled(field[0].toUpperCase() + field.slice(1), made);
    });
    const save = button("Save", "nbt-button", () => {});
    save.type = "submit";
    const close = () => {
      this.form.hidden = true;
      this.edit.focus();
    };
    this.form.replaceChildren(...fields, save, button("Cancel", "nbt-link", close));
    this.form.onsubmit = (event) => {
      event.preventDefault();
      const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (
        this.form.querySelectorAll("[name]")
      );
      for (const { name: field, value } of inputs) {
        if (value === before[field]) continue;
        const tags = value.split(",").map((tag) => tag.trim()).filter(Boolean);
        this.ask({ what: "edit", field, value: field === "tags" ? tags : value });
      }
      close();
    };
    this.form.onkeydown = (event) => {
      if (event.key === "Escape") close();
    };
    this.form.hidden = false;
    this.form.querySelector("input")?.select();
  }

  /** @param {Record<string, any>} message */
  ask(message) {
    this.context.ask(message).catch(this.context.onError);
  }
}

/** The call that reads a run. @param {Record<string, any>} card */
export function readerOf({ project, run_id: id }) {
  return `nbtrack.Api().run("${project}/${id}")`;
}

/**
 * @param {HTMLElement} parent
 * @param {string} tag
 * @param {string[]} texts
 */
function setTexts(parent, tag, texts) {
  if ([...parent.children].map((c) => c.textContent).join("\n") === texts.join("\n")) return;
  parent.replaceChildren(...texts.map((text) => element(tag, "", text)));
}
