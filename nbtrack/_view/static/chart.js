// One metric, drawn on a canvas in a small card.

import { button, element, setText } from "./dom.js";
import { Scale, rangeOf, widened } from "./scale.js";
import { smoothed } from "./smooth.js";
import { clockText, countText, dayText, numberText, singleText, timeText, unitText } from "./text.js";
import { detailOf } from "./wire.js";

const FEW_POINTS = 24; // below this every sample gets a dot
const TOP = 8;
const RIGHT = 10;
const BOTTOM = 20;
const OVER = "over "; // tells a metric that is called "step" from the step
const DRAG_PX = 5; // less is a click

/** @typedef {{store: import("./store.js").Store, options: import("./store.js").Options,
 *             ask: (message: Record<string, any>) => Promise<{head: any, buffers: any[]}>,
 *             signal: AbortSignal, onError: (error: unknown) => void,
 *             redraw: (card: any) => void, mark: (mark: Mark | null) => void,
 *             zoom: (card: any) => void, say: (text: string) => void}} Context */
/** @typedef {{label: string, x: number, seconds: number, from: any}} Mark */
/** @typedef {{x: ArrayLike<number>, y: ArrayLike<number>, length: number,
 *             label: string, kind: "number" | "time" | "wall",
 *             seconds: ArrayLike<number> | null}} Points */

/** A title, the latest and the best value, and a line. */
export class ChartCard {
  /**
   * @param {import("./wire.js").LinePlace} place
   * @param {Context} context
   */
  constructor(place, context) {
    this.place = place;
    this.context = context;
    this.isVisible = false;
    this.isBytes = place.isTimed && place.title.endsWith(", bytes");
    /** @type {import("./theme.js").Theme | null} */
    this.theme = null;
    this.left = 0; // room for the labels of y; does not shrink, so that nothing jitters
    /** @type {{x: [number, number], y: [number, number] | null, label: string} | null} */
    this.zoom = null;
    /** @type {{x: Float64Array, y: Float32Array} | null} */
    this.detail = null;
    this.asked = 0; // for detail, so often
    this.isCoarse = false; // it is to be asked for when it is seen
    /** @type {Points & {sx: Scale, sy: Scale, line: ArrayLike<number>} | null} */
    this.drawn = null;
    /** @type {number | null} the point that is read with the keyboard */
    this.reading = null;

    this.title = element("span", "nbt-title", place.title);
    this.title.title = place.key;
    this.best = element("span", "nbt-best");
    this.value = element("span", "nbt-value");
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
    this.cross = element("i", "nbt-cross");
    this.dot = element("i", "nbt-dot-at");
    this.at = element("span", "nbt-at");
    this.brush = element("i", "nbt-brush");
    this.note = element("span", "nbt-note");
    this.plot = element(
      "div", "nbt-plot", this.canvas, this.brush, this.cross, this.dot, this.at, this.note,
    );
    this.plot.tabIndex = 0;
    this.plot.role = "img";
    this.plot.ariaLabel = place.key;
    this.xTitle = element("div", "nbt-foot");
    this.root = element(
      "figure", "nbt-chart",
      element("div", "nbt-chart-head", this.title, this.best, this.value),
      this.plot,
      this.xTitle,
    );
    this.root.dataset.key = place.key;
    this.unzoom = button("Reset zoom", "nbt-icon nbt-i-reset", () => this.setZoom(null));
    this.unzoom.hidden = true;
    this.mark(null);
    this.listen();
  }

  /** The Charts tab's; what the machine did is shown as it was measured. */
  get smoothing() {
    return this.place.isTimed ? 0 : this.context.options.smoothing;
  }

  /** @param {number} value */
  text(value) {
    return this.isBytes && value === value ? `${unitText(value, " ")}B` : singleText(value);
  }

  get track() {
    return this.context.store.tracks.get(this.place.track);
  }

