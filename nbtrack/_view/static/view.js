// One view of a board: builds what the store holds and keeps it up to date.

import { ChartCard } from "./chart.js";
import { controls } from "./controls.js";
import { element, setText } from "./dom.js";
import { DrawLoop } from "./draw.js";
import { Header } from "./header.js";
import { SummaryTable, configTable } from "./tables.js";
import { themeOf, watchTheme } from "./theme.js";

const EMPTY = "No data yet. Log something: ";

/** Drawn from the store alone, so two views of a run show the same. */
export class BoardView {
  /**
   * @param {import("./store.js").Store} store
   * @param {(message: string) => void} onError
   * @param {AbortSignal} signal
   */
  constructor(store, onError, signal) {
    this.store = store;
    this.options = { smoothing: 0, isLog: false };
    /** @type {any} */
    this.plotly = null;
    this.theme = null;
    /** @type {Map<string, ChartCard>} */
    this.cards = new Map();
    /** @type {Map<string, {root: HTMLElement, grid: HTMLElement, count: HTMLElement}>} */
    this.sections = new Map();
    this.loop = new DrawLoop((error) => {
      this.showError(String(error));
      onError(String(error));
    });
    this.header = new Header(store, signal);
    this.summary = new SummaryTable();
    this.configText = "";
    this.error = element("p", "nbt-error");
    this.error.setAttribute("role", "alert");
    this.error.hidden = true;
    const call = element("code", "", 'run.log({"loss": 0.1})');
    this.empty = element("p", "nbt-empty", EMPTY, call);
    this.controls = controls(this.options, () => this.drawAll(), signal);
    this.charts = element("div", "nbt-sections");
    this.summaryBox = foldable("Summary", this.summary.root).root;
    const config = foldable("Config", "");
    this.configBox = config.root;
    this.configBox.removeAttribute("open");
    this.tables = element("div", "nbt-tables", this.summaryBox, this.configBox);
    this.root = element(
      "section", "nbtrack", this.header.root, this.error, this.empty,
      this.controls, this.charts, this.tables,
    );
    this.root.setAttribute("aria-label", "nbtrack run");
    this.observe(signal);
    this.update(EVERYTHING);
  }

  /** @param {AbortSignal} signal */
  observe(signal) {
    /** @param {import("./store.js").Change} change */
    const listener = (change) => this.update(change);
    this.store.listeners.add(listener);
    this.seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const card = this.cards.get(/** @type {HTMLElement} */ (target).dataset.key ?? "");
        if (card) card.isVisible = isIntersecting;
      }
      this.loop.wake();
    });
    this.resized = new ResizeObserver(() => this.drawAll());
    this.resized.observe(this.charts);
    watchTheme(this.root, () => this.retheme(), signal);
    signal.addEventListener("abort", () => {
      this.store.listeners.delete(listener);
      this.seen?.disconnect();
      this.resized?.disconnect();
      this.loop.stop();
      for (const card of this.cards.values()) card.remove();
      this.root.remove();
    });
  }

  /** @param {any} plotly */
  setPlotly(plotly) {
    this.plotly = plotly;
    this.retheme();
    this.drawAll();
  }

  retheme() {
    if (!this.root.isConnected) {
      requestAnimationFrame(() => this.root.isConnected && this.retheme());
      return;
    }
    const theme = themeOf(this.root);
    const isNew = JSON.stringify(theme) !== JSON.stringify(this.theme);
    this.theme = theme;
    // While style sheets change, a chart may have been drawn into a passing width.
    const isOff = [...this.cards.values()].some((card) => !card.fits);
    if (isNew || isOff) this.drawAll();
  }

  drawAll() {
    for (const card of this.cards.values()) this.draw(card);
  }

  /** @param {ChartCard} card */
  draw(card) {
    card.plotly = this.plotly;
    card.theme = this.theme;
    this.loop.request(card);
  }

  /** @param {import("./store.js").Change} change */
  update(change) {
    if (change.layout) this.arrange();
    if (change.card) {
      this.header.update();
      this.updateConfig();
    }
    if (change.summary) this.summary.update(this.store.summary);
    this.empty.hidden = this.cards.size > 0 || this.store.summary.size > 0;
    this.controls.hidden = this.cards.size === 0;
    this.summaryBox.hidden = this.store.summary.size === 0;
    for (const card of this.cards.values()) {
      if (change.layout || change.tracks.has(card.place.track)) this.draw(card);
    }
  }

  updateConfig() {
    const pairs = this.store.card.config ?? [];
    const text = JSON.stringify(pairs);
    if (text === this.configText) return;
    this.configText = text;
    this.configBox.hidden = pairs.length === 0;
    this.configBox.replaceChildren(this.configBox.children[0], configTable(pairs));
  }

  /** Keep the charts there are, where they are; add new ones at the end. */
  arrange() {
    const wanted = new Set();
    for (const { name, charts } of this.store.layout) {
      const section = this.section(name);
      setText(section.count, String(charts.length));
      for (const place of charts) {
        wanted.add(place.key);
        const old = this.cards.get(place.key);
        if (old && old.place.x_title === place.x_title) {
          old.place = place;
        } else {
          old?.remove();
          this.addCard(place, section.grid);
        }
      }
    }
    for (const [key, card] of this.cards) {
      if (wanted.has(key)) continue;
      this.seen?.unobserve(card.root);
      this.loop.forget(card);
      card.remove();
      this.cards.delete(key);
    }
    for (const { root, grid } of this.sections.values()) {
      root.hidden = grid.childElementCount === 0;
    }
  }

  /**
   * @param {import("./wire.js").ChartPlace} place
   * @param {HTMLElement} grid
   */
  addCard(place, grid) {
    const card = new ChartCard(place, this.store, this.options);
    this.cards.set(place.key, card);
    grid.append(card.root);
    this.seen?.observe(card.root);
  }

  /** @param {string} name */
  section(name) {
    let section = this.sections.get(name);
    if (!section) {
      const grid = element("div", "nbt-grid");
      section = { grid, ...foldable(name || "Charts", grid) };
      this.sections.set(name, section);
      // Charts without a section come first, whenever they came.
      if (name) this.charts.append(section.root);
      else this.charts.prepend(section.root);
    }
    return section;
  }

  /** @param {string} message */
  showError(message) {
    setText(this.error, message);
    this.error.hidden = false;
  }
}

/** @type {import("./store.js").Change} */
const EVERYTHING = { card: true, layout: true, summary: true, tracks: new Set() };

/**
 * @param {string} title
 * @param {Node | string} content
 */
function foldable(title, content) {
  const count = element("span", "nbt-count");
  const head = element("summary", "", element("span", "nbt-section-name", title), count);
  const root = element("details", "nbt-section", head, content);
  root.setAttribute("open", "");
  return { root, count };
}
