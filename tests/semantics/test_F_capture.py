"""F: what is recorded without being asked: the machine and the console."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from children import until
from fake_nvml import FakeGpu, FakeNvml
from recorded import python, start_python, stored

import nbtrack
from nbtrack import errors
from nbtrack._capture import background as backgrounds
from nbtrack._capture.system import SystemTail
from nbtrack._store.rundir import RunDir
from nbtrack.settings import CAPTURES, Settings


@pytest.fixture
def at_once(monkeypatch):
    """Look at the machine as soon as a run begins."""
    monkeypatch.setattr(backgrounds, "_LOAD_S", 0.0)
    monkeypatch.setattr(backgrounds, "_FIRST_S", 0.0)


def init(**settings):
    return nbtrack.init(project="p", view="off", settings=settings)


def samples(run):
    return SystemTail(RunDir(Path(run.dir))).poll()


# -- the machine -----------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_S58_processor_memory_disk_and_network_are_measured():
    run = init(system_s=0.1)
    until(lambda: len(samples(run)) >= 2)
    run.finish()
    frame = stored(run).history(stream="system")
    assert list(frame.columns)[:3] == ["_step", "_runtime", "_timestamp"]
    assert {
        *("system.cpu", "system.cpu_percent", "system.memory_percent"),
        *("system.proc.memory.rssMB", "system.proc.memory.availableMB"),
        *("system.proc.cpu.threads", "system.disk./.usagePercent"),
        *("system.network.sent", "system.network.recv"),
    } <= set(frame.columns)
    assert frame["_step"].tolist() == list(range(len(frame)))
    assert frame["_runtime"].is_monotonic_increasing
    assert frame["_timestamp"].iloc[0] == pytest.approx(time.time(), abs=60)
    assert frame["system.network.sent"].iloc[0] == 0


@pytest.mark.usefixtures("at_once")
def test_S59_gpus_are_measured_by_nvml(monkeypatch):
    """By a fake of it: where these tests run, there is none."""
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(FakeGpu(), FakeGpu()))
    run = init(system_s=0.1)
    until(lambda: "system.gpu.1.gpu" in run.system_metrics)
    told = run.system_metrics
    run.finish()
    assert told["system.gpu.0.memoryAllocated"] == 12.5
    assert told["system.gpu.0.powerWatts"] == 350
    assert stored(run).system_metrics["system.gpu.1.temp"] == 61


@pytest.mark.usefixtures("at_once")
def test_F_a_gpu_that_disappears_is_told_once_and_training_goes_on(monkeypatch):
    broken = FakeGpu()
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(FakeGpu(), broken))
    with pytest.warns(errors.NbtrackWarning, match="GPU 1 is gone"):
        run = init(system_s=0.05)
        until(lambda: "system.gpu.1.gpu" in run.system_metrics)
        broken.lost = True
        run.log({"loss": 1.0})
        until(lambda: len(run.faults) > 0)
    seen = len(samples(run))
    until(lambda: len(samples(run)) > seen)
    assert "system.gpu.1.gpu" not in samples(run)[-1][1]
    assert "system.gpu.0.gpu" in samples(run)[-1][1]
    assert [fault.kind for fault in run.faults] == ["capture"]
    run.finish()


@pytest.mark.usefixtures("at_once")
def test_F_a_live_run_and_a_stored_one_read_the_same():
    run = init(system_s=0.05)
    run.log({"loss": 0.5})
    until(lambda: len(samples(run)) >= 2)
    run.finish()
    live, read = run.history(stream="system"), stored(run).history(stream="system")
    assert live.equals(read)
    assert run.history()["loss"].tolist() == [0.5]
    assert run.system_metrics == stored(run).system_metrics
    few = stored(run).history(stream="system", keys=["system.cpu"], pandas=False)
    assert set(few[0]) == {"_step", "_runtime", "_timestamp", "system.cpu"}
    with pytest.raises(errors.SettingError, match="stream"):
        run.history(stream="nonsense")


@pytest.mark.usefixtures("at_once")
def test_F_every_core_is_told_when_asked_for():
    run = init(system_s=0.05, system_cores=True)
    until(lambda: "system.cpu.0.cpu_percent" in run.system_metrics)
    run.finish()
    other = init(system_s=0.05)
    until(lambda: "system.cpu" in other.system_metrics)
    assert "system.cpu.0.cpu_percent" not in other.system_metrics


@pytest.mark.usefixtures("at_once")
def test_F_samples_do_not_touch_rows_summary_or_steps():
    run = init(system_s=0.05)
    for number in range(5):
        run.log({"x": number})
    until(lambda: len(samples(run)) >= 2)
    assert run.step == 5
    run.finish()
    assert dict(run.summary) == {"x": 4}
    assert stored(run).history_keys == ["x"]
    assert len(stored(run).history()) == 5


def test_F_the_first_sample_comes_soon_and_psutil_is_not_imported_by_init():
    code = """
