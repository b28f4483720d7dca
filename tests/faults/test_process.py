"""Forks, threads, interrupts, two kernels on one run, cells run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from children import HEAD, told_by
from disks import fill, needs_root, small_disk
from forking import fork
from jupyter_client.manager import KernelManager

import nbtrack
from nbtrack.errors import NbtrackWarning, RunExistsError, StorageError


def open_run(root=None, run_id="r", **options):
    return nbtrack.init(
        project="p", id=run_id, view="off", dir=root, reinit="create_new", **options
    )


def history(root=None, run_id="r"):
    return nbtrack.Api(root).run(f"p/{run_id}").history()


# -- 18 to 21: forks -----------------------------------------------------------------


def test_fault_18_rows_of_forked_children_are_rows_of_the_run():
    run = open_run()
    run.log({"i": 0})
    for child in range(1, 5):
        assert fork(lambda child=child: run.log({"i": child})) == 0
    run.log({"i": 5})
    run.finish()
    assert not len(run.faults)
    assert sorted(history()["i"]) == [0, 1, 2, 3, 4, 5]
    assert len(list(Path(run.dir, "log").iterdir())) == 5, "one file for each writer"


@needs_root
def test_fault_19_what_waits_for_the_disk_is_written_by_the_parent_alone(tmp_path):
    with small_disk(tmp_path / "disk", 256) as disk:
        run = open_run(disk)
        filler = fill(disk)
        with pytest.warns(NbtrackWarning, match="rows are kept in memory"):
            for i in range(200):
                run.log({"i": i})
        filler.unlink()
        assert fork(lambda: [run.log({"child": i}) for i in range(20)]) == 0
        run.finish()
        frame = history(disk)
    assert frame["i"].dropna().tolist() == list(range(200))
    assert frame["child"].dropna().tolist() == list(range(20))


FORK_AMID_THREADS = """
import threading
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
stop = threading.Event()

def work(name):
    step = 0
    while not stop.is_set():
        run.log({name: step}, step=step)  # with step= a call takes the lock
        step += 1

threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
for thread in threads:
    thread.start()
pids = []
for child in range(40):
    pid = os.fork()
    if pid == 0:
        run.log({"child": child})
        os._exit(0)
    pids.append(pid)
signal.alarm(60)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
stop.set()
for thread in threads:
    thread.join()
run.finish()
kinds = [fault.kind for fault in run.faults]
tell(codes=codes, kinds=kinds)
"""


def test_fault_20_a_fork_while_other_threads_hold_the_lock_does_not_hang():
    told = told_by(FORK_AMID_THREADS)
    assert told["codes"] == [0] * 40
    assert set(told["kinds"]) <= {"late-step"}, "four threads share one step"
    assert sorted(history()["child"].dropna()) == list(range(40))


WORKERS = """
import multiprocessing, os, sys, threading
import nbtrack

def load(item):
    names = [t.name for t in threading.enumerate() if t.name.startswith("nbtrack")]
    return names

if __name__ == "__main__":
    run = nbtrack.init(project="p", id="r", view="off")
    run.log({"i": 0})
    before = sorted(os.listdir(os.path.join(run.dir, "log")))
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        threads = pool.map(load, range(8))
    assert threads == [[]] * 8, threads
    assert sorted(os.listdir(os.path.join(run.dir, "log"))) == before
    try:
        context.Process(target=load, args=(run,)).start()
    except TypeError as error:
        print("refused:", error)
    run.log({"i": 1})
    run.finish()
    assert not len(run.faults), run.faults
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_fault_21_workers_that_do_not_log_leave_nothing_behind(tmp_path, method):
    script = tmp_path / "train.py"
    script.write_text(WORKERS)
    done = subprocess.run(
        [sys.executable, str(script), method],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert history()["i"].tolist() == [0, 1]
    if method != "fork":
        assert "A Run cannot be pickled" in done.stdout
        assert 'resume="allow"' in done.stdout


# -- 22, 23: threads and interrupts --------------------------------------------------


def test_fault_22_eight_threads_lose_and_double_nothing():
    run = open_run()

    def work(thread):
        for i in range(800):
            run.log({"thread": thread, "i": i})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    frame = history()
    assert len(frame) == frame["_step"].nunique() == 6_400
    assert set(zip(frame["thread"], frame["i"], strict=True)) == {
        (thread, i) for thread in range(8) for i in range(800)
    }


STORM = """
import nbtrack

inside = False

def interrupt(*_):
    if inside:
        raise KeyboardInterrupt

def log(i):
    global inside
    row = {"i": i, "t": "text"} if i % 2 else {"i": i}
    inside = True
    try:
        run.log(row, commit=None if i % 3 else True)
        inside = False
        return True
    except KeyboardInterrupt:
        inside = False
        return False

run = nbtrack.init(project="p", id="r", view="off")
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
acknowledged, interrupted, i = [], 0, 0
while interrupted < 500:
    if log(i):
        acknowledged.append(i)
    else:
        interrupted += 1
    i += 1
signal.setitimer(signal.ITIMER_REAL, 0)
run.finish()
tell(run, acknowledged=acknowledged)
"""


def test_fault_23_a_storm_of_interrupts_loses_no_acknowledged_row():
    told = told_by(STORM)
    acknowledged = set(told["acknowledged"])
    frame = history()
    found = frame["i"].tolist()
    assert len(found) == len(set(found)), "no row twice"
    assert acknowledged <= set(found), "no acknowledged row lost"
    assert frame["_step"].is_unique
    assert "write" not in told["faults"]
    assert nbtrack.Api().run("p/r").state == "finished"


# -- 24: clocks ----------------------------------------------------------------------


def jump(monkeypatch, jump_s):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)


