// What can be used, in the place of its picture.
//
// What the notebook keeps is the picture alone. A widget's own output would be left in
// the file, and without its kernel say "model not found" for ever. So such a model has no
// view: it finds the picture by a mark, hides it, and puts the view in its place; when
// the kernel is gone, or where the page does not let it, the picture is what is seen.

import { element } from "./dom.js";

const MOST_PLACES = 8; // of one model, that need not be in the page

/**
 * @param {any} model has the mark
 * @param {(room: HTMLElement) => () => void} build fills the room; gives the undo
 */
export function inPlaces(model, build) {
  const mark = model.get("mark");
  const found = document.getElementsByClassName(mark); // live
  /** @type {Map<Element, () => void>} */
  const shown = new Map();
  let isDue = false;
  let isOver = false;

  /** @param {Element} place */
  const fill = (place) => {
    const picture = /** @type {HTMLElement} */ (place.firstElementChild);
    const room = element("div");
    picture.style.display = "none";
    place.append(room);
    const undo = build(room);
    shown.set(place, () => {
      shown.delete(place);
      undo();
      room.remove();
      picture.style.display = "";
    });
  };

  const look = () => {
    if (isDue || isOver) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      if (isOver) return;
      for (const place of found) if (!shown.has(place)) fill(place);
      if (shown.size <= MOST_PLACES) return;
      for (const [place, undo] of shown) if (!place.isConnected) undo();
    }, 50);
  };
  const observer = new MutationObserver(look);

  const shut = () => {
    isOver = true;
    observer.disconnect();
    for (const undo of [...shown.values()]) undo();
  };
  // Of a kernel that was restarted the page keeps the model and loses its line, which
  // only the model itself tells, not what stands for it here.
  model.on("comm_live_update", async () => {
    const whole = await model.widget_manager.get_model(mark.split("-").at(-1));
    if (whole.comm_live === false) shut();
  });
  const start = () => {
    isOver = false; // a kernel that was thought gone is heard again
    observer.observe(document.body, { childList: true, subtree: true });
    look();
  };
  return { start, shut };
}
