// A table of any size: the browser holds the cells in view and a few around them.
//
// Rows have one height and columns known widths, so where a cell is follows from its
// numbers. What is in view and not at hand is asked for in blocks; until a block comes,
// its cells are empty. A change of sort, search or filter is another question: blocks
// of the question before are dropped, and so are answers that are still on their way.

import { button, element, setText } from "./dom.js";
import { countText, numberText } from "./text.js";

/** @typedef {[string, string]} DataColumn name and type */
/** @typedef {{columns: DataColumn[], rows: any[][], numbers?: number[], n_rows: number,
 *             n_match: number, n_columns: number, all?: DataColumn[]}} DataPage */
/** @typedef {{head: any, buffers: any[]}} DataAnswer */
/** @typedef {{numbers: number[], rows: any[][], urls: string[]}} DataBlock */
/** @typedef {{first?: DataPage | null, signal?: AbortSignal,
 *             ask: (request: Record<string, any>) => Promise<DataAnswer>,
 *             showItem?: (item: any, url: string) => HTMLElement | null}} DataOptions */

const BLOCK_ROWS = 50;
const BLOCK_COLUMNS = 20;
const MOST_BLOCKS = 80;
const MOST_UNDERWAY = 3;
const TALLEST_PX = 8e6; // browsers lay out no more than some 16 to 33 million pixels
const BOX_PX = 372;
const ROW_PX = 26;
const PICTURE_ROW_PX = 62;
const NUMBERS_PX = 58;
const SMALL_PX = 48; // pictures of fewer pixels are shown by their pixels
const WAITING_MS = 1000;
const TYPING_MS = 250;

const FRAME_POLICY =
  "default-src 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'none'";

let grids = 0;

export class TableView {
  /** @param {DataOptions} options */
  constructor({ first = null, ask, signal, showItem }) {
    this.ask = ask;
    this.showItem = showItem;
    this.id = `nbt-data-${++grids}-${Math.random().toString(36).slice(2)}`;
    /** @type {Map<string, DataBlock>} */
    this.blocks = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.drawn = new Map();
    /** @type {Set<string>} */
    this.underway = new Set();
    this.question = 0;
    /** @type {[string, string][]} */
    this.sort = [];
    this.active = { row: 0, column: 0 };
    this.isGone = false;
    this.timer = 0;

    this.search = this.input("search", "Search text");
    this.filter = this.input("text", 'Filter, as lr < 0.01 and "cat" in label');
    this.count = element("span", "nbt-data-count");
    this.count.role = "status";
    this.error = element("div", "nbt-data-error");
    this.error.role = "alert";
    this.head = element("div", "nbt-data-head");
    this.head.role = "row";
    this.body = element("div");
    this.space = element("div", "nbt-data-space", this.head, this.body);
    this.box = element("div", "nbt-data-box", this.space);
    this.box.tabIndex = 0;
    this.box.role = "grid";
    this.box.ariaLabel = "Table";
    this.detail = element("div", "nbt-data-detail");
    this.detail.hidden = true;
    const bar = element("div", "nbt-data-bar", this.search, this.filter, this.count);
    this.root = element("div", "nbt-data", bar, this.error, this.box, this.detail);
    // Keys that move in the table are none of the notebook's commands: d d deletes a cell.
    this.box.dataset.lmSuppressShortcuts = "true";
    this.box.onscroll = () => this.soon();
    this.box.onkeydown = (event) => this.press(event);
    this.box.onclick = (event) => this.click(event);
    this.sized = new ResizeObserver(() => this.soon());
    this.sized.observe(this.box);
    signal?.addEventListener("abort", () => this.remove());
    this.show(first);
  }

  /**
   * Another table in the place of this one: another step's.
   * @param {DataPage | null} first
   */
  show(first) {
    /** @type {DataColumn[]} */
    this.columns = first?.all ?? first?.columns ?? [];
    this.rows = this.all = first?.n_rows ?? 0;
    this.wide = first?.n_columns ?? this.columns.length;
    this.hasNames = Boolean(first?.all);
    this.forget();
    this.close();
    this.box.style.height = "";
    this.layOut(first);
    this.soon();
  }

