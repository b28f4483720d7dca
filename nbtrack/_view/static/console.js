// The last lines that the run printed.

import { element, setText } from "./dom.js";

const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]/g;
const NEAR_PX = 24;

/** Follows the end unless somebody reads further up. */
export class ConsoleTail {
  constructor() {
    this.root = element("div", "nbt-console");
    this.root.role = "log";
    this.root.setAttribute("aria-live", "off"); // it would chatter
    this.root.ariaLabel = "Console";
    this.root.tabIndex = 0;
    this.from = 0;
  }

  /** @param {{from: number, lines: [string, string][]}} tail */
  update({ from, lines }) {
    const root = this.root;
    const isAtEnd = root.scrollHeight - root.scrollTop - root.clientHeight < NEAR_PX;
    for (; this.from < from && root.firstChild; this.from++) root.firstChild.remove();
    if (this.from !== from) root.replaceChildren();
    this.from = from;
    while (root.childElementCount > lines.length) root.lastChild?.remove();
    lines.forEach(([stream, text], i) => {
      const line = root.children[i] ?? root.appendChild(element("div"));
      line.className = `nbt-line nbt-is-${stream}`;
      setText(line, text.replace(ESCAPES, ""));
    });
    if (isAtEnd) root.scrollTop = root.scrollHeight;
  }
}
