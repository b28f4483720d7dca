"""Bytes from a kernel to the browser while a live board is shown.

Counted is what a real kernel publishes during the cell: the content (as JSON) and the
binary buffers of every comm and display message; the protocol's envelopes, about the
same for every message and every library, are not. Code (our module and style sheet,
plotly.js) is counted apart: it comes once per page.

Nobody answers, as when the kernel is too busy to hear the browser: the board then
repeats key frames after 1, 4, 13, … seconds, and these are counted.

The runs of 1,000 and of 1,000,000 steps take equally long, so that only the number of
steps differs: once spread evenly over that time, once flat out with nothing after it.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.processes import Kernel
from benchmarks.result import Reach, Result

_LONG_S = 40

_CODE = """
import random, time
import nbtrack
draw, began = random.Random(0).random, time.monotonic()
end = began + {duration_s}
run = nbtrack.init(project="wire", view="live", settings={{"quiet": True}})
keys = [f"train/metric_{{number}}" for number in range({metrics})]
for step in range({steps}):
    run.log({{key: draw() for key in keys}})
    if {is_spread}:
        due = began + {duration_s} * (step + 1) / {steps}
        ahead = due - time.monotonic()
        if ahead > 0.001:
            time.sleep(ahead)
late = time.monotonic() - end
time.sleep(max(0, -late))
if late > 1:
    raise TimeoutError(f"{{late:.0f}} s late: the times are not equal")
if run.faults:
    raise RuntimeError(list(run.faults))
"""


@dataclass
class Ear:
    """Sums up what comes."""

    data: int = 0
    frames: int = 0
    code: dict[str, int] = field(default_factory=dict)

    def hear(self, message: dict[str, Any]) -> None:
        """Count one message."""
        kind = message["msg_type"]
        if not kind.startswith(("comm_", "display_", "update_display_")):
            return
        content = message["content"]
        size = len(orjson.dumps(content)) + sum(map(_size, message["buffers"]))
        code = 0
        if kind == "comm_open":
            state = content["data"].get("state", {})
            for name in state.keys() & {"_esm", "_css"}:
                code += len(orjson.dumps(state[name]))
                self.code["module and style sheet"] = code
            if ["bundle"] in content["data"].get("buffer_paths", ()):
                code = size
                self.code["plotly.js, compressed"] = code
        self.data += size - code
        self.frames += content.get("data", {}).get("method") == "custom"


def measure() -> list[Result]:
    """Listen to five kernels at the same time: mostly they wait."""
    with ThreadPoolExecutor() as pool:
        paced = pool.submit(_listen, 2_000, 20, 10, is_spread=True)
        long = {
            (steps, is_spread): pool.submit(
                _listen, steps, 5, _LONG_S, is_spread=is_spread
            )
            for steps in (1_000, 1_000_000)
            for is_spread in (True, False)
        }
    ear = paced.result()
    what = f"2,000 steps of 20 metrics in 10 s, {ear.frames} frames, code aside"
    found = [Result(what, ear.data / 1e3, "kB", reach=Reach(400))]
    for is_spread, how in ((True, "evenly"), (False, "flat out, then idle")):
        thousand = long[1_000, is_spread].result()
        million = long[1_000_000, is_spread].result()
        what = f"1,000,000 steps of 5 in {_LONG_S} s ÷ 1,000 steps, {how}"
        data = million.data / 1e3, thousand.data / 1e3
        found.append(Result(what, data[0], "kB", data[1], Reach(3, of_ratio=True)))
    for name, size in sorted(ear.code.items()):
        found.append(Result(f"code, once: {name}", size / 1e3, "kB"))
    return found


def _listen(steps: int, metrics: int, duration_s: int, *, is_spread: bool) -> Ear:
    ear = Ear()
    code = _CODE.format(
        steps=steps, metrics=metrics, duration_s=duration_s, is_spread=is_spread
    )
    with tempfile.TemporaryDirectory() as place, Kernel(place) as kernel:
        kernel.run(code, ear.hear)
    return ear


def _size(buffer: bytes | memoryview) -> int:
    return memoryview(buffer).nbytes
