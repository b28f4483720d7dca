// Bytes to columns. The messages are described in nbtrack/_view/wire.py.

/** @typedef {{id: number, series: number, axis?: boolean, epoch: number, from: number,
 *             count: number, tail: number}} TrackPart */
/** @typedef {{kind: "line", key: string, title: string, x_title: string, color: string,
 *             track: number, series: number, goal?: string,
 *             isTimed?: boolean}} LinePlace */
/** @typedef {{kind: "media", key: string, title: string, type: string}} MediaPlace */
/** @typedef {LinePlace | MediaPlace} Place */
/** @typedef {{name: string, tab: "charts" | "system", panels: Place[]}} SectionPlace */
/** @typedef {{key: string, values: [string, string][]}} SummaryLine */
/** @typedef {{type: string, caption: string, mime: string, width: number, height: number,
 *             size: number, data: any, buffer: number}} WireItem */
/** @typedef {{key: string, step: number, seconds: number, items: WireItem[]}} MediaPart */
/** @typedef {{v: number, kind: string, n: number, key: boolean,
 *             card?: Record<string, any>, layout?: SectionPlace[],
 *             summary?: {rows: SummaryLine[], gone: string[]},
 *             tracks: TrackPart[], media?: MediaPart[],
 *             console?: {from: number, lines: [string, string][]},
 *             sizes?: number[]}} FrameHead */
/** @typedef {{v: number, kind: "answer", id: number, ok: boolean, error?: string} &
 *            Record<string, any>} AnswerHead */
/** @typedef {{step: Float64Array, axis: Float64Array | null, seconds: Float32Array,
 *             ys: Float32Array[]}} Columns */

export const WIRE_VERSION = 2;

/**
 * A copy of the bytes that begins at zero, so that typed arrays can be laid on it.
 * @param {DataView | ArrayBuffer | Uint8Array} bytes
 * @returns {ArrayBuffer}
 */
export function aligned(bytes) {
  if (bytes instanceof ArrayBuffer) return bytes;
  const end = bytes.byteOffset + bytes.byteLength;
  return /** @type {ArrayBuffer} */ (bytes.buffer.slice(bytes.byteOffset, end));
}

/**
 * The columns of every track that a head speaks of, in its order.
 * @param {TrackPart[]} parts
 * @param {ArrayBuffer} body
 * @returns {Columns[]}
 */
export function columnsOf(parts, body) {
  let at = 0;
  return parts.map((part) => {
    const length = part.count + part.tail;
    const wide = () => new Float64Array(body, (at += length * 8) - length * 8, length);
    const slim = () => new Float32Array(body, (at += length * 4) - length * 4, length);
    const step = wide();
    const axis = part.axis ? wide() : null;
    const seconds = slim();
    const ys = Array.from({ length: part.series }, slim);
    at += (8 - (at % 8)) % 8;
    return { step, axis, seconds, ys };
  });
}

/**
 * The points of every series of a detailed answer.
 * @param {{key: string, count: number}[]} series
 * @param {ArrayBuffer} body
 * @returns {Map<string, {x: Float64Array, y: Float32Array}>}
 */
export function detailOf(series, body) {
  let at = 0;
  return new Map(
    series.map(({ key, count }) => {
      const x = new Float64Array(body, at, count);
      const y = new Float32Array(body, at + count * 8, count);
      at += count * 12 + ((count * 4) % 8);
      return [key, { x, y }];
    }),
  );
}

/**
 * Head and buffers of a frame that came in one piece.
 * @param {DataView} packed
 * @returns {{head: FrameHead, buffers: ArrayBuffer[]}}
 */
export function unpacked(packed) {
  const bytes = aligned(packed);
  const size = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size)));
  let at = 4 + size;
  /** @param {number} length */
  const next = (length) => {
    const buffer = bytes.slice(at, at + length);
    at += length + (-length & 7); // each begins at a multiple of eight
    return buffer;
  };
  return { head, buffers: head.sizes.map(next) };
}
