// The summary's table and the config's.

import { element, setText } from "./dom.js";

/** @param {string} text */
function isNumber(text) {
  return /^-?(\d\S*|inf|nan)$/.test(text);
}

const ORDER = ["last", "min", "max", "mean", "best", "best_step", "first"];

/** @param {string} label */
function rank(label) {
  const at = ORDER.indexOf(label);
  return at < 0 ? ORDER.length : at;
}

/** Statistics of each metric, updated cell by cell. */
export class SummaryTable {
  constructor() {
    this.head = element("tr");
    this.body = element("tbody");
    const table = element("table", "nbt-table", element("thead", "", this.head), this.body);
    this.root = element("div", "nbt-table-box", table);
    /** @type {string} */
    this.shape = "";
    /** @type {HTMLElement[]} */
    this.cells = [];
  }

  /** @param {Map<string, [string, string][]>} summary */
  update(summary) {
    const labels = [...new Set([...summary.values()].flat().map(([label]) => label))];
    labels.sort((a, b) => rank(a) - rank(b));
    const keys = [...summary.keys()];
    const shape = JSON.stringify([labels, keys]);
    if (shape !== this.shape) this.rebuild(labels, keys);
    this.shape = shape;
    let at = 0;
    for (const values of summary.values()) {
      const byLabel = new Map(values);
      for (const label of labels) {
        const text = byLabel.get(label) ?? "";
        const cell = this.cells[at++];
        setText(cell, text);
        cell.classList.toggle("nbt-is-text", Boolean(text) && !isNumber(text));
      }
    }
  }

  /**
   * @param {string[]} labels
   * @param {string[]} keys
   */
  rebuild(labels, keys) {
    this.head.replaceChildren(...["Metric", ...labels].map(columnHead));
    this.cells = [];
    this.body.replaceChildren(
      ...keys.map((key) => {
        const cells = labels.map(() => element("td"));
        this.cells.push(...cells);
        return element("tr", "", rowHead(key), ...cells);
      }),
    );
  }
}

/**
 * @param {[string, string][]} pairs
 */
export function configTable(pairs) {
  const rows = pairs.map(([key, value]) =>
    element("tr", "", rowHead(key), element("td", "nbt-is-text", value)),
  );
  const table = element("table", "nbt-table", element("tbody", "", ...rows));
  return element("div", "nbt-table-box", table);
}

/** @param {string} label */
function columnHead(label) {
  const cell = element("th", "", label);
  cell.setAttribute("scope", "col");
  return cell;
}

/** @param {string} key */
function rowHead(key) {
  const cell = element("th", "", key);
  cell.setAttribute("scope", "row");
  return cell;
}
