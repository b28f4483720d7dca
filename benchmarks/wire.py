"""Bytes from a kernel to the browser while a live board is shown.

Counted is what a real kernel publishes during the cell: the content (as JSON) and the
binary buffers of every comm and display message; the protocol's envelopes, about the
same for every message and every library, are not. Code (our module and style sheet,
plotly.js) is counted apart: it comes once per page.

Nobody answers, as when the kernel is too busy to hear the browser: the board then
repeats key frames after 1, 4, 13, … seconds, and these are counted.

The runs of 1,000 and of 1,000,000 steps take equally long, so that only the number of
steps differs. The baseline for a million is the thousand evenly spread over that time;
the thousand that came flat out, with nothing to send after it, is told as well.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.processes import Kernel
from benchmarks.result import Result

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
        time.sleep(max(0, due - time.monotonic()))
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
    """Listen to four kernels at the same time: mostly they wait."""
    with ThreadPoolExecutor() as pool:
        paced = pool.submit(_listen, 2_000, 20, 10, is_spread=True)
        spread = pool.submit(_listen, 1_000, 5, _LONG_S, is_spread=True)
        quick = pool.submit(_listen, 1_000, 5, _LONG_S)
        million = pool.submit(_listen, 1_000_000, 5, _LONG_S)
    ear, kilo = paced.result(), 1e3
    duration = f"in {_LONG_S} s"
    return [
        Result(
            f"2,000 steps of 20 metrics in 10 s, {ear.frames} frames, code aside",
            ear.data / kilo,
            "kB",
            reach="≤ 400",
        ),
        Result(
            f"1,000,000 steps of 5 {duration} ÷ 1,000 steps, evenly",
            million.result().data / kilo,
            "kB",
            spread.result().data / kilo,
            reach="ratio ≤ 3",
        ),
        Result(
            f"1,000,000 steps of 5 {duration} ÷ 1,000 steps flat out, then nothing",
            million.result().data / kilo,
            "kB",
            quick.result().data / kilo,
        ),
        *(
            Result(f"code, once: {name}", size / kilo, "kB")
            for name, size in sorted(ear.code.items())
        ),
    ]


def _listen(steps: int, metrics: int, duration_s: int, *, is_spread=False) -> Ear:
    ear = Ear()
    code = _CODE.format(
        steps=steps, metrics=metrics, duration_s=duration_s, is_spread=is_spread
    )
    with tempfile.TemporaryDirectory() as place, Kernel(place) as kernel:
        kernel.run(code, ear.hear)
    return ear


def _size(buffer: bytes | memoryview) -> int:
    return memoryview(buffer).nbytes
