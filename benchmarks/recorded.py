"""Runs of random numbers to read back, each made by a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nbtrack
from benchmarks.processes import python

if TYPE_CHECKING:
    from nbtrack._read.stored import StoredRun

#: 53 random bits between 0 and 1.
UNIFORM = "random.random()"
#: 64 random bits, but neither NaN nor infinite, for what cannot be compressed.
ANY_DOUBLE = """struct.unpack("<d", struct.pack(
    "<Q", random.getrandbits(1) << 63 | random.randrange(0x7FF << 52)))[0]"""

_CODE = """
import json, os, random, struct, time
import nbtrack
random.seed(0)

def finish(run):
    began = time.perf_counter()
    run.finish()
    return time.perf_counter() - began

run = nbtrack.init(project="tiny", dir=".", view="off")
run.log({{"loss": 0.25}})
first_s = finish(run)
keys = [f"metric_{{number}}" for number in range({metrics})]
run = nbtrack.init(project="bench", id={name!r}, dir=".", view="off")
for step in range({rows}):
    run.log({{key: {number} for key in keys}})
print(json.dumps([first_s, finish(run) if {finish} else 0]), flush=True)
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run on disk, and how long ``finish()`` took.

    Attributes
    ----------
    first_finish_s
        Of a run of one row, before it in the same process: what it imports.
    finish_s
        Of this run.
    """

    run: StoredRun
    first_finish_s: float
    finish_s: float


def record(
    place: str,
    name: str,
    rows: int,
    metrics: int,
    *,
    finish: bool,
    number: str = UNIFORM,
) -> Recorded:
    """Record a run; without ``finish`` its process dies, leaving only the journal."""
    code = _CODE.format(
        name=name, rows=rows, metrics=metrics, finish=finish, number=number
    )
    took_s = json.loads(python(code, place))
    return Recorded(nbtrack.Api(place).run(f"bench/{name}"), *took_s)
