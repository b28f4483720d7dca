// Bytes to columns. The messages are described in nbtrack/_view/wire.py.

/** @typedef {{id: number, series: number, epoch: number, from: number,
 *             count: number, tail: number}} TrackPart */
/** @typedef {{key: string, title: string, x_title: string, color: string,
 *             track: number, series: number}} ChartPlace */
/** @typedef {{name: string, charts: ChartPlace[]}} SectionPlace */
/** @typedef {{key: string, values: [string, string][]}} SummaryLine */
/** @typedef {{v: number, kind: string, n: number, key: boolean,
 *             card?: Record<string, any>, layout?: SectionPlace[],
 *             summary?: {rows: SummaryLine[], gone: string[]},
 *             tracks: TrackPart[]}} FrameHead */
/** @typedef {{x: Float64Array, ys: Float32Array[]}} Columns */

export const WIRE_VERSION = 1;

/**
 * A copy of the bytes that begins at zero, so that typed arrays can be laid on it.
 * @param {DataView | ArrayBuffer | Uint8Array} bytes
 * @returns {ArrayBuffer}
 */
export function aligned(bytes) {
  if (bytes instanceof ArrayBuffer) return bytes;
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/**
 * The columns of every track that a head speaks of, in its order.
 * @param {FrameHead} head
 * @param {ArrayBuffer} body
 * @returns {Columns[]}
 */
export function columnsOf(head, body) {
  let at = 0;
  return head.tracks.map((part) => {
    const length = part.count + part.tail;
    const x = new Float64Array(body, at, length);
    at += length * 8;
    const ys = [];
    for (let i = 0; i < part.series; i++) {
      ys.push(new Float32Array(body, at, length));
      at += length * 4;
    }
    at += (8 - (at % 8)) % 8;
    return { x, ys };
  });
}

/**
 * Head and body of a frame that came in one piece.
 * @param {DataView} packed
 * @returns {{head: FrameHead, body: ArrayBuffer}}
 */
export function unpacked(packed) {
  const bytes = aligned(packed);
  const size = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size)));
  return { head, body: bytes.slice(4 + size) };
}
