"""A dead run is moved to Parquet by whoever had to read its log as text."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from recorded import python

import nbtrack
from nbtrack._read import tidying

_KILLED = """
import os
import nbtrack
run = nbtrack.init(project="p", id="dead", dir={place!r}, view="off")
for step in range(2_000):
    run.log({{"loss": 1 / (step + 1), "acc": step}})
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def dead(tmp_path, monkeypatch):
    """Give a run that was killed a while ago, whose log counts as long."""
    monkeypatch.setattr(tidying, "_LEAST_BYTES", 1_000)
    python(_KILLED.format(place=str(tmp_path)))
    run = nbtrack.Api(tmp_path).run("p/dead")
    _age(run)
    return run


def _age(run):
    then = time.time() - 300
    for path in Path(run.dir, "log").iterdir():
        os.utime(path, (then, then))


def _wait():
    for thread in threading.enumerate():
        if thread.name == "nbtrack-compact":
            thread.join()


def _parts(run):
    return list(Path(run.dir).glob("history/*.parquet"))


def test_the_first_reading_leaves_the_rows_in_parquet(dead):
    first = dead.history()
    _wait()
    assert len(first) == 2_000
    assert len(_parts(dead)) == 1
    assert dead.history().equals(first)


def test_a_log_that_is_fresh_is_left_alone(dead):
    os.utime(next(Path(dead.dir, "log").iterdir()))
    dead.history()
    _wait()
    assert _parts(dead) == []


def test_a_run_that_lives_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tidying, "_LEAST_BYTES", 100)
    run = nbtrack.init(project="p", dir=tmp_path, view="off")
    for step in range(100):
        run.log({"loss": step})
    _age(run)
    assert len(nbtrack.Api(tmp_path).run(f"p/{run.id}").history()) == 100
    _wait()
    assert _parts(run) == []
    run.finish()


def test_a_short_log_is_not_worth_it(dead, monkeypatch):
    monkeypatch.setattr(tidying, "_LEAST_BYTES", 10**9)
    dead.history()
    _wait()
    assert _parts(dead) == []


def test_what_hinders_it_is_told_and_costs_nothing(dead, monkeypatch):
    from nbtrack._store import compact

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compact.pq, "write_table", refuse)
    with pytest.warns(nbtrack.errors.NbtrackWarning, match="No space left"):
        frame = dead.history()
        _wait()
        assert len(frame) == len(dead.history(keys=["loss"])) == 2_000
        _wait()
