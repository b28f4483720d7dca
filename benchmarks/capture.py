"""What recording console and machine costs, in a real kernel.

One kernel; a run that records nothing without being asked and one that records console
and machine take turns, round by round, each with the same cell. A cell's time is taken
inside it, so that the way to the front end is not in it, but all that our thread takes
from the interpreter is. "Silent" is a loop of plain Python that prints nothing.

What a look at the machine costs is the processor time of the thread that takes it,
spread over the 15 seconds to the next one.
"""

from __future__ import annotations

import json
import tempfile
import time
from statistics import median

from benchmarks.processes import Kernel, python
from benchmarks.result import Reach, Result

ROUNDS = 25
PRINTS = 10_000

_SETUP = """
import json, time
import nbtrack

def begin(capture):
    return nbtrack.init(project="bench", view="off", reinit="finish_previous",
                        settings={"capture": capture, "quiet": True})
"""
_NOISY = f"""
began = time.perf_counter()
for number in range({PRINTS}):
    print("step", number, "loss", 0.25)
took = time.perf_counter() - began
"""
_SILENT = """
began = time.perf_counter()
total = 0
for number in range(2_000_000):
    total += number
took = time.perf_counter() - began
"""
_SAMPLE = """
import json, time
from nbtrack._capture.system import Machine

machine = Machine(lambda *_: None)
found = []
for _ in range(50):
    time.sleep(0.02)
    began = time.thread_time()
    machine.sample()
    found.append(time.thread_time() - began)
print(json.dumps(found))
"""


def measure() -> list[Result]:
    """Time noisy and silent cells, with and without."""
    found = []
    with tempfile.TemporaryDirectory() as place, Kernel(place) as kernel:
        kernel.run(_SETUP)
        for what, cell in (
            (f"a cell of {PRINTS:,} prints", _NOISY),
            ("a silent cell", _SILENT),
        ):
            taken: dict[str, list[float]] = {"all": [], "none": []}
            for _ in range(ROUNDS):
                for capture, times in taken.items():
                    kernel.run(f"run = begin({capture!r})")
                    time.sleep(0.6)  # the thread has begun
                    kernel.run(cell)
                    times.append(json.loads(kernel.run("print(took)")))
            told, bare = _of_pairs(taken["all"], taken["none"])
            reach = Reach(1.1, of_ratio=True)
            name = f"{what}, console and machine recorded ÷ not"
            found.append(Result(name, told, "ms", bare, reach))
        sampled = median(json.loads(python(_SAMPLE, place)))
    share = sampled / 15 * 100
    name = "processor time of a look at the machine, of a core over 15 s"
    return [*found, Result(name, share, "%", reach=Reach(0.5))]


def _of_pairs(told: list[float], bare: list[float]) -> tuple[float, float]:
    """Give milliseconds whose ratio is the median of those of each round."""
    ratio = median(one / other for one, other in zip(told, bare, strict=True))
    return median(bare) * 1e3 * ratio, median(bare) * 1e3
