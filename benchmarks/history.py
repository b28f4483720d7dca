"""Reading a run back: ``Api().run().history()``, in milliseconds.

Baseline: ``pyarrow.parquet.read_table(parts).to_pandas()`` of the very Parquet parts
that the finished run consists of, in turn with it. The killed run holds the same
numbers and has only its log: the process that wrote it compacted nothing, and died.
"""

from __future__ import annotations

import tempfile
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import segments
from benchmarks.recorded import record
from benchmarks.result import Reach, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbtrack._read.stored import StoredRun

ROWS = 1_000_000
METRICS = 5
ROUNDS = 7


def measure(rows: int = ROWS) -> list[Result]:
    """Record the run twice, finished and killed, and read both."""
    from pyarrow import parquet

    with tempfile.TemporaryDirectory() as place:
        finished = record(place, "finished", rows, METRICS).run
        killed = record(place, "killed", rows, METRICS, "killed").run
        _check(finished, killed, rows)
        parts = segments.parts(finished.dir)
        bare, ours, late = [], [], []
        for _ in range(ROUNDS):
            bare.append(_elapsed_ms(lambda: parquet.read_table(parts).to_pandas()))
            ours.append(_elapsed_ms(finished.history))
            late.append(_elapsed_ms(killed.history))
    what = f"`history()` of {rows:,} rows of {METRICS}, {{}} ÷ Parquet → pandas"
    least_ms = median(bare)
    return [
        Result(
            what.format(which),
            median(took),
            "ms",
            least_ms,
            Reach(limit, of_ratio=True),
        )
        for which, took, limit in (
            (f"finished, {len(parts)} parts", ours, 2),
            ("killed, no parts", late, 10),
        )
    ]


def _check(finished: StoredRun, killed: StoredRun, rows: int) -> None:
    """See that what is compared is the same, and all of it."""
    frames = [run.history().filter(regex="_step|metric_") for run in (finished, killed)]
    if len(frames[0]) != rows or not frames[0].equals(frames[1]):
        msg = "the two runs do not hold the same rows"
        raise RuntimeError(msg)


def _elapsed_ms(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return (perf_counter() - began) * 1e3