  remove() {
    this.isGone = true;
    this.forget();
    clearTimeout(this.timer);
    this.sized.disconnect();
    this.root.remove();
  }

  /** Drop what was held of the question before. */
  forget() {
    this.question++;
    this.underway.clear();
    for (const block of this.blocks.values()) release(block);
    this.blocks.clear();
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
  }

  /** @param {string} type @param {string} name */
  input(type, name) {
    const made = /** @type {HTMLInputElement} */ (element("input", "nbt-data-input"));
    made.type = type;
    made.placeholder = name;
    made.ariaLabel = name;
    made.spellcheck = false;
    made.oninput = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.anew(), TYPING_MS);
    };
    return made;
  }

  /** Ask the new question; what is shown stays until it is answered. */
  anew() {
    const question = ++this.question;
    this.underway.clear();
    void this.fetch(0, this.firstColumn(), question);
  }

  // -- asking ----------------------------------------------------------------------

  /** @param {number} row @param {number} column @param {number} question */
  async fetch(row, column, question) {
    const key = `${row},${column}`;
    if (this.underway.has(key)) return;
    this.underway.add(key);
    const isNew = () => this.isGone || question !== this.question;
    const waiting = setTimeout(() => {
      if (!isNew()) setText(this.count, "when the cell is free …");
    }, WAITING_MS);
    try {
      const { head, buffers } = await this.ask({
        offset: row * BLOCK_ROWS,
        limit: BLOCK_ROWS,
        first_column: column * BLOCK_COLUMNS,
        n_columns: BLOCK_COLUMNS,
        sort: this.sort,
        search: this.search.value,
        filter: this.filter.value,
        names: !this.hasNames,
      });
      if (!isNew()) this.take(head, buffers, key);
    } catch (error) {
      if (isNew()) return;
      this.fail(error);
      this.tell();
    } finally {
      clearTimeout(waiting);
      if (question === this.question) this.underway.delete(key);
    }
  }

  /** @param {any} head @param {any[]} buffers @param {string} key */
  take(head, buffers, key) {
    if (this.answered !== this.question) {
      const question = this.question;
      this.forget();
      this.answered = this.question = question;
      this.box.scrollTop = 0;
    }
    setText(this.error, "");
    if (head.all) {
      this.columns = head.all;
      this.hasNames = true;
    }
    this.rows = head.n_match;
    this.all = head.n_rows;
    this.wide = head.n_columns;
    /** @type {string[]} */
    const urls = [];
    for (const row of head.rows) {
      for (const cell of row) {
        if (!(cell?.buffer >= 0)) continue;
        const blob = new Blob([buffers[cell.buffer]], { type: cell.mime });
        urls.push((cell.url = URL.createObjectURL(blob)));
      }
    }
    this.blocks.set(key, { numbers: head.numbers ?? [], rows: head.rows, urls });
    for (const [old, block] of this.blocks) {
      if (this.blocks.size <= MOST_BLOCKS) break;
      release(block);
      this.blocks.delete(old);
    }
    if (head.all || !this.widths) this.layOut(head);
    this.tell();
    this.clear();
    this.soon();
  }

  tell() {
    const of = this.rows === this.all ? "" : `${countText(this.rows)} of `;
    const rows = `${of}${countText(this.all)} row${this.all === 1 ? "" : "s"}`;
    const columns = `${countText(this.wide)} column${this.wide === 1 ? "" : "s"}`;
    setText(this.count, `${rows} × ${columns}`);
  }

  // -- drawing ---------------------------------------------------------------------

  /** Say how wide each column is. @param {DataPage | null} page */
  layOut(page) {
    if (!this.columns.length) return;
    const seen = new Map((page?.columns ?? []).map(([name], at) => [name, at]));
    this.widths = this.columns.map(([name, kind]) => {
      const at = seen.get(name);
      const cells = at === undefined ? [] : (page?.rows ?? []).map((row) => row[at]);
      return widthOf(name, kind, cells);
    });
    /** @type {number[]} */
    this.starts = [];
    let left = NUMBERS_PX;
    for (const width of this.widths) {
      this.starts.push(left);
      left += width;
    }
    this.width = left;
    this.hasPictures = this.columns.some(([, kind]) => kind === "image-file");
    this.rowPx = this.hasPictures ? PICTURE_ROW_PX : ROW_PX;
    this.box.style.setProperty("--nbt-row", `${this.rowPx}px`);
    // No more room than the whole table needs, a bar for its columns included.
    const need = ROW_PX + this.all * this.rowPx + 18;
    if (!this.box.style.height) this.box.style.height = `${Math.min(need, BOX_PX)}px`;
    this.head.replaceChildren();
    this.headFrom = this.headTo = -1;
    this.tell();
  }

  soon() {
    if (this.isAsked || this.isGone) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      if (!this.isGone) this.draw();
    });
  }

  draw() {
    if (!this.widths?.length) {
      void this.fetch(0, 0, this.question);
      return;
    }
    const { from, to, first, last, top } = this.inView();
    this.space.style.width = `${this.width}px`;
    this.space.style.height = `${ROW_PX + this.height()}px`;
    this.box.ariaRowCount = String(this.rows + 1);
    this.box.ariaColCount = String(this.columns.length);
    this.drawHead(first, last);
    const kept = new Map();
    for (let row = from; row < to; row++) {
      const key = `${row},${first},${last}`;
      const line = this.drawn.get(key) ?? this.line(row, first, last);
      line.style.transform = `translateY(${top + (row - from) * this.rowPx}px)`;
      kept.set(key, line);
      if (!line.isConnected) this.body.append(line);
    }
    for (const [key, line] of this.drawn) if (!kept.has(key)) line.remove();
    this.drawn = kept;
    this.markActive();
    this.fill(from, to, first, last);
  }

  height() {
    return Math.min(this.rows * this.rowPx, TALLEST_PX);
  }

  /** The rows and columns that can be seen, and where the first of the rows stands. */
  inView() {
    const { scrollTop, scrollLeft, clientHeight, clientWidth } = this.box;
    const seen = Math.max(0, clientHeight - ROW_PX);
    const most = Math.max(0, this.rows * this.rowPx - seen);
    const room = Math.max(1, this.height() - seen);
    // Of a table that is taller than a browser can lay out, the bar moves in parts.
    const place = Math.min(most, most > room ? (scrollTop / room) * most : scrollTop);
    const from = Math.max(0, Math.floor(place / this.rowPx));
    const to = Math.min(this.rows, Math.ceil((place + seen) / this.rowPx));
    let first = this.starts.findIndex(
      (start, at) => start + this.widths[at] > scrollLeft + NUMBERS_PX,
    );
    first = first < 0 ? this.starts.length - 1 : first;
    let last = first;
    while (last < this.starts.length && this.starts[last] < scrollLeft + clientWidth) last++;
    const top = ROW_PX + scrollTop - (place - from * this.rowPx);
    return { from, to, first, last, top };
  }

  firstColumn() {
    return this.widths?.length ? Math.floor(this.inView().first / BLOCK_COLUMNS) : 0;
  }

  /** Ask for what is in view and not at hand. */
  fill(from, to, first, last) {
    for (let row = Math.floor(from / BLOCK_ROWS); row * BLOCK_ROWS < to; row++) {
      let column = Math.floor(first / BLOCK_COLUMNS);
      for (; column * BLOCK_COLUMNS < last; column++) {
        if (this.blocks.has(`${row},${column}`)) continue;
        if (this.underway.size >= MOST_UNDERWAY) return;
        void this.fetch(row, column, this.question);
      }
    }
  }

  /** @param {number} first @param {number} last */
  drawHead(first, last) {
    if (this.headFrom === first && this.headTo === last) return;
    [this.headFrom, this.headTo] = [first, last];
    const cells = [element("span", "nbt-data-number", "")];
    cells[0].role = "presentation";
    for (let at = first; at < last; at++) {
      const [name, kind] = this.columns[at];
      const way = this.sort.find(([sorted]) => sorted === name)?.[1];
      const arrow = way ? (way === "asc" ? " ↑" : " ↓") : "";
      const cell = this.cell("nbt-data-title", at, -1, "columnheader");
      cell.append(element("span", "", name), arrow);
      cell.title = `${name} (${kind || "empty"})`;
      if (kind === "number") cell.classList.add("nbt-is-number");
      const sorts = { asc: "ascending", desc: "descending" };
      cell.ariaSort = way ? sorts[way] : "none";
      cells.push(cell);
    }
    this.head.replaceChildren(...cells);
  }

  /** @param {string} className @param {number} column @param {number} row @param {string} role */
  cell(className, column, row, role) {
    const cell = element("span", className);
    cell.style.left = `${this.starts[column]}px`;
    cell.style.width = `${this.widths[column]}px`;
    cell.role = role;
    cell.ariaColIndex = String(column + 1);
    cell.dataset.at = `${row},${column}`;
    cell.id = `${this.id}-${row}-${column}`;
    return cell;
  }

  /** @param {number} row @param {number} first @param {number} last */
  line(row, first, last) {
    const numbers = this.blocks.get(this.blockOf(row, first))?.numbers;
    const number = numbers?.[row % BLOCK_ROWS];
    const label = element("span", "nbt-data-number", number === undefined ? "" : countText(number));
    label.role = "rowheader";
    const line = element("div", "nbt-data-row", label);
    line.role = "row";
    line.ariaRowIndex = String(row + 2);
    if (row % 2) line.classList.add("nbt-is-odd");
    for (let at = first; at < last; at++) {
      const cell = this.cell("nbt-data-cell", at, row, "gridcell");
      const value = this.valueOf(row, at);
      if (value !== undefined) fillCell(cell, value, this.columns[at][1]);
      line.append(cell);
    }
    return line;
  }

  /** @param {number} row @param {number} column */
  blockOf(row, column) {
    return `${Math.floor(row / BLOCK_ROWS)},${Math.floor(column / BLOCK_COLUMNS)}`;
  }

  /** A cell, or undefined where it has not come. @param {number} row @param {number} column */
  valueOf(row, column) {
    const block = this.blocks.get(this.blockOf(row, column));
    return block?.rows[row % BLOCK_ROWS]?.[column % BLOCK_COLUMNS];
  }

  /** Rows are drawn anew, with what has come. */
  clear() {
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
    this.headFrom = -1;
  }

  markActive() {
    const { row, column } = this.active;
    for (const old of this.root.querySelectorAll(".nbt-is-active")) {
      old.classList.remove("nbt-is-active");
    }
    const cell = this.root.querySelector(`[id="${this.id}-${row}-${column}"]`);
    cell?.classList.add("nbt-is-active");
    if (cell) this.box.setAttribute("aria-activedescendant", cell.id);
  }

  // -- hands -----------------------------------------------------------------------

  /** @param {Event} event */
  click(event) {
    const target = /** @type {HTMLElement} */ (event.target).closest("[data-at]");
    if (!target) return;
    const [row, column] = String(/** @type {HTMLElement} */ (target).dataset.at).split(",").map(Number);
    this.active = { row, column };
    this.markActive();
    if (row < 0) this.sortBy(column);
    else if (isLong(this.valueOf(row, column)) || !this.detail.hidden) void this.open();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const { row, column } = this.active;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.rowPx) - 2);
    const end = { row: this.rows - 1, column: this.columns.length - 1 };
    const far = event.ctrlKey || event.metaKey;
    /** @type {Record<string, () => void>} */
    const moves = {
      ArrowDown: () => this.go(row + 1, column),
      ArrowUp: () => this.go(row - 1, column),
      ArrowRight: () => this.go(row, column + 1),
      ArrowLeft: () => this.go(row, column - 1),
      PageDown: () => this.go(row + page, column),
      PageUp: () => this.go(Math.max(0, row - page), column),
      Home: () => this.go(far ? 0 : row, 0),
      End: () => this.go(far ? end.row : row, end.column),
      Enter: () => (row < 0 ? this.sortBy(column) : void this.open()),
      Escape: () => this.close(),
    };
    moves[" "] = moves.Enter;
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }

  /** @param {number} row @param {number} column */
  go(row, column) {
    row = Math.max(-1, Math.min(row, this.rows - 1));
    column = Math.max(0, Math.min(column, this.columns.length - 1));
    this.active = { row, column };
    if (row >= 0) this.scrollToRow(row);
    const left = this.starts[column] - NUMBERS_PX;
    const right = this.starts[column] + this.widths[column] - this.box.clientWidth;
    if (left < this.box.scrollLeft) this.box.scrollLeft = left;
    else if (right > this.box.scrollLeft) this.box.scrollLeft = Math.min(left, right);
    this.soon();
  }

  /** @param {number} row */
  scrollToRow(row) {
    const seen = this.box.clientHeight - ROW_PX;
    const most = Math.max(1, this.rows * this.rowPx - seen);
    const scale = Math.min(1, Math.max(1, this.height() - seen) / most);
    const top = row * this.rowPx * scale;
    const bottom = ((row + 1) * this.rowPx - seen) * scale;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (bottom > this.box.scrollTop) this.box.scrollTop = Math.ceil(bottom);
  }

  /** Rising, falling, as they are. @param {number} column */
  sortBy(column) {
    const name = this.columns[column][0];
    const way = this.sort.find(([sorted]) => sorted === name)?.[1];
    if (way === "desc") this.sort = [];
    else this.sort = [[name, way ? "desc" : "asc"]];
    this.headFrom = -1;
    this.soon();
    this.anew();
  }

  /** Show the active cell whole, below the table. */
  async open() {
    const { row, column } = this.active;
    const question = this.question;
    if (row < 0 || !this.columns[column]) return;
    try {
      const { head, buffers } = await this.ask({
        offset: row,
        limit: 1,
        first_column: column,
        n_columns: 1,
        sort: this.sort,
        search: this.search.value,
        filter: this.filter.value,
        full: true,
      });
      if (this.isGone || question !== this.question) return;
      this.close();
      setText(this.error, "");
      const value = head.rows[0]?.[0];
      if (value?.buffer >= 0) {
        const blob = new Blob([buffers[value.buffer]], { type: value.mime });
        this.detailUrl = value.url = URL.createObjectURL(blob);
      }
      const name = `${this.columns[column][0]} · row ${countText(head.numbers[0])}`;
      const shut = button("Close", "nbt-data-close", () => this.close());
      const title = element("div", "nbt-data-detail-title", element("b", "", name), shut);
      this.detail.append(title, this.whole(value));
      this.detail.hidden = false;
    } catch (error) {
      this.fail(error);
    }
  }

  /** Told here, where it is taken back, and nowhere else. @param {unknown} error */
  fail(error) {
    setText(this.error, error instanceof Error ? error.message : String(error));
  }

  /** @param {any} value */
  whole(value) {
    if (value?.type) {
      if (value.error) return element("div", "nbt-data-error", value.error);
      return this.showItem?.(value, value.url) ?? itemElement(value);
    }
    const text = value?.text ?? (value === null ? "None" : String(value));
    const cut = value?.length > text.length ? `\n… ${countText(value.length)} characters` : "";
    return element("pre", "nbt-data-text", text + cut);
  }

  close() {
    if (this.detailUrl) URL.revokeObjectURL(this.detailUrl);
    this.detailUrl = "";
    this.detail.replaceChildren();
    this.detail.hidden = true;
  }
}

