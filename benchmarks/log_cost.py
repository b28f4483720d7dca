"""What one ``run.log()`` costs, in microseconds.

Baseline ("raw"): ``os.write(fd, orjson.dumps(row, option=OPT_APPEND_NEWLINE))`` into a
file opened with O_APPEND: the least that brings the row into the page cache. Both are
called in turn, in 40 blocks of 1,000 calls, flat out, in one process. Each block gives
a median and a 99th percentile; told is the median of the blocks.

"live" is the same inside a real kernel whose run shows a live board: its thread reads,
reduces and sends everything that is logged meanwhile.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from importlib.util import find_spec
from statistics import median, quantiles
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import orjson

import nbtrack
from benchmarks.processes import Kernel, python
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = 40
CALLS = 1_000
_REACH = {"off": "ratio ≤ 2.5", "live": "ratio ≤ 3"}

Row = dict[str, Any]
#: p50 and p99 of log, then p50 and p99 of raw; microseconds.
Cost = tuple[float, float, float, float]


def measure() -> list[Result]:
    """Measure by number of metrics, with and without a board, and by type."""
    code = "from benchmarks import log_cost; log_cost.tell({view!r})"
    with tempfile.TemporaryDirectory() as place:
        off = json.loads(python(code.format(view="off"), place))
        with Kernel(place) as kernel:
            live = json.loads(kernel.run(code.format(view="live")))
    return [*_results("off", off), *_results("live", live)]


def _results(view: str, costs: dict[str, Cost]) -> list[Result]:
    found = []
    for row, (p50, p99, raw_p50, raw_p99) in costs.items():
        what = f"`log()` of {row}, view {view}, {{}} ÷ raw"
        reach = _REACH[view] if row == "5 floats" else ""
        found.append(Result(what.format("p50"), p50, "µs", raw_p50, reach))
        found.append(Result(what.format("p99"), p99, "µs", raw_p99))
    return found


def tell(view: str) -> None:
    """Print all costs as JSON; executed in a process of its own."""
    rows = {f"{n} float{'s'[: n > 1]}": _rows(n, float) for n in (1, 5, 20, 100)}
    rows |= {f"5 {kind}": _rows(5, make) for kind, make in _types().items()}
    print(json.dumps({name: cost(view, some) for name, some in rows.items()}))


def _types() -> dict[str, Callable[[float], Any]]:
    from numpy import float64

    found: dict[str, Callable[[float], Any]] = {"np.float64": float64}
    if find_spec("torch"):
        from torch import tensor

        found["torch scalars"] = tensor
    return found


def _rows(metrics: int, make: Callable[[float], Any]) -> list[Row]:
    draw = random.Random(0).random
    keys = [f"metric_{number}" for number in range(metrics)]
    return [{key: make(draw()) for key in keys} for _ in range(64)]


def cost(view: str, rows: list[Row]) -> Cost:
    """Log rows into a run of their own, and write them raw beside it."""
    run = nbtrack.init(project="bench", view=view, settings={"quiet": True})
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    fd = os.open(f"{run.dir}/raw.jsonl", flags, 0o644)
    plain = [{key: float(value) for key, value in row.items()} for row in rows]

    def write(row: Row) -> None:
        os.write(fd, orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    ours, raw = [], []
    for _ in range(BLOCKS):
        raw.append(_block(write, plain))
        ours.append(_block(run.log, rows))
    os.close(fd)
    run.finish()
    columns = zip(*ours, strict=True), zip(*raw, strict=True)
    log_p50, log_p99, raw_p50, raw_p99 = (median(c) for pair in columns for c in pair)
    return log_p50, log_p99, raw_p50, raw_p99


def _block(call: Callable[[Row], object], rows: list[Row]) -> tuple[float, float]:
    took = []
    for number in range(CALLS):
        row = rows[number % len(rows)]
        began = perf_counter_ns()
        call(row)
        took.append(perf_counter_ns() - began)
    return median(took) / 1e3, quantiles(took, n=100)[98] / 1e3
