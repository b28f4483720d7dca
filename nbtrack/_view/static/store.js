// What a board knows; views only read it.

import { WIRE_VERSION, columnsOf } from "./wire.js";

const FIRST_CAPACITY = 256;

/** Points of series with a common x, in arrays that grow in place. */
export class Track {
  /** @param {number} series */
  constructor(series) {
    this.epoch = 0;
    this.closed = 0;
    this.length = 0; // with the provisional points
    this.x = new Float64Array(FIRST_CAPACITY);
    this.ys = Array.from({ length: series }, () => new Float32Array(FIRST_CAPACITY));
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
    this.x.set(columns.x, part.from);
    this.ys.forEach((y, i) => y.set(columns.ys[i], part.from));
    return true;
  }

  /** @param {number} length */
  grow(length) {
    if (length <= this.x.length) return;
    const capacity = Math.max(length, 2 * this.x.length);
    const x = new Float64Array(capacity);
    x.set(this.x);
    this.x = x;
    this.ys = this.ys.map((old) => {
      const y = new Float32Array(capacity);
      y.set(old);
      return y;
    });
  }

  /** Join every two pairs into one, as the kernel did: its points.py says how. */
  halve() {
    const pairs = Math.floor(this.closed / 4);
    for (let i = 0; i < pairs; i++) {
      this.x[2 * i] = this.x[4 * i];
      this.x[2 * i + 1] = this.x[4 * i + 2];
      for (const y of this.ys) joinInto(y, i);
    }
    this.closed = this.length = 2 * pairs;
  }
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

/** @typedef {{card: boolean, layout: boolean, summary: boolean,
 *             tracks: Set<number>}} Change */

/** Applies frames in order and tells its listeners what has changed. */
export class Store {
  constructor() {
    this.n = 0;
    this.isWaiting = true; // for a key frame
    /** @type {Record<string, any>} */
    this.card = {};
    this.cardAt = 0; // performance.now() when the card came
    /** @type {import("./wire.js").SectionPlace[]} */
    this.layout = [];
    /** @type {Map<string, [string, string][]>} */
    this.summary = new Map();
    /** @type {Map<number, Track>} */
    this.tracks = new Map();
    /** @type {Set<(change: Change) => void>} */
    this.listeners = new Set();
  }

  /**
   * Take a frame in. False means that something before it was lost: until the next
   * key frame the picture stands still rather than being wrong.
   * @param {import("./wire.js").FrameHead} head
   * @param {ArrayBuffer} body
   */
  take(head, body) {
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
    const columns = columnsOf(head, body);
    for (const [i, part] of head.tracks.entries()) {
      if (!this.tracks.has(part.id)) this.tracks.set(part.id, new Track(part.series));
      if (!this.tracks.get(part.id)?.take(part, columns[i])) {
        this.isWaiting = true;
        return false;
      }
    }
    if (head.layout) this.setLayout(head.layout);
    if (head.card) {
      Object.assign(this.card, head.card);
      this.cardAt = performance.now();
    }
    for (const key of head.summary?.gone ?? []) this.summary.delete(key);
    for (const row of head.summary?.rows ?? []) this.summary.set(row.key, row.values);
    this.tell({
      card: Boolean(head.card),
      layout: Boolean(head.layout),
      summary: Boolean(head.summary),
      tracks: new Set(head.tracks.map((part) => part.id)),
    });
    return true;
  }

  /** @param {import("./wire.js").SectionPlace[]} layout */
  setLayout(layout) {
    this.layout = layout;
    const used = new Set(layout.flatMap((s) => s.charts.map((chart) => chart.track)));
    for (const id of this.tracks.keys()) if (!used.has(id)) this.tracks.delete(id);
  }

  /** @param {Change} change */
  tell(change) {
    for (const listener of this.listeners) listener(change);
  }
}