/** @param {DataBlock} block */
function release(block) {
  for (const url of block.urls) URL.revokeObjectURL(url);
}

/** @param {any} value */
function isLong(value) {
  return Boolean(value?.type || value?.length) || (typeof value === "string" && value.length > 40);
}

/** @param {string} name @param {string} kind @param {any[]} cells */
function widthOf(name, kind, cells) {
  const title = Math.min(name.length * 7 + 34, 200);
  if (kind === "image-file") {
    const captions = cells.map((cell) => String(cell?.caption ?? "").length);
    return Math.max(title, 84 + Math.min(Math.max(0, ...captions) * 7, 170));
  }
  const texts = cells.map((cell) => cellText(cell, kind).length);
  const longest = texts.length ? Math.max(...texts) : kind === "number" ? 9 : 18;
  const least = kind === "number" ? 96 : 56; // other pages may have longer numbers
  return Math.max(title, Math.min(longest * 7.3 + 24, 300), least);
}

/** @param {any} value @param {string} kind */
function cellText(value, kind) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return numberText(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value.type) {
    const name = `▣ ${value.type.replace("-file", "")}`;
    return value.error ? `⚠ ${value.error}` : [name, value.caption].filter(Boolean).join(" ");
  }
  return String(value.text ?? value);
}

/** @param {HTMLElement} cell @param {any} value @param {string} kind */
function fillCell(cell, value, kind) {
  if (kind === "number") cell.classList.add("nbt-is-number");
  const isMissing = value === null || value?.text === "NaN";
  if (isMissing) cell.classList.add("nbt-is-missing");
  if (value?.type === "image-file" && value.url) {
    const image = /** @type {HTMLImageElement} */ (element("img"));
    image.src = value.url;
    image.alt = value.caption || "image";
    if (Math.max(value.width, value.height) < SMALL_PX) image.className = "nbt-is-small";
    cell.append(image);
    if (value.caption) cell.append(element("span", "nbt-data-caption", value.caption));
    return;
  }
  const text = cellText(value, kind);
  cell.textContent = text;
  if (value?.type) cell.classList.add("nbt-data-item");
  else cell.title = typeof value === "number" ? String(value) : text;
}

