"""Rows lost when a process is killed, of those that ``log()`` had returned for.

Processes log flat out and acknowledge each row over a pipe as soon as ``log()`` is
back. After a random time each gets SIGKILL. What ``Api`` then reads must hold every
acknowledged row with its values, none twice, and nothing else, except for the one row
that was written and not yet acknowledged.

"Compacting" is a script whose segments are small and compacted without rest. It is
killed within 50 ms after something has appeared among its parts: while one is written,
read back or renamed, or its log is trimmed. "Four at once" are four scripts, each
killed at a moment of its own: with a run each in one project, and with one run that
they share. ``python -m benchmarks kill --rounds 100`` does each a hundred times.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, NamedTuple

import nbtrack
from benchmarks import segments
from benchmarks.processes import Kernel, environment
from benchmarks.result import Reach, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

ROUNDS = 10
_NUMBER = struct.Struct("<q")
_PATIENCE_S = 60.0  # until a process has logged its first row
_SMALL_BYTES = 256 * 1024
_WORK_S = 0.05

# The pipe comes first: whatever fails after it, we hear the end.
_CODE = """
import os
pipe = os.open({pipe!r}, os.O_WRONLY)
import struct
import nbtrack
from benchmarks import segments
if {segment_bytes}:
    segments.cut_at({segment_bytes})
    segments.hurry()
