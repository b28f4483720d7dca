// plotly.js: brought by the kernel once, evaluated once per page.

const PAGE_KEY = Symbol.for("nbtrack.plotly");

/** @param {any} candidate */
function fits(candidate) {
  return Boolean(candidate?.react && candidate?.purge && candidate?.Plots?.resize);
}

/**
 * Plotly, shared by all boards of the page.
 * @param {() => Promise<any>} carrierOf gives the model that holds the code
 * @returns {Promise<any>}
 */
export function plotlyOfPage(carrierOf) {
  const page = /** @type {any} */ (globalThis);
  if (!page[PAGE_KEY]) {
    page[PAGE_KEY] = fits(page.Plotly)
      ? Promise.resolve(page.Plotly)
      : carrierOf().then(evaluated);
    page[PAGE_KEY].catch(() => delete page[PAGE_KEY]); // so that it can be tried again
  }
  return page[PAGE_KEY];
}

/** @param {any} carrier */
async function evaluated(carrier) {
  const packed = carrier.get("bundle");
  if (!packed?.byteLength) throw new Error("the kernel sent no plotly.js");
  const stream = new Blob([packed]).stream();
  const unzipped = stream.pipeThrough(new DecompressionStream("gzip"));
  const code = await new Response(unzipped).text();
  // Only in this page, and not told to the kernel: a saved notebook stays small.
  carrier.set("bundle", new DataView(new ArrayBuffer(0)));
  return run(code);
}

/**
 * Run plotly.js as a classic script that sees no module system and, whatever it
 * leaves in the page, take it out again: other code may want its own version.
 * @param {string} code
 */
async function run(code) {
  const page = /** @type {any} */ (globalThis);
  const before = page.Plotly;
  const wrapped = ["(function(module,exports,define){", code, "\n}).call(window);"];
  const url = URL.createObjectURL(new Blob(wrapped, { type: "text/javascript" }));
  const script = document.createElement("script");
  try {
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = () => reject(new Error("the page refused to run plotly.js"));
      script.src = url;
      document.head.append(script);
    });
    if (!fits(page.Plotly)) throw new Error("plotly.js did not load");
    return page.Plotly;
  } finally {
    if (before === undefined) delete page.Plotly;
    else page.Plotly = before;
    script.remove();
    URL.revokeObjectURL(url);
  }
}
