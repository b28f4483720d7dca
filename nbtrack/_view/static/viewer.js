// A table that is a cell's value: its picture in the page becomes one that can be used.

import { TableView } from "./datatable.js";
import { element } from "./dom.js";
import { plotlyOfPage } from "./loader.js";
import { inPlaces } from "./place.js";

const VIEWER_VERSION = 2;

export default () => ({
  /** @param {{model: any}} context */
  initialize({ model }) {
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    const asked = new Map();
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

    const places = inPlaces(model, (room) => {
      const view = new TableView({ first, ask, showItem });
      room.className = "nbtrack nbt-viewer";
      room.append(view.root);
      return () => view.remove();
    });
    model.on("msg:custom", hear);
    ask({ offset: 0, limit: 50, first_column: 0, n_columns: 20, names: true }).then(
      ({ head }) => {
        first = head;
        places.start();
      },
      () => {}, // the picture says as much as can be said
    );
    return () => {
      places.shut();
      asked.clear();
      model.off("msg:custom", hear);
    };
  },
  render() {},
});
