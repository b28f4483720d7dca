"""A process that dies at any moment: what ``log`` acknowledged is read back, once.

The children fork for every death, so that fifty of them cost a second.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from children import told_by
from jupyter_client.manager import KernelManager

import nbtrack

KILL_WHILE_LOGGING = """
import nbtrack

acknowledged = []
for round_ in range(50):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        run = nbtrack.init(project="p", id=f"r{round_}", view="off")
        step = 0
        while True:
            run.log({"step": step, "loss": 1 / (step + 1)})
            os.write(theirs, b".")
            step += 1
    os.close(theirs)
    rows = 0
    while rows < 1 + 37 * round_:
        rows += len(os.read(ours, 4096))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while block := os.read(ours, 65536):
        rows += len(block)
    os.close(ours)
    acknowledged.append(rows)
tell(acknowledged=acknowledged)
"""


def test_fault_01_sigkill_at_fifty_moments_of_a_loop_loses_no_acknowledged_row():
    acknowledged = told_by(KILL_WHILE_LOGGING)["acknowledged"]
    for round_, rows in enumerate(acknowledged):
        run = nbtrack.Api().run(f"p/r{round_}")
        steps = run.history()["step"].tolist()
        assert steps == list(range(len(steps))), "whole rows, in order, none twice"
        assert rows <= len(steps) <= rows + 1, "one may be written and not yet told"
        assert run.state == "crashed"
    assert len(acknowledged) == 50


TRAIN = """
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
i = 0
while True:
    run.log({"i": i})
    print(i, flush=True)
    i += 1
"""


def test_fault_04_sigterm_leaves_every_row_and_is_seen_as_a_crash():
    with subprocess.Popen(
        [sys.executable, "-c", TRAIN], stdout=subprocess.PIPE, text=True
    ) as child:
        while int(child.stdout.readline()) < 500:
            pass
        sent = time.monotonic()
        child.terminate()
        rest = child.stdout.read().split("\n")
        assert child.wait() == -signal.SIGTERM, "signals are the user's own"
        assert time.monotonic() - sent < 2
    run = nbtrack.Api().run("p/r")
    assert run.state == "crashed"
    assert run.history()["i"].tolist()[: int(rest[-2]) + 1] == list(
        range(int(rest[-2]) + 1)
    )


def test_fault_04_a_kernel_restart_finishes_the_run_in_time(tmp_path):
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        for code in (
            "import nbtrack\nrun = nbtrack.init(project='p', id='r', view='off')",
            "for i in range(20_000): run.log({'i': i})",
        ):
            reply = client.execute_interactive(code, timeout=60)
            assert reply["content"]["status"] == "ok"
        asked = time.monotonic()
        manager.restart_kernel(now=False)
        took_s = time.monotonic() - asked
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    run = nbtrack.Api().run("p/r")
    assert run.state == "finished", "2.5 s after being asked the kernel is killed"
    assert len(run.history()) == 20_000
    assert took_s < manager.shutdown_wait_time + 2
