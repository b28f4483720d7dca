// A page without a kernel: the frame and what may be asked for are in the file.

/** @param {string} name */
function held(name) {
  return JSON.parse(document.getElementById(`nbtrack-${name}`)?.textContent || "null");
}

/** @param {string} base64 */
function decoded(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new DataView(bytes.buffer);
}

function packedPlotly() {
  const packed = held("plotly");
  if (!packed) throw new Error("This page links to plotly.js, which did not load.");
  return decoded(packed);
}

const ALL_THERE_IS = "This page has no kernel: what is in it is all there is.";

/** Stands for the widget's model: values to read, messages to hear. */
class PageModel {
  /** @param {Record<string, any>} values */
  constructor(values) {
    this.values = values;
    /** @type {Map<string, Set<Function>>} */
    this.listeners = new Map();
    const plotly = { get: packedPlotly, set() {} };
    this.widget_manager = { get_model: async () => plotly };
  }

  /** @param {string} name */
  get(name) {
    return this.values[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.values[name] = value;
  }

  save_changes() {}

  /** @param {string} name @param {Function} listener */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name)?.add(listener);
  }

  /** @param {string} name @param {Function} listener */
  off(name, listener) {
    this.listeners.get(name)?.delete(listener);
  }

  /** @param {any} head @param {DataView[]} buffers */
  tell(head, buffers) {
    for (const listener of this.listeners.get("msg:custom") ?? []) listener(head, buffers);
  }

  /** @param {any} message */
  send(message) {
    if (message.kind === "error") console.error(message.message);
    if (message.kind !== "ask") return;
    const { v, id } = message;
    const { buffers, ...found } = answerTo(message);
    setTimeout(() => this.tell({ v, kind: "answer", id, ...found }, buffers));
  }
}

const NO_FILTER = "A filter needs the kernel, and this page has none. Sorting and searching work.";

/** @param {any} message @returns {any} */
function answerTo(message) {
  const { what, key, step } = message;
  // There are no more points than the page has: a zoom shows those.
  if (what === "detail") return { ok: true, series: [], buffers: [decoded("")] };
  const isMeant = (/** @type {any} */ one) => one.key === key && one.step === step;
  if (what === "media") {
    const found = answers.find(isMeant);
    if (found) {
      const { first, count, items } = found;
      return { ok: true, items, buffers: contents.slice(first, first + count) };
    }
  }
  if (what === "table") {
    const table = tables.find((one) => isMeant(one) && one.item === (message.item ?? 0));
    if (table && message.filter?.trim()) return { ok: false, error: NO_FILTER, buffers: [] };
    if (table) return rowsOf(table, message);
  }
  return { ok: false, error: ALL_THERE_IS, buffers: [] };
}

/**
 * A page of a table, of the rows that are in the file.
 * @param {any} table
 * @param {any} asked
 */
function rowsOf(table, { offset = 0, limit = 50, first_column = 0, n_columns = 20, ...asked }) {
  const order = orderOf(table, asked.sort ?? [], asked.search?.trim().toLowerCase());
  const numbers = order.slice(offset, offset + limit);
  /** @type {DataView[]} */
  const buffers = [];
  const cell = (/** @type {any} */ value) => {
    if (!(value?.buffer >= 0)) return value;
    buffers.push(contents[table.first + value.buffer]);
    return { ...value, buffer: buffers.length - 1 };
  };
  const end = first_column + n_columns;
  const rows = numbers.map((at) => table.rows[at].slice(first_column, end).map(cell));
  return {
    ...table,
    ok: true,
    columns: table.columns.slice(first_column, end),
    rows,
    numbers: numbers.map((at) => table.numbers?.[at] ?? at),
    n_match: order.length,
    buffers,
  };
}

/**
 * Which rows, in which order; what is missing comes last.
 * @param {any} table
 * @param {[string, string][]} sort
 * @param {string} [search]
 * @returns {number[]}
 */
function orderOf(table, sort, search) {
  const holds = (/** @type {any} */ value) =>
    typeof value === "string" && value.toLowerCase().includes(search ?? "");
  /** @type {number[]} */
  const order = [...table.rows.keys()];
  const kept = search ? order.filter((at) => table.rows[at].some(holds)) : order;
  const keys = sort.map(([name, way]) => ({
    column: table.columns.findIndex((/** @type {any} */ one) => one[0] === name),
    sign: way === "desc" ? -1 : 1,
  }));
  const isMissing = (/** @type {any} */ value) => value === null || value !== value;
  return kept.sort((a, b) => {
    for (const { column, sign } of keys) {
      const [one, other] = [table.rows[a][column], table.rows[b][column]];
      if (isMissing(one) || isMissing(other)) {
        if (isMissing(one) !== isMissing(other)) return isMissing(one) ? 1 : -1;
      } else if (one < other) return -sign;
      else if (one > other) return sign;
    }
    return a - b;
  });
}

const pageModel = new PageModel({ plotly: held("has-plotly") ? "page" : "", snapshot: null });
const contents = held("buffers").map(decoded);
/** @type {any[]} */
const answers = held("answers");
/** @type {any[]} */
const tables = held("tables");
const widget = boardOf();
widget.initialize?.({ model: pageModel });
pageModel.tell(held("frame"), contents);
widget.render({ model: pageModel, el: document.getElementById("board") });
