"""What one ``run.log()`` costs, in microseconds.

Baseline ("raw"): ``os.write(fd, orjson.dumps(row, option=OPT_APPEND_NEWLINE))`` into a
file opened with O_APPEND: the least that brings the row into the page cache. Both are
called in turn, in 40 blocks of 1,000 calls, flat out, in one process. Each block gives
a median and a 99th percentile; told is the median of the blocks, and the mean of all.

"live" is the same inside a real kernel whose run shows a live board, for at least three
seconds after it has settled: in less, its thread hardly gets to work. The median does
not see that thread, which takes turns with the caller, so the mean of all calls is told
as well. There too the baseline is raw with no view: a board would slow both.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from importlib.util import find_spec
from statistics import fmean, median, quantiles
from time import monotonic, perf_counter_ns, sleep
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
#: p50, p99 and mean of log, then of raw; microseconds.
Cost = list[list[float]]
#: Of flat out logging, and of rest before it: a board prepares plotly.js first.
_LIVE_S, _SETTLE_S = 3, 2


def measure() -> list[Result]:
    """Measure by number of metrics, with and without a board, and by type."""
    if not find_spec("torch"):
        print("log_cost: torch is not installed, so not measured", file=sys.stderr)
    code = "from benchmarks import log_cost; log_cost.tell({view!r})"
    with tempfile.TemporaryDirectory() as place:
        off = json.loads(python(code.format(view="off"), place))
        with Kernel(place) as kernel:
            live = json.loads(kernel.run(code.format(view="live")))
    return [*_results("off", off, off), *_results("live", live, off)]


def _results(
    view: str, costs: dict[str, Cost], baselines: dict[str, Cost]
) -> list[Result]:
    found = []
    for row, (ours, _) in costs.items():
        raw = baselines[row][1]
        for name, took, least in zip(("p50", "p99", "mean"), ours, raw, strict=True):
            what = f"`log()` of {row}, view {view}, {name} ÷ raw"
            is_reach = (row, name) == ("5 floats", "p50")
            found.append(Result(what, took, "µs", least, _REACH[view] * is_reach))
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

    is_live = view == "live"
    sleep(_SETTLE_S * is_live)
    ours: list[tuple[float, float, float]] = []
    raw: list[tuple[float, float, float]] = []
    until_s = monotonic() + _LIVE_S * is_live
    while len(ours) < BLOCKS or monotonic() < until_s:
        raw.append(_block(write, plain))
        ours.append(_block(run.log, rows))
    os.close(fd)
    if run.faults:
        raise RuntimeError(list(run.faults))
    run.finish()
    return [_over_blocks(ours), _over_blocks(raw)]


def _over_blocks(blocks: list[tuple[float, float, float]]) -> list[float]:
    p50, p99, means = zip(*blocks, strict=True)
    return [median(p50), median(p99), fmean(means)]


def _block(
    call: Callable[[Row], object], rows: list[Row]
) -> tuple[float, float, float]:
    took = []
    for number in range(CALLS):
        row = rows[number % len(rows)]
        began = perf_counter_ns()
        call(row)
        took.append((perf_counter_ns() - began) / 1e3)
    return median(took), quantiles(took, n=100)[98], fmean(took)
