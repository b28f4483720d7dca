"""Runs of random numbers to read back, each made by a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import nbtrack
from benchmarks import segments
from benchmarks.processes import python

if TYPE_CHECKING:
    from nbtrack._read.stored import StoredRun

#: 53 random bits between 0 and 1.
UNIFORM = "random.random()"
#: 64 random bits, but neither NaN nor infinite, for what cannot be compressed.
ANY_DOUBLE = """struct.unpack("<d", struct.pack(
    "<Q", random.getrandbits(1) << 63 | random.randrange(0x7FF << 52)))[0]"""

#: "finished": by ``finish()`` right after the last row. "rested": likewise, but after
#: every full segment has been compacted, as in a run at a human pace. "killed": the
#: process dies without a word, and nothing has been compacted.
Ending = Literal["finished", "rested", "killed"]

_CODE = """
import json, os, random, struct, time
import nbtrack
from benchmarks import segments
random.seed(0)

def finish(run):
    began = time.perf_counter()
    run.finish()
    return time.perf_counter() - began

run = nbtrack.init(project="tiny", dir=".", view="off")
run.log({{"loss": 0.25}})
first_s = finish(run)
if {segment_bytes}:
    segments.cut_at({segment_bytes})
if {hurry}:
    segments.hurry()
keys = [f"metric_{{number}}" for number in range({metrics})]
run = nbtrack.init(project="bench", id={name!r}, dir=".", view="off")
for step in range({rows}):
    run.log({{key: {number} for key in keys}})
if {ending!r} == "rested":
    segments.wait_until_compacted(run.dir)
parts_before = len(segments.parts(run.dir))
finish_s = 0 if {ending!r} == "killed" else finish(run)
if run.faults:
    raise RuntimeError(list(run.faults))
print(json.dumps([first_s, finish_s, parts_before]), flush=True)
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run on disk, and how long it took.

    Attributes
    ----------
    first_finish_s
        ``finish()`` of a run of one row, before it in the same process: what it
        imports.
    finish_s
        ``finish()`` of this run.
    parts_before
        Parts that there were before ``finish()``.
    """

    run: StoredRun
    first_finish_s: float
    finish_s: float
    parts_before: int


def record(
    place: str,
    name: str,
    rows: int,
    metrics: int,
    ending: Ending = "finished",
    *,
    number: str = UNIFORM,
    segment_bytes: int = 0,
) -> Recorded:
    """Record a run.

    Parameters
    ----------
    number
        The expression that draws a value.
    segment_bytes
        Where the log is cut, and compacted without rest; 0 is as nbtrack has it.
    """
    if ending == "killed":
        segment_bytes = segments.ENDLESS
    code = _CODE.format(
        name=name,
        rows=rows,
        metrics=metrics,
        ending=ending,
        number=number,
        segment_bytes=segment_bytes,
        hurry=bool(segment_bytes) or ending == "rested",
    )
    told = json.loads(python(code, place))
    run = nbtrack.Api(place).run(f"bench/{name}")
    recorded = Recorded(run, *told)
    if ending == "killed" and segments.parts(run.dir):
        msg = f"{run.dir} was meant to be uncompacted"
        raise RuntimeError(msg)
    return recorded
