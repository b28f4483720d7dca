// A table that is a cell's value: its picture in the page becomes one that can be used.
//
// What the notebook keeps is the picture alone. A widget's own output would be left in
// the file, and without its kernel say "model not found" for ever. So this model has no
// view: it finds the picture by a mark, hides it, and puts the viewer in its place; when
// the kernel is gone, or where the page does not let it, the picture is what is seen.

import { TableView } from "./datatable.js";
import { element } from "./dom.js";
import { plotlyOfPage } from "./loader.js";

const VIEWER_VERSION = 2;

export default () => ({
  /** @param {{model: any}} context */
  initialize({ model }) {
    const mark = model.get("mark");
    const found = document.getElementsByClassName(mark); // live
    const stop = new AbortController();
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    const asked = new Map();
    /** @type {WeakMap<Element, Element>} */
    const shown = new WeakMap();
    /** @type {Set<Element>} */
    const pictures = new Set();
    let last = 0;
    /** @type {any} */
    let first = null;

    /** @param {Record<string, any>} request */
    const ask = (request) =>
      new Promise((resolve, reject) => {
        asked.set(++last, { resolve, reject });
        model.send({ v: VIEWER_VERSION, kind: "ask", id: last, what: "table", ...request });
      });

    /** @param {any} head @param {any[]} buffers */
    const hear = (head, buffers) => {
      const waiting = asked.get(head?.id);
      if (head?.kind !== "answer" || !waiting) return;
      asked.delete(head.id);
      if (head.ok) waiting.resolve({ head, buffers });
      else waiting.reject(new Error(head.error));
    };

    /** A figure of plotly's, whose code the kernel brings with the first of them. */
    const showItem = (/** @type {any} */ item, /** @type {string} */ url) => {
      if (item.type !== "plotly-file" || !url) return null;
      const plot = element("div", "nbt-data-plot");
      const carrier = () => model.widget_manager.get_model(model.get("plotly"));
      Promise.all([plotlyOfPage(carrier), fetch(url).then((answer) => answer.json())]).then(
        ([plotly, { data, layout }]) =>
          plotly.newPlot(plot, data, { ...layout, autosize: true }, { responsive: true }),
        (error) => (plot.textContent = String(error)),
      );
      return plot;
    };

    /** @param {Element} place */
    const upgrade = (place) => {
      const picture = /** @type {HTMLElement} */ (place.firstElementChild);
      const view = new TableView({ first, ask, showItem, signal: stop.signal });
      const root = element("div", "nbtrack nbt-viewer", view.root);
      picture.style.display = "none";
      place.append(root);
      shown.set(place, root);
      pictures.add(place);
      if (pictures.size > 8) for (const old of pictures) if (!old.isConnected) pictures.delete(old);
    };

    let isDue = false;
    const look = () => {
      if (isDue || stop.signal.aborted || !first) return;
      isDue = true;
      setTimeout(() => {
        isDue = false;
        if (stop.signal.aborted) return;
        for (const place of found) if (!shown.has(place)) upgrade(place);
      }, 50);
    };

    const shut = () => {
      stop.abort();
      observer.disconnect();
      asked.clear();
      model.off("msg:custom", hear);
      for (const place of pictures) {
        shown.get(place)?.remove();
        /** @type {HTMLElement} */ (place.firstElementChild).style.display = "";
      }
    };

    const observer = new MutationObserver(look);
    model.on("msg:custom", hear);
    // Of a kernel that was restarted the page keeps the model and loses its line, which
    // only the model itself tells, not what stands for it here.
    model.on("comm_live_update", async () => {
      const whole = await model.widget_manager.get_model(mark.split("-").at(-1));
      if (whole.comm_live === false) shut();
    });
    ask({ offset: 0, limit: 50, first_column: 0, n_columns: 20, names: true }).then(
      ({ head }) => {
        first = head;
        observer.observe(document.body, { childList: true, subtree: true });
        look();
      },
      () => {}, // the picture says as much as can be said
    );
    return shut;
  },
  render() {},
});
