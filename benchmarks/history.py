"""Reading a run back: ``Api().run().history()``, in milliseconds.

Baseline: ``pyarrow.parquet.read_table(part).to_pandas()`` of the very Parquet part that
the finished run consists of, in turn with it. The unfinished run holds the same numbers
and has only its journal, as a killed process leaves it. ``finish()`` is told per
100,000 rows; it folds the summary, writes the Parquet part and reads it back. The first
one of a process also imports what writes Parquet, and is told for a run of one row.
"""

from __future__ import annotations

import tempfile
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.recorded import record
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 200_000
FULL_ROWS = 1_000_000
METRICS = 5
ROUNDS = 7


def measure(rows: int = ROWS) -> list[Result]:
    """Record the run twice, finished and killed, and read both."""
    from pyarrow import parquet

    with tempfile.TemporaryDirectory() as place:
        finished = record(place, "finished", rows, METRICS, finish=True)
        killed = record(place, "killed", rows, METRICS, finish=False)
        (part,) = [p for p in finished.run.files() if p.suffix == ".parquet"]
        bare, ours, late = [], [], []
        for _ in range(ROUNDS):
            bare.append(_elapsed_ms(lambda: parquet.read_table(part).to_pandas()))
            ours.append(_elapsed_ms(finished.run.history))
            late.append(_elapsed_ms(killed.run.history))
    size = f"{rows:,} rows of {METRICS}"
    finish_ms = finished.finish_s * 1e3 * 100_000 / rows
    first_ms = median([finished.first_finish_s, killed.first_finish_s]) * 1e3
    return [
        Result(
            f"`history()` of a finished run of {size} ÷ Parquet → pandas",
            median(ours),
            "ms",
            median(bare),
            reach="ratio ≤ 2",
        ),
        Result(
            f"`history()` of a killed run of {size} ÷ Parquet → pandas",
            median(late),
            "ms",
            median(bare),
        ),
        Result("first `finish()` of a process, 1 row", first_ms, "ms"),
        Result(f"`finish()` per 100,000 rows of {METRICS}", finish_ms, "ms"),
    ]


def _elapsed_ms(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return (perf_counter() - began) * 1e3
