"""Reading a run back: ``Api().run().history()``, in milliseconds.

Baseline: ``pyarrow.parquet.read_table(parts).to_pandas()`` of the very Parquet parts
that the finished run consists of, in turn with it. The killed run holds the same
numbers and has only its log: the process that wrote it compacted nothing, and died.

"first in its process" is what somebody waits for who asks for a history: each reading
in a process of its own, all packages imported before. "again" are further readings in
one process, in turns; Arrow then has its threads and its memory.
"""

from __future__ import annotations

import tempfile
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import segments
from benchmarks.processes import python
from benchmarks.recorded import record
from benchmarks.result import Reach, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbtrack._read.stored import StoredRun

ROWS = 1_000_000
METRICS = 5
ROUNDS = 7

#: What is read first in a process, everything imported beforehand.
_FIRST = """
import glob, time
import pandas, pyarrow.parquet
import nbtrack
from nbtrack._read import frames
run = nbtrack.Api({place!r}).run("bench/{run_id}")
parts = glob.glob(run.dir + "/history/*.parquet")
read = lambda: pyarrow.parquet.read_table(parts).to_pandas()
began = time.perf_counter()
({call})()
print((time.perf_counter() - began) * 1e3)
"""


def measure(rows: int = ROWS) -> list[Result]:
    """Record the run twice, finished and killed, and read both."""
    with tempfile.TemporaryDirectory() as place:
        finished = record(place, "finished", rows, METRICS).run
        killed = record(place, "killed", rows, METRICS, "killed").run
        _check(finished, killed, rows)
        count = len(segments.parts(finished.dir))
        first, again = _first(place), _again(finished, killed)
    cases = (
        (f"finished, {count} parts, first in its process", first, 1, 2),
        ("killed, no parts, first in its process", first, 2, 10),
        (f"finished, {count} parts, again", again, 1, None),
        ("killed, no parts, again", again, 2, None),
    )
    what = f"`history()` of {rows:,} rows of {METRICS}, {{}} ÷ Parquet → pandas"
    return [
        Result(
            what.format(which),
            took[ours],
            "ms",
            took[0],
            limit and Reach(limit, of_ratio=True),
        )
        for which, took, ours, limit in cases
    ]


def _first(place: str) -> list[float]:
    """Time Parquet, the finished and the killed run, each in processes of its own."""
    cases = [
        ("finished", "read"),
        ("finished", "run.history"),
        ("killed", "run.history"),
    ]
    took: list[list[float]] = [[], [], []]
    for _ in range(ROUNDS):
        for (run_id, call), known in zip(cases, took, strict=True):
            code = _FIRST.format(place=place, run_id=run_id, call=call)
            known.append(float(python(code, place)))
    return [median(known) for known in took]


def _again(finished: StoredRun, killed: StoredRun) -> list[float]:
    """Time the same in turns in this process, which has read all of it before."""
    from pyarrow import parquet

    parts = segments.parts(finished.dir)
    calls = [
        lambda: parquet.read_table(parts).to_pandas(),
        finished.history,
        killed.history,
    ]
    took: list[list[float]] = [[], [], []]
    for _ in range(ROUNDS):
        for call, known in zip(calls, took, strict=True):
            known.append(_elapsed_ms(call))
    return [median(known) for known in took]


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
