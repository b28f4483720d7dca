"""CPU time of the kernel that the live board adds to a step, as a part of the step.

200 steps a second of 20 metrics, 10 s long: a step is 5 ms. The CPU time of the whole
kernel, all threads, while it logs; with a live board, less without. plotly.js is
compressed in the first seconds, once per kernel, and logging begins after that.
"""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from benchmarks.processes import Kernel
from benchmarks.result import Reach, Result

ROUNDS = 3
STEPS = 2_000
STEP_S = 0.005

_CODE = f"""
import json, random, time
import nbtrack
run = nbtrack.init(project="cpu", view={{view!r}}, settings={{{{"quiet": True}}}})
keys = [f"train/metric_{{{{n}}}}" for n in range(20)]
time.sleep(4)
cpu, began = time.process_time(), time.monotonic()
for step in range({STEPS}):
    run.log({{{{key: random.random() for key in keys}}}})
    time.sleep(max(0, began + (step + 1) * {STEP_S} - time.monotonic()))
print(json.dumps((time.process_time() - cpu) / {STEPS}))
"""


def measure() -> list[Result]:
    """Compare kernels with and without a board, one of each at a time."""
    live, off = [], []
    with ThreadPoolExecutor() as pool:
        for _ in range(ROUNDS):
            with_board, without = pool.map(_cpu_s, ("live", "off"))
            live.append(with_board)
            off.append(without)
    added = median(live) - median(off)
    what = "CPU per step of 5 ms and 20 metrics added by the live board"
    return [
        Result(what, added * 1e6, "µs"),
        Result(
            f"{what}, as a part of the step", added / STEP_S * 100, "%", reach=Reach(2)
        ),
    ]


def _cpu_s(view: str) -> float:
    with tempfile.TemporaryDirectory() as place, Kernel(place) as kernel:
        return float(json.loads(kernel.run(_CODE.format(view=view))))
