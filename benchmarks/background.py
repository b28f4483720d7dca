"""CPU time of all that is not the user's loop, as a part of one core.

1,000 rows a second of 5 metrics, 20 s long. Counted is the CPU time of the whole
process less that of its main thread, which logs: the threads that flush, compact and
draw, and the kernel's own that send what is drawn. What ``log()`` itself costs is told
by log_cost.

With segments of nbtrack's own size, none fills up in that time, and none is compacted.
A second pair of processes therefore cuts them so small that one is compacted about
every three seconds. This is more work than usual, since each compaction also has costs
that do not depend on its size. The first one, which loads pyarrow, is over before.

All four processes run at the same time: they mostly wait.
"""

from __future__ import annotations

import json
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import nbtrack
from benchmarks import segments
from benchmarks.processes import Kernel, python
from benchmarks.result import Reach, Result

WINDOW_S = 20
ROWS_PER_S = 1_000
METRICS = 5
#: A row of five floats takes about 180 bytes of log.
SMALL_BYTES = 512 * 1024
_SETTLE_S = 5  # a board prepares plotly.js first

_CODE = "from benchmarks import background; background.tell({view!r}, {small})"


def measure() -> list[Result]:
    """Watch a script and a kernel with a board, without and with compaction."""
    cases = [(view, small) for small in (False, True) for view in ("off", "live")]
    with ThreadPoolExecutor() as pool:
        told = list(pool.map(_run, *zip(*cases, strict=True)))
    found = []
    for (view, small), (percent, parts) in zip(cases, told, strict=True):
        cut = f"segments of {SMALL_BYTES >> 10} KiB" if small else "usual segments"
        what = (
            f"CPU beside the loop, {ROWS_PER_S:,} rows/s of {METRICS} for {WINDOW_S} s,"
            f" view {view}, {cut} ({parts} parts made meanwhile)"
        )
        found.append(Result(what, percent, "%", reach=Reach(10)))
    return found


def _run(view: str, small: bool) -> tuple[float, int]:
    code = _CODE.format(view=view, small=small)
    with tempfile.TemporaryDirectory() as place:
        if view == "off":
            return tuple(json.loads(python(code, place)))
        with Kernel(place) as kernel:
            return tuple(json.loads(kernel.run(code)))


def tell(view: str, small: bool) -> None:
    """Print as JSON the part of a core in percent, and how many parts were made."""
    if threading.current_thread() is not threading.main_thread():
        msg = "the loop is to be in the main thread"
        raise RuntimeError(msg)
    if small:
        segments.cut_at(SMALL_BYTES)
    run = nbtrack.init(project="background", view=view, settings={"quiet": True})
    keys = [f"metric_{number}" for number in range(METRICS)]

    def log() -> None:
        run.log({key: random.random() for key in keys})

    began = time.monotonic()
    if small:
        while not segments.parts(run.dir):
            log()
            time.sleep(1 / ROWS_PER_S)
        segments.wait_until_compacted(run.dir)
    time.sleep(max(0, began + _SETTLE_S - time.monotonic()))
    parts = len(segments.parts(run.dir))
    cpu_s = _cpu_beside_s()
    began = time.monotonic()
    for row in range(WINDOW_S * ROWS_PER_S):
        log()
        time.sleep(max(0, began + (row + 1) / ROWS_PER_S - time.monotonic()))
    took_s = time.monotonic() - began
    beside_s = _cpu_beside_s() - cpu_s
    if took_s > 1.1 * WINDOW_S:
        msg = f"{WINDOW_S} s took {took_s:.0f} s: the machine is too busy"
        raise TimeoutError(msg)
    if run.faults:
        raise RuntimeError(list(run.faults))
    made = len(segments.parts(run.dir)) - parts
    print(json.dumps([beside_s / took_s * 100, made]))
    run.finish()


def _cpu_beside_s() -> float:
    return time.process_time() - time.thread_time()
