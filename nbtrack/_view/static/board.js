// The widget: frames in, views out. The state lives here, once per model.

import { plotlyOfPage } from "./loader.js";
import { inPlaces } from "./place.js";
import { Store } from "./store.js";
import { BoardView } from "./view.js";
import { WIRE_VERSION, aligned, unpacked } from "./wire.js";

const BUSY_AFTER_MS = 1000;
const LOOK_MS = 1000; // how often the kernel is looked at
const NO_PLOTLY = "No interactive plots: the kernel has no plotly.js. The numbers are complete.";
const GONE = "kernel gone";

/** @typedef {{resolve: (answer: {head: any, buffers: any[]}) => void,
 *             reject: (error: Error) => void, timer: number}} Question */

export default () => {
  const store = new Store();
  /** @type {Set<BoardView>} */
  const views = new Set();
  /** @type {Set<string>} */
  const told = new Set();
  /** @type {Map<number, Question>} */
  const questions = new Map();
  // Another page of the same kernel hears our answers, too.
  let lastId = Math.floor(Math.random() * 2 ** 40);
  let hasAsked = false; // for a key frame, since something was missing
  /** @type {any} */
  let plotly = null;
  /** @type {ReturnType<typeof inPlaces> | null} */
  let places = null; // of pictures that this stands for; else it has views of its own

  /** @param {any} model @param {Record<string, any>} message */
  const send = (model, message) => {
    try {
      model.send({ v: WIRE_VERSION, ...message });
    } catch {
      lose(GONE); // there is nobody any more
    }
  };

  /** @param {any} model */
  const tellReady = (model) => {
    const n = store.isWaiting ? 0 : store.n;
    hasAsked = n === 0;
    send(model, { kind: "ready", n });
  };

  /** @param {any} model */
  const tellSeen = (model) => send(model, { kind: "seen", views: views.size });

  /** @param {any} model @param {unknown} error */
  const report = (model, error) => {
    const message = String(error);
    for (const view of views) view.showError(message);
    if (told.has(message)) return; // a chart that fails, fails with every frame
    told.add(message);
    send(model, { kind: "error", message });
  };

  /**
   * Something only the kernel can do; it may be busy.
   * @param {any} model
   * @param {Record<string, any>} message
   * @returns {Promise<{head: any, buffers: any[]}>}
   */
  const ask = (model, message) =>
    new Promise((resolve, reject) => {
      if (store.kernel === GONE) throw new Error("This needs the kernel, which is gone.");
      const id = ++lastId;
      const timer = setTimeout(() => {
        store.waiting.set(id, message.what);
        store.tell({ waiting: true });
      }, BUSY_AFTER_MS);
      questions.set(id, { resolve, reject, timer });
      send(model, { kind: "ask", id, ...message });
    });

  /** @param {number} id */
  const settle = (id) => {
    const question = questions.get(id);
    questions.delete(id);
    clearTimeout(question?.timer);
    if (store.waiting.delete(id)) store.tell({ waiting: true });
    return question;
  };

  /**
   * Say what is wrong with the kernel; "" is nothing. What has gone comes back only if
   * it is heard: a restarted kernel is connected, too.
   * @param {string} word
   * @param {boolean} [isHeard]
   */
  const lose = (word, isHeard = false) => {
    if (store.kernel === word || (store.kernel === GONE && !isHeard)) return;
    if (!store.kernel) store.goneAt = performance.now();
    store.kernel = word;
    if (!word) places?.start();
    if (word === GONE) {
      places?.shut();
      const error = new Error("The kernel has gone before it answered.");
      for (const id of [...questions.keys()]) settle(id)?.reject(error);
    }
    store.tell({ kernel: true });
  };

  /** @param {any} model @param {any} head @param {any[]} buffers */
  const take = (model, head, buffers) => {
    lose("", true);
    if (head.kind === "answer" && head.v === WIRE_VERSION) {
      const question = settle(head.id);
      if (head.ok) question?.resolve({ head, buffers: buffers.map(aligned) });
      else question?.reject(new Error(head.error || "The kernel could not do it."));
      return;
    }
    const wasWaiting = store.isWaiting;
    try {
      if (store.take(head, aligned(buffers[0]), buffers)) {
        if (wasWaiting) {
          tellReady(model);
          places?.start();
        }
        if (head.key && views.size) tellSeen(model);
      } else if (!hasAsked) tellReady(model);
      if (head.layout) void bringPlotly(model);
    } catch (error) {
      report(model, error);
    }
  };

  /** Only for panels that need it: lines do without. @param {any} model */
  const bringPlotly = async (model) => {
    const id = model.get("plotly");
    const needs = store.layout.some(({ panels }) => panels.some(needsPlotly));
    if (!id || !needs || plotly) return;
    if (id === "none") {
      for (const view of views) view.showError(NO_PLOTLY);
      return;
    }
    try {
      plotly = await plotlyOfPage(() => model.widget_manager.get_model(id));
      for (const view of views) view.setPlotly(plotly);
    } catch (error) {
      report(model, error);
    }
  };

  const widget = {
    /** @param {{model: any}} context */
    initialize({ model }) {
      /** @param {any} head @param {any[]} buffers */
      const onMessage = (head, buffers) => take(model, head, buffers);
      const onPlotly = () => void bringPlotly(model);
      const onClose = () => lose(GONE);
      model.on("msg:custom", onMessage);
      model.on("change:plotly", onPlotly);
      model.on("comm:close", onClose);
      const unwatch = watchKernel(model, lose);
      const snapshot = model.get("snapshot");
      if (snapshot?.byteLength) {
        const { head, buffers } = unpacked(snapshot);
        take(model, head, buffers);
        // Only in this page: a notebook saved with widget state stays small.
        model.set("snapshot", new DataView(new ArrayBuffer(0)));
      }
      if (model.get("mark")) {
        places = inPlaces(model, (el) => widget.render({ model, el }));
        tellReady(model);
      }
      // The first frame is a key frame: only if it got lost must it be asked for.
      const missing = setTimeout(() => store.isWaiting && tellReady(model), BUSY_AFTER_MS);
      return () => {
        clearTimeout(missing);
        places?.shut();
        unwatch();
        for (const id of [...questions.keys()]) settle(id);
        model.off("msg:custom", onMessage);
        model.off("change:plotly", onPlotly);
        model.off("comm:close", onClose);
        store.close();
      };
    },

    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const stop = new AbortController();
      const view = new BoardView(
        store,
        (message) => ask(model, message),
        (message) => report(model, message),
        stop.signal,
      );
      views.add(view);
      el.append(view.root);
      if (plotly) view.setPlotly(plotly);
      else void bringPlotly(model);
      tellSeen(model);
      return () => {
        views.delete(view);
        stop.abort();
        tellSeen(model);
      };
    },
  };
  return widget;
};

/** Running plotly.js takes a second. @param {import("./wire.js").Place} place */
function needsPlotly(place) {
  return place.kind === "media" && /^(plotly|object3D|molecule)-/.test(place.type);
}

/**
 * What a front end knows of its kernel: JupyterLab and Notebook 7 tell its status, others
 * nothing; there, and here, a closed comm tells. Gives the undo.
 * @param {any} model
 * @param {(word: string) => void} lose
 */
function watchKernel(model, lose) {
  const manager = model.widget_manager;
  const kernel = manager?.kernel;
  if (!kernel?.statusChanged) return () => {};
  const onStatus = (/** @type {any} */ _, /** @type {string} */ status) => {
    if (/restarting|terminating|dead/.test(status)) lose(GONE);
  };
  const onLine = (/** @type {any} */ _, /** @type {string} */ status) => {
    lose(status === "connected" ? "" : "not connected");
  };
  kernel.statusChanged.connect(onStatus);
  kernel.connectionStatusChanged?.connect(onLine);
  const timer = setInterval(() => {
    if (kernel.isDisposed || (manager.kernel ?? null) !== kernel) lose(GONE);
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    kernel.statusChanged.disconnect(onStatus);
    kernel.connectionStatusChanged?.disconnect(onLine);
  };
}