/**
 * A page in a frame: its scripts run, and reach neither this page nor the network.
 * @param {Promise<string>} text
 * @param {string} title
 */
export function sandboxed(text, title) {
  const frame = /** @type {HTMLIFrameElement} */ (element("iframe", "nbt-data-frame"));
  frame.setAttribute("sandbox", "allow-scripts");
  frame.setAttribute("referrerpolicy", "no-referrer");
  frame.title = title;
  const policy = `<meta http-equiv="Content-Security-Policy" content="${FRAME_POLICY}">`;
  void text.then((page) => (frame.srcdoc = `<!DOCTYPE html>${policy}${page}`));
  return frame;
}

/** @param {any} item @param {string} tag "audio" or "video" */
export function player({ url, caption }, tag) {
  const made = /** @type {HTMLMediaElement} */ (element(tag, "nbt-media-player"));
  made.controls = true;
  made.preload = "metadata";
  made.loop = tag === "video";
  made.setAttribute("playsinline", "");
  made.ariaLabel = caption || tag;
  made.src = url ?? "";
  return made;
}

/** A cell's object by itself. @param {any} item */
function itemElement(item) {
  const { type, url, mime } = item;
  const caption = element("div", "nbt-data-caption", item.caption ?? "");
  if (!url) return element("div", "nbt-data-caption", cellText(item, ""));
  if (mime.startsWith("image/")) {
    const image = /** @type {HTMLImageElement} */ (element("img", "nbt-data-picture"));
    image.src = url;
    image.alt = item.caption || "image";
    return element("div", "", image, caption);
  }
  if (mime.startsWith("audio/") || mime.startsWith("video/")) {
    return element("div", "", player(item, mime.slice(0, 5)), caption);
  }
  if (mime.startsWith("text/html")) {
    const frame = sandboxed(fetch(url).then((answer) => answer.text()), item.caption || "page");
    return element("div", "", frame, caption);
  }
  return element("div", "nbt-data-caption", `${cellText({ type }, "")}: log it by itself to see it`);
}