@pytest.mark.parametrize("jump_s", [-86_400, 366 * 86_400])
def test_fault_24_a_clock_that_jumps_leaves_order_and_durations(monkeypatch, jump_s):
    run = open_run()
    run.log({"i": 0})
    jump(monkeypatch, jump_s)
    run.log({"i": 1})
    run.finish()
    frame = history()
    assert frame["i"].tolist() == [0, 1]
    assert frame["_timestamp"].diff().iloc[1] < 60
    assert 0 <= nbtrack.Api().run("p/r").duration_s < 60


def test_fault_24_a_run_that_is_resumed_under_an_earlier_clock_goes_on_at_its_end(
    monkeypatch,
):
    run = open_run()
    run.log({"i": 0})
    run.finish()
    jump(monkeypatch, -86_400)
    run = nbtrack.init(project="p", id="r", view="off", resume="must")
    run.log({"i": 1})
    run.finish()
    assert history()["i"].tolist() == [0, 1]
    assert history()["_step"].tolist() == [0, 1]
    assert history()["_runtime"].is_monotonic_increasing
    assert nbtrack.Api().run("p/r").summary == {"i": 1}


# -- 25: two kernels -----------------------------------------------------------------

RACE = """
import nbtrack

won = refused = 0
sys.stdin.readline()
for n in range(100):
    try:
        run = nbtrack.init(project="p", id=f"r{n}", view="off", reinit="create_new")
    except nbtrack.errors.RunExistsError:
        refused += 1
        continue
    run.log({"who": int(sys.argv[1])})
    run.finish()
    won += 1
tell(won=won, refused=refused)
"""


def test_fault_25_of_two_kernels_that_want_one_id_one_gets_it():
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", HEAD + RACE, str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for n in range(2)
    ]
    told = [json.loads(kernel.communicate(b"go\n")[0]) for kernel in kernels]
    assert told[0]["won"] + told[1]["won"] == 100
    assert told[0]["refused"] + told[1]["refused"] == 100
    assert {len(run.history()) for run in nbtrack.Api().runs("p")} == {1}


def test_fault_25_a_run_that_another_kernel_writes_is_not_gone_on_with():
    code = """
import nbtrack
said = []
for resume in ("never", "allow", "must", None):
    try:
        nbtrack.init(project="p", id="r", view="off", resume=resume)
    except OSError as error:
        said.append([type(error).__name__, str(error)])
tell(said=said)
"""
    run = open_run()
    run.log({"i": 0})
    told = told_by(code)["said"]
    names = [RunExistsError, StorageError, StorageError, RunExistsError]
    assert [name for name, _ in told] == [error.__name__ for error in names]
    assert f"is being written by process {os.getpid()}" in told[1][1]
    assert 'resume="allow"' in told[0][1]
    run.log({"i": 1})
    run.finish()
    assert history()["i"].tolist() == [0, 1]


# -- 42: cells run again -------------------------------------------------------------

COUNT = "len(threading.enumerate()), len(os.listdir('/proc/self/fd'))"
TRAIN = (
    "run = nbtrack.init(project='p')\nfor i in range(20):\n    run.log({'i': i})\n"
    f"print({COUNT})"
)


def test_fault_42_a_notebook_run_again_and_again_leaks_nothing(tmp_path):
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    printed = []

    def hear(message):
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["content"]["text"])

    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive("import nbtrack, os, threading", timeout=60)
        for _ in range(14):
            reply = client.execute_interactive(TRAIN, timeout=60, output_hook=hear)
            assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    runs = nbtrack.Api().runs("p")
    assert [run.state for run in runs] == ["finished"] * 14
    assert {len(run.history()) for run in runs} == {20}
    counts = [
        line.split() for line in "".join(printed).splitlines() if line[:1].isdigit()
    ]
    threads = [int(line[0]) for line in counts]
    handles = [int(line[1]) for line in counts]
    assert len(threads) == 14
    assert threads[-1] <= threads[2], threads
    # The number of a closed log stays taken for five seconds, on purpose.
    assert handles[-1] <= handles[2] + 14, handles
