// What a board knows; views only read it.

import { WIRE_VERSION, aligned, columnsOf } from "./wire.js";

const FIRST_CAPACITY = 256;
const MEDIA_BUDGET = 32e6; // bytes of pictures that are held
const MEDIA_STEPS = 500;
const CONSOLE_LINES = 500;

/** Points of series with a common x, in arrays that grow in place. */
export class Track {
  /** @param {import("./wire.js").TrackPart} part */
  constructor(part) {
    this.epoch = 0;
    this.closed = 0;
    this.length = 0; // with the provisional points
    this.step = new Float64Array(FIRST_CAPACITY);
    this.axis = part.axis ? new Float64Array(FIRST_CAPACITY) : null;
    this.seconds = new Float32Array(FIRST_CAPACITY);
    this.ys = Array.from({ length: part.series }, () => new Float32Array(FIRST_CAPACITY));
  }

  /**
   * Take an update in; false when points before it are missing.
   * @param {import("./wire.js").TrackPart} part
   * @param {import("./wire.js").Columns} columns
   */
  take(part, columns) {
    if (part.from > 0) {
      for (; this.epoch < part.epoch; this.epoch++) this.halve();
      if (part.from > this.closed) return false;
    }
    this.epoch = part.epoch;
    this.closed = part.from + part.count;
    this.length = this.closed + part.tail;
    this.grow(this.length);
    this.step.set(columns.step, part.from);
    if (columns.axis) this.axis?.set(columns.axis, part.from);
    this.seconds.set(columns.seconds, part.from);
    this.ys.forEach((y, i) => y.set(columns.ys[i], part.from));
    return true;
  }

  /** @param {number} length */
  grow(length) {
    if (length <= this.step.length) return;
    const capacity = Math.max(length, 2 * this.step.length);
    this.step = grown(this.step, capacity);
    this.axis &&= grown(this.axis, capacity);
    this.seconds = grown(this.seconds, capacity);
    this.ys = this.ys.map((y) => grown(y, capacity));
  }

  /** Join every two pairs into one, as the kernel did: its points.py says how. */
  halve() {
    const pairs = Math.floor(this.closed / 4);
    for (let i = 0; i < pairs; i++) {
      for (const x of [this.step, this.axis, this.seconds]) {
        if (!x) continue;
        x[2 * i] = x[4 * i];
        x[2 * i + 1] = x[4 * i + 2];
      }
      for (const y of this.ys) joinInto(y, i);
    }
    this.closed = this.length = 2 * pairs;
  }
}

/**
 * @template {Float64Array | Float32Array} T
 * @param {T} old
 * @param {number} capacity
 * @returns {T}
 */
function grown(old, capacity) {
  const made = new /** @type {any} */ (old.constructor)(capacity);
  made.set(old);
  return made;
}

/**
 * Least and greatest of the four points at 4i, in their order, to 2i.
 * @param {Float32Array} y
 * @param {number} i
 */
function joinInto(y, i) {
  let low = NaN, high = NaN, lowAt = 0, highAt = 0, gaps = 0;
  for (let j = 4 * i; j < 4 * i + 4; j++) {
    const v = y[j];
    if (v !== v) { gaps++; continue; }
    if (!(v >= low)) { low = v; lowAt = j; }
    if (!(v <= high)) { high = v; highAt = j; }
  }
  let first = lowAt < highAt ? low : high;
  let second = lowAt < highAt ? high : low;
  if (low === high && gaps) {
    if (y[4 * i] !== y[4 * i] && y[4 * i + 1] !== y[4 * i + 1]) first = NaN;
    if (y[4 * i + 2] !== y[4 * i + 2] && y[4 * i + 3] !== y[4 * i + 3]) second = NaN;
  }
  y[2 * i] = first;
  y[2 * i + 1] = second;
}

/** @typedef {{card?: boolean, layout?: boolean, summary?: boolean, console?: boolean,
 *             options?: boolean, waiting?: boolean, kernel?: boolean,
 *             tracks?: Set<number>, media?: Set<string>}} Change */
/** @typedef {Omit<import("./wire.js").WireItem, "buffer"> &
 *            {blob: Blob | null, url: string | null}} Item */
