// A kernel's part, played in the page: frames as wire.py describes them, built at will.

/** Lay columns out as a frame's body has them. */
function bodyOf(tracks) {
  const pieces = [];
  for (const { step, axis, seconds, ys } of tracks) {
    pieces.push(new Float64Array(step));
    if (axis) pieces.push(new Float64Array(axis));
    pieces.push(new Float32Array(seconds));
    for (const y of ys) pieces.push(new Float32Array(y));
    const floats = step.length * (1 + ys.length);
    if (floats % 2) pieces.push(new Float32Array(1));
  }
  const bytes = new Uint8Array(pieces.reduce((sum, one) => sum + one.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(new Uint8Array(piece.buffer), at);
    at += piece.byteLength;
  }
  return bytes;
}

class FakeModel {
  constructor() {
    this.values = {};
    this.listeners = new Map();
    this.sent = [];
    this.n = 0;
    this.answers = {}; // what -> message => {head, buffers}; without one, it is busy
    const signal = () => {
      const slots = new Set();
      return {
        connect: (slot) => slots.add(slot),
        disconnect: (slot) => slots.delete(slot),
        emit: (value) => slots.forEach((slot) => slot(null, value)),
        slots,
      };
    };
    this.kernel = {
      statusChanged: signal(), connectionStatusChanged: signal(), isDisposed: false,
    };
    this.widget_manager = { kernel: this.kernel, get_model: async () => { throw new Error("none"); } };
  }
  get(name) { return this.values[name]; }
  set(name, value) { this.values[name] = value; }
  on(name, slot) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(slot);
  }
  off(name, slot) { this.listeners.get(name)?.delete(slot); }
  get listening() { return [...this.listeners.values()].reduce((n, set) => n + set.size, 0); }
  emit(name, ...values) { for (const slot of [...this.listeners.get(name) ?? []]) slot(...values); }
  hear(head, buffers = [new DataView(new ArrayBuffer(0))]) {
    this.emit("msg:custom", head, buffers.map((b) => new DataView(b.buffer ?? b)));
  }
  send(message) {
    if (this.isDead) throw new Error("Canceled");
    this.sent.push(message);
    const answer = message.kind === "ask" && this.answers[message.what];
    if (!answer) return;
    const { head = {}, buffers = [] } = answer(message) ?? {};
    setTimeout(() => this.hear({ v: 2, kind: "answer", id: message.id, ok: true, ...head }, buffers));
  }
  /** Answer the first ask of a kind, late. */
  answer(what, head = {}, buffers = []) {
    this.hear({ v: 2, kind: "answer", id: this.asks(what)[0].id, ok: true, ...head }, buffers);
  }
  asks(what) { return this.sent.filter((m) => m.kind === "ask" && m.what === what); }

  /** Send a frame; tracks: [{id, epoch?, from?, tail?, step, axis?, seconds, ys}]. */
  frame({ key = false, tracks = [], buffers = [], ...more }) {
    const parts = tracks.map((t) => ({
      id: t.id, series: t.ys.length, axis: Boolean(t.axis), epoch: t.epoch ?? 0,
      from: t.from ?? 0, count: t.step.length - (t.tail ?? 0), tail: t.tail ?? 0,
    }));
    this.hear({ v: 2, kind: "frame", n: ++this.n, key, tracks: parts, ...more }, [bodyOf(tracks), ...buffers]);
  }
}

const CARD = {
  name: "calm-otter-3", run_id: "x1", project: "digits", group: "sweep-2", job_type: null,
  state: "running", tags: ["baseline", "adam"], notes: "first try with the new schedule",
  started_at: 1764000000, elapsed_s: 194.2, step: 399, total_steps: 1000, steps_per_s: 2.06,
  directory: "nbruns/digits/x1", faults: [], can_edit: true, stop: false, x: "",
  x_axes: ["epoch", "examples"],
  config: [["lr", "0.001"], ["hidden", "64"], ["optimizer.name", "adam"], ["dataset", "digits"]],
};

/** Some metric over n steps; `kind` chooses its shape. */
function curve(n, kind, seed = 1) {
  let state = seed * 7919;
  const noise = () => ((state = (state * 16807) % 2147483647) / 2147483647) - 0.5;
  return Array.from({ length: n }, (_, i) => {
    const t = i / n;
    if (kind === "loss") return 2.3 * Math.exp(-5 * t) + 0.08 + 0.12 * noise();
    if (kind === "acc") return 1 - 0.9 * Math.exp(-4.4 * t) + 0.03 * noise();
    if (kind === "lr") return 5e-4 * (1 + Math.cos(Math.PI * t));
    if (kind === "walk") return noise() + Math.sin(9 * t) * 3;
    return 40 + 30 * Math.sin(20 * t) + 12 * noise();
  });
}

