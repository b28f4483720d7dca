"""Bytes on disk per logged random float: all files of a run, documents included.

Baseline: the 8 bytes of the double itself. All bits of the doubles are random, so they
do not compress; ``random.random()``, told as well, has only 53 random bits. "In parts"
is a run whose segments are so small that it is compacted bit by bit; its last bit and
what is left of the logs are in it. "Killed" is the log alone.
"""

from __future__ import annotations

import tempfile
from typing import Any

from benchmarks import segments
from benchmarks.recorded import ANY_DOUBLE, UNIFORM, record
from benchmarks.result import Reach, Result

ROWS = 100_000
METRICS = 5
#: A row of five floats takes about 180 bytes of log.
_SMALL_BYTES = 2**20


def measure() -> list[Result]:
    """Weigh finished runs, and one that has only its log."""
    size = f"{ROWS:,} rows of {METRICS}"
    float64 = f"disk per float of 64 random bits, {size}"
    with tempfile.TemporaryDirectory() as place:
        full, _ = _weigh(place, "full", number=ANY_DOUBLE)
        split, parts = _weigh(
            place, "split", number=ANY_DOUBLE, segment_bytes=_SMALL_BYTES
        )
        uniform, _ = _weigh(place, "uniform", number=UNIFORM)
        killed, _ = _weigh(place, "killed", number=UNIFORM, ending="killed")
    reach = Reach(9)
    return [
        Result(float64, full, "B", 8, reach),
        Result(f"{float64}, in {parts} parts", split, "B", 8, reach),
        Result(f"disk per `random.random()`, {size}", uniform, "B", 8, reach),
        Result(f"disk per `random.random()`, {size}, killed", killed, "B", 8),
    ]


def _weigh(place: str, name: str, **how: Any) -> tuple[float, int]:
    """Give the bytes per float, and in how many parts they are."""
    run = record(place, name, ROWS, METRICS, **how).run
    total = sum(path.stat().st_size for path in run.files())
    return total / (ROWS * METRICS), len(segments.parts(run.dir))