/** @typedef {{step: number, seconds: number, items: Item[]}} MediaStep */
/** @typedef {{smoothing: number, filter: string, x: string, isLog: boolean,
 *             isLogX: boolean, isRobust: boolean, isSynced: boolean, isDeep: boolean,
 *             folded: string[], pinned: string[],
 *             sizes: Record<string, number[]>}} Options */

/** @returns {Options} */
const defaults = () => ({
  smoothing: 0,
  filter: "ema", // or gauss, mean
  x: "", // what the metric is drawn over by itself, or step, time, wall
  isLog: false,
  isLogX: false,
  isRobust: false,
  isSynced: false, // one zoom for all charts over the same x
  isDeep: false, // sections by all parts of a key
  folded: [],
  pinned: [],
  sizes: {}, // key -> columns and height in pixels
});

/** Applies frames in order and tells its listeners what has changed. */
export class Store {
  constructor() {
    this.n = 0;
    this.isWaiting = true; // for a key frame
    /** @type {Record<string, any>} */
    this.card = {};
    this.cardAt = 0; // performance.now() when the card came
    this.heardAt = 0; // and when a frame did
    /** @type {import("./wire.js").SectionPlace[]} */
    this.layout = [];
    /** @type {Map<string, [string, string][]>} */
    this.summary = new Map();
    /** @type {Map<number, Track>} */
    this.tracks = new Map();
    /** @type {Map<string, {steps: MediaStep[]}>} */
    this.media = new Map();
    /** @type {Set<Item>} with contents, oldest first */
    this.held = new Set();
    this.console = { from: 0, lines: /** @type {[string, string][]} */ ([]) };
    this.options = defaults();
    this.kernel = ""; // what is wrong with it, in words
    this.goneAt = 0; // performance.now() when it went
    /** @type {Map<number, string>} questions that wait for a busy kernel */
    this.waiting = new Map();
    /** @type {Set<(change: Change) => void>} */
    this.listeners = new Set();
  }

  /**
   * Take a frame in. False means that something before it was lost: until the next
   * key frame the picture stands still rather than being wrong.
   * @param {import("./wire.js").FrameHead} head
   * @param {ArrayBuffer} body
   * @param {any[]} [buffers] those of the message, the body being the first
   */
  take(head, body, buffers = []) {
    if (head.v !== WIRE_VERSION || head.kind !== "frame") {
      throw new Error(`a message this board does not know: ${head.kind} v${head.v}`);
    }
    if (head.key) {
      this.tracks.clear();
      this.summary.clear();
      this.isWaiting = false;
    } else if (this.isWaiting || head.n !== this.n + 1) {
      this.isWaiting = true;
      return false;
    }
    this.n = head.n;
    const parts = head.tracks ?? [];
    const columns = columnsOf(parts, body);
    for (const [i, part] of parts.entries()) {
      if (!this.tracks.has(part.id)) this.tracks.set(part.id, new Track(part));
      if (!this.tracks.get(part.id)?.take(part, columns[i])) {
        this.isWaiting = true;
        return false;
      }
    }
    if (head.layout) this.setLayout(head.layout);
    this.heardAt = performance.now();
    const isNew = !this.card.project;
    if (head.card) {
      Object.assign(this.card, head.card);
      this.cardAt = this.heardAt;
    }
    const isKnown = isNew && this.card.project && this.remember();
    for (const key of head.summary?.gone ?? []) this.summary.delete(key);
    for (const row of head.summary?.rows ?? []) this.summary.set(row.key, row.values);
    for (const part of head.media ?? []) this.takeMedia(part, buffers);
    if (head.console) this.takeLines(head.console, head.key);
    this.tell({
      card: Boolean(head.card),
      layout: Boolean(head.layout),
      summary: Boolean(head.summary),
      console: Boolean(head.console),
      options: Boolean(isKnown),
      tracks: new Set(parts.map((part) => part.id)),
      media: new Set(head.media?.map((part) => part.key)),
    });
    return true;
  }

  /** The highest step; the curves come more often than the card. -1 if there is none. */
  get lastStep() {
    let last = this.card.step ?? -1;
    for (const { tab, panels } of this.layout) {
      for (const { track } of /** @type {any[]} */ (tab === "charts" ? panels : [])) {
        const { step, length } = this.tracks.get(track) ?? {};
        if (length) last = Math.max(last, step[length - 1]);
      }
    }
    return last;
  }

