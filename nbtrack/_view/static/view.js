// One view of a board: builds what the store holds and keeps it up to date.

import { ChartCard } from "./chart.js";
import { ConsoleTail } from "./console.js";
import { Controls } from "./controls.js";
import { button, element, keepOrder, setText } from "./dom.js";
import { DrawLoop } from "./draw.js";
import { Header, readerOf } from "./header.js";
import { MediaCard } from "./media.js";
import { SummaryTable, configTable } from "./tables.js";
import { clockText, dayText } from "./text.js";
import { themeOf, watchTheme } from "./theme.js";

const GAP_PX = 10;
const LEAST_CARD_PX = 250;
const MOST_COLUMNS = 4;
const NEAR = "150px"; // charts that are about to come into view are drawn
const HEIGHTS_PX = [100, 900];
const PINNED = "Pinned";
const MEDIA_COLUMNS = { table: 4, html: 2, plotly: 2, object3D: 2 };

/** @typedef {{name: string, root: HTMLElement, grid: HTMLElement, count: HTMLElement,
 *             tab: string, across: number, isPlain?: boolean}} Section */

/** Drawn from the store alone, so two views of a run show the same. */
export class BoardView {
  /**
   * @param {import("./store.js").Store} store
   * @param {(message: Record<string, any>) => Promise<{head: any, buffers: any[]}>} ask
   * @param {(message: string) => void} onError
   * @param {AbortSignal} signal
   */
  constructor(store, ask, onError, signal) {
    this.store = store;
    /** @type {any} */
    this.plotly = null;
    this.theme = null;
    /** @type {Map<string, any>} */
    this.cards = new Map();
    /** @type {WeakMap<Element, any>} */
    this.byRoot = new WeakMap();
    /** @type {Map<string, Section>} */
    this.sections = new Map();
    /** @type {any} */
    this.enlarged = null;
    this.columns = 1;
    /** @type {Map<string, {keys: string[], answer: Promise<any>}>} */
    this.batches = new Map();
    /** @type {Record<string, number>} */
    this.outer = { charts: 1, system: 1 }; // columns for sections of one chart
    this.tab = "charts";
    const fail = (/** @type {unknown} */ error) => {
      const message = error instanceof Error ? error.message : String(error);
      this.showError(message);
      onError(message);
    };
    this.loop = new DrawLoop(fail);
    /** @type {import("./chart.js").Context} */
    this.context = {
      store, signal,
      ask: (message) => (message.what === "detail" ? this.askTogether(message, ask) : ask(message)),
      options: store.options,
      // What the kernel answers is its own to know.
      onError: (error) => this.showError(error instanceof Error ? error.message : String(error)),
      redraw: (card) => this.draw(card),
      mark: (mark) => this.mark(mark),
      zoom: (card) => this.syncZoom(card),
      say: (text) => setText(this.said, text),
    };
    this.header = new Header(store, this.context);
    this.controls = new Controls(store, this.context, () => this.arrange());
    this.summary = new SummaryTable();
    this.console = new ConsoleTail();
    this.configText = "";
    this.error = element("p", "nbt-error");
    this.error.role = "alert";
    this.error.hidden = true;
    this.said = element("span", "nbt-said");
    this.said.role = "status";
    this.empty = element("div", "nbt-empty");
    this.summaryBox = foldable("Summary", this.summary.root).root;
    this.configBox = foldable("Config", "").root;
    this.runBox = foldable("Run", "").root;
    /** @type {Record<string, HTMLElement>} */
    this.panels = {
      charts: element("div", "nbt-sections"),
      system: element("div", "nbt-sections"),
      console: this.console.root,
      overview: element("div", "nbt-tables", this.runBox, this.summaryBox, this.configBox),
    };
    /** @type {Record<string, HTMLButtonElement>} */
    this.tabs = {};
    this.tabList = element("div", "nbt-tabs");
    this.buildTabs();
    this.dialog = /** @type {HTMLDialogElement} */ (element("dialog", "nbt-full"));
    this.dialog.onclose = () => this.enlarge(null);
    this.root = element(
      "section", "nbtrack", this.header.root, this.error, this.tabList,
      this.controls.root, this.empty, ...Object.values(this.panels), this.dialog, this.said,
    );
    this.root.ariaLabel = "nbtrack run";
    // Arrows and letters are for what has the focus here, not for the notebook's cells.
    this.root.dataset.lmSuppressShortcuts = "true";
    this.root.onkeydown = (event) => {
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    };
    this.observe(signal);
    this.update(EVERYTHING);
  }

