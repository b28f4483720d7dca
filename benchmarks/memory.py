"""Memory that a long run takes, over 1,000,000 steps of 5 metrics, flat out.

Told is by how much the process grew between step 200,000 and the last one. Before that
it has loaded what it will use: the first segment has been compacted, which imports
pyarrow, and the board has as many points as it will ever hold. At both ends compaction
and the board have caught up. Compaction works all the time, without its usual rests.

"USS" are the pages that no other process shares: RSS also has those of the libraries'
files, which come and go as the system likes; it is told beside, for those who look at
top. "Held" is taken, at both ends, after the collector, malloc and pyarrow's pool have
given back what they can; "taken" at the end without that. "At most" is the highest of
samples, one every 10,000 steps: it has what compaction takes while it works. All these
are noisy by ten or twenty megabytes, since allocators keep what lies between pieces in
use: with a board, "taken" levels off only after some two million steps. So two figures
tell a leak from that: bytes in use by malloc, and Python's objects.

The live board is in a real kernel. What it takes per metric is measured apart: 200
metrics, from the first step to step 10,000, with nothing compacted.
"""

from __future__ import annotations

import ctypes
import gc
import json
import random
import sys
import tempfile
from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING

import nbtrack
from benchmarks import segments
from benchmarks.processes import Kernel, python
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = 1_000_000
WARM_STEPS = 200_000
METRICS = 5
MANY_METRICS, MANY_STEPS = 200, 10_000
_SAMPLE_STEPS = 10_000
_FRAMES_S = 2.0  # a board that has caught up sends its last frames
_SETTLE_S = 4.0  # a board prepares plotly.js first

_CODE = "from benchmarks import memory; memory.tell({view!r}, {steps})"
_MANY_CODE = "from benchmarks import memory; memory.tell_per_metric()"

#: What grew, in the order in which it is told, and its unit.
_FIGURES = {
    "held (USS)": "MB",
    "taken (USS)": "MB",
    "at most (USS)": "MB",
    "held (RSS)": "MB",
    "in use by malloc": "MB",
    "Python's objects": "",
}


def measure(steps: int = STEPS) -> list[Result]:
    """Let a script and a kernel with a board log a million steps."""
    with tempfile.TemporaryDirectory() as place:
        off = python(_CODE.format(view="off", steps=steps), place)
        with Kernel(place) as kernel:
            live = kernel.run(_CODE.format(view="live", steps=steps))
        with Kernel(place) as kernel:
            per_metric = json.loads(kernel.run(_MANY_CODE))
    size = f"steps {WARM_STEPS:,} to {steps:,} of {METRICS}"
    found = []
    for view, told in (("off", json.loads(off)), ("live", json.loads(live))):
        what = f"memory grown from {size}, view {view} ({told['parts']} parts): {{}}"
        for name, unit in _FIGURES.items():
            if name in told:
                scale = 1e6 if unit else 1
                found.append(Result(what.format(name), told[name] / scale, unit))
    what = f"memory of a live board per metric, {MANY_METRICS} metrics, 1 to {{}} steps"
    found.append(Result(what.format(f"{MANY_STEPS:,}"), per_metric / 1e3, "kB"))
    return found


def tell(view: str, steps: int) -> None:
    """Print as JSON by how much logging made this process grow."""
    segments.hurry()
    run = nbtrack.init(project="memory", view=view, settings={"quiet": True})
    _log(run, METRICS, range(WARM_STEPS))
    segments.wait_for_part(run.dir)
    _settle(run, view)
    _give_back()
    begin = _figures()
    highest = _log(run, METRICS, range(WARM_STEPS, steps))
    _settle(run, view)
    taken = _figures()["held (USS)"]
    _give_back()
    told = {name: value - begin[name] for name, value in _figures().items()}
    told["taken (USS)"] = taken - begin["held (USS)"]
    told["at most (USS)"] = highest - begin["held (USS)"]
    told["parts"] = len(segments.parts(run.dir))
    if run.faults:
        raise RuntimeError(list(run.faults))
    print(json.dumps(told))
    run.finish()


def tell_per_metric() -> None:
    """Print as JSON by how many bytes per metric a board grows that fills up."""
    segments.cut_at(segments.ENDLESS)
    run = nbtrack.init(project="memory", view="live", settings={"quiet": True})
    _log(run, MANY_METRICS, range(1))
    sleep(_SETTLE_S)
    _settle(run, "live")
    _give_back()
    begin = _figures()["held (USS)"]
    _log(run, MANY_METRICS, range(1, MANY_STEPS))
    _settle(run, "live")
    _give_back()
    print(json.dumps((_figures()["held (USS)"] - begin) / MANY_METRICS))


def _log(run: nbtrack.Run, metrics: int, steps: Iterable[int]) -> int:
    """Log random rows; give the highest USS that was seen."""
    keys = [f"metric_{number}" for number in range(metrics)]
    highest = 0
    for step in steps:
        run.log({key: random.random() for key in keys})
        if step % _SAMPLE_STEPS == 0:
            highest = max(highest, _figures()["held (USS)"])
    return highest


def _settle(run: nbtrack.Run, view: str) -> None:
    """Let all that works in the background catch up."""
    if view == "live":
        dict(run.summary)  # reads along to the last row, and tells the board
        sleep(_FRAMES_S)
    segments.wait_until_compacted(run.dir)


def _give_back() -> None:
    """Let the collector and both allocators give back what is free."""
    gc.collect()
    if pyarrow := sys.modules.get("pyarrow"):
        pyarrow.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _figures() -> dict[str, int]:
    from psutil import Process

    memory = Process().memory_full_info()
    found = {
        "held (USS)": memory.uss,
        "held (RSS)": memory.rss,
        "Python's objects": sys.getallocatedblocks(),
    }
    with suppress(OSError, AttributeError):  # glibc has it since 2.33
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = _Mallinfo
        told = mallinfo()
        found["in use by malloc"] = told.uordblks + told.hblkhd
    return found


class _Mallinfo(ctypes.Structure):
    """What ``mallinfo2`` gives; see its manual page."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )
