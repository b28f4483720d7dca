// One key's pictures, sounds, pages, clouds, figures or tables, with a slider of steps.
//
// What is drawn follows from the store and a few choices of the reader: the step, the
// page of a gallery, what is laid over a picture. Contents that are not at hand are
// asked for once the slider rests. A page of the user's goes into a frame that has
// neither our origin nor the network.

import { TableView, player, sandboxed } from "./datatable.js";
import { button, element, setText } from "./dom.js";
import { countText, numberText } from "./text.js";

const PAGE_ITEMS = 24; // on the whole screen; else two rows
const REST_MS = 120; // of the slider, before contents are asked for
const PATIENCE_MS = 1000;
const TINY_PX = 96; // pictures below it are drawn larger, their pixels sharp
const BUSY = "when the cell is free";
const THUMB_PX = 512; // of the longer side, as shown.py sends pictures
const MOST_FULL = 8; // items of a gallery that are asked for in full
const FULL = " in full";

/** @typedef {import("./store.js").Item} Item */

/** A title, the objects of one step, and a slider. */
export class MediaCard {
  /**
   * @param {import("./wire.js").MediaPlace} place
   * @param {import("./chart.js").Context} context
   */
  constructor(place, context) {
    this.place = place;
    this.context = context;
    this.isVisible = false;
    /** @type {any} */
    this.plotly = null;
    /** @type {import("./theme.js").Theme | null} */
    this.theme = null;
    this.at = -1; // the step that is shown; beyond the last: the latest
    this.from = 0; // of a gallery
    this.solo = -1; // the one item that is enlarged
    /** @type {Set<string>} names of boxes and masks that are switched off */
    this.off = new Set();
    this.drawn = ""; // what the stage shows, in short
    this.asked = ""; // what was asked for last
    this.isGone = false;
    this.timer = 0;
    /** @type {(() => void)[]} undo what the stage holds */
    this.undo = [];

    this.title = element("span", "nbt-title", place.title);
    this.title.title = place.key;
    this.value = element("span", "nbt-value");
    this.stage = element("div", "nbt-media");
    this.note = element("div", "nbt-media-note");
    this.note.role = "status";
    this.slider = /** @type {HTMLInputElement} */ (element("input", "nbt-media-slider"));
    this.slider.type = "range";
    this.slider.min = "0";
    this.slider.ariaLabel = `Step of ${place.key}`;
    this.slider.oninput = () => this.go(Number(this.slider.value));
    this.switches = element("div", "nbt-media-switches");
    this.pager = element("div", "nbt-media-pager");
    const head = element("div", "nbt-chart-head", this.title, this.value);
    this.root = element(
      "figure", "nbt-chart nbt-media-card",
      head, this.stage, this.note, this.switches, this.pager, this.slider,
    );
    this.root.dataset.key = place.key;
    // The arrow keys move the slider, not the notebook's cells.
    this.root.dataset.lmSuppressShortcuts = "true";
  }

  get steps() {
    return this.context.store.media.get(this.place.key)?.steps ?? [];
  }

  /** @param {number} at */
  go(at) {
    const last = this.steps.length - 1;
    this.at = at >= last ? -1 : this.steps[at].step;
    this.draw();
  }

  /** The number of the step that is shown: the one chosen, else the latest. */
  get index() {
    const { steps } = this;
    const found = this.at < 0 ? -1 : steps.findIndex(({ step }) => step >= this.at);
    return found < 0 ? steps.length - 1 : found;
  }

  draw() {
    const { steps, index } = this;
    const entry = steps[index];
    if (!entry) return;
    // Players are the browser's own, light or dark as they are told.
    this.root.style.colorScheme = this.theme?.isDark ? "dark" : "light";
    this.slider.hidden = steps.length < 2;
    this.slider.max = String(steps.length - 1);
    this.slider.value = String(index);
    this.slider.ariaValueText = `step ${entry.step}`;
    const many = entry.items.length > 1 ? `${countText(entry.items.length)} · ` : "";
    setText(this.value, `${many}step ${countText(entry.step)}`);
    if (this.solo >= entry.items.length) this.solo = -1;
    if (this.from >= entry.items.length) this.from = 0;
    const isSolo = this.solo >= 0;
    const from = isSolo ? this.solo : this.from;
    this.count = this.pageSize(entry.items[0]);
    const items = entry.items.slice(from, isSolo ? from + 1 : from + this.count);
    this.drawPager(entry.items.length, isSolo);
    this.drawSwitches(items);
    const missing = !entry.items.length || items.some((item) => !isWhole(item));
    if (missing) this.fetch(entry);
    else if (!this.asked.endsWith(FULL)) this.settle();
    const names = items.map((item) => `${item.url}${item.size}${JSON.stringify(item.data)?.length}`);
    const theme = items.some(({ type }) => DRAWN.has(type)) ? JSON.stringify(this.theme) : "";
    const heat = this.place.type === "histogram" ? steps.length : 0;
    const state = [
      entry.step, from, isSolo, heat, theme, Boolean(this.plotly), [...this.off], ...names,
    ].join("\n");
    // A picture that is on its way leaves the one before it in its place.
    const isPoorer = missing && this.stage.childElementCount && items.every((i) => !i.url && !i.data);
    if (state === this.drawn || isPoorer) return;
    this.drawn = state;
    this.clear();
    const nodes = items.map((item, i) => this.item(item, entry, from + i));
    this.stage.classList.toggle("nbt-is-gallery", nodes.length > 1);
    this.stage.replaceChildren(...nodes);
    for (const node of nodes) /** @type {any} */ (node).nbtDraw?.();
  }

  /** How many of a gallery are seen at once; media.css has the widths. @param {Item} [item] */
  pageSize(item) {
    if (this.root.closest("dialog")) return PAGE_ITEMS;
    const least = item?.type === "image-file" ? 96 : 268;
    return Math.min(PAGE_ITEMS, 2 * Math.max(1, Math.floor((this.stage.clientWidth + 8) / least)));
  }

  clear() {
    for (const undo of this.undo.splice(0)) undo();
  }

  // -- contents that are not at hand ---------------------------------------------

  /** @param {import("./store.js").MediaStep} entry @param {boolean} [full] */
  fetch(entry, full = false) {
    const name = `${entry.step}${full ? FULL : ""}`;
    if (this.asked === name) return;
    this.asked = name;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(entry, name, full), REST_MS);
  }

  /**
   * @param {import("./store.js").MediaStep} entry
   * @param {string} name
   * @param {boolean} full
   */
  async ask(entry, name, full) {
    const { key } = this.place;
    const { step, seconds } = entry;
    const { store, ask } = this.context;
    const busy = setTimeout(() => setText(this.note, BUSY), PATIENCE_MS);
    try {
      const { head, buffers } = await ask({ what: "media", key, step, full });
      if (this.isGone) return;
      if (full) entry.items.forEach((item) => store.drop(item));
      store.takeMedia({ key, step, seconds, items: head.items }, buffers);
      if (this.asked === name) this.settle();
      store.tell({ media: new Set([key]) });
    } catch (error) {
      if (this.asked === name) setText(this.note, error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(busy);
    }
  }

  settle() {
    clearTimeout(this.timer);
    this.asked = "";
    setText(this.note, "");
  }

  // -- what is around the objects ------------------------------------------------

  /** @param {number} count @param {boolean} isSolo */
  drawPager(count, isSolo) {
    const size = isSolo ? 1 : this.count;
    const at = isSolo ? this.solo : this.from;
    const state = `${count} ${at} ${size}`;
    if (this.pager.dataset.state === state) return;
    this.pager.dataset.state = state;
    this.pager.hidden = !isSolo && count <= size;
    if (this.pager.hidden) return;
    const turn = (/** @type {number} */ to) => () => {
      if (isSolo) this.solo = to;
      else this.from = to;
      this.draw();
    };
    const back = button("‹", "nbt-button", turn(Math.max(0, at - size)));
    const on = button("›", "nbt-button", turn(at + size));
    back.ariaLabel = "Previous";
    on.ariaLabel = "Next";
    /** @type {HTMLButtonElement} */ (back).disabled = at === 0;
    /** @type {HTMLButtonElement} */ (on).disabled = at + size >= count;
    const last = Math.min(at + size, count);
    const told = isSolo ? `${at + 1} of ${count}` : `${at + 1}–${last} of ${countText(count)}`;
    const nodes = [back, element("span", "", told), on];
    if (isSolo) nodes.push(button("All", "nbt-button", turn(-1)));
    this.pager.replaceChildren(...nodes);
  }

  /** @param {Item[]} items */
  drawSwitches(items) {
    const names = new Set();
    for (const { data } of items) {
      for (const mask of data?.masks ?? []) names.add(mask.name);
      for (const box of data?.boxes ?? []) if (box.set) names.add(box.set);
    }
    const state = [...names, "|", ...this.off].join("\n");
    if (this.switches.dataset.state === state) return;
    this.switches.dataset.state = state;
    const nodes = [...names].map((name) => {
      const input = /** @type {HTMLInputElement} */ (element("input"));
      input.type = "checkbox";
      input.checked = !this.off.has(name);
      input.onchange = () => {
        if (input.checked) this.off.delete(name);
        else this.off.add(name);
        this.draw();
      };
      return element("label", "", input, ` ${name}`);
    });
    const focused = this.switches.contains(document.activeElement)
      ? [...this.switches.querySelectorAll("input")].indexOf(/** @type {any} */ (document.activeElement))
      : -1;
    this.switches.replaceChildren(...nodes);
    this.switches.querySelectorAll("input")[focused]?.focus();
  }

  // -- objects -------------------------------------------------------------------

  /**
   * @param {Item} item
   * @param {import("./store.js").MediaStep} entry
   * @param {number} i
   */
  item(item, entry, i) {
    const box = element("div", "nbt-media-item");
    box.dataset.type = item.type;
    const error = item.data?.error;
    const node = !isWhole(item) ? placeholder(item) : this.node(item, entry, i);
    if (node) {
      box.append(node);
      /** @type {any} */ (box).nbtDraw = /** @type {any} */ (node).nbtDraw;
    }
    if (error) box.append(element("div", "nbt-media-error", error));
    const { hosts } = item.data ?? {};
    if (hosts) box.append(element("div", "nbt-media-caption", `asks for ${hosts.join(", ")}, which is not fetched`));
    if (item.caption) box.append(element("div", "nbt-media-caption", item.caption));
    return box;
  }

  /**
   * @param {Item} item
   * @param {import("./store.js").MediaStep} entry
   * @param {number} i
   * @returns {HTMLElement | null}
   */
  node(item, entry, i) {
    if (item.mime === "image/gif" && item.url) return this.picture(item, entry, i);
    switch (item.type) {
      case "image-file": return item.url ? this.picture(item, entry, i) : null;
      case "audio-file":
      case "video-file": return item.url ? player(item, item.type.slice(0, 5)) : null;
      case "html-file":
      case "bokeh-file": return item.url ? this.frame(item) : null;
      case "histogram": return this.histogram(item);
      case "plotly-file": return item.url ? this.figure(item, figureOf) : null;
      case "object3D-file": return item.url ? this.figure(item, spaceOf) : null;
      case "molecule-file": return item.data?.places ? this.figure(item, moleculeOf) : null;
      case "table-file": return item.data?.rows ? this.table(item, entry, i) : null;
    }
    return element("div", "nbt-media-error", `${item.type} cannot be shown`);
  }

  /**
   * @param {Item} item
   * @param {import("./store.js").MediaStep} entry
   * @param {number} i
   */
  picture(item, entry, i) {
    const image = /** @type {HTMLImageElement} */ (element("img"));
    image.decoding = "async";
    image.alt = item.caption || `${this.place.key}, step ${entry.step}`;
    image.src = item.url ?? "";
    const layers = element("div", "nbt-media-picture", image);
    const { width, height } = item;
    if (width && height) layers.style.aspectRatio = `${width} / ${height}`;
    const isTiny = width && Math.max(width, height) <= TINY_PX;
    layers.classList.toggle("nbt-is-tiny", Boolean(isTiny));
    if (width) layers.style.width = isTiny ? "" : `${width}px`;
    for (const mask of item.data?.masks ?? []) {
      if (this.off.has(mask.name) || !/^data:image\/png;base64,/.test(mask.url)) continue;
      const layer = /** @type {HTMLImageElement} */ (element("img", "nbt-media-mask"));
      layer.src = mask.url;
      layer.alt = "";
      layers.append(layer);
    }
    for (const box of item.data?.boxes ?? []) {
      if (box.set && this.off.has(box.set)) continue;
      const [left, top, right, bottom] = box.at;
      const mark = element("div", "nbt-media-box", element("span", "", box.text));
      mark.style.setProperty("--nbt-box", box.color);
      mark.style.inset = `${top * 100}% ${(1 - right) * 100}% ${(1 - bottom) * 100}% ${left * 100}%`;
      layers.append(mark);
    }
    layers.tabIndex = 0;
    layers.role = "button";
    layers.ariaLabel = `Enlarge ${image.alt}`;
    const enlarge = () => {
      const isLarge = this.solo === i;
      this.solo = isLarge ? -1 : i;
      const isSmall = Math.max(width, height) > THUMB_PX && entry.items.length <= MOST_FULL;
      if (!isLarge && isSmall) this.fetch(entry, true);
      this.draw();
    };
    layers.onclick = enlarge;
    layers.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      enlarge();
    };
    return layers;
  }

  /** @param {Item} item */
  frame(item) {
    const frame = sandboxed(textOf(item), item.caption || this.place.key);
    frame.className = "nbt-media-frame";
    return frame;
  }

  /** Bars of one step; of several steps, a heat map above them. @param {Item} item */
  histogram(item) {
    const { bins, counts } = item.data;
    const canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "nbt-media-bars"));
    canvas.role = "img";
    const [low, high] = [bins[0], bins.at(-1)];
    canvas.ariaLabel = counts.length
      ? `histogram from ${numberText(low)} to ${numberText(high)}` : "no values";
    canvas.onclick = (event) => {
      const { steps } = this;
      const share = event.offsetX / canvas.clientWidth;
      if (event.offsetY < canvas.clientHeight / 2 && steps.length > 1 && this.solo < 0) {
        this.go(Math.min(Math.floor(share * steps.length), steps.length - 1));
      }
    };
    /** @type {any} */ (canvas).nbtDraw = () => drawHistogram(canvas, this, item);
    const resized = new ResizeObserver(() => drawHistogram(canvas, this, item));
    resized.observe(canvas);
    this.undo.push(() => resized.disconnect());
    return canvas;
  }

  /**
   * @param {Item} item
   * @param {(item: Item, theme: any) => Promise<any>} make
   */
  figure(item, make) {
    const plot = element("div", "nbt-media-figure");
    const { plotly } = this;
    if (!plotly) {
      plot.textContent = "…";
      return plot;
    }
    const fit = () => plot.clientWidth && plotly.Plots?.resize?.(plot);
    const resized = new ResizeObserver(fit);
    let isOver = false;
    this.undo.push(() => {
      isOver = true;
      resized.disconnect();
      plotly.purge(plot);
    });
    const theme = this.theme;
    /** @type {any} */ (plot).nbtDraw = async () => {
      try {
        const { data, layout } = await make(item, theme);
        if (isOver) return;
        const size = { width: undefined, height: undefined, autosize: true };
        const config = { responsive: false, displaylogo: false, displayModeBar: false };
        await plotly.newPlot(plot, data, { ...layout, ...size }, config);
        if (!isOver) resized.observe(plot);
      } catch (error) {
        plot.replaceChildren(element("div", "nbt-media-error", String(error)));
      }
    };
    return plot;
  }

  /**
   * @param {Item} item
   * @param {import("./store.js").MediaStep} entry
   * @param {number} i
   */
  table(item, entry, i) {
    const { ask, signal } = this.context;
    const place = { what: "table", key: this.place.key, step: entry.step, item: i };
    const view = new TableView({
      first: item.data,
      ask: (request) => ask({ ...request, ...place }),
      signal,
    });
    this.undo.push(() => view.remove());
    return view.root;
  }

  remove() {
    this.isGone = true;
    clearTimeout(this.timer);
    this.clear();
    this.root.remove();
  }
}

const PLOTLY_GROUND = "#E5ECF6"; // of plotly's default template

/** Types that are drawn in the page's colours. */
const DRAWN = new Set(["histogram", "object3D-file", "molecule-file", "plotly-file"]);
const WITHOUT_FILE = new Map([["histogram", "bins"], ["molecule-file", "places"], ["table-file", "rows"]]);

/** Whether all that is shown of an item is here. @param {Item} item */
function isWhole(item) {
  if (item.url || item.data?.error) return true;
  const member = WITHOUT_FILE.get(item.type);
  return Boolean(member && item.data?.[member]);
}

/** Room for what is to come. @param {Item} item */
function placeholder({ width, height }) {
  const room = element("div", "nbt-media-room");
  if (width && height) room.style.aspectRatio = `${width} / ${height}`;
  return room;
}

/** @param {Item} item @returns {Promise<string>} */
async function textOf(item) {
  return item.blob ? item.blob.text() : (await fetch(item.url ?? "")).text();
}

/**
 * A figure of the user's: what it would fetch from elsewhere is left out, and where its
 * author chose no colours, it takes the page's.
 * @param {Item} item
 * @param {any} theme
 */
async function figureOf(item, theme) {
  const { data, layout } = JSON.parse(await textOf(item));
  if (data.some((/** @type {any} */ trace) => /map(box)?$/.test(trace.type) && !/^heatmap$/.test(trace.type))) {
    throw "This figure would fetch a map from the network.";
  }
  const images = layout.images?.filter((/** @type {any} */ one) => /^data:image/.test(one.source));
  const base = layout.template?.layout ?? {};
  const isDefault = (base.plot_bgcolor ?? PLOTLY_GROUND) === PLOTLY_GROUND;
  if (theme?.isDark && isDefault) {
    const ground = { paper_bgcolor: theme.ground, plot_bgcolor: theme.ground };
    const font = { ...base.font, color: theme.text };
    const template = { ...layout.template, layout: { ...base, ...ground, font } };
    const lines = { gridcolor: theme.grid, zerolinecolor: theme.grid, linecolor: theme.grid };
    for (const of of [template.layout, (template.layout.scene = { ...base.scene })]) {
      for (const name of ["xaxis", "yaxis", "zaxis"]) of[name] = { ...of[name], ...lines, showbackground: false };
    }
    template.layout.polar = { ...base.polar, bgcolor: theme.ground };
    layout.template = template;
  }
  return { data, layout: { ...layout, images } };
}