  /** @param {AbortSignal} signal */
  observe(signal) {
    /** @param {import("./store.js").Change} change */
    const listener = (change) => this.update(change);
    this.store.listeners.add(listener);
    /** @param {Element} target */
    const cardOf = (target) => this.byRoot.get(target.closest("[data-key]") ?? target);
    this.seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const card = cardOf(target);
          if (!card) continue;
          if (isIntersecting && !card.isVisible) this.draw(card);
          if (!isIntersecting && card.isVisible) card.rest?.();
          card.isVisible = isIntersecting;
        }
        this.loop.wake();
      },
      { rootMargin: NEAR },
    );
    this.resized = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        const card = cardOf(target);
        if (card) this.draw(card);
        else this.fitColumns();
      }
    });
    this.resized.observe(this.root);
    watchTheme(this.root, () => this.retheme(), signal);
    // On paper, nothing is out of view.
    addEventListener("beforeprint", () => this.drawAll().forEach((card) => card.draw()), { signal });
    signal.addEventListener("abort", () => {
      this.store.listeners.delete(listener);
      this.seen?.disconnect();
      this.resized?.disconnect();
      cancelAnimationFrame(this.marking ?? 0);
      this.loop.stop();
      for (const card of this.cards.values()) card.remove();
      this.root.remove();
    });
    requestAnimationFrame(() => this.retheme());
  }

  buildTabs() {
    const titles = { charts: "Charts", system: "System", console: "Console", overview: "Overview" };
    this.tabList.role = "tablist";
    this.tabList.ariaLabel = "Views of the run";
    for (const [name, title] of Object.entries(titles)) {
      const tab = (this.tabs[name] = button(title, "nbt-tab", () => this.show(name)));
      tab.role = "tab";
      this.panels[name].role = name === "console" ? "log" : "tabpanel";
      this.tabList.append(tab);
    }
    this.tabList.onkeydown = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      const shown = Object.keys(this.tabs).filter((name) => !this.tabs[name].hidden);
      const next = shown[(shown.indexOf(this.tab) + by + shown.length) % shown.length];
      this.show(next);
      this.tabs[next].focus();
      event.preventDefault();
    };
  }

  /** @param {string} name of a tab */
  show(name) {
    this.tab = name;
    this.isChosen = true;
    this.updateTabs();
    if (name === "console") this.console.root.scrollTop = this.console.root.scrollHeight;
    this.arrange();
  }

  updateTabs() {
    const { layout, console, summary, card } = this.store;
    /** @type {Record<string, boolean>} */
    const has = {
      charts: layout.some((section) => section.tab !== "system"),
      system: layout.some((section) => section.tab === "system"),
      console: console.lines.length > 0,
      overview: summary.size > 0 || card.config?.length > 0 || layout.length > 0,
    };
    has.charts ||= has.system || has.console;
    const isBare = !has.charts && !summary.size;
    const fallback = has.charts || isBare ? "charts" : "overview";
    if (!has[this.tab] || !this.isChosen) this.tab = fallback;
    for (const [name, tab] of Object.entries(this.tabs)) {
      const isOn = name === this.tab;
      tab.hidden = !has[name];
      tab.ariaSelected = String(isOn);
      tab.tabIndex = isOn ? 0 : -1;
      this.panels[name].hidden = !isOn || !has[name];
    }
    this.tabList.hidden = Object.values(has).filter(Boolean).length < 2 && !has.overview;
    const hasCharts = layout.some((s) => (s.tab === "system") === (this.tab === "system"));
    const isDrawing = this.tab === "charts" || this.tab === "system";
    this.controls.root.hidden = !isDrawing || !hasCharts;
    this.controls.smoothing.hidden = this.tab === "system";
    this.empty.hidden = !isDrawing || (hasCharts && !this.isVain);
    if (!this.empty.hidden) this.showEmpty();
  }

  showEmpty() {
    const isOver = this.store.card.state && this.store.card.state !== "running";
    const call = element("code", "", 'run.log({"loss": 0.1})');
    const words = this.isVain ? [`No metric matches '${this.controls.search.value}'`] : isOver
      ? ["This run logged nothing that could be drawn."]
      : ["No data yet", "Charts appear with the first ", call, "."];
    const [title, ...rest] = words;
    this.empty.replaceChildren(element("strong", "", title), element("p", "", ...rest));
  }

  /** @param {any} plotly */
  setPlotly(plotly) {
    this.plotly = plotly;
    this.drawAll();
  }

  retheme() {
    if (!this.root.isConnected) return;
    const theme = themeOf(this.root);
    if (JSON.stringify(theme) === JSON.stringify(this.theme)) return;
    this.theme = theme;
    this.drawAll();
  }

  drawAll() {
    const cards = [...this.cards.values()];
    for (const card of cards) this.draw(card);
    return cards;
  }

  /** @param {any} card */
  draw(card) {
    card.plotly = this.plotly;
    card.theme = this.theme;
    this.loop.request(card);
  }

  /** @param {import("./store.js").Change} change */
  update(change) {
    if (change.card || change.waiting || change.kernel) this.header.update();
    else if (change.tracks?.size) this.header.tick();
    if (change.options) this.mark(null);
    if (change.card) this.updateConfig();
    if (change.summary) this.summary.update(this.store.summary);
    if (change.card || change.options) this.controls.update();
    if (change.layout || change.card || change.summary || change.console) this.updateTabs();
    if (change.console && this.tab === "console") this.console.update(this.store.console);
    if (change.layout || change.options) this.arrange();
    for (const card of this.cards.values()) {
      const { track, key } = card.place;
      if (change.options) card.left = 0;
      const isNew = change.tracks?.has(track) || change.media?.has(key);
      if (change.layout || change.options || isNew) this.draw(card);
    }
  }

  updateConfig() {
    const { card } = this.store;
    const pairs = card.config ?? [];
    const text = JSON.stringify([pairs, card.name, card.state, card.tags]);
    if (text === this.configText) return;
    this.configText = text;
    this.configBox.hidden = pairs.length === 0;
    this.configBox.replaceChildren(this.configBox.children[0], configTable(pairs));
    const { started_at: at, state, tags, directory } = card;
    /** @type {[string, string][]} */
    const facts = [
      ["Path", `${card.project}/${card.run_id}`], ["Read with", readerOf(card)],
      ["Directory", directory], ["Started", `${dayText(at)}, ${clockText(at)}`],
      ["State", state], ["Tags", tags?.join(", ")],
    ];
    this.runBox.replaceChildren(this.runBox.children[0], configTable(facts.filter(([, value]) => value)));
  }

  /** Put every card where it belongs; what is in its place is not touched. */
  arrange() {
    if (this.tab === "console") this.console.update(this.store.console);
    this.summaryBox.hidden = this.store.summary.size === 0;
    this.makeCards();
    const { pinned, isDeep, folded } = this.store.options;
    const matches = this.controls.matcher();
    /** @type {Map<string, {tab: string, name: string, cards: any[]}>} */
    const groups = new Map();
    let found = 0;
    let all = 0;
    const add = (/** @type {string} */ tab, /** @type {string} */ name, /** @type {any} */ card) => {
      const id = `${tab}/${name}`;
      if (!groups.has(id)) groups.set(id, { tab, name, cards: [] });
      groups.get(id)?.cards.push(card);
    };
    for (const key of pinned) {
      for (const kind of ["line", "media"]) {
        const card = this.cards.get(`${kind} ${key}`);
        if (card) add("charts", PINNED, card);
      }
    }
    for (const { name, tab, panels } of this.store.layout) {
      for (const place of panels) {
        const { key, title } = place;
        const card = this.cards.get(idOf(place));
        const cut = isDeep ? key.lastIndexOf("/") : -1;
        const isAway = card === this.enlarged || (pinned.includes(key) && tab !== "system");
        setText(card.title, isAway ? key : cut > 0 ? key.slice(cut + 1) : title);
        card.root.hidden = !matches(key);
        if (tab === this.tab) {
          all++;
          found += Number(!card.root.hidden);
        }
        if (!pinned.includes(key) || tab === "system") add(tab, cut > 0 ? key.slice(0, cut) : name, card);
      }
    }
    this.controls.showFound(found, all);
    this.isVain = all > 0 && !found;
    this.updateTabs();
    const isSearched = found < all;
    /** @type {Record<string, HTMLElement[]>} */
    const roots = { charts: [], system: [] };
    /** @type {Record<string, number>} */
    const singles = { charts: 0, system: 0 };
    for (const [id, { tab, name, cards }] of groups) {
      const section = this.section(id, tab, name);
      cards.sort((a, b) => Number(!a.points) - Number(!b.points)); // lines are alike in height
      const shown = cards.filter((card) => !card.root.hidden);
      const spans = shown.reduce((sum, card) => sum + ownSpan(card), 0);
      const isSized = shown.length === 1 && this.spanOf(shown[0]) !== spans;
      setText(section.count, String(shown.length));
      section.root.hidden = !shown.length;
      const isAlone = [...groups.values()].filter((group) => group.tab === tab).length === 1;
      // Sections of one chart stand side by side; few charts share the width.
      const isSingle = spans === 1 && !isAlone && !isSized && name !== PINNED;
      singles[tab] += Number(isSingle);
      section.root.classList.toggle("nbt-is-single", isSingle);
      section.root.classList.toggle("nbt-is-bare", isAlone && !name);
      section.isPlain = spans === shown.length;
      section.across = isSingle ? 1 : isSized ? MOST_COLUMNS : Math.max(spans, 2);
      section.root.toggleAttribute("open", isSearched || !folded.includes(id));
      keepOrder(section.grid, cards.filter((c) => c !== this.enlarged).map((c) => c.root));
      roots[tab].push(section.root);
    }
    for (const [id, { root }] of this.sections) {
      if (groups.has(id)) continue;
      root.remove();
      this.sections.delete(id);
    }
    for (const tab of /** @type {const} */ (["charts", "system"])) {
      keepOrder(this.panels[tab], roots[tab]);
      this.outer[tab] = Math.max(singles[tab], 2);
    }
    this.sizeAll();
  }

  makeCards() {
    const wanted = new Set();
    for (const { tab, panels } of this.store.layout) {
      for (const place of panels) {
        if (place.kind === "line") place.isTimed = tab === "system";
        const id = idOf(place);
        wanted.add(id);
        const old = this.cards.get(id);
        if (old) old.place = place;
        else this.addCard(place, tab);
      }
    }
    for (const card of this.cards.values()) if (!wanted.has(idOf(card.place))) this.removeCard(card);
  }

  /**
   * @param {import("./wire.js").Place} place
   * @param {string} tab
   */
  addCard(place, tab) {
    const card = /** @type {any} */ (this.makeCard(place));
    this.cards.set(idOf(place), card);
    this.byRoot.set(card.root, card);
    const tools = element("div", "nbt-tools");
    if (card.unzoom) tools.append(card.unzoom);
    if (tab === "charts") {
      card.pin = button("Pin to the top", "nbt-icon nbt-i-pin", () => this.togglePin(card));
      tools.append(card.pin);
    }
    card.full = button("Full screen", "nbt-icon nbt-i-full", () =>
      this.enlarge(this.enlarged === card ? null : card),
    );
    tools.append(card.full);
    const grip = button(`Resize ${place.key}: arrow keys`, "nbt-grip nbt-icon", () => {});
    this.listenToGrip(grip, card);
    const head = card.root.querySelector(".nbt-chart-head") ?? card.root;
    head.insertBefore(tools, card.value?.parentNode === head ? card.value : null);
    card.root.append(grip);
    this.seen?.observe(card.root);
    const plot = card.root.querySelector(".nbt-plot, .nbt-media");
    if (plot) this.resized?.observe(plot);
  }

  /** @param {import("./wire.js").Place} place */
  makeCard(place) {
    if (place.kind === "media") return new MediaCard(place, this.context);
    return new ChartCard(place, this.context);
  }

  /** @param {any} card */
  removeCard(card) {
    if (card === this.enlarged) this.dialog.close();
    this.seen?.unobserve(card.root);
    const plot = card.root.querySelector(".nbt-plot, .nbt-media");
    if (plot) this.resized?.unobserve(plot);
    this.loop.forget(card);
    card.remove();
    this.cards.delete(idOf(card.place));
  }

  /**
   * @param {string} id
   * @param {string} tab
   * @param {string} name
   */
  section(id, tab, name) {
    let section = this.sections.get(id);
    if (!section) {
      const grid = element("div", "nbt-grid");
      const made = foldable(name || (tab === "system" ? "Machine" : "Charts"), grid);
      section = { name, tab, grid, across: 1, ...made };
      this.sections.set(id, section);
      made.head.onclick = (event) => {
        event.preventDefault(); // the options say what is open, in all views
        const { folded } = this.store.options;
        const isFolded = folded.includes(id);
        const rest = folded.filter((one) => one !== id);
        this.store.setOptions({ folded: isFolded ? rest : [...rest, id].slice(-200) });
      };
    }
    return section;
  }

  /** @param {any} card */
  togglePin(card) {
    const { key } = card.place;
    const { pinned } = this.store.options;
    const rest = pinned.filter((one) => one !== key);
    const isPinned = rest.length < pinned.length;
    this.store.setOptions({ pinned: isPinned ? rest : [...rest, key] });
    card.pin.focus();
  }

  fitColumns() {
    const width = this.panels.charts.clientWidth || this.panels.system.clientWidth;
    if (!width) return;
    const room = Math.floor((width + GAP_PX) / (LEAST_CARD_PX + GAP_PX));
    const columns = Math.min(Math.max(room, 1), MOST_COLUMNS);
    if (columns === this.columns) return;
    this.columns = columns;
    this.sizeAll();
  }

  sizeAll() {
    const fit = (/** @type {number} */ wanted) => String(Math.min(wanted, this.columns));
    for (const [tab, wanted] of Object.entries(this.outer)) {
      this.panels[tab].style.setProperty("--nbt-outer", fit(wanted));
    }
    for (const { grid, across, isPlain } of this.sections.values()) {
      // Five as three and two, not as four and one.
      const rows = isPlain ? Math.ceil(across / this.columns) : 1;
      grid.style.setProperty("--nbt-across", fit(Math.ceil(across / rows)));
    }
    for (const card of this.cards.values()) this.size(card);
  }

  /** @param {any} card */
  spanOf(card) {
    return Number(this.store.options.sizes[card.place.key]?.[0]) || ownSpan(card);
  }

  /** @param {any} card */
  size(card) {
    const height = Number(this.store.options.sizes[card.place.key]?.[1]);
    const span = Math.min(this.spanOf(card), this.columns);
    const isPinned = this.store.options.pinned.includes(card.place.key);
    card.root.style.gridColumn = `span ${span}`;
    if (height) card.root.style.setProperty("--nbt-height", `${height}px`);
    else card.root.style.removeProperty("--nbt-height");
    if (card.pin) card.pin.ariaPressed = String(isPinned);
  }

  /** @param {any} card @param {number} span @param {number} height */
  resize(card, span, height) {
    const [least, most] = HEIGHTS_PX;
    const size = [
      Math.min(Math.max(span, 1), this.columns),
      Math.round(Math.min(Math.max(height, least), most)),
    ];
    const { sizes } = this.store.options;
    if (String(sizes[card.place.key]) === String(size)) return;
    this.store.setOptions({ sizes: { ...sizes, [card.place.key]: size } });
  }

  /** @param {HTMLButtonElement} grip @param {any} card */
  listenToGrip(grip, card) {
    const now = () => {
      const plot = card.root.querySelector(".nbt-plot") ?? card.root;
      return { span: Math.min(this.spanOf(card), this.columns), height: plot.clientHeight };
    };
    grip.onkeydown = (event) => {
      const { span, height } = now();
      const wider = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
      const higher = { ArrowDown: 24, ArrowUp: -24 }[event.key] ?? 0;
      if (!wider && !higher) return;
      event.preventDefault();
      this.resize(card, span + wider, height + higher);
    };
    grip.onpointerdown = (event) => {
      grip.setPointerCapture(event.pointerId);
      const { clientX: x, clientY: y } = event;
      const { span, height } = now();
      const width = card.root.clientWidth / span;
      grip.onpointermove = (move) => {
        const wider = Math.round((move.clientX - x) / width);
        this.resize(card, span + wider, height + move.clientY - y);
      };
      grip.onpointerup = grip.onpointercancel = () => (grip.onpointermove = null);
    };
    grip.ondblclick = () => {
      const { [card.place.key]: _, ...sizes } = this.store.options.sizes;
      this.store.setOptions({ sizes });
    };
  }

  /** One chart on the whole screen; null puts it back. @param {any} card */
  enlarge(card) {
    const old = this.enlarged;
    this.enlarged = card;
    const { full } = card ?? old ?? {};
    if (full) full.ariaLabel = full.title = card ? "Close" : "Full screen";
    if (card) {
      this.dialog.append(card.root);
      this.dialog.showModal();
    } else if (this.dialog.open) {
      this.dialog.close(); // and comes back here
      return;
    }
    this.arrange();
    full?.focus();
  }

  /** @param {import("./chart.js").Mark | null} mark */
  mark(mark) {
    cancelAnimationFrame(this.marking ?? 0);
    this.marking = requestAnimationFrame(() => {
      for (const card of this.cards.values()) if (card.isVisible) card.mark?.(mark);
    });
  }

  /** @param {any} from */
  syncZoom(from) {
    if (!this.store.options.isSynced) return;
    for (const card of this.cards.values()) {
      const isAlike = card.points?.()?.label === from.points()?.label;
      if (card === from || !isAlike) continue;
      card.setZoom(from.zoom && { ...from.zoom, y: null }, false);
    }
  }

  /**
   * Charts that are zoomed at once ask once: the kernel reads the run for every ask.
   * @param {Record<string, any>} message
   * @param {(message: Record<string, any>) => Promise<any>} ask
   */
  askTogether(message, ask) {
    const id = `${message.x} ${message.from} ${message.to}`;
    let batch = this.batches.get(id);
    if (!batch) {
      const send = () => {
        this.batches.delete(id);
        return ask({ ...message, keys });
      };
      /** @type {string[]} */
      const keys = [];
      batch = { keys, answer: Promise.resolve().then(send) };
      this.batches.set(id, batch);
    }
    batch.keys.push(...message.keys);
    return batch.answer;
  }

  /** @param {string} message */
  showError(message) {
    setText(this.error, message);
    this.error.hidden = !message;
  }
}

/** @type {import("./store.js").Change} */
const EVERYTHING = {
  card: true, layout: true, summary: true, console: true, options: true, kernel: true,
};

/** How many columns a panel needs where nobody sized it. @param {any} card */
function ownSpan(card) {
  const [kind] = (card.place.type ?? "").split("-");
  return Number(/** @type {Record<string, number>} */ (MEDIA_COLUMNS)[kind]) || 1;
}

/**
 * Numbers and media may have one key, and a metric of the run one of the machine's.
 * @param {import("./wire.js").Place} place
 */
function idOf(place) {
  return `${"isTimed" in place && place.isTimed ? "system" : place.kind} ${place.key}`;
}

/**
 * @param {string} title
 * @param {Node | string} content
 */
function foldable(title, content) {
  const count = element("span", "nbt-count");
  const head = element("summary", "", element("span", "nbt-section-name", title), count);
  const root = element("details", "nbt-section", head, content);
  root.setAttribute("open", "");
  return { root, head, count };
}
