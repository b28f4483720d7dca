// One metric, drawn by Plotly into a small card.

import { element, setText } from "./dom.js";
import { smoothed } from "./smooth.js";
import { numberText } from "./text.js";

const HEIGHT = 168;
const FEW_POINTS = 24; // below this every sample gets a dot

/** @typedef {{smoothing: number, isLog: boolean}} Options */

/** A title, the latest value, and a line. */
export class ChartCard {
  /**
   * @param {import("./wire.js").ChartPlace} place
   * @param {import("./store.js").Store} store
   * @param {Options} options
   */
  constructor(place, store, options) {
    this.place = place;
    this.store = store;
    this.options = options;
    this.isVisible = false;
    /** @type {any} */
    this.plotly = null;
    /** @type {import("./theme.js").Theme | null} */
    this.theme = null;
    this.revision = 0;
    this.width = 0; // as drawn
    this.value = element("span", "nbt-value");
    this.plot = element("div", "nbt-plot");
    const title = element("span", "nbt-title", place.title);
    title.title = place.key;
    const line = element("div", "nbt-chart-head", title, this.value);
    this.root = element("figure", "nbt-chart", line, this.plot);
    if (place.x_title !== "step") {
      this.root.append(element("div", "nbt-x-title", `over ${place.x_title}`));
    }
    this.root.dataset.key = place.key;
    this.plot.setAttribute("role", "img");
  }

  get track() {
    return this.store.tracks.get(this.place.track);
  }

  get fits() {
    return !this.width || this.width === this.plot.clientWidth;
  }

  draw() {
    const track = this.track;
    if (!track?.length) return;
    const y = track.ys[this.place.series];
    const latest = numberText(y[track.length - 1]);
    setText(this.value, latest);
    this.plot.setAttribute("aria-label", `${this.place.key}, latest value ${latest}`);
    if (!this.plotly || !this.theme || !this.plot.clientWidth) return;
    this.plotly.react(this.plot, this.traces(track, y), this.figureLayout(), CONFIG);
  }

  /**
   * @param {import("./store.js").Track} track
   * @param {Float32Array} y
   */
  traces(track, y) {
    const x = track.x.subarray(0, track.length);
    const weight = this.options.smoothing;
    const raw = this.trace(x, y.subarray(0, track.length), weight ? 0.28 : 1);
    if (!weight) return [raw];
    const line = this.trace(x, smoothed(y, track.length, weight), 1);
    return [{ ...raw, hoverinfo: "skip", hovertemplate: null }, line];
  }

  /**
   * @param {Float64Array} x
   * @param {ArrayLike<number>} y
   * @param {number} opacity
   */
  trace(x, y, opacity) {
    return {
      type: "scatter",
      mode: x.length <= FEW_POINTS ? "lines+markers" : "lines",
      x,
      y,
      opacity,
      line: { color: this.place.color, width: 1.6 },
      marker: { color: this.place.color, size: 4 },
      hovertemplate: "%{y:.5~g}<extra></extra>",
      connectgaps: false,
    };
  }

  figureLayout() {
    const theme = /** @type {import("./theme.js").Theme} */ (this.theme);
    const width = (this.width = this.plot.clientWidth);
    const axis = {
      gridcolor: theme.grid,
      zeroline: false,
      showline: false,
      ticks: "",
      tickfont: { size: 10, color: theme.faint },
      automargin: false,
      fixedrange: false,
    };
    return {
      width,
      height: HEIGHT,
      margin: { l: 44, r: 10, t: 10, b: 22 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "inherit", size: 11, color: theme.text },
      showlegend: false,
      hovermode: "x unified",
      hoverlabel: {
        bgcolor: theme.ground,
        bordercolor: theme.grid,
        font: { size: 11, color: theme.text },
      },
      dragmode: "zoom",
      xaxis: {
        ...axis,
        showgrid: false,
        nticks: Math.max(3, Math.round(width / 55)),
        tickangle: 0,
        tickformat: "~s",
        hoverformat: "~r",
        spikethickness: 1,
        spikedash: "solid",
        spikecolor: theme.grid,
      },
      yaxis: {
        ...axis,
        nticks: 5,
        ...(this.options.isLog ? this.logAxis() : { type: "linear" }),
      },
      datarevision: ++this.revision,
      // What the user zoomed to stays; another scale starts afresh.
      uirevision: String(this.options.isLog),
    };
  }

  /** Labels that do not run into each other, over a tenth of a decade or ninety. */
  logAxis() {
    let low = Infinity;
    let high = 0;
    const { ys, length } = /** @type {import("./store.js").Track} */ (this.track);
    for (const v of ys[this.place.series].subarray(0, length)) {
      if (v > 0 && v < low) low = v;
      if (v > high && v < Infinity) high = v;
    }
    const decades = Math.log10(high / low);
    const dtick = decades > 2 ? Math.ceil(decades / 4) : decades > 0.5 ? "D2" : undefined;
    return { type: "log", dtick, tickformat: "~g" };
  }

  remove() {
    if (this.plotly) this.plotly.purge(this.plot);
    this.root.remove();
  }
}

const CONFIG = { displayModeBar: false, displaylogo: false, doubleClick: "reset" };