import sys, time
import nbtrack
run = nbtrack.init(project="p", view="off")
run.log({"x": 1})
print("psutil" in sys.modules, "pynvml" in sys.modules)
end = time.monotonic() + 20
while not run.system_metrics and time.monotonic() < end:
    time.sleep(0.05)
print(bool(run.system_metrics), run.elapsed_s)
run.finish()
"""
    printed = python(code).stdout.splitlines()
    assert printed[0] == "False False"
    is_there, after_s = printed[1].split()
    assert is_there == "True"
    assert float(after_s) < 10  # about one, on a machine that is not busy


@pytest.mark.usefixtures("at_once")
def test_F_several_runs_share_one_thread_and_each_has_its_samples():
    first = init(system_s=0.05)
    second = nbtrack.init(
        project="p", view="off", reinit="create_new", settings={"system_s": 0.05}
    )
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("nbtrack-capture") == 1
    until(lambda: bool(first.system_metrics and second.system_metrics))
    first.finish()
    seen = len(samples(second))
    until(lambda: len(samples(second)) > seen)
    second.finish()
    until(lambda: not any(t.name == "nbtrack-capture" for t in threading.enumerate()))


def test_F_of_processes_that_share_a_run_one_measures_the_host(tmp_path):
    code = """
import sys
import nbtrack
from nbtrack._capture import background as b
b._LOAD_S = b._FIRST_S = 0.0
run = nbtrack.init(project="p", id="s", mode="shared", label=sys.argv[1], view="off",
                   settings={"system_s": 0.05, "quiet": True})
run.log({"x": 1})
print("ready", flush=True)
sys.stdin.readline()
run.finish()
"""
    folder = tmp_path / "nbruns" / "p" / "s" / "system"
    with _worker(code, "a") as first:
        until(lambda: folder.is_dir() and len(list(folder.iterdir())) == 1)
        with _worker(code, "b") as second:
            seen = len(SystemTail(RunDir(folder.parent)).poll())
            until(lambda: len(SystemTail(RunDir(folder.parent)).poll()) > seen + 5)
            assert len(list(folder.iterdir())) == 1
            first.communicate("\n", timeout=60)
            # When the first is gone, the other one goes on.
            until(lambda: len(list(folder.iterdir())) == 2)
            second.communicate("\n", timeout=60)
    frame = nbtrack.Api().run("p/s").history(stream="system")
    assert set(frame["_label"]) == {"a", "b"}


@contextmanager
def _worker(code, label):
    head = f"import sys\nsys.argv = ['', {label!r}]\n"
    with start_python(head + code) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def test_F_a_killed_script_keeps_its_samples():
    code = """
import os, signal, time
import nbtrack
from nbtrack._capture import background as b
b._LOAD_S = b._FIRST_S = 0.0
run = nbtrack.init(project="p", id="k", view="off", settings={"system_s": 0.05})
while not run.system_metrics:
    time.sleep(0.02)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert python(code).returncode == -9
    run = nbtrack.Api().run("p/k")
    assert run.state == "crashed"
    assert run.system_metrics["system.memory_percent"] > 0


@pytest.mark.usefixtures("at_once")
def test_F_a_resumed_run_goes_on_with_its_samples():
    run = init(system_s=0.05)
    until(lambda: len(samples(run)) >= 2)
    run.finish()
    ended_s = samples(run)[-1][0]
    again = nbtrack.init(
        project="p",
        id=run.id,
        resume="must",
        view="off",
        settings={"system_s": 0.05},
    )
    print("again")
    seen = len(samples(again))
    until(lambda: len(samples(again)) > seen)
    again.finish()
    assert samples(again)[-1][0] > ended_s
    frame = stored(again).history(stream="system")
    assert len(frame) == len(samples(again))
    assert stored(again).console().splitlines()[-1] == "again"


# -- the console -----------------------------------------------------------------------


def test_S60_what_is_printed_is_recorded():
    run = init()
    print("to stdout")
    print("to stderr", file=sys.stderr)
    run.finish()
    assert stored(run).console() == "to stdout\nto stderr"
    assert stored(run).console("err") == "to stderr"


def test_F_threads_are_recorded_too():
    run = init()
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    assert run.console() == "from a thread"


def test_F_two_runs_hear_what_is_printed_while_they_are_open():
    first = init()
    print("one")
    second = nbtrack.init(project="p", view="off", reinit="create_new")
    print("both")
    second.finish()
    print("one again")
    first.finish()
    print("nobody")
    assert stored(first).console() == "one\nboth\none again"
    assert stored(second).console() == "both"


def test_F_a_run_that_is_begun_anew_in_the_same_process_begins_an_empty_console():
    init()
    print("first")
    second = nbtrack.init(project="p", view="off", reinit="finish_previous")
    print("second")
    second.finish()
    assert stored(second).console() == "second"