  /**
   * What is drawn over what, by the reader's choice.
   * @param {boolean} [isWhole] also where a detail is shown
   * @returns {Points | null}
   */
  points(isWhole = false) {
    const track = this.track;
    if (!track?.length) return null;
    const { length, step, axis, seconds } = track;
    const { x } = this.context.options;
    const y = track.ys[this.place.series];
    /** @type {Points} */
    let points = { x: step, y, length, label: "step", kind: "number", seconds };
    // Of what the machine does, the step is the second.
    const isTimed = this.place.isTimed || x === "time";
    if (x === "wall") points = { ...points, x: seconds, label: "time", kind: "wall" };
    else if (isTimed) points = { ...points, x: seconds, label: "elapsed", kind: "time" };
    else if (axis && x !== "step") points = { ...points, x: axis, label: OVER + this.place.x_title };
    if (this.zoom?.label !== points.label) this.zoom = this.detail = null;
    if (this.detail && !isWhole) {
      const { x: at, y: values } = this.detail;
      return { ...points, x: at, y: values, length: at.length, seconds: null };
    }
    return points;
  }

  draw() {
    const points = this.points();
    if (!points) return;
    if (this.isCoarse) void this.askDetail();
    this.describe();
    this.unzoom.hidden = !this.zoom;
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (!this.theme || width < 40 || height < 40) return;
    const { filter, isLog } = this.context.options;
    const { smoothing } = this;
    const { y, length } = points;
    const isLogX = this.context.options.isLogX && points.kind === "number";
    const line = smoothing ? smoothed(y, length, smoothing, filter) : y;
    const xRange = this.zoom?.x ?? this.xRange(points, isLogX);
    const yRange = xRange && (this.zoom?.y ?? this.yRange(points, line, xRange));
    const canvas = this.canvas;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const ink = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    setText(this.xTitle, points.label.startsWith(OVER) ? points.label : "");
    if (!xRange || !yRange) {
      this.drawn = null;
      setText(this.note, "nothing that can be drawn here");
      return;
    }
    ink.font = `10.5px ${this.theme.font}`;
    const sy = new Scale(...yRange, isLog, height - BOTTOM, TOP);
    const yTicks = sy.ticks(Math.max(2, Math.round(height / 45)));
    const yTexts = yTicks.values.map((value) => (this.isBytes ? this.text(value) : yTicks.text(value)));
    const room = Math.max(...yTexts.map((text) => ink.measureText(text).width), 0) + 10;
    this.left = Math.max(this.left, Math.min(Math.ceil(room / 8) * 8, 80));
    const sx = new Scale(...xRange, isLogX, this.left, width - RIGHT);
    this.drawn = { ...points, sx, sy, line };
    this.root.dataset.end = String(points.x[length - 1]); // how far the picture goes
    this.drawAxes(ink, width, height, yTexts, yTicks.values);
    ink.save();
    ink.beginPath();
    ink.rect(this.left - 2, TOP - 4, width - RIGHT - this.left + 6, height - BOTTOM - TOP + 8);
    ink.clip();
    ink.strokeStyle = ink.fillStyle = this.place.color;
    ink.lineJoin = points.length > 300 ? "bevel" : "round"; // half of the time
    if (smoothing) this.drawLine(ink, y, 0.25);
    this.drawLine(ink, line, 1);
    ink.restore();
    setText(this.note, this.left_out(yRange));
  }

