// Building elements. Whatever comes from a run is text here, never markup.

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * Set text only where it differs: an untouched node costs no layout.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {string} text
 * @param {string} className "nbt-icon nbt-i-…" shows a picture in the place of the text
 * @param {(event: Event) => void} onClick
 */
export function button(text, className, onClick) {
  const made = /** @type {HTMLButtonElement} */ (element("button", className));
  made.type = "button";
  if (className.includes("nbt-icon")) made.title = text;
  else made.textContent = text;
  made.ariaLabel = text;
  made.onclick = onClick;
  return made;
}

let made = 0;

/**
 * A label before its input.
 * @param {string} text
 * @param {HTMLElement} input
 */
export function labelled(text, input) {
  input.id = `nbt-${++made}-${Math.random().toString(36).slice(2)}`;
  const label = element("label", "", text);
  label.setAttribute("for", input.id);
  return element("span", "nbt-control", label, input);
}

/**
 * Put nodes into a parent in this order; those in their place are not touched, since
 * a frame that is moved loads anew.
 * @param {Element} parent
 * @param {Element[]} nodes
 */
export function keepOrder(parent, nodes) {
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}
