"""What a person in front of JupyterLab waits for: a real one, headless Chromium.

First chart: from the call of the first ``log()`` to the first line that is drawn. Cold
is the first board of a page and of a kernel, so plotly.js has to travel and to be
evaluated; warm is the same cell run again.

Long tasks: those that held the page's main thread for over 50 ms (the browser's own
definition) while 20 charts move five times a second, after the first paint. The
longest is told.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.result import Reach, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
_LIVE_S = 12

_FIRST = """
import time
import nbtrack
run = nbtrack.init(project="browser", view="live", settings={"quiet": True})
print("began", time.time())
for step in range(60):
    run.log({"train/loss": 1 / (step + 1), "val/loss": 2 / (step + 1)})
    time.sleep(0.05)
"""

_MOVING = f"""
import random, time
import nbtrack
run = nbtrack.init(project="browser", view="live", settings={{"quiet": True}})
keys = [f"group_{{number // 5}}/metric_{{number}}" for number in range(20)]
began = time.monotonic()
while time.monotonic() - began < {_LIVE_S}:
    run.log({{key: random.random() for key in keys}})
    time.sleep(0.01)
"""

#: Notes when the first line of a chart is there, in every run of a cell.
_WATCH = """() => {
  window.drawn = [];
  const seen = new WeakSet();
  const look = () => {
    for (const chart of document.querySelectorAll(".nbt-chart[data-end]")) {
      const board = chart.closest(".nbtrack");
      if (seen.has(board) || !board.querySelector('[data-state="running"]')) continue;
      seen.add(board);
      window.drawn.push(Date.now() / 1000);
    }
    requestAnimationFrame(look);
  };
  look();
  window.tasks = [];
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) {
      window.tasks.push([task.startTime, task.duration]);
    }
  }).observe({ type: "longtask" });
}"""


def measure() -> list[Result]:
    """Open pages, run cells, and look."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        msg = "there is no chromium here"
        raise RuntimeError(msg)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        lab = _lab(Path(home))
        try:
            rounds = [_first_charts(lab, browser, number) for number in range(ROUNDS)]
            tasks = _long_tasks(lab, browser)
        finally:
            lab.stop()
            browser.close()
    cold, warm = (median(times) for times in zip(*rounds, strict=True))
    what = "from the first `log()` to a chart that is drawn, {}"
    return [
        Result(what.format("page and kernel new"), cold, "s", reach=Reach(2.5)),
        Result(what.format("the cell run again"), warm, "s", reach=Reach(1)),
        Result(
            f"longest task of the page while 20 charts move, {_LIVE_S} s",
            max(tasks, default=0),
            "ms",
            reach=Reach(100),
        ),
        Result("tasks over 50 ms in that time", len(tasks), ""),
    ]


def _lab(home: Path) -> Any:
    from tests.helpers.lab import Lab

    return Lab.start(home)


def _first_charts(lab: Any, browser: Any, number: int) -> tuple[float, float]:
    """Give the seconds to the first chart in a new page, and when run again."""
    for notebook in _opened(lab, browser, f"first-{number}", _FIRST):
        waited = []
        for boards in (1, 2):
            notebook.run(0)
            notebook.until(f"window.drawn.length >= {boards}")
            began = float(notebook.outputs(0).split("began ")[1].split()[0])
            waited.append(notebook.ask("window.drawn.at(-1)") - began)
    return waited[0], waited[1]


def _long_tasks(lab: Any, browser: Any) -> list[float]:
    """Give the durations in ms of what came after the first paint."""
    for notebook in _opened(lab, browser, "moving", _MOVING):
        notebook.start(0)
        charts = "document.querySelectorAll('.nbt-chart[data-end]').length >= 20"
        notebook.until(charts)
        painted = notebook.ask("performance.now()")
        notebook.until(notebook.done(0))
        tasks = notebook.ask("window.tasks")
    return [duration for began, duration in tasks if began > painted]


def _opened(lab: Any, browser: Any, name: str, code: str) -> Iterator[Any]:
    from tests.helpers.lab import Notebook

    context = browser.new_context(viewport={"width": 1280, "height": 2400})
    notebook = Notebook(context.new_page(), lab, lab.write(name, [code]))
    notebook.page.evaluate(_WATCH)
    yield notebook
    context.close()