/** @param {any} theme */
function spaceLayout(theme) {
  const axis = { gridcolor: theme?.grid, zerolinecolor: theme?.grid, title: { text: "" }, showbackground: false };
  return {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: "rgba(0,0,0,0)",
    font: { color: theme?.faint, size: 10 },
    showlegend: false,
    scene: { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "data" },
  };
}

const COLORS = ["#3d8fd1", "#ffb000", "#e5486d", "#2aa876", "#a56eff", "#ff7a33", "#00b8d4", "#c0ca33", "#f06292", "#8d6e63"];
const EDGES = [[0, 1], [0, 2], [0, 3], [1, 4], [2, 4], [1, 5], [3, 5], [2, 6], [3, 6], [4, 7], [5, 7], [6, 7]];

/** @param {Item} item @param {any} theme */
async function spaceOf(item, theme) {
  const body = await (item.blob ?? (await fetch(item.url ?? ""))).arrayBuffer();
  const { kind, columns, sent, corners, faces, boxes = [] } = item.data;
  const layout = spaceLayout(theme);
  if (kind === "mesh") {
    const at = new Float32Array(body, 0, corners * 3);
    const of = new Int32Array(body, corners * 12, faces * 3);
    const part = (/** @type {any} */ all, /** @type {number} */ i) => all.filter((/** @type {any} */ _, /** @type {number} */ k) => k % 3 === i);
    const mesh = {
      type: "mesh3d", color: COLORS[0], flatshading: true, hoverinfo: "skip",
      x: part(at, 0), y: part(at, 1), z: part(at, 2), i: part(of, 0), j: part(of, 1), k: part(of, 2),
    };
    return { data: [mesh], layout };
  }
  const all = new Float32Array(body, 0, sent * columns);
  const column = (/** @type {number} */ c) => Float32Array.from({ length: sent }, (_, i) => all[i * columns + c]);
  /** @type {any} */
  let color = COLORS[0];
  if (columns === 4) color = Array.from(column(3), (v) => COLORS[(v | 0) % COLORS.length]);
  if (columns === 6) color = Array.from({ length: sent }, (_, i) => `rgb(${[3, 4, 5].map((c) => all[i * 6 + c] | 0)})`);
  const data = [{
    type: "scatter3d", mode: "markers", hoverinfo: "skip", x: column(0), y: column(1), z: column(2),
    marker: { size: sent > 5000 ? 1.3 : 2.2, color, line: { width: 0 } },
  }];
  for (const { corners: ends, label, color: ink } of boxes) {
    data.push(/** @type {any} */ (lines(EDGES.map((edge) => edge.map((e) => ends[e])), ink, label)));
  }
  return { data, layout };
}

/** @param {any[][]} pairs @param {string} color @param {string} [text] */
function lines(pairs, color, text) {
  const at = (/** @type {number} */ i) => pairs.flatMap(([a, b]) => [a[i], b[i], null]);
  return {
    type: "scatter3d", mode: "lines", x: at(0), y: at(1), z: at(2), line: { color, width: 4 },
    text, hoverinfo: text ? "text" : "skip",
  };
}