  /** @param {import("./wire.js").SectionPlace[]} layout */
  setLayout(layout) {
    this.layout = layout;
    const places = layout.flatMap((section) => section.panels);
    const used = new Set(places.map((place) => "track" in place && place.track));
    for (const id of this.tracks.keys()) if (!used.has(id)) this.tracks.delete(id);
    const keys = new Set(places.map((place) => place.key));
    for (const [key, { steps }] of this.media) {
      if (keys.has(key)) continue;
      for (const step of steps) step.items.forEach((item) => this.drop(item));
      this.media.delete(key);
    }
  }

  /**
   * @param {import("./wire.js").MediaPart} part
   * @param {any[]} buffers
   */
  takeMedia({ key, step, seconds, items }, buffers) {
    if (!this.media.has(key)) this.media.set(key, { steps: [] });
    const { steps } = /** @type {{steps: MediaStep[]}} */ (this.media.get(key));
    let at = steps.length;
    while (at && steps[at - 1].step >= step) at--;
    const old = steps[at]?.step === step ? steps[at] : null;
    const made = { step, seconds, items: items.map((item) => this.itemOf(item, buffers)) };
    for (const [i, item] of old?.items.entries() ?? []) {
      const twin = made.items[i];
      // Told again by a key frame, without the content that is here already.
      if (item.url && twin && !twin.url && twin.size === item.size) made.items[i] = item;
      else this.drop(item);
    }
    steps.splice(at, old ? 1 : 0, made);
    if (steps.length > MEDIA_STEPS) steps.shift()?.items.forEach((item) => this.drop(item));
    let bytes = 0;
    for (const item of this.held) bytes += item.blob?.size ?? 0;
    for (const item of this.held) {
      if (bytes <= MEDIA_BUDGET) break;
      bytes -= item.blob?.size ?? 0;
      this.drop(item);
    }
  }

  /**
   * @param {import("./wire.js").WireItem} wire
   * @param {any[]} buffers
   * @returns {Item}
   */
  itemOf({ buffer, ...facts }, buffers) {
    const bytes = buffer >= 0 && buffers[buffer];
    const blob = bytes ? new Blob([aligned(bytes)], { type: facts.mime }) : null;
    const item = { ...facts, blob, url: blob && URL.createObjectURL(blob) };
    if (blob) this.held.add(item);
    return item;
  }

  /** Let go of a content; that it was there stays known. @param {Item} item */
  drop(item) {
    if (item.url) URL.revokeObjectURL(item.url);
    item.url = item.blob = null;
    this.held.delete(item);
  }

  /**
   * @param {{from: number, lines: [string, string][]}} part
   * @param {boolean} isAll
   */
  takeLines({ from, lines }, isAll) {
    const old = this.console;
    if (isAll || from < old.from || from > old.from + old.lines.length) old.lines = [];
    if (!old.lines.length) old.from = from;
    old.lines.splice(from - old.from, Infinity, ...lines);
    const surplus = Math.max(0, old.lines.length - CONSOLE_LINES);
    old.lines.splice(0, surplus);
    old.from += surplus;
  }

  /** @param {Partial<Options>} changed */
  setOptions(changed) {
    Object.assign(this.options, changed);
    try {
      localStorage.setItem(this.memory, JSON.stringify(this.options));
    } catch {
      // Storage may be denied or full: then the next run starts afresh.
    }
    this.tell({ options: true });
  }

  /** The next run of a project looks as the last one did. */
  remember() {
    try {
      const stored = JSON.parse(localStorage.getItem(this.memory) ?? "{}");
      for (const [name, first] of Object.entries(defaults())) {
        const value = stored[name];
        const isAlike = typeof value === typeof first && value !== null;
        if (isAlike && Array.isArray(value) === Array.isArray(first)) {
          /** @type {any} */ (this.options)[name] = value;
        }
      }
      return true;
    } catch {
      return false; // denied, or not ours
    }
  }

  get memory() {
    return `nbtrack:${this.card.project}`;
  }

  /** @param {Change} change */
  tell(change) {
    for (const listener of this.listeners) listener(change);
  }

  close() {
    for (const item of this.held) this.drop(item);
    this.listeners.clear();
  }
}