# -- turning it off --------------------------------------------------------------------


def recorded_of(run):
    """Name what of a run's capture was recorded."""
    run.finish()
    return {name for name in ("console", "system") if (Path(run.dir) / name).exists()}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("", {"console", "system"}),
        ("all", {"console", "system"}),
        ("none", set()),
        ("-console", {"system"}),
        ("-system", {"console"}),
        ("code,console", {"console"}),
        ("system", {"system"}),
        (" Code , SYSTEM ", {"system"}),
    ],
)
def test_F_each_can_be_turned_off_by_name(monkeypatch, told, wanted):
    monkeypatch.setenv("NBTRACK_CAPTURE", told)
    run = nbtrack.init(project="p", view="off", settings={"system_s": 0.05})
    print("x")
    if "system" in wanted:
        until(lambda: bool(run.system_metrics))
    else:
        time.sleep(0.1)
    assert recorded_of(run) == wanted


def test_F_a_setting_by_keyword_beats_the_environment(monkeypatch):
    monkeypatch.setenv("NBTRACK_CAPTURE", "none")
    run = init(capture="console", system_s=0)
    print("x")
    assert recorded_of(run) == {"console"}


@pytest.mark.parametrize(
    "settings",
    [
        {"capture": "screen"},
        {"capture": "-nothing"},
        {"console": "loud"},
        {"system_s": -1},
        {"system_s": "nan"},
        {"system_s": "often"},
        {"system_s": float("inf")},
    ],
)
def test_F_a_setting_that_cannot_be_meant_is_refused_before_anything_is_made(settings):
    with pytest.raises(errors.SettingError, match="is not one of"):
        init(**settings)
    assert not Path("nbruns").exists()
    assert nbtrack.run is None


def test_F_what_is_off_costs_nothing():
    before = threading.active_count()
    run = init(console="off", system_s=0)
    assert "write" not in vars(sys.stdout)
    names = [thread.name for thread in threading.enumerate()]
    assert "nbtrack-capture" not in names
    run.finish()
    assert threading.active_count() <= before


def test_F_settings_know_what_they_capture():
    assert all(Settings().captures(name) for name in CAPTURES)
    assert not any(Settings(capture=("none",)).captures(name) for name in CAPTURES)
    assert Settings(capture=("-code",)).captures("system")
    assert not Settings(capture=("-code",)).captures("code")


@pytest.mark.parametrize(
    ("given", "console", "system_s"),
    [
        ({"console": "wrap"}, "auto", 15),
        ({"console": "redirect"}, "fd", 15),
        ({"x_stats_sampling_interval": 2}, "auto", 2),
        ({"console": "off"}, "off", 15),
    ],
)
def test_F_settings_of_wandb_mean_what_they_mean_there(given, console, system_s):
    run = nbtrack.init(project="p", view="off", settings=given)
    assert (run._options.console, run._options.system_s) == (console, system_s)


def test_A3_a_disabled_run_captures_nothing():
    before = threading.active_count()
    run = nbtrack.init(project="p", mode="disabled")
    print("x")
    assert "write" not in vars(sys.stdout)
    assert threading.active_count() == before
    assert run.console() == ""
    assert run.system_metrics == {}
    assert run.history(stream="system").empty
    assert run.history(pandas=False) == []
    run.finish()
    assert not Path("nbruns").exists()


# -- who looks at it -------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_F_nothing_of_the_environment_is_in_what_is_captured(monkeypatch):
    monkeypatch.setenv("MY_API_TOKEN", "do-not-store-me-4711")
    run = init(system_s=0.05)
    print("x")
    until(lambda: bool(run.system_metrics))
    run.finish()
    for path in Path(run.dir).rglob("*"):
        if path.is_file():
            assert b"do-not-store-me" not in path.read_bytes()


@pytest.mark.usefixtures("at_once")
def test_F_files_of_both_are_lines_that_the_format_describes():
    run = init(system_s=0.05)
    print("x")
    until(lambda: bool(run.system_metrics))
    run.finish()
    for name in ("console", "system"):
        (path,) = (Path(run.dir) / name).iterdir()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines[0][2] == "open"
        assert {"format", "run", "t0", "host", "pid", "token"} <= set(lines[0][3])
        assert lines[0][3]["pid"] == os.getpid()
        numbers = [line[0] for line in lines if line[2] != "open"]
        assert numbers == sorted(set(numbers))


def test_F_an_init_that_fails_leaves_nothing_listening(monkeypatch):
    from nbtrack import _notebook

    def refuse(*_):
        msg = "no board today"
        raise RuntimeError(msg)

    monkeypatch.setattr(_notebook, "attach", refuse)
    with pytest.raises(RuntimeError, match="no board"):
        init()
    print("x")
    assert "write" not in vars(sys.stdout)
    assert backgrounds.background._clients == []
    assert list(Path("nbruns").rglob("*.jsonl")) == []
