"""A death at every call that touches a file, one after the other, in turn.

A killed process stops between two system calls, so these are all the places where it
can. The children fork for every death; pyarrow is loaded once, before.
"""

from __future__ import annotations

import json
from pathlib import Path

from children import told_by

import nbtrack

#: Dies at the n-th call that touches a file, n rising until there is none left to die
#: at. Opens, renames and removals are seen by an audit hook before they happen, other
#: calls because ``os`` is wrapped before nbtrack is imported.
SWEEP = """
import time

acknowledge, root = os.write, os.path.abspath("nbruns")
at, calls, is_armed = -1, [], False

def point(name, path=""):
    if is_armed:
        calls.append(f"{name} {os.path.basename(str(path))}")
        after = calls[-2] if len(calls) > 1 else ""
        has_part = after.startswith("os.rename") and after.endswith(".parquet")
        if len(calls) == at or (at == "after a part" and has_part):
            os._exit(9)

def audit(event, arguments):
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate"):
        if is_armed and str(arguments[0]).startswith(root):
            point(event, arguments[1 if event == "os.rename" else 0])

def watch(module, name):
    real = getattr(module, name)
    def watched(*arguments, **options):
        point(name)
        return real(*arguments, **options)
    setattr(module, name, watched)

sys.addaudithook(audit)
for name in ("write", "fsync", "fdatasync", "close", "dup2"):
    watch(os, name)
import pandas, psutil, pyarrow.parquet
pyarrow.array(pandas.Series([1.5]))  # loads what else it needs, once for all deaths
watch(pyarrow.parquet, "write_table")
import nbtrack
import nbtrack._store.compact
from nbtrack import _ticker
from nbtrack._store import journal

def row(i):
    return {"i": i, "loss": 1 / (i + 1)} | ({"odd": "x"} if i % 3 else {})

def live(run_id):
    global is_armed
    run = nbtrack.init(project="p", id=run_id, view="off", config={"lr": 0.1})
    run.define_metric("loss", summary="min")
    child = os.fork()
    if child == 0:
        run.log({"child": 1})
        os._exit(0)
    os.waitpid(child, 0)
    if when == "while logging":
        is_armed = True
        log_and_compact(run)
    else:
        for i in range(40):
            run.log(row(i))
    is_armed = True
    run.finish()
    is_armed = False
    with open("calls.json", "w") as file:
        json.dump(calls, file)
    os._exit(0)

def log_and_compact(run):
    # Logs are full after ten rows, and the background threads look after them at once.
    journal.SEGMENT_BYTES = 500
    told = os.open(f"told-{run.id}", os.O_WRONLY | os.O_CREAT)
    for i in range(40):
        run.log(row(i))
        acknowledge(told, b".")
        wanted = (i + 1) // 10
        while i % 10 == 9 and len(parts_of(run)) < wanted:
            time.sleep(0.001)

def parts_of(run):
    try:
        names = os.listdir(os.path.join(run.dir, "history"))
    except FileNotFoundError:
        return []
    return [name for name in names if name[0] != "."]

def death(place, run_id):
    global at
    at = place
    pid = os.fork()
    if pid == 0:
        live(run_id)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

_ticker._INTERVAL_S, _ticker._GRACE_TICKS, _ticker._REST = 0.002, 0, 0
when, stride = sys.argv[1], int(sys.argv[2])
if when == "after a part":
    tell(code=death(when, "r"))
else:
    n = 1
    while death(n, f"r{n}") == 9:
        n += stride
    tell(deaths=list(range(1, n, stride)), last=death(-1, "whole"))
"""


def rows_of(run):
    rows = [
        {key: value for key, value in row.items() if key[0] != "_"}
        for row in run.scan_history()
    ]
    return sorted(rows, key=lambda row: row.get("i", -1))


ROWS = [
    {"i": i, "loss": 1 / (i + 1)} | ({"odd": "x"} if i % 3 else {}) for i in range(40)
]


def assert_whole(run):
    assert rows_of(run) == [{"child": 1}, *ROWS]
    assert run.summary == {"child": 1, "i": 39, "odd": "x", "loss": {"min": 1 / 40}}


def test_fault_02_a_death_at_any_call_of_finish_changes_no_row():
    told = told_by(SWEEP, "in finish", 1)
    calls = json.loads(Path("calls.json").read_text())
    assert told["last"] == 0, "and without a death it comes to its end"
    assert len(told["deaths"]) >= 25, "a death at every call that touches a file"
    assert {call.split()[0] for call in calls} >= {
        *("write", "fsync", "fdatasync", "write_table", "open", "os.rename"),
    }
    for n in told["deaths"]:
        run = nbtrack.Api().run(f"p/r{n}")
        assert run.state in ("crashed", "finished"), calls[n - 1]
        assert_whole(run)
        if n % 5 == 0:
            assert_goes_on(run)


def test_fault_02_a_death_at_any_call_while_logs_are_compacted_changes_no_row():
    told = told_by(SWEEP, "while logging", 5)
    calls = json.loads(Path("calls.json").read_text())
    assert told["last"] == 0
    assert len(told["deaths"]) >= 20
    assert sum(call.endswith(".parquet") for call in calls) >= 4, "and every log was"
    for n in told["deaths"]:
        run = nbtrack.Api().run(f"p/r{n}")
        child, *rows = rows_of(run)
        acknowledged = Path(f"told-r{n}").stat().st_size
        assert child == {"child": 1}
        assert acknowledged <= len(rows) <= acknowledged + 1, n
        assert rows == ROWS[: len(rows)]
        if n % 5 == 0:
            assert_goes_on(run, rows)


def assert_goes_on(run, rows=ROWS):
    """Resume a run after its death, and see that nothing came or went."""
    again = nbtrack.init(project="p", id=run.id, resume="must", view="off")
    again.log({"i": 40, "loss": 1.0})
    again.finish()
    assert not len(again.faults), again.faults
    *before, last = rows_of(nbtrack.Api().run(f"p/{run.id}"))
    assert (len(before), last) == (len(rows) + 1, {"i": 40, "loss": 1.0})


def test_fault_03_a_death_between_the_part_and_the_trimmed_log_doubles_no_row():
    assert told_by(SWEEP, "after a part", 1)["code"] == 9
    run = nbtrack.Api().run("p/r")
    parts = [path for path in run.files() if path.suffix == ".parquet"]
    logs = [path for path in run.files() if path.suffix == ".jsonl"]
    assert len(parts) == 1
    assert b'"i":39' in b"".join(log.read_bytes() for log in logs), "rows are in both"
    assert_whole(run)
    assert_goes_on(run)
