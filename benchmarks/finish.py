"""``finish()``, in milliseconds: it folds the summary and compacts what is left.

Three runs, each in a process of its own: one row, for what ``finish()`` imports (told
as the median of all processes, each begins with such a run); a million rows flat out,
ended right after the last one; and the same after a rest in which the background has
compacted every full segment, which is how a run at a human pace comes to its end.

Baseline: pyarrow writing all rows, read back, into one Parquet file (zstd, no
dictionaries), which is the least that compacting can mean.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import segments
from benchmarks.recorded import record
from benchmarks.result import Result

ROWS = 1_000_000
METRICS = 5
ROUNDS = 2


def measure(rows: int = ROWS) -> list[Result]:
    """Finish runs that have much to compact, and runs that have little."""
    flat_out, rested = [], []
    with tempfile.TemporaryDirectory() as place:
        for number in range(ROUNDS):
            flat_out.append(record(place, f"flat-{number}", rows, METRICS))
            rested.append(record(place, f"rested-{number}", rows, METRICS, "rested"))
        write_ms = _write_ms(segments.parts(flat_out[0].run.dir), Path(place))
    first_ms = median(each.first_finish_s for each in flat_out + rested) * 1e3
    found = [Result("first `finish()` of a process, 1 row", first_ms, "ms")]
    size = f"{rows:,} rows of {METRICS}"
    for how, runs in (("flat out", flat_out), ("compacted meanwhile", rested)):
        ready = "/".join(str(run.parts_before) for run in runs)
        found.append(
            Result(
                f"`finish()` of {size}, {how}, {ready} parts before ÷ Parquet",
                median(run.finish_s for run in runs) * 1e3,
                "ms",
                write_ms,
            )
        )
    return found


def _write_ms(parts: list[Path], place: Path) -> float:
    from pyarrow import parquet

    table = parquet.read_table(parts)
    took = []
    for _ in range(3):
        began = perf_counter()
        parquet.write_table(
            table, place / "bare.parquet", compression="zstd", use_dictionary=False
        )
        took.append(perf_counter() - began)
    return median(took) * 1e3