run = nbtrack.init(
    project="kill", id={run_id!r}, dir={place!r}, view={view!r}, mode={mode!r}
)
pack, number = struct.Struct("<q").pack, 0
while True:
    run.log({{"number_{writer}": number, "half_{writer}": number / 2}})
    os.write(pipe, pack(number))
    number += 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Who is killed, and at what."""

    what: str
    view: str = "off"
    is_kernel: bool = False
    segment_bytes: int = 0
    writers: int = 1
    mode: str = "online"

    def run_id(self, writer: int) -> str:
        """Name the run that a process writes to."""
        return "run" if self.mode == "shared" else f"run-{writer}"


_CASES = (
    Case(what="script, view off"),
    Case(what="kernel, view live", view="live", is_kernel=True),
    Case(what="script, compacting", segment_bytes=_SMALL_BYTES),
    Case(what="four at once, a run each", writers=4),
    Case(what="four at once, one shared run", writers=4, mode="shared"),
)


class Outcome(NamedTuple):
    """What was found after some kills.

    Attributes
    ----------
    wrong
        Rows that are there twice, whose values are not those that were logged, or that
        were not logged.
    unfinished
        Temporary files: somebody was killed while writing a part.
    """

    acknowledged: int
    lost: int
    wrong: int
    parts: int = 0
    unfinished: int = 0


def measure(rounds: int = ROUNDS) -> list[Result]:
    """Kill scripts, kernels, and scripts in company."""
    found = []
    for case in _CASES:
        sums = Outcome(
            *map(sum, zip(*(_round(case) for _ in range(rounds)), strict=True))
        )
        what = f"rows {{}} in {rounds * case.writers} SIGKILLs, {case.what}"
        if case.segment_bytes:
            what += f" ({sums.parts} parts, {sums.unfinished} half written)"
        of = f"lost of {sums.acknowledged:,} acknowledged"
        found.append(Result(what.format(of), sums.lost, "", reach=Reach(0)))
        found.append(
            Result(what.format("twice or wrong"), sums.wrong, "", reach=Reach(0))
        )
    return found


def _round(case: Case) -> Outcome:
    """Start all writers, kill each, and compare what is left with what was said."""
    with tempfile.TemporaryDirectory() as place:
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            told = []
            for writer in range(case.writers):
                pipe = Path(place, f"acknowledged-{writer}")
                os.mkfifo(pipe)
                run_dir = Path(place, "kill", case.run_id(writer))
                start = _kernel if case.is_kernel else _script
                pid = stack.enter_context(start(_code(case, writer, place), place))
                part_of = run_dir if case.segment_bytes else None
                told.append(pool.submit(_hear, pid, pipe, part_of))
            acknowledged = [each.result() for each in told]
        if not all(acknowledged):
            msg = f"{case.what}: not every process logged"
            raise RuntimeError(msg)
        return _compare(case, place, acknowledged)


def _code(case: Case, writer: int, place: str) -> str:
    return _CODE.format(
        pipe=f"{place}/acknowledged-{writer}",
        segment_bytes=case.segment_bytes,
        run_id=case.run_id(writer),
        place=place,
        view=case.view,
        mode=case.mode,
        writer=writer,
    )


@contextmanager
def _script(code: str, place: str) -> Iterator[int]:
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=place, env=environment(), stderr=told
        )
        try:
            yield process.pid
        finally:
            process.kill()
            status = process.wait()
        if status != -signal.SIGKILL:
            told.seek(0)
            msg = f"the process was to be killed, but: {told.read().decode()}"
            raise RuntimeError(msg)


@contextmanager
def _kernel(code: str, place: str) -> Iterator[int]:
    with Kernel(place) as kernel:
        pid = int(kernel.run("import os; print(os.getpid())"))
        kernel.start(code)
        yield pid


def _hear(pid: int, pipe: Path, part_of: Path | None) -> int:
    """Count what a process acknowledges until, soon, it is killed."""
    patience = Timer(_PATIENCE_S, os.kill, (pid, signal.SIGKILL))
    patience.start()
    with pipe.open("rb") as stream:
        data = stream.read(_NUMBER.size)
        patience.cancel()
        if not data:
            return 0  # it died by itself, or of our impatience
        killer = Thread(target=_kill, args=(pid, part_of))
        killer.start()
        data += stream.read()
    killer.join()
    numbers = [number for (number,) in _NUMBER.iter_unpack(data)]
    if numbers != list(range(len(numbers))):
        msg = f"process {pid} did not acknowledge one row after the other"
        raise RuntimeError(msg)
    return len(numbers)


def _kill(pid: int, part_of: Path | None) -> None:
    try:
        if part_of is not None:
            segments.wait_for_part(part_of)
        time.sleep(random.uniform(0.1, 0.6))
        if part_of is not None:
            segments.wait_for_work(part_of)
            time.sleep(random.uniform(0, _WORK_S))
    finally:
        os.kill(pid, signal.SIGKILL)


def _compare(case: Case, place: str, acknowledged: list[int]) -> Outcome:
    """Read what is left, and sum up over the writers."""
    found = []
    read: dict[str, pd.DataFrame] = {}
    for writer, count in enumerate(acknowledged):
        run_id = case.run_id(writer)
        if run_id not in read:
            read[run_id] = nbtrack.Api(place).run(f"kill/{run_id}").history()
        found.append(_found(read[run_id], writer, count))
    run_dirs = [Path(place, "kill", run_id) for run_id in read]
    parts = sum(len(segments.parts(run_dir)) for run_dir in run_dirs)
    unfinished = sum(len(list(run_dir.glob("history/.*"))) for run_dir in run_dirs)
    return Outcome(*map(sum, zip(*found, strict=True)), parts, unfinished)


def _found(history: pd.DataFrame, writer: int, acknowledged: int) -> list[int]:
    """Give what one writer acknowledged, lost, and has that it should not have."""
    own = [f"number_{writer}", f"half_{writer}"]
    rows = history.dropna(subset=own, how="all")
    number, half = rows[own[0]], rows[own[1]]
    # The row after the last acknowledged one may be there.
    is_right = (half == number / 2) & number.between(0, acknowledged)
    is_right &= rows["_step"] == number
    kept = number[is_right].drop_duplicates()
    lost = acknowledged - int((kept < acknowledged).sum())
    wrong = len(number) - len(kept)
    return [acknowledged, lost, wrong]
