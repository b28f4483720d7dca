"""Rows lost when the process is killed, of those that ``log()`` had returned for.

A process logs flat out and acknowledges each row over a pipe as soon as ``log()`` is
back. After a random time it gets SIGKILL. What ``Api`` then reads must hold every
acknowledged row with its value. 10 rounds in a script with no view, 10 in a kernel
with a live board.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import nbtrack
from benchmarks.processes import Kernel, environment
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 10
_NUMBER = struct.Struct("<q")

_CODE = """
import os, struct
import nbtrack
pipe = os.open("acknowledged", os.O_WRONLY)
run = nbtrack.init(project="kill", id="run", dir={place!r}, view={view!r})
pack, number = struct.Struct("<q").pack, 0
while True:
    run.log({{"number": number, "half": number / 2}})
    os.write(pipe, pack(number))
    number += 1
"""


def measure() -> list[Result]:
    """Kill scripts, then kernels."""
    found = []
    for where, view, kill in (
        ("script, view off", "off", _script),
        ("kernel, view live", "live", _kernel),
    ):
        rounds = [_round(view, kill) for _ in range(ROUNDS)]
        acknowledged, lost = (sum(column) for column in zip(*rounds, strict=True))
        what = f"{{}} in {ROUNDS} SIGKILLs, {where}"
        found.append(Result(what.format("rows acknowledged"), acknowledged, ""))
        found.append(Result(what.format("of them lost"), lost, "", reach="0"))
    return found


def _round(view: str, kill: Callable[[str, str], list[int]]) -> tuple[int, int]:
    """Give how many rows were acknowledged and how many of them are gone."""
    with tempfile.TemporaryDirectory() as place:
        os.mkfifo(f"{place}/acknowledged")
        acknowledged = kill(_CODE.format(place=place, view=view), place)
        history = nbtrack.Api(place).run("kill/run").history()
        kept = dict(zip(history["number"], history["half"], strict=True))
        lost = sum(kept.get(number) != number / 2 for number in acknowledged)
        return len(acknowledged), lost


def _script(code: str, place: str) -> list[int]:
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(
        command, cwd=place, env=environment(), stderr=subprocess.DEVNULL
    )
    acknowledged = _hear(process.pid, place)
    process.wait()
    return acknowledged


def _kernel(code: str, place: str) -> list[int]:
    with Kernel(place) as kernel:
        pid = int(kernel.run("import os; print(os.getpid())"))
        kernel.start(code)
        return _hear(pid, place)


def _hear(pid: int, place: str) -> list[int]:
    """Collect what a process acknowledges until, soon, it is killed."""
    with Path(place, "acknowledged").open("rb") as pipe:
        first = pipe.read(_NUMBER.size)
        wait_s = random.uniform(0.1, 0.6)
        killer = Timer(wait_s, os.kill, (pid, signal.SIGKILL))
        killer.start()
        data = first + pipe.read()
    killer.join()
    whole = len(data) - len(data) % _NUMBER.size
    return [number for (number,) in _NUMBER.iter_unpack(data[:whole])]
