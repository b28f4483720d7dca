"""Bytes on disk per logged random float: all files of a run, documents included.

Baseline: the 8 bytes of the double itself. All bits of the doubles are random, so they
do not compress; ``random.random()``, told as well, has only 53 random bits.
"""

from __future__ import annotations

import tempfile

from benchmarks.recorded import ANY_DOUBLE, UNIFORM, record
from benchmarks.result import Result

ROWS = 100_000
METRICS = 5


def measure() -> list[Result]:
    """Weigh finished runs, and one that has only its journal."""
    size = f"{ROWS:,} rows of {METRICS}"
    with tempfile.TemporaryDirectory() as place:
        full = _weigh(place, "full", ANY_DOUBLE, is_finished=True)
        uniform = _weigh(place, "uniform", UNIFORM, is_finished=True)
        killed = _weigh(place, "killed", UNIFORM, is_finished=False)
    return [
        Result(f"disk per float of 64 random bits, {size}", full, "B", 8, "≤ 9"),
        Result(f"disk per `random.random()`, {size}", uniform, "B", 8, "≤ 9"),
        Result(f"disk per `random.random()`, {size}, killed", killed, "B", 8),
    ]


def _weigh(place: str, name: str, number: str, *, is_finished: bool) -> float:
    recorded = record(place, name, ROWS, METRICS, finish=is_finished, number=number)
    total = sum(path.stat().st_size for path in recorded.run.files())
    return total / (ROWS * METRICS)
