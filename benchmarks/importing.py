"""What it costs to begin, in milliseconds of wall time; medians of 15 processes.

``import nbtrack`` is told over a bare interpreter (``python -c pass``), in turn with
it; byte code is there, as after an installation. The first ``init()`` and ``log()`` are
timed inside a fresh process with no view, what they import included; "again" is a
second run of the same process, for which everything is imported.
"""

from __future__ import annotations

import json
import tempfile
from statistics import median
from time import perf_counter

from benchmarks.processes import python
from benchmarks.result import Reach, Result

ROUNDS = 15
_HEAVY = ("pandas", "plotly", "ipywidgets", "pyarrow", "numpy", "IPython", "anywidget")

_MODULES = f"""
import sys
before = set(sys.modules)
import nbtrack
new = set(sys.modules) - before
print(len(new), sum(name in new for name in {_HEAVY}))
"""

_BEGIN = """
import json, os, time
import nbtrack

def begin():
    began = time.perf_counter()
    run = nbtrack.init(project="bench", view="off", reinit="create_new")
    run.log({"loss": 0.25, "accuracy": 0.5})
    return time.perf_counter() - began

print(json.dumps([begin(), begin()]), flush=True)
os._exit(0)  # without the time that finishing takes
"""


def measure() -> list[Result]:
    """Measure imports, then beginnings."""
    with tempfile.TemporaryDirectory() as place:
        for code in ("import nbtrack", _BEGIN):
            _python(code, place)  # writes the byte code
        bare, ours, begun = [], [], []
        for _ in range(ROUNDS):
            bare.append(_elapsed_ms("pass", place))
            ours.append(_elapsed_ms("import nbtrack", place))
            begun.append(json.loads(_python(_BEGIN, place)))
        modules, heavy = map(int, _python(_MODULES, place).split())
    first, again = (median(times) * 1e3 for times in zip(*begun, strict=True))
    added = median(ours) - median(bare)
    return [
        Result(
            "`import nbtrack`, over a bare interpreter", added, "ms", reach=Reach(60)
        ),
        Result("modules that `import nbtrack` adds", modules, ""),
        Result(f"of them {', '.join(_HEAVY)}", heavy, "", reach=Reach(0)),
        Result("first `init()` + `log()`, view off", first, "ms", reach=Reach(30)),
        Result("again `init()` + `log()`, view off", again, "ms"),
    ]


def _elapsed_ms(code: str, place: str) -> float:
    began = perf_counter()
    _python(code, place)
    return (perf_counter() - began) * 1e3


def _python(code: str, place: str) -> str:
    # The variable may be set where we run; empty it is as if it were not.
    return python(
        code,
        place,
        PYTHONDONTWRITEBYTECODE="",
        PYTHONPYCACHEPREFIX=f"{place}/bytecode",
    )
