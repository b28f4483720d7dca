"""A run's life in a real kernel and in scripts: restarts, kills, endings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

import nbtrack
from nbtrack import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kernel

WAIT_S = 60


@dataclass
class Told:
    """What a cell printed and raised."""

    printed: str = ""
    errors: list[str] = field(default_factory=list)
    traceback: str = ""

    def json(self) -> Any:
        """Give what the last line that was printed says."""
        return json.loads(self.printed.strip().splitlines()[-1])


class Kernel:
    """A kernel whose directory is ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        env = {k: v for k, v in os.environ.items() if k[:8] != "NBTRACK_"}
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)
        self.run("import json, os, signal, sys, threading, time\nimport nbtrack")

    def start(self, source: str) -> str:
        """Send a cell, and do not wait."""
        return str(self.client.execute(source))

    def run(self, source: str) -> Told:
        """Execute a cell."""
        return self.wait(self.start(source))

    def wait(self, cell: str, until: str | None = None) -> Told:
        """Hear what a cell says, to its end or until it has printed a text."""
        told = Told()
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_S)
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                told.printed += content["text"]
                if until is not None and until in told.printed:
                    return told
            elif message["msg_type"] == "error":
                told.errors.append(content["ename"])
                told.traceback = "\n".join(content["traceback"])
            elif (
                message["msg_type"] == "status" and content["execution_state"] == "idle"
            ):
                return told

    def ask(self, expression: str) -> Any:
        """Evaluate an expression whose value is JSON."""
        told = self.run(f"print(json.dumps({expression}))")
        assert not told.errors, told.traceback
        return told.json()

    def fresh(self) -> None:
        """Leave no run open for the next test."""
        self.run("nbtrack.finish()")

    def stored(self, path: str) -> Any:
        """Give a run as another process reads it."""
        return nbtrack.Api(self.folder / "nbruns").run(path)

    def stop(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Kernel]:
    """Share one kernel among the tests that leave it alive."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(shared: Kernel) -> Iterator[Kernel]:
    yield shared
    shared.fresh()


@pytest.fixture
def mortal(tmp_path) -> Iterator[Kernel]:
    """Give a kernel that may be killed."""
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.stop()


def state_of(kernel: Kernel, path: str, wanted: set[str], within_s: float) -> str:
    """Wait until a run is read in one of the states, and say in which."""
    give_up_at = time.monotonic() + within_s
    while (state := kernel.stored(path).state) not in wanted:
        assert time.monotonic() < give_up_at, state
        time.sleep(0.01)
    return str(state)


# -- cells run again -------------------------------------------------------------------

BEGIN = "run = nbtrack.init(project={!r}, view='off')\nrun.log({{'a': 1.5}})"
COUNTS = "[threading.active_count(), len(os.listdir('/proc/self/fd'))]"


def test_A4_running_the_init_cell_twenty_times_leaks_nothing(kernel):
    quiet = "run = nbtrack.init(project='again')\nrun.log({'a': 1.5})"
    first = kernel.run(quiet)
    assert "to start a new run" not in first.printed
    name = kernel.ask("run.name")
    second = kernel.run(quiet)
    assert [line for line in second.printed.splitlines() if line] == [
        f"nbtrack: finished {name} to start a new run"
    ]
    for _ in range(6):  # descriptors of ended runs stay taken for some seconds
        kernel.run(BEGIN.format("again"))
    threads, descriptors = kernel.ask(COUNTS)
    for _ in range(20):
        kernel.run(BEGIN.format("again"))
    found = kernel.ask(COUNTS)
    assert found[0] <= threads
    # Twenty are parked for five seconds; as many again would be a leak.
    assert found[1] <= descriptors + 30
    kernel.run("nbtrack.finish()")
    runs = nbtrack.Api(kernel.folder / "nbruns").runs("again")
    assert [run.state for run in runs] == ["finished"] * 28
    assert all(run.history()["a"].tolist() == [1.5] for run in runs)


def test_descriptors_of_ended_runs_are_given_back(kernel):
    """They stay taken for five seconds, and then go with the next run that ends."""
    kernel.run(BEGIN.format("fd") + "\nrun.finish()")
    before = kernel.ask(COUNTS)
    kernel.run(
        "from nbtrack._store import journal as _journal\n"
        "_s, _journal._PARKED_S = _journal._PARKED_S, 0.0\n"
        "for _ in range(20):\n"
        "    run = nbtrack.init(project='fd', view='off')\n"
        "    run.log({'a': 1.5})\n"
        "    run.finish()\n"
        "_journal._PARKED_S = _s\n"
    )
    after = kernel.ask(COUNTS)
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 1


# -- what people do between two cells --------------------------------------------------


def test_reset_between_two_cells_leaves_the_run_to_nbtrack(kernel):
    kernel.run("run = nbtrack.init(project='reset', id='r', view='off')")
    kernel.run("run.log({'a': 1})")
    assert not kernel.run("%reset -f").errors
    told = kernel.run("import nbtrack, json, os, signal, sys, threading, time")
    assert not told.errors
    assert not kernel.run("nbtrack.log({'a': 2})").errors
    assert kernel.ask("nbtrack.run.id") == "r"
    kernel.run("nbtrack.finish()")
    run = kernel.stored("reset/r")
    assert (run.state, run.history()["a"].tolist()) == ("finished", [1, 2])


def test_autoreload_of_everything_leaves_the_run_alone(kernel):
    kernel.run("%load_ext autoreload\n%autoreload 2")
    try:
        kernel.run("run = nbtrack.init(project='reload', id='r', view='off')")
        module = kernel.folder / "own.py"
        for number in range(3):
            module.write_text(f"value = {number}\n#" + "x" * number)
            told = kernel.run("import own\nrun.log({'a': own.value})")
            assert not told.errors, told.traceback
            assert "autoreload" not in told.printed
        told = kernel.run("run.finish()\nprint(json.dumps(run.state))")
        assert told.json() == "finished"
    finally:
        kernel.run("%autoreload 0")
    assert len(kernel.stored("reload/r").history()) == 3


def test_reloading_nbtrack_itself_does_not_lose_the_open_run(kernel):
    kernel.run("run = nbtrack.init(project='deep', id='r', view='off')")
    kernel.run("run.log({'a': 1})")
    told = kernel.run("import importlib\nimportlib.reload(nbtrack)\nrun.log({'a': 2})")
    assert not told.errors, told.traceback
    told = kernel.run("nbtrack.log({'a': 3})\nnbtrack.finish()")
    assert not told.errors, told.traceback
    assert kernel.stored("deep/r").history()["a"].tolist() == [1, 2, 3]
    assert kernel.stored("deep/r").state == "finished"


def test_A7_an_interrupt_inside_log_leaves_the_run_open_and_usable(kernel):
    """The signal strikes in the middle of the call, on its way to the disk."""
    kernel.run("run = nbtrack.init(project='int', id='r', view='off')")
    told = kernel.run(
        "class Slow:\n"
        "    def __float__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(30)\n"
        "run.log({'a': 1})\n"
        "run.log({'a': Slow()})"
    )
    assert told.errors == ["KeyboardInterrupt"]
    cell = kernel.start(
        "i = 0\nwhile True:\n    run.log({'i': i})\n    i += 1\n"
        "    if i == 500: print('going', flush=True)"
    )
    kernel.wait(cell, until="going")
    kernel.manager.interrupt_kernel()
    assert kernel.wait(cell).errors == ["KeyboardInterrupt"]
    assert kernel.ask("run.state") == "running"
    assert kernel.stored("int/r").state == "running"
    kernel.run("run.log({'a': 2})")
    done = kernel.ask("i")
    kernel.run("run.finish()")
    run = kernel.stored("int/r")
    assert run.state == "finished"
    logged = run.history(keys=["i"])["i"].tolist()
    assert logged == list(range(len(logged)))
    assert done <= len(logged) <= done + 1
    frame = run.history(keys=["a"])
    assert frame["a"].tolist() == [1, 2]


def test_a_disk_that_fails_troubles_no_cell_and_leaves_no_thread(kernel):
    kernel.run(
        "from nbtrack._store.follow import Tail\n"
        "poll = Tail.poll\n"
        "def fail(*_, **__): raise OSError(5, 'the disk is gone')\n"
        "run = nbtrack.init(project='p', view='live', settings={'quiet': True})\n"
        "run.log({'a': 1})\n"
    )
    try:
        printed = kernel.run("Tail.poll = fail").printed
        printed += kernel.run(
            "import warnings\nwarnings.simplefilter('ignore')"
        ).printed
        kernel.run("run.finish()")
        left = "[t.name for t in threading.enumerate() if t.name == 'nbtrack-view']"
        assert kernel.ask(left) == []
        assert "Error in callback" not in printed
        assert "could not read the rows" in kernel.run("print(run.faults)").printed
    finally:
        kernel.run("Tail.poll = poll; warnings.resetwarnings()")


def test_an_exception_in_a_cell_leaves_the_run_open(kernel):
    kernel.run("run = nbtrack.init(project='exc', id='r', view='off')")
    told = kernel.run("run.log({'a': 1})\n1 / 0\nrun.log({'a': 99})")
    assert told.errors == ["ZeroDivisionError"]
    assert kernel.ask("[run.state, run.is_open]") == ["running", True]
    kernel.run("run.log({'a': 2})")
    kernel.run("run.finish()")
    run = kernel.stored("exc/r")
    assert (run.state, run.history()["a"].tolist()) == ("finished", [1, 2])


def test_A7_a_with_block_that_raises_is_a_failed_run_with_its_traceback(kernel):
    told = kernel.run(
        "with nbtrack.init(project='with', id='r', view='off') as run:\n"
        "    run.log({'a': 1})\n"
        "    raise ValueError('so it ends')"
    )
    assert told.errors == ["ValueError"]
    run = kernel.stored("with/r")
    assert run.state == "failed"
    error = run.metadata["error"]
    assert (error["type"], error["message"]) == ("ValueError", "so it ends")
    assert "raise ValueError('so it ends')" in error["traceback"]
    assert kernel.ask("run.is_open") is False


def test_A7_a_with_block_that_is_interrupted_is_a_killed_run(kernel):
    told = kernel.run(
        "with nbtrack.init(project='with', id='k', view='off') as run:\n"
        "    run.log({'a': 1})\n"
        "    os.kill(os.getpid(), signal.SIGINT); time.sleep(30)"
    )
    assert told.errors == ["KeyboardInterrupt"]
    assert kernel.stored("with/k").state == "killed"


# -- the kernel ends -------------------------------------------------------------------

LOOP = (
    "run = nbtrack.init(project='p', id='r', view='off')\n"
    "i = 0\n"
    "while True:\n"
    "    run.log({'i': i}); i += 1\n"
    "    if i == 300: print('going', flush=True)"
)


def test_A8_a_restart_in_the_middle_of_a_cell_ends_the_run_in_time(mortal):
    """The front end interrupts and shuts down; nbtrack has two seconds."""
    cell = mortal.start(LOOP)
    mortal.wait(cell, until="going")
    asked_at = time.time()
    mortal.manager.restart_kernel(now=False)
    mortal.client.wait_for_ready(timeout=WAIT_S)
    state = state_of(mortal, "p/r", {"finished", "killed", "failed", "crashed"}, 2)
    assert state in {"finished", "killed"}, "it was told, and had time"
    taken_s = mortal.stored("p/r").metadata["finished"] - asked_at
    assert taken_s < 2.5, "then comes SIGTERM"
    rows = mortal.stored("p/r").history()["i"].tolist()
    assert rows == list(range(len(rows)))
    assert len(rows) >= 300
    assert mortal.stored("p/r").summary["i"] == rows[-1]
    mortal.run("import json, nbtrack")
    told = mortal.run(
        "run = nbtrack.init(project='p', id='r', resume='must', view='off')\n"
        "run.log({'i': -1})\nrun.finish()\nprint(json.dumps(run.step))"
    )
    assert told.json() == len(rows) + 1


def test_A6_a_killed_kernel_leaves_a_crashed_run_that_can_be_gone_on_with(mortal):
    cell = mortal.start(LOOP)
    mortal.wait(cell, until="going")
    pid = mortal.manager.provisioner.pid
    os.kill(pid, signal.SIGKILL)
    state_of(mortal, "p/r", {"crashed"}, 2)
    rows = mortal.stored("p/r").history()["i"].tolist()
    assert rows == list(range(len(rows)))
    assert len(rows) >= 300
    root = mortal.folder / "nbruns"
    with pytest.raises(errors.RunExistsError):
        nbtrack.init(project="p", id="r", resume="never", dir=root)
    run = nbtrack.init(project="p", resume="auto", dir=root, view="off")
    assert (run.id, run.step) == ("r", len(rows))
    run.log({"i": len(rows)})
    run.finish()
    found = nbtrack.Api(root).run("p/r")
    assert found.state == "finished"
    assert found.history()["i"].tolist() == [*rows, len(rows)]


# -- scripts ---------------------------------------------------------------------------

#: How a script ends → the state of its run.
ENDINGS = {
    "finish": ("run.finish()", "finished"),
    "nothing": ("", "finished"),
    "exit-0": ("sys.exit(0)", "finished"),
    "exit-none": ("sys.exit()", "finished"),
    "exit-3": ("sys.exit(3)", "failed"),
    "exit-text": ("sys.exit('it is over')", "failed"),
    "exit-in-with": ("with run: sys.exit(4)", "failed"),
    "exception": ("raise RuntimeError('so')", "failed"),
    "interrupt": ("raise KeyboardInterrupt", "killed"),
    "exit-caught": ("try: sys.exit(5)\nexcept SystemExit: pass", "finished"),
    "error-caught": ("try: 1 / 0\nexcept ZeroDivisionError: pass", "finished"),
    "sigint": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(30)", "killed"),
    "sigterm": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", "crashed"),
    "sigkill": ("os.kill(os.getpid(), signal.SIGKILL)", "crashed"),
    "_exit": ("os._exit(0)", "crashed"),
    "in-thread": (
        "t = threading.Thread(target=lambda: run.log({'a': 3})); t.start(); t.join()",
        "finished",
    ),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """Run a script for every ending, each in a fork of one interpreter."""
    root = tmp_path_factory.mktemp("scripts")
    scripts = {
        name: "run = nbtrack.init(project='p', id=name, view='off')\n"
        f"run.log({{'a': 1}})\nrun.log({{'a': 2}}, commit=False)\n{code}\n"
        for name, (code, _) in ENDINGS.items()
    }
    # A fork that runs a script as the interpreter would, and ends as it would.
    code = (
        "import os, signal, sys, threading, time\n"
        "import nbtrack\n"
        f"for name, script in {scripts!r}.items():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        break\n"
        "    os.waitpid(pid, 0)\n"
        "else:\n"
        "    os._exit(0)\n"
        "exec(compile(script, name + '.py', 'exec'))\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"NBTRACK_QUIET": "1"},
        capture_output=True,
        check=False,
        timeout=100,
    )
    return root / "nbruns"


def resumed(root: Path, run_id: str | None, mode: str) -> Any:
    return nbtrack.init(
        project="p", id=run_id, dir=root, resume=mode, view="off", reinit="create_new"
    )


@pytest.mark.parametrize("name", ENDINGS)
def test_A6_A8_however_a_script_ends_its_run_says_how_and_has_its_rows(ended, name):
    run = nbtrack.Api(ended).run(f"p/{name}")
    _, state = ENDINGS[name]
    assert run.state == state
    wanted = [1, 2] if name != "in-thread" else [1, 3]
    assert run.history()["a"].tolist() == wanted
    assert run.summary == {"a": wanted[-1]}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("mode", ["allow", "must", "never", "auto"])
def test_A5_every_ended_run_can_be_gone_on_with_as_was_asked(
    ended, tmp_path, name, mode
):
    import shutil

    root = tmp_path / "nbruns"
    shutil.copytree(ended / "p" / name, root / "p" / name)
    if mode == "never":
        with pytest.raises(errors.RunExistsError, match='resume="allow"'):
            resumed(root, name, mode)
        assert resumed(root, "other", mode).step == 0
        return
    run = resumed(root, None if mode == "auto" else name, mode)
    ended_well = nbtrack.Api(ended).run(f"p/{name}").state == "finished"
    is_new = mode == "auto" and ended_well
    assert (run.id == name, run.resumed) == (not is_new, not is_new)
    assert run.step == (0 if is_new else 2)
    run.log({"a": 7})
    run.finish()
    read = nbtrack.Api(root).run(f"p/{run.id}")
    assert read.state == "finished"
    assert read.metadata.get("error") is None
    assert read.history()["a"].tolist()[-1] == 7
    assert len(read.history()) == (1 if is_new else 3)


@pytest.mark.parametrize("mode", ["must", "allow", "auto"])
def test_A5_a_run_that_is_not_there_is_refused_or_begun(tmp_path, mode):
    if mode == "must":
        with pytest.raises(errors.RunNotFoundError):
            resumed(tmp_path, "nobody", mode)
        return
    run = resumed(tmp_path, "nobody" if mode == "allow" else None, mode)
    assert (run.step, run.resumed) == (0, False)
