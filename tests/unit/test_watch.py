"""Watching a run that another process writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

import nbtrack
from nbtrack import errors

WRITER = """
import sys
import nbtrack
import nbtrack._store.journal as journal

run = nbtrack.init(project="p", id="far", view="off", settings={"quiet": True})
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Writer:
    """A script that does as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.tell("pass")

    def tell(self, code: str) -> None:
        self.process.stdin.write(f"{code}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def writer():
    writer = Writer()
    yield writer
    writer.kill()


def test_a_watch_sees_rows_as_another_process_writes_them(writer):
    watch = nbtrack.watch("p/far")
    assert (watch.state, watch.last_step, watch.summary) == ("running", None, {})
    writer.tell('run.log({"loss": 0.5})')
    assert watch.summary == {"loss": 0.5}
    writer.tell('run.define_metric("loss", summary="min")')
    writer.tell('run.log({"loss": 0.75})')
    assert watch.summary == {"loss": {"min": 0.5}}
    assert watch.last_step == 1
    assert watch.history()["loss"].tolist() == [0.5, 0.75]
    assert not watch.wait(timeout_s=0.05)
    writer.tell("run.finish()")
    assert watch.wait(timeout_s=10)
    assert watch.state == "finished"


def test_a_watch_goes_on_through_segments_that_are_compacted(writer):
    watch = nbtrack.watch("p/far")
    writer.tell("for i in range(1000): run.log({'i': i})")
    assert watch.last_step == 999
    writer.tell("run._journal.rotate()")
    writer.tell("for i in range(1000): run.log({'i': i})")
    writer.tell("from nbtrack._store.compact import compact_log as c")
    writer.tell("from nbtrack._store.segments import list_logs as l")
    writer.tell("c(run._directory, l(run._directory)[0])")
    assert watch.last_step == 1999
    assert watch.summary == {"i": 1999 - 1000}
    late = nbtrack.watch("p/far")
    assert (late.last_step, late.summary) == (1999, {"i": 999})


@pytest.mark.usefixtures("writer")
def test_a_timeout_by_another_name_is_refused_with_ours():
    with pytest.raises(TypeError, match="Did you mean 'timeout_s'"):
        nbtrack.watch("p/far").wait(timeout=3)


def test_a_run_that_has_not_begun_is_waited_for():
    began_s = time.monotonic()
    with pytest.raises(errors.RunNotFoundError):
        nbtrack.watch("p/soon", timeout_s=0.3)
    assert time.monotonic() - began_s >= 0.3
    begun = []
    later = threading.Timer(
        0.3, lambda: begun.append(nbtrack.init(project="p", id="soon", view="off"))
    )
    later.start()
    assert nbtrack.watch("p/soon", timeout_s=30).run.id == "soon"
    later.join()
    begun[0].finish()


def test_a_killed_writer_is_seen_as_a_crash(writer):
    watch = nbtrack.watch("p/far")
    writer.tell('run.log({"loss": 0.5})')
    writer.kill()
    assert watch.wait(timeout_s=10)
    assert (watch.state, watch.summary) == ("crashed", {"loss": 0.5})


def test_the_picture_of_a_watched_run_shows_its_charts(writer):
    writer.tell('for i in range(9): run.log({"train/loss": 1 / (i + 1)})')
    with nbtrack.watch("p/far") as watch:
        assert watch.summary == {"train/loss": 1 / 9}
        html = watch._bundle()["text/html"]
    assert "train" in html
    assert "running" in html
    assert "data:image/svg+xml" in html


def test_closing_a_watch_leaves_no_file_open(writer):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (no generator's own one)
    with nbtrack.watch("p/far") as watch:
        writer.tell('run.log({"a": 1})')
        assert watch.last_step == 0
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.usefixtures("writer")
def test_watch_takes_a_path_or_a_run_and_says_so():
    run = nbtrack.Api().run("p/far")
    assert nbtrack.watch(run).state == "running"
    assert "<Watch" in repr(nbtrack.watch(run))
    own = nbtrack.init(project="p", view="off")
    assert nbtrack.watch(own).run.id == own.id
    with pytest.raises(errors.WatchError, match="project/id"):
        nbtrack.watch(object())
    own.finish()
    with pytest.raises(errors.RunNotFoundError):
        nbtrack.watch("p/nobody")


def test_watching_a_model_before_init_says_to_call_init(monkeypatch):
    monkeypatch.setattr("nbtrack._session._current", None)
    with pytest.raises(errors.NotInitializedError, match=r"nbtrack\.watch"):
        nbtrack.watch(object())
