"""Trouble: threads, forks, odd objects, broken views, exits. Training goes on."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from forking import fork

import nbtrack
from nbtrack import errors
from nbtrack._faults import Faults


def stored(run):
    return nbtrack.Api().run(f"{run.project}/{run.id}")


# -- forks ---------------------------------------------------------------------------


def test_rows_of_a_child_that_outlives_finish_are_read():
    run = nbtrack.init(project="p")
    run.log({"a": 0.0})
    go_r, go_w = os.pipe()
    up_r, up_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        run.log({"a": 1.0})
        os.write(up_w, b"x")
        os.read(go_r, 1)
        run.log({"a": 2.0})
        os._exit(0)
    os.read(up_r, 1)
    run.finish()
    os.write(go_w, b"x")
    os.waitpid(pid, 0)
    assert sorted(stored(run).history()["a"]) == [0.0, 1.0, 2.0]


def test_a_child_forked_while_a_thread_follows_does_not_hang():
    run = nbtrack.init(project="p")
    run.log({"a": 1.0})
    inside, leave = threading.Event(), threading.Event()

    class Slow:
        def feed(self, _records):
            inside.set()
            leave.wait(5)

        def restart(self):
            pass

    run.following.follow(Slow())
    run.log({"a": 2.0})
    thread = threading.Thread(target=run.following.catch_up)
    thread.start()
    inside.wait(5)
    try:
        assert fork(lambda: run.summary["a"]) == 0
    finally:
        leave.set()
        thread.join()


def test_a_child_does_not_overwrite_its_parents_documents():
    run = nbtrack.init(project="p", config={"who": "parent"})
    assert fork(lambda: run.config.update({"who": "child"})) == 0
    run.config.more = 1
    saved = json.loads(Path(run.dir, "config.json").read_text())
    assert saved == {"who": "parent", "more": 1}


# -- threads ---------------------------------------------------------------------------


def test_threads_and_committing_calls_never_share_a_step():
    run = nbtrack.init(project="p")
    run.log({"a": 0.5})
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        calls = [lambda: run.log({"a": 0.5}), lambda: run.log({"a": 0.5}, commit=True)]
        threads = [
            threading.Thread(target=lambda call=call: [call() for _ in range(1500)])
            for call in (*calls, calls[0])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    run.finish()
    assert len(stored(run).history()) == 4_501


def test_logging_while_another_thread_finishes_says_that_it_has_finished():
    wrong = []
    for _ in range(20):
        run = nbtrack.init(project="p", reinit="create_new")
        run.log({"a": 0.5})

        def work(run=run):
            try:
                while True:
                    run.log({"a": 0.5})
            except errors.RunFinishedError:
                pass
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        run.finish()
        for thread in threads:
            thread.join()
        assert not len(run.faults), run.faults
    assert wrong == []


# -- odd values ------------------------------------------------------------------------


class _Raises:
    shape = None
    item = tolist = None

    def __float__(self):
        raise RuntimeError

    def __str__(self):
        raise RuntimeError


class _ShapeRaises:
    @property
    def shape(self):
        raise RuntimeError


def test_a_value_that_raises_costs_only_itself():
    from unittest.mock import Mock  # an object that has every attribute

    loop: list = []
    loop.append(loop)
    run = nbtrack.init(project="p")
    odd = {"a": _Raises(), "b": _ShapeRaises(), "c": Mock(), "d": np, "e": loop}
    with pytest.warns(errors.NbtrackWarning):
        run.log({"loss": 0.5, **odd})
    run.finish()
    (row,) = stored(run).scan_history()
    assert row["loss"] == 0.5
    assert odd.keys() <= row.keys()


def test_an_integer_beyond_every_double_is_read_back():
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    run.log({"a": 10**400})
    run.finish()
    assert [row["a"] for row in stored(run).scan_history()] == [1, 10**400]
    assert stored(run).history()["a"].tolist() == [1, 10**400]
    nbtrack.compare("p")._repr_mimebundle_()


def test_numpy_scalars_come_back_as_numbers_of_their_kind():
    run = nbtrack.init(project="p")
    for i in range(3):
        run.log({"f": np.float64(i), "g": np.float32(0.5), "i": np.int64(i)})
    run.finish()
    frame = stored(run).history()
    assert frame["f"].tolist() == [0.0, 1.0, 2.0]
    assert frame["g"].tolist() == [0.5] * 3
    assert frame["i"].dtype.kind == "i"


def test_config_and_summary_hold_what_json_cannot():
    run = nbtrack.init(project="p", config={"big": 2**70, "inf": math.inf})
    run.config.bigger = 2**80
    run.summary["big"] = 2**70
    run.summary["list"] = [math.nan, 1]
    run.summary["text"] = "\ud800"
    assert run.summary["big"] == 2**70
    assert math.isnan(run.summary["list"][0])
    run.finish()
    assert stored(run).config["bigger"] == 2**80
    assert stored(run).summary["text"] == "\ud800"


def test_a_config_that_holds_itself_or_a_lock_is_taken():
    from dataclasses import dataclass, field

    @dataclass
    class Options:
        lr: float = 0.1
        lock: object = field(default_factory=threading.Lock)

    loop: dict = {"a": 1}
    loop["again"] = loop
    run = nbtrack.init(project="p", config={"loop": loop, "options": Options()})
    assert run.config.loop.a == 1
    assert run.config.options.lr == 0.1


def test_strict_mode_keeps_the_row_that_it_complains_about(monkeypatch):
    monkeypatch.setenv("NBTRACK_STRICT", "1")
    run = nbtrack.init(project="p")
    with pytest.raises(errors.StrictError, match="of its text are kept"):
        run.log({"loss": 0.5, "odd": object()})
    run.finish()
    assert stored(run).history()["loss"].tolist() == [0.5]


def test_a_nan_that_was_logged_is_there_when_its_key_is_asked_for():
    run = nbtrack.init(project="p")
    for value in (1.0, math.nan, None):
        run.log({"a": value})
    run.log({"b": 1})
    run.finish()
    assert len(stored(run).history(keys=["a"])) == 3


# -- the summary -----------------------------------------------------------------------


def test_reading_the_summary_after_finish_changes_nothing():
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    del run.summary["a"]
    run.log({"a": 2})
    before = dict(run.summary)
    assert dict(stored(run).summary) == before, "a reader folds in the same order"
    run.finish()
    assert dict(run.summary) == before == stored(run).summary
    again = nbtrack.init(project="p", id=run.id, resume="must")
    assert dict(again.summary) == before


def test_something_set_beside_a_metrics_statistics_leaves_them():
    run = nbtrack.init(project="p")
    run.define_metric("loss", summary="min,max")
    run.log({"loss": 1.0})
    run.summary["loss"]["note"] = "first"
    run.log({"loss": 3.0})
    assert run.summary["loss"] == {"min": 1.0, "max": 3.0, "note": "first"}


def test_text_in_the_summary_is_no_secret():
    run = nbtrack.init(project="p")
    run.log({"gen/last_token": "the"})
    run.finish()
    assert stored(run).summary == {"gen/last_token": "the"}


def test_a_broken_view_costs_the_view_only():
    class Broken:
        def feed(self, _records):
            raise ValueError

        def restart(self):
            pass

    run = nbtrack.init(project="p")
    run.following.follow(Broken())
    run.log({"a": 1})
    with pytest.warns(errors.NbtrackWarning, match="board broke"):
        assert run.summary["a"] == 1
    run.log({"a": 2})
    run.finish()
    assert stored(run).summary == {"a": 2}
    assert [fault.kind for fault in run.faults] == ["view"]


# -- endings ---------------------------------------------------------------------------


def script(code: str) -> tuple[str, list]:
    """Run a script in a fresh interpreter; give what it printed and its runs."""
    head = "import nbtrack, sys\nopen_ = lambda **o: nbtrack.init(project='p', **o)\n"
    done = subprocess.run(
        [sys.executable, "-c", head + code], capture_output=True, text=True, check=False
    )
    return done.stderr, list(nbtrack.Api().runs("p"))


def test_every_run_of_a_script_ends_with_it_and_without_a_word():
    said, runs = script("for i in range(3): open_(reinit='create_new').log({'a': i})")
    assert [run.state for run in runs] == ["finished"] * 3
    assert [run.history()["a"].tolist() for run in runs] == [[0], [1], [2]]
    assert said == ""


def test_A6_a_script_that_fails_or_says_so_marks_its_run_failed():
    _, (run,) = script("open_().log({'a': 1})\n1 / 0")
    assert (run.state, run.metadata["error"]["type"]) == ("failed", "ZeroDivisionError")
    assert "line 4" in run.metadata["error"]["traceback"]


def test_A6_the_exit_code_of_a_script_is_its_runs():
    _, (run,) = script("open_().log({'a': 1})\nsys.exit(3)")
    assert (run.state, run.metadata["exit_code"]) == ("failed", 3)


def test_an_interrupt_during_finish_still_ends_the_run():
    run = nbtrack.init(project="p")
    run.log({"a": 1})
    done = []

    def interrupt():
        raise KeyboardInterrupt

    run._closers.insert(0, ("wait", interrupt))
    run.at_finish("count", lambda: done.append(1))
    with pytest.warns(errors.NbtrackWarning), pytest.raises(KeyboardInterrupt):
        run.finish()
    assert done == [1]
    assert stored(run).summary == {"a": 1}


def test_init_that_is_refused_leaves_the_open_run_alone():
    run = nbtrack.init(project="p")
    with pytest.raises(ValueError, match="1 to 64"):
        nbtrack.init(project="p", id="no good", reinit="finish_previous")
    with pytest.raises(ValueError, match="needs to know which run"):
        nbtrack.init(project="p", resume="must", reinit="finish_previous")
    with pytest.raises(errors.RunExistsError):
        nbtrack.init(project="p", id=run.id, reinit="finish_previous")
    with pytest.raises(errors.RunNotFoundError):
        nbtrack.init(project="p", id="no-such", resume="must", reinit="finish_previous")
    assert run.is_open


def test_a_script_is_told_what_an_open_run_ignores(monkeypatch, capsys):
    monkeypatch.delenv("NBTRACK_QUIET")
    run = nbtrack.init(project="p", config={"lr": 1})
    assert nbtrack.init(project="q", config={"lr": 2}) is run
    said = capsys.readouterr().err
    assert "ignores project=, config=" in said
    assert 'reinit="finish_previous"' in said
    assert run.config.lr == 1


def test_notes_can_be_taken_back():
    run = nbtrack.init(project="p", notes="first", group="g")
    run.notes = None
    run.group = None
    assert (stored(run).notes, stored(run).group) == ("", None)


# -- reading ---------------------------------------------------------------------------


def test_runs_without_the_value_come_last_in_either_order():
    for name, acc in (("a", 0.5), ("b", None), ("c", 0.9)):
        run = nbtrack.init(project="p", name=name, reinit="create_new")
        run.log({} if acc is None else {"acc": acc})
        run.finish()
    api = nbtrack.Api()
    assert [r.name for r in api.runs("p", order="-summary.acc")] == ["c", "a", "b"]
    assert [r.name for r in api.runs("p", order="summary.acc")] == ["a", "c", "b"]
    assert [r.name for r in api.runs("p", {"name": {"$not": {"$eq": "a"}}})] == [
        "b",
        "c",
    ]


@pytest.mark.parametrize("project", ["a/b", "x:y", "runs", "../up"])
def test_a_runs_path_leads_to_it_whatever_its_project_is_called(project):
    run = nbtrack.init(project=project)
    run.finish()
    api = nbtrack.Api()
    assert api.run(run.path).id == run.id
    assert api.run(f"{project}/{run.id}").id == run.id
    assert [r.id for r in api.runs(f"me/{project}")] == [run.id]


@pytest.mark.parametrize(
    "damage", [{"writer": "x"}, {"created": "abc"}, {"created": 1e20}, {"tags": 5}]
)
def test_P7_a_run_json_of_wrong_types_hides_no_other(damage):
    good = nbtrack.init(project="p")
    good.finish()
    bad = nbtrack.init(project="p")
    bad.finish()
    path = Path(bad.dir, "run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert [run.id for run in nbtrack.Api().runs("p")] == [good.id]
    assert nbtrack.Api().projects() == ["p"]
    assert "damaged" in repr(nbtrack.runs("p"))


def test_a_damaged_config_is_told_on_the_runs_card():
    run = nbtrack.init(project="p", config={"lr": 1})
    run.log({"a": 1})
    run.finish()
    Path(run.dir, "config.json").write_text("{")
    page = stored(run)._repr_mimebundle_()
    assert "config.json" in page["text/html"]


# -- a fair share ----------------------------------------------------------------------


def test_a_view_reads_a_bounded_part_at_a_time_and_misses_nothing():
    class Count:
        rows = 0

        def feed(self, records):
            self.rows += sum(record.kind == "row" for record in records)

        def restart(self):
            self.rows = 0

    run = nbtrack.init(project="p")
    for i in range(5_000):
        run.log({"a": float(i)})
    count = Count()
    run.following.follow(count)
    run.following.catch_up(budget_s=0)
    assert 0 < count.rows < 5_000
    assert run.summary["a"] == 4_999.0
    assert count.rows == 5_000
    run.define_metric("a", summary="max")
    run.following.catch_up()
    assert count.rows == 5_000, "fed again from the start"


def log_odd(run):
    run.log({"odd": object()})


def save_nothing(run):
    run.save("nothing-*.txt")


def summarise(run):
    run.summary["odd"] = object()


def summarise_stored(run):
    run.finish()
    edited = stored(run)
    edited.summary["odd"] = object()
    edited.summary.update()


@pytest.mark.parametrize("call", [log_odd, save_nothing, summarise, summarise_stored])
def test_a_warning_quotes_the_line_of_the_user(call):
    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning) as said:
        call(run)
    lines = call.__code__.co_firstlineno, call.__code__.co_firstlineno + 5
    assert {one.filename for one in said} == {__file__}
    assert all(lines[0] < one.lineno < lines[1] for one in said)


def test_a_warning_of_a_thread_of_ours_quotes_nothing():
    faults = Faults()
    told = threading.Thread(target=faults.add, args=("view", "it cannot be drawn"))
    with pytest.warns(errors.NbtrackWarning) as said:
        told.start()
        told.join()
    assert [one.filename.strip("<>") for one in said] == ["sys"]