  /**
   * @param {CanvasRenderingContext2D} ink
   * @param {number} width
   * @param {number} height
   * @param {string[]} texts
   * @param {number[]} values
   */
  drawAxes(ink, width, height, texts, values) {
    const { sx, sy, kind } = /** @type {NonNullable<ChartCard["drawn"]>} */ (this.drawn);
    const theme = /** @type {import("./theme.js").Theme} */ (this.theme);
    ink.lineWidth = 1;
    ink.strokeStyle = theme.grid;
    ink.fillStyle = theme.faint;
    ink.textBaseline = "middle";
    ink.textAlign = "right";
    ink.beginPath();
    values.forEach((value, i) => {
      const y = Math.round(sy.at(value)) + 0.5;
      ink.moveTo(this.left, y);
      ink.lineTo(width - RIGHT, y);
      ink.fillText(texts[i], this.left - 6, y);
    });
    ink.stroke();
    const most = Math.max(2, Math.floor((width - this.left) / 64));
    const start = kind === "wall" ? this.context.store.card.started_at : 0;
    const ticks = kind === "number" ? sx.ticks(most) : sx.timeTicks(most, start);
    let free = this.left - 20;
    for (const value of ticks.values) {
      const text = ticks.text(value);
      const half = ink.measureText(text).width / 2;
      const x = Math.min(sx.at(value), width - half - 1);
      if (x - half < free) continue;
      free = x + half + 8;
      ink.textAlign = "center";
      ink.fillText(text, x, height - 8);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} ink
   * @param {ArrayLike<number>} y
   * @param {number} opacity
   */
  drawLine(ink, y, opacity) {
    const { sx, sy, x, length } = /** @type {NonNullable<ChartCard["drawn"]>} */ (this.drawn);
    ink.globalAlpha = opacity;
    ink.lineWidth = 1.6;
    ink.beginPath();
    let isDown = false;
    for (let i = 0; i < length; i++) {
      const px = sx.at(x[i]);
      const py = sy.at(y[i]);
      if (!Number.isFinite(px + py)) {
        isDown = false;
        continue;
      }
      if (isDown) ink.lineTo(px, py);
      else {
        // A value between two gaps shows as a dot: a line of no length, round at its ends.
        ink.moveTo(px, py);
        ink.lineTo(px, py);
      }
      isDown = true;
    }
    ink.lineCap = "round";
    ink.stroke();
    if (length > FEW_POINTS) return;
    for (let i = 0; i < length; i++) {
      ink.beginPath();
      ink.arc(sx.at(x[i]), sy.at(y[i]), 2.2, 0, 7);
      ink.fill();
    }
  }

  /**
   * @param {Points} points
   * @param {boolean} isLog
   */
  xRange({ x, y, length }, isLog) {
    const range = rangeOf(x, length, (i) => (!isLog || x[i] > 0) && y[i] === y[i], false);
    return range && widened(range, isLog, 0);
  }

  /**
   * @param {Points} points
   * @param {ArrayLike<number>} line
   * @param {[number, number]} xRange
   */
  yRange({ x, y, length }, line, [from, to]) {
    const { isLog, isRobust } = this.context.options;
    const { smoothing } = this;
    // The line is in the picture; of what is behind it, what robust leaves.
    const values = isRobust && smoothing ? line : y;
    const of = (/** @type {boolean} */ isAll) => {
      const counts = (/** @type {number} */ i) =>
        (isAll || (x[i] >= from && x[i] <= to)) && (!isLog || values[i] > 0);
      return rangeOf(values, length, counts, isRobust);
    };
    const range = of(false) ?? of(true); // between two points the line goes on
    return range && widened(range, isLog, 0.06);
  }

  /** Say what the axes hide. @param {[number, number]} yRange */
  left_out([low, high]) {
    const { isLog, isLogX, isRobust } = this.context.options;
    const { x, y, length, sx } = /** @type {NonNullable<ChartCard["drawn"]>} */ (this.drawn);
    let low_ = 0;
    let outside = 0;
    for (let i = 0; i < length; i++) {
      if ((isLog && y[i] <= 0) || (sx.isLog && x[i] <= 0)) low_++;
      else if (isRobust && (y[i] < low || y[i] > high) && x[i] >= sx.low && x[i] <= sx.high) outside++;
    }
    const texts = [];
    const points = (/** @type {number} */ n) => `${n} point${n > 1 ? "s" : ""}`;
    if (low_ && (isLog || isLogX)) texts.push(`${points(low_)} ≤ 0 not on a log axis`);
    if (outside && !this.zoom?.y) texts.push(`${points(outside)} out of range`);
    if (this.zoom && this.detail) texts.push("in detail");
    return texts.join(" · ");
  }

  /** The words about it: the latest value and the best one. */
  describe() {
    const track = /** @type {import("./store.js").Track} */ (this.track);
    const { length } = track;
    const y = track.ys[this.place.series];
    const { goal, key } = this.place;
    this.latest = this.text(y[length - 1]);
    let at = -1;
    if (goal) {
      for (let i = 0; i < length; i++) {
        const isBetter = at < 0 || (goal === "min" ? y[i] < y[at] : y[i] > y[at]);
        if (y[i] === y[i] && isBetter) at = i;
      }
    }
    const best = at < 0 ? "" : singleText(y[at]);
    setText(this.best, best && `best ${best}`);
    // A reduced pair of points knows its first step and its middle one only.
    const near = track.epoch ? "near" : "at";
    this.best.title = this.value.title = best && `best: ${goal}imum, ${near} step ${countText(track.step[at] ?? 0)}`;
    if (!this.marked) setText(this.value, this.latest);
    const words = `${key}, latest value ${this.latest}${best && `, best ${best}`}`;
    this.plot.ariaLabel = words;
  }

  /**
   * Show the values at one x, or the latest again.
   * @param {Mark | null} mark
   */
  mark(mark) {
    const drawn = this.drawn;
    let at = -1;
    if (mark && drawn) {
      // Charts over another x meet at the same moment.
      const isSame = mark.label === drawn.label;
      const column = isSame ? drawn.x : drawn.seconds;
      const target = isSame ? mark.x : mark.seconds;
      if (column) at = nearest(column, drawn.y, drawn.length, target);
    }
    this.marked = at >= 0;
    for (const part of [this.cross, this.dot, this.at]) part.hidden = at < 0;
    if (!drawn || at < 0) {
      setText(this.value, this.latest ?? "");
      return -1;
    }
    const { sx, sy, x, y, line } = drawn;
    const px = sx.at(x[at]);
    const py = sy.at(line[at]);
    const isIn = px >= this.left - 1 && px <= this.plot.clientWidth;
    this.cross.hidden = !isIn;
    this.dot.hidden = !isIn || !(py >= 0 && py <= this.plot.clientHeight - BOTTOM + 3);
    this.cross.style.transform = `translateX(${px}px)`;
    this.dot.style.transform = `translate(${px}px, ${py}px)`;
    this.dot.style.background = this.place.color;
    this.at.hidden = mark?.from !== this;
    setText(this.at, this.xText(x[at]));
    const half = this.at.offsetWidth / 2;
    const within = Math.min(Math.max(px, half), this.plot.clientWidth - half);
    this.at.style.transform = `translateX(${within - half}px)`;
    const raw = this.text(y[at]);
    const isRaw = line === y;
    setText(this.value, isRaw ? raw : `${singleText(Number(line[at].toPrecision(5)))} (${raw})`);
    return at;
  }

  /** @param {number} x */
  xText(x) {
    const { kind, label } = /** @type {Points} */ (this.drawn);
    const since = this.context.store.card.started_at;
    if (kind === "time") return timeText(x);
    if (kind === "wall") return `${dayText(since + x)}, ${clockText(since + x)}`;
    return `${label.replace(OVER, "")} ${Number.isInteger(x) ? countText(x) : numberText(x)}`;
  }

  /** Mark what is under a pixel, or a point that is read. @param {number} x @param {number} i */
  tellMark(x, i = -1) {
    const drawn = this.drawn;
    if (!drawn) return;
    const at = i >= 0 ? i : nearest(drawn.x, drawn.y, drawn.length, drawn.sx.back(x));
    if (at < 0) return;
    const seconds = drawn.seconds?.[at] ?? NaN;
    this.context.mark({ label: drawn.label, x: drawn.x[at], seconds, from: this });
  }

  listen() {
    /** @type {{x: number, y: number} | null} */
    let from = null;
    const plot = this.plot;
    const to = { x: 0, y: 0 };
    const place = (/** @type {PointerEvent} */ event) => {
      const box = plot.getBoundingClientRect();
      to.x = event.clientX - box.left;
      to.y = event.clientY - box.top;
    };
    plot.onpointerdown = (event) => {
      if (event.button || !this.drawn) return;
      place(event);
      from = { ...to };
      plot.setPointerCapture(event.pointerId);
    };
    plot.onpointermove = (event) => {
      place(event);
      if (from) this.showBrush(from, to);
      else this.tellMark(to.x);
    };
    plot.onpointerup = () => {
      const begin = from;
      from = null;
      this.brush.hidden = true;
      if (begin) this.zoomTo(begin, to);
    };
    plot.onpointercancel = () => {
      from = null;
      this.brush.hidden = true;
    };
    plot.onpointerleave = plot.onblur = () => {
      this.reading = null;
      this.context.mark(null);
    };
    plot.ondblclick = () => this.setZoom(null);
    plot.onkeydown = (event) => this.onKey(event);
    this.brush.hidden = true;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const drawn = this.drawn;
    if (!drawn || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, shiftKey } = event;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (way) {
      const last = drawn.length - 1;
      const next = (this.reading ?? last + (way < 0 ? 1 : 0)) + way * (shiftKey ? 10 : 1);
      this.reading = Math.min(Math.max(next, 0), last);
      this.tellMark(0, this.reading);
      const i = this.reading;
      this.context.say(`${this.xText(drawn.x[i])}: ${singleText(drawn.y[i])}`);
    } else if (key === "+" || key === "-") {
      const { low, high } = drawn.sx;
      const middle = drawn.x[Math.min(this.reading ?? Infinity, drawn.length - 1)];
      const by = key === "+" ? 0.5 : 2; // the middle stays where it is
      const all = this.xRange(this.points(true) ?? drawn, drawn.sx.isLog) ?? [low, high];
      const range = [
        Math.max(middle - (middle - low) * by, all[0]),
        Math.min(middle + (high - middle) * by, all[1]),
      ];
      const isAll = range[0] <= all[0] && range[1] >= all[1];
      this.setZoom(isAll ? null : { x: [range[0], range[1]], y: null, label: drawn.label });
    } else if ((key === "0" || key === "Escape") && this.zoom) this.setZoom(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {{y: number}} from @param {{y: number}} to */
  isFlat(from, to) {
    return Math.abs(to.y - from.y) < this.plot.clientHeight / 3;
  }

  /**
   * A low brush takes the whole height.
   * @param {{x: number, y: number}} from
   * @param {{x: number, y: number}} to
   */
  showBrush(from, to) {
    const isFlat = this.isFlat(from, to);
    const top = isFlat ? TOP : Math.min(from.y, to.y);
    const bottom = isFlat ? this.plot.clientHeight - BOTTOM : Math.max(from.y, to.y);
    this.brush.hidden = Math.abs(to.x - from.x) < DRAG_PX;
    this.brush.style.cssText = `left:${Math.min(from.x, to.x)}px;top:${top}px;` +
      `width:${Math.abs(to.x - from.x)}px;height:${bottom - top}px`;
  }

  /**
   * @param {{x: number, y: number}} from
   * @param {{x: number, y: number}} to
   */
  zoomTo(from, to) {
    const drawn = this.drawn;
    if (!drawn || Math.abs(to.x - from.x) < DRAG_PX) return;
    const { sx, sy, label } = drawn;
    const edges = [from.x, to.x].map((x) => sx.back(Math.max(x, this.left)));
    const heights = [from.y, to.y].map((y) => sy.back(y));
    const isFlat = this.isFlat(from, to);
    this.setZoom({
      x: [Math.min(...edges), Math.min(Math.max(...edges), sx.high)],
      y: isFlat ? null : [Math.min(...heights), Math.max(...heights)],
      label,
    });
  }

  /** @param {ChartCard["zoom"]} zoom @param {boolean} [isTold] */
  setZoom(zoom, isTold = true) {
    if (zoom && !(zoom.x[1] > zoom.x[0])) return;
    this.context.mark(null);
    this.zoom = zoom;
    if (!zoom) this.detail = null;
    this.left = 0;
    this.asked++;
    this.isCoarse = true;
    this.context.redraw(this);
    if (isTold) this.context.zoom(this);
    if (this.isVisible) void this.askDetail();
  }

  /** What the kernel has more than it sent; of the machine it has not. */
  async askDetail() {
    const { asked, zoom, track, place } = this;
    this.isCoarse = false;
    if (!zoom || !track?.epoch || place.isTimed) return;
    const drawn = this.points();
    const x = drawn?.label === "step" ? "step" : drawn?.kind === "number" ? "axis" : "time";
    try {
      const { head, buffers } = await this.context.ask({
        what: "detail", keys: [place.key], x, from: zoom.x[0], to: zoom.x[1],
      });
      if (asked !== this.asked) return;
      this.detail = detailOf(head.series, buffers[0]).get(place.key) ?? null;
      if (!this.detail?.x.length) this.detail = null;
      this.context.redraw(this);
    } catch (error) {
      if (asked === this.asked) this.context.onError(error);
    }
  }

  /** Pictures out of view hold no memory. */
  rest() {
    this.canvas.width = 0;
  }

  remove() {
    this.asked++;
    this.rest();
    this.root.remove();
  }
}

/**
 * Where the value nearest to a target is, gaps in y passed over; -1 if nowhere.
 * @param {ArrayLike<number>} values
 * @param {ArrayLike<number>} y
 * @param {number} length
 * @param {number} target
 */
function nearest(values, y, length, target) {
  let best = -1;
  let least = Infinity;
  for (let i = 0; i < length; i++) {
    const distance = Math.abs(values[i] - target);
    if (distance < least && y[i] === y[i]) {
      least = distance;
      best = i;
    }
  }
  return best;
}
