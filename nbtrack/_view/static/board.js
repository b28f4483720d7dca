// The widget: frames in, views out. The state lives here, once per model.

import { plotlyOfPage } from "./loader.js";
import { Store } from "./store.js";
import { BoardView } from "./view.js";
import { WIRE_VERSION, aligned, unpacked } from "./wire.js";

const PATIENCE_MS = 1000;
const NO_PLOTLY = "No charts: the kernel has no plotly.js. The numbers are complete.";

export default () => {
  const store = new Store();
  /** @type {Set<BoardView>} */
  const views = new Set();
  /** @type {Set<string>} */
  const told = new Set();
  let hasAsked = false; // for a key frame, since something was missing

  /** @param {any} model */
  const tellReady = (model) => {
    const n = store.isWaiting ? 0 : store.n;
    hasAsked = n === 0;
    model.send({ v: WIRE_VERSION, kind: "ready", n });
  };

  /** @param {any} model @param {unknown} error */
  const report = (model, error) => {
    const message = String(error);
    for (const view of views) view.showError(message);
    if (told.has(message)) return; // a chart that fails, fails with every frame
    told.add(message);
    model.send({ v: WIRE_VERSION, kind: "error", message });
  };

  /** @param {any} model @param {import("./wire.js").FrameHead} head @param {any} body */
  const take = (model, head, body) => {
    const wasWaiting = store.isWaiting;
    try {
      if (store.take(head, aligned(body))) {
        if (wasWaiting) tellReady(model);
      } else if (!hasAsked) tellReady(model);
    } catch (error) {
      report(model, error);
    }
  };

  /** @param {any} model */
  const bringPlotly = async (model) => {
    const id = model.get("plotly");
    if (!id) return;
    if (id === "none") {
      for (const view of views) view.showError(NO_PLOTLY);
      return;
    }
    try {
      const plotly = await plotlyOfPage(() => model.widget_manager.get_model(id));
      for (const view of views) view.setPlotly(plotly);
    } catch (error) {
      report(model, error);
    }
  };

  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      /** @param {any} head @param {any[]} buffers */
      const onMessage = (head, buffers) => take(model, head, buffers[0]);
      const onPlotly = () => void bringPlotly(model);
      model.on("msg:custom", onMessage);
      model.on("change:plotly", onPlotly);
      const snapshot = model.get("snapshot");
      if (snapshot?.byteLength) {
        const { head, body } = unpacked(snapshot);
        take(model, head, body);
        // Only in this page: a notebook saved with widget state stays small.
        model.set("snapshot", new DataView(new ArrayBuffer(0)));
      }
      // The first frame is a key frame: only if it got lost must it be asked for.
      const missing = setTimeout(() => store.isWaiting && tellReady(model), PATIENCE_MS);
      return () => {
        clearTimeout(missing);
        model.off("msg:custom", onMessage);
        model.off("change:plotly", onPlotly);
      };
    },

    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const stop = new AbortController();
      const view = new BoardView(store, (message) => report(model, message), stop.signal);
      views.add(view);
      el.append(view.root);
      void bringPlotly(model);
      return () => {
        views.delete(view);
        stop.abort();
      };
    },
  };
};