/** @param {Item} item @param {any} theme */
async function moleculeOf(item, theme) {
  const { places, elements, colors, bonds } = item.data;
  const layout = spaceLayout(theme);
  const none = { visible: false };
  // From above, where those lie that have no third dimension.
  const camera = { eye: { x: 0, y: 0, z: 3.6 }, up: { x: 0, y: 1, z: 0 } };
  layout.scene = /** @type {any} */ ({ xaxis: none, yaxis: none, zaxis: none, aspectmode: "data", camera });
  const at = (/** @type {number} */ i) => places.map((/** @type {any} */ p) => p[i]);
  const atoms = {
    type: "scatter3d", mode: "markers", x: at(0), y: at(1), z: at(2), text: elements, hoverinfo: "text",
    marker: { size: places.length > 200 ? 4 : 9, color: colors, line: { width: 0 } },
  };
  const ends = bonds.map((/** @type {any} */ pair) => pair.map((/** @type {number} */ i) => places[i]));
  return { data: [lines(ends, theme?.faint ?? "#888"), atoms], layout };
}

/** @param {HTMLCanvasElement} canvas @param {MediaCard} card @param {Item} item */
function drawHistogram(canvas, card, item) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height || !card.theme) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const ink = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  ink.scale(ratio, ratio);
  ink.font = "10.5px system-ui, sans-serif";
  ink.fillStyle = card.theme.faint;
  const { bins, counts, nan } = item.data;
  if (!counts.length) return void ink.fillText("no values", 4, 16);
  const all = card.steps
    .map(({ items }, i) => ({ i, data: items.length === 1 ? items[0].data : null }))
    .filter(({ data }) => data?.counts?.length);
  const isMap = all.length > 1 && card.solo < 0;
  const top = isMap ? Math.round(height * 0.48) : 0;
  if (isMap) drawHeat(ink, all, card.steps.length, card.index, width, top - 8, card.theme);
  const bottom = height - 16;
  const [low, high] = [bins[0], bins.at(-1)];
  const most = counts.reduce((/** @type {number} */ a, /** @type {number} */ b) => Math.max(a, b), 0) || 1;
  const x = (/** @type {number} */ v) => 4 + ((v / 2 - low / 2) / (high / 2 - low / 2 || 1)) * (width - 8);
  ink.fillStyle = COLORS[0];
  counts.forEach((/** @type {number} */ count, /** @type {number} */ i) => {
    if (!count) return;
    const tall = Math.max(1, (count / most) * (bottom - top - 4));
    ink.fillRect(x(bins[i]), bottom - tall, Math.max(x(bins[i + 1]) - x(bins[i]) - 0.5, 0.5), tall);
  });
  ink.fillStyle = card.theme.faint;
  ink.fillText(numberText(low), 4, height - 4);
  ink.textAlign = "center";
  if (nan) ink.fillText(`${countText(nan)} not finite`, width / 2, height - 4);
  ink.textAlign = "right";
  ink.fillText(numberText(high), width - 4, height - 4);
}

/**
 * A column per step, a row per value; the darker, the more.
 * @param {CanvasRenderingContext2D} ink
 * @param {{i: number, data: any}[]} all
 * @param {number} steps
 * @param {number} index
 * @param {number} width
 * @param {number} height
 * @param {import("./theme.js").Theme} theme
 */
function drawHeat(ink, all, steps, index, width, height, theme) {
  let low = Infinity;
  let high = -Infinity;
  for (const { data } of all) {
    low = Math.min(low, data.bins[0]);
    high = Math.max(high, data.bins.at(-1));
  }
  const y = (/** @type {number} */ v) => height - ((v / 2 - low / 2) / (high / 2 - low / 2 || 1)) * height;
  ink.fillStyle = COLORS[0];
  // Columns narrower than a pixel would only be drawn over each other.
  const every = Math.max(1, Math.floor(all.length / width));
  for (let n = 0; n < all.length; n += every) {
    const { i, data: { bins, counts } } = all[n];
    const left = (i / steps) * width;
    const wide = Math.max((every / steps) * width, 1);
    let most = 0;
    for (const count of counts) most = Math.max(most, count);
    for (let b = 0; b < counts.length; b++) {
      if (!counts[b]) continue;
      ink.globalAlpha = 0.12 + 0.88 * (counts[b] / most);
      ink.fillRect(left, y(bins[b + 1]), wide + 0.3, Math.max(y(bins[b]) - y(bins[b + 1]), 0.7));
    }
  }
  ink.globalAlpha = 1;
  ink.strokeStyle = theme.text;
  ink.strokeRect((index / steps) * width + 0.5, 0.5, Math.max(width / steps - 1, 1), height - 1);
}