/** A board as people have them: {section: [metrics]}. */
function picture(sections, { steps = 400, system = [], goals = {} } = {}) {
  const tracks = [];
  const layout = [];
  let id = 0;
  const step = Array.from({ length: steps }, (_, i) => i);
  const add = (name, tab, keys) => {
    const panels = keys.map((key, i) => ({
      kind: "line", key: name && tab !== "system" ? `${name}/${key}` : key, title: key,
      x_title: tab === "system" ? "time" : "step", color: "#3d8fd1", track: id, series: i,
      goal: goals[key] ?? "",
    }));
    const kinds = keys.map((key) => (/loss|err/.test(key) ? "loss" : /acc|f1/.test(key) ? "acc" : /lr/.test(key) ? "lr" : tab === "system" ? "sys" : "walk"));
    tracks.push({
      id, tail: 1, step: tab === "system" ? step.map((s) => s * 0.485) : step,
      seconds: step.map((s) => s * 0.485), ys: kinds.map((kind, i) => curve(steps, kind, id * 31 + i + 2)),
    });
    layout.push({ name, tab, panels });
    id++;
  };
  for (const [name, keys] of Object.entries(sections)) add(name, "charts", keys);
  if (system.length) add("", "system", system);
  const places = layout.filter((s) => s.tab === "charts").flatMap((s) => s.panels);
  const rows = places.map(({ key, track, series }) => {
    const y = tracks[track].ys[series];
    const text = (v) => String(Number(v.toPrecision(5)));
    return { key, values: [["last", text(y.at(-1))], ["min", text(Math.min(...y))], ["max", text(Math.max(...y))]] };
  });
  return { key: true, card: CARD, layout, tracks, summary: { rows, gone: [] } };
}

/** Open a board; the second of the same model is another view. */
async function openBoard(code, { width } = {}) {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const module = await import(url);
  URL.revokeObjectURL(url);
  window.widget = module.default();
  window.model = new FakeModel();
  window.undo = [window.widget.initialize({ model: window.model })];
  await addView(width);
}

async function addView(width) {
  const el = document.createElement("div");
  if (width) el.style.width = width;
  document.body.append(el);
  window.undo.push(window.widget.render({ model: window.model, el }));
}
/** Count what is begun from here on and not ended: in `alive`. */
function watchLeaks() {
  window.alive = {timers: new Set(), frames: new Set(), observers: new Set(),
      urls: new Set(), listeners: 0};
  const wrap = (object, name, make) => { const old = object[name];
      object[name] = function (...rest) { return make(old, this, rest); }; };
  for (const [on, off] of [['setInterval', 'clearInterval'],
                           ['setTimeout', 'clearTimeout']]) {
      wrap(window, on, (old, self, [slot, ...rest]) => {
          const id = old.call(window, (...a) => {
              if (on === 'setTimeout') alive.timers.delete(on + id);
              slot(...a); }, ...rest);
          alive.timers.add(on + id); return id; });
      wrap(window, off, (old, self, [id]) => {
          alive.timers.delete(on + id); old.call(window, id); });
  }
  for (const name of ['IntersectionObserver', 'ResizeObserver', 'MutationObserver'])
      window[name] = class extends window[name] {
          observe(...rest) { alive.observers.add(this); super.observe(...rest); }
          disconnect() { alive.observers.delete(this); super.disconnect(); } };
  wrap(URL, 'createObjectURL', (old, self, rest) => {
      const url = old.apply(URL, rest); alive.urls.add(url); return url; });
  wrap(URL, 'revokeObjectURL', (old, self, [url]) => {
      alive.urls.delete(url); old.call(URL, url); });
  for (const target of [document, window, matchMedia('(color)').constructor.prototype]) {
      wrap(target, 'addEventListener', (old, self, [type, slot, how]) => {
          alive.listeners++;
          how?.signal?.addEventListener('abort', () => alive.listeners--);
          return old.call(self, type, slot, how); });
      wrap(target, 'removeEventListener', (old, self, rest) => {
          alive.listeners--; return old.apply(self, rest); });
  }
}
Object.assign(window, { watchLeaks,  openBoard, addView, picture, curve, CARD });
