"""Much of everything: what would need a table of a million million cells is not made.

The big ones run in a child whose address space is limited: memory that explodes ends
in an error there, and not in the end of the machine.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import pytest
from children import told_by

import nbtrack

_GIB = 2**30


def limited(code, address_gib=6):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (address_gib * _GIB,) * 2)

    return told_by(code, preexec_fn=limit)


# -- 46: ten thousand runs -----------------------------------------------------------


@pytest.fixture
def ten_thousand_runs():
    """Write the documents of runs that ended: recording them would take minutes."""
    project = Path("nbruns/p")
    project.mkdir(parents=True)
    template = {
        "format": 1,
        "project": "p",
        "user": "me",
        "state": "finished",
        "tags": [],
        "notes": None,
        "runtime_s": 5.0,
        "writer": {"host": "h", "pid": 1, "token": "x"},
    }
    for n in range(10_000):
        run = project / f"r{n:05}"
        run.mkdir()
        told = {"id": run.name, "name": f"otter-{n}", "created": 1.7e9 + n}
        (run / "run.json").write_text(json.dumps(template | told))
        (run / "config.json").write_text(f'{{"lr": {n / 1e4}}}')
        (run / "summary.json").write_text(f'{{"loss": {n}}}')


def seconds(function):
    began_s = time.perf_counter()
    function()
    return time.perf_counter() - began_s


@pytest.mark.usefixtures("ten_thousand_runs")
def test_fault_46_among_ten_thousand_runs_everything_stays_usable():
    took_s = seconds(lambda: nbtrack.init(project="p", id="new", view="off"))
    assert took_s < 1
    run = nbtrack.init(project="p")
    assert run.name.endswith("-10001")
    run.log({"loss": 0.5})
    assert seconds(run.finish) < 2
    api = nbtrack.Api()
    assert seconds(lambda: api.run("new").history()) < 1
    assert seconds(api.projects) < 1
    assert seconds(lambda: api.runs("p")[-1].summary) < 5
    tables = []
    assert seconds(lambda: tables.append(repr(nbtrack.runs("p")))) < 5
    assert "The first 50 of 10,001 runs" in tables[0]
    assert seconds(lambda: nbtrack.compare("p").config) < 5
    found = []
    cheap = {"config.lr": {"$lt": 0.001}}
    assert seconds(lambda: found.extend(api.runs("p", cheap))) < 10
    assert len(found) == 10


# -- 47 to 50: keys and values -------------------------------------------------------


def test_fault_47_a_key_of_ten_thousand_characters_is_a_key():
    key = "k" * 10_000
    run = nbtrack.init(project="p", view="off")
    for i in range(3):
        run.log({key: i, f"{key}/{key}": i})
    assert run.summary[key] == 2
    run.finish()
    assert not len(run.faults)
    stored = nbtrack.Api().run(run.id)
    assert stored.history()[key].tolist() == [0, 1, 2]
    assert stored.history_keys == [key, f"{key}/{key}"]
    page = stored._repr_mimebundle_()
    assert len(page["text/html"]) < 500_000
    assert max(map(len, page["text/plain"].splitlines())) < 500


MANY_KEYS = """
import time
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
{log}
live = len(run.summary)
run.finish()
stored = nbtrack.Api().run("p/r")
one = stored.history(keys=["k70000"])
cells = sum(map(len, stored.scan_history()))
try:
    whole, said = stored.history().shape, ""
except nbtrack.errors.NbtrackError as error:
    whole, said = None, str(error)
tell(
    run, said=said, whole=whole, one=one["k70000"].tolist(), cells=cells,
    live=live, summary=len(stored.summary), keys=len(stored.history_keys),
    peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
)
"""
OVER_ROWS = """
for row in range(10_000):
    run.log({f"k{row * 10 + i}": i for i in range(10)})
"""
IN_ONE_ROW = 'run.log({f"k{i}": i for i in range(100_000)})'


def hundred_thousand(log, rows):
    """Log so many keys in so many rows; see that all is there and memory is not."""
    told = limited(MANY_KEYS.replace("{log}", log))
    assert told["cells"] == 100_000 + 3 * rows
    assert told["keys"] == told["live"] == told["summary"] == 100_000
    assert told["faults"] == {}
    assert told["peak_mib"] < 1_500, told
    return told


def test_fault_48_a_hundred_thousand_keys_over_many_rows_are_no_dense_table():
    told = hundred_thousand(OVER_ROWS, rows=10_000)
    assert told["one"] == [0]
    assert told["whole"] is None, "7 GiB of holes"
    assert "history(keys=[…])" in told["said"], "the way out is named"


def test_fault_49_a_hundred_thousand_keys_in_one_row_are_a_row():
    told = hundred_thousand(IN_ONE_ROW, rows=1)
    assert told["one"] == [70_000]
    assert told["whole"] == [1, 100_003]


def test_fault_50_a_row_of_five_megabytes_is_a_row():
    run = nbtrack.init(project="p", view="off")
    lists = {f"k{i}": [i * 1.5] * 1_000 for i in range(500)}
    text = "x" * 4_000
    run.log({"i": 0})
    run.log({"i": 1, **lists, **{f"t{i}": text for i in range(700)}})
    run.log({"i": 2})
    (log,) = Path(run.dir, "log").iterdir()
    assert log.stat().st_size > 5_000_000
    before = nbtrack.Api().run(run.id).history(keys=["i"])
    run.finish()
    assert not len(run.faults)
    stored = nbtrack.Api().run(run.id)
    assert before["i"].tolist() == stored.history()["i"].tolist() == [0, 1, 2]
    row = list(stored.scan_history())[1]
    assert {key: row[key] for key in lists} == lists
    assert row["t699"] == text
