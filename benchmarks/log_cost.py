"""What one ``run.log()`` costs, in microseconds.

Baseline ("raw"): ``os.write(fd, orjson.dumps(row, option=OPT_APPEND_NEWLINE))`` into a
file opened with O_APPEND: the least that brings the row into the page cache. Both are
called in turn, in 40 blocks of 1,000 calls, flat out, in one process. Each block gives
a median and a 99th percentile; told is the median of the blocks, and the mean of all.
For 5 floats the 99th percentile is also held against log()'s own median. Nothing is
compacted meanwhile, which would slow the baseline, too.

"live" is the same inside a real kernel whose run shows a live board, for at least three
seconds after it has settled: in less, its thread hardly gets to work. The median does
not see that thread, which takes turns with the caller, so the mean of all calls is told
as well. There too the baseline is raw with no view: a board would slow both. Segments
that fill up are compacted, as everywhere.

"While compacting" is a million calls flat out, in which segments fill up and a thread
compacts them without ever resting, unlike else; the import of what it needs falls into
it, too. Percentiles are of all calls, since a median of blocks would not see blocks
that were disturbed; so is the slowest call. The baseline is raw where nothing is
compacted.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from array import array
from importlib.util import find_spec
from itertools import count
from statistics import fmean, median, quantiles
from time import monotonic, perf_counter_ns, sleep
from typing import TYPE_CHECKING, Any

import orjson

import nbtrack
from benchmarks import segments
from benchmarks.processes import Kernel, python
from benchmarks.result import Reach, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCKS = 40
CALLS = 1_000
COMPACTED_BLOCKS = 1_000
_USUAL = "5 floats"
_REACH = {
    "off": Reach(2.5, of_ratio=True),
    "live": Reach(3, of_ratio=True),
}
_TAIL_REACH = Reach(10, of_ratio=True)

Row = dict[str, Any]
#: p50, p99 and mean; microseconds.
Figures = list[float]
#: Those of log, then of raw.
Cost = list[Figures]
_NAMES = ("p50", "p99", "mean")
#: Of flat out logging, and of rest before it: a board prepares plotly.js first.
_LIVE_S, _SETTLE_S = 3, 2


def measure() -> list[Result]:
    """Measure by number of metrics, with and without a board, and by type."""
    if not find_spec("torch"):
        print("log_cost: torch is not installed, so not measured", file=sys.stderr)
    code = "from benchmarks import log_cost; log_cost.tell({view!r})"
    compacting_code = "from benchmarks import log_cost; log_cost.tell_compacting()"
    with tempfile.TemporaryDirectory() as place:
        off = json.loads(python(code.format(view="off"), place))
        compacting = json.loads(python(compacting_code, place))
        with Kernel(place) as kernel:
            live = json.loads(kernel.run(code.format(view="live")))
    return [
        *_results("off", off, off),
        *_compacting_results(compacting, off[_USUAL][1]),
        *_results("live", live, off),
    ]


def _results(
    view: str, costs: dict[str, Cost], baselines: dict[str, Cost]
) -> list[Result]:
    found = []
    for row, (ours, _) in costs.items():
        raw = baselines[row][1]
        for name, took, least in zip(_NAMES, ours, raw, strict=True):
            what = f"`log()` of {row}, view {view}, {name} ÷ raw"
            reach = _REACH[view] if (row, name) == (_USUAL, "p50") else None
            found.append(Result(what, took, "µs", least, reach))
    p50, p99, _ = costs[_USUAL][0]
    what = f"`log()` of {_USUAL}, view {view}, p99 ÷ its own p50"
    return [*found, Result(what, p99, "µs", p50, _TAIL_REACH)]


def _compacting_results(told: dict[str, Any], raw: Figures) -> list[Result]:
    what = (
        f"`log()` of {_USUAL}, view off, while compacting ({told['calls']:,} calls, "
        f"{told['parts']} parts made meanwhile), {{}}"
    )
    found = [
        Result(what.format(f"{name} ÷ raw"), took, "µs", least)
        for name, took, least in zip(_NAMES, told["figures"], raw, strict=True)
    ]
    return [*found, Result(what.format("slowest call"), told["slowest_ms"], "ms")]


def tell(view: str) -> None:
    """Print all costs as JSON; executed in a process of its own."""
    rows = {f"{n} float{'s'[: n > 1]}": _rows(n, float) for n in (1, 5, 20, 100)}
    rows |= {f"5 {kind}": _rows(5, make) for kind, make in _types().items()}
    if view == "off":
        segments.cut_at(segments.ENDLESS)
    costs = {name: cost(view, some) for name, some in rows.items()}
    costs[f"{_USUAL} at `step=n`"] = cost(view, rows[_USUAL], with_step=True)
    print(json.dumps(costs))


def tell_compacting() -> None:
    """Print as JSON what logging costs while segments are compacted."""
    segments.hurry()
    run = nbtrack.init(project="bench", view="off", settings={"quiet": True})
    rows, took = _rows(5, float), array("d")
    for _ in range(COMPACTED_BLOCKS):
        took.extend(_block(run.log, rows))
    parts = len(segments.parts(run.dir))
    _check(run)
    told = {
        "calls": len(took),
        "parts": parts,
        "figures": _figures(took),
        "slowest_ms": max(took) / 1e3,
    }
    print(json.dumps(told), flush=True)
    os._exit(0)  # without the time that finishing takes


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


def cost(view: str, rows: list[Row], *, with_step: bool = False) -> Cost:
    """Log rows into a run of their own, and write them raw beside it."""
    run = nbtrack.init(project="bench", view=view, settings={"quiet": True})
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    fd = os.open(f"{run.dir}/raw.jsonl", flags, 0o644)
    plain = [{key: float(value) for key, value in row.items()} for row in rows]
    steps = count()

    def log_at_step(row: Row) -> None:  # this call and the counting are in the time
        run.log(row, step=next(steps))

    def write(row: Row) -> None:
        os.write(fd, orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    log = log_at_step if with_step else run.log
    is_live = view == "live"
    sleep(_SETTLE_S * is_live)
    ours: list[Figures] = []
    raw: list[Figures] = []
    until_s = monotonic() + _LIVE_S * is_live
    while len(ours) < BLOCKS or monotonic() < until_s:
        raw.append(_figures(_block(write, plain)))
        ours.append(_figures(_block(log, rows)))
    os.close(fd)
    _check(run)
    run.finish()
    return [_over_blocks(ours), _over_blocks(raw)]


def _check(run: nbtrack.Run) -> None:
    if run.faults:
        raise RuntimeError(list(run.faults))


def _over_blocks(blocks: list[Figures]) -> Figures:
    p50, p99, means = zip(*blocks, strict=True)
    return [median(p50), median(p99), fmean(means)]


def _block(call: Callable[[Row], object], rows: list[Row]) -> list[float]:
    """Give what each of 1,000 calls took."""
    took = []
    for number in range(CALLS):
        row = rows[number % len(rows)]
        began = perf_counter_ns()
        call(row)
        took.append((perf_counter_ns() - began) / 1e3)
    return took


def _figures(took: Sequence[float]) -> Figures:
    return [median(took), quantiles(took, n=100)[98], fmean(took)]
