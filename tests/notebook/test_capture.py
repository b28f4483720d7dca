"""Console and machine in a real kernel: cells, threads, bars, kills, several runs."""

from __future__ import annotations

import time

import pytest
from children import until
from kernel_session import Session

import nbtrack

pytestmark = pytest.mark.kernel

INIT = "run = nbtrack.init(project='p', id={id!r}, view='off', settings={settings!r})"
QUICK = (
    "from nbtrack._capture import background as _b\n_b._LOAD_S = _b._FIRST_S = 0.0\n"
)


def init(run_id, **settings):
    return INIT.format(id=run_id, settings=settings)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    session = Session(tmp_path_factory.mktemp("kernel"))
    yield session
    session.stop()


@pytest.fixture
def kernel(shared):
    yield shared
    shared.run("nbtrack.finish()")


@pytest.fixture
def mortal(tmp_path):
    session = Session(tmp_path)
    yield session
    session.stop()


def stored(kernel, run_id):
    return nbtrack.Api(kernel.folder / "nbruns").run(f"p/{run_id}")


def lines(run):
    frame = run.console(as_frame=True)
    return list(zip(frame["cell"], frame["stream"], frame["text"], strict=True))


def test_lines_have_the_cell_that_printed_them(kernel):
    first = kernel.ask("get_ipython().execution_count")
    kernel.run(init("cells"))
    kernel.run("print('a')\nprint('b', file=sys.stderr)")
    kernel.run("pass")
    kernel.run("print('c')\nraise ValueError('x')", may_fail=True)
    kernel.run("run.finish()\nprint('after')")
    found = [line for line in lines(stored(kernel, "cells")) if len(line[2]) == 1]
    assert [(stream, text) for _, stream, text in found] == [
        ("out", "a"),
        ("err", "b"),
        ("out", "c"),
    ]
    assert found[0][0] == found[1][0]
    assert found[2][0] == found[0][0] + 2
    assert found[0][0] > first


def test_threads_and_c_libraries_and_children_are_heard(kernel):
    kernel.run(init("threads"))
    kernel.run(
        "t = threading.Thread(target=lambda: print('from a thread'))\n"
        "t.start(); t.join()\n"
        "import ctypes\n"
        "_ = ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None)\n"
        "!echo from a child"
    )
    until(lambda: "from C" in stored(kernel, "threads").console())
    kernel.run("run.finish()")
    text = stored(kernel, "threads").console()
    assert {"from a thread", "from a child"} <= set(text.splitlines())


def test_a_progress_bar_is_one_line(kernel):
    kernel.run(init("bar"))
    kernel.run(
        "for i in range(50):\n"
        "    print(f'\\r{i:3} %', end='', file=sys.stderr, flush=True)\n"
        "    time.sleep(0.02)\n"
        "print(file=sys.stderr)"
    )
    kernel.run("run.finish()")
    assert stored(kernel, "bar").console("err") == " 49 %"


def test_what_a_cell_keeps_to_itself_is_not_recorded(kernel):
    kernel.run(init("capture"))
    kernel.run("%%capture kept\nprint('kept')")
    kernel.run("print('shown')")
    kernel.run("run.finish()")
    assert kernel.ask("kept.stdout") == "kept\n"
    assert stored(kernel, "capture").console() == "shown"


def test_reset_and_autoreload_change_nothing(kernel):
    kernel.run("%load_ext autoreload\n%autoreload 2")
    try:
        kernel.run(init("reset"))
        kernel.run("print('one')")
        kernel.run("%reset -f")
        kernel.run("import json, os, sys, threading, time\nimport nbtrack")
        kernel.run("print('two')")
        kernel.run("nbtrack.finish()")
    finally:
        kernel.run("%autoreload 0")
    text = stored(kernel, "reset").console("out").splitlines()
    assert [line for line in text if line in ("one", "two")] == ["one", "two"]


def test_a_cell_that_begins_the_next_run_parts_the_consoles(kernel):
    kernel.run(init("first"))
    kernel.run("print('of the first')")
    kernel.run(f"print('still')\n{init('second')}\nprint('of the second')")
    kernel.run("run.finish()")
    assert stored(kernel, "first").console("out").splitlines()[:2] == [
        "of the first",
        "still",
    ]
    assert "of the second" not in stored(kernel, "first").console()
    assert stored(kernel, "second").console("out").splitlines()[-1] == "of the second"
    assert "still" not in stored(kernel, "second").console()


def test_two_runs_at_once_hear_the_same(kernel):
    kernel.run(init("one"))
    kernel.run(
        "other = nbtrack.init(project='p', id='two', reinit='create_new', view='off')"
    )
    kernel.run("print('both')")
    kernel.run("other.finish()\nprint('one alone')")
    kernel.run("run.finish()")
    assert stored(kernel, "two").console("out").splitlines()[-1] == "both"
    assert stored(kernel, "one").console("out").splitlines()[-1] == "one alone"


#: How many functions a print goes through; IPython's own is one of them.
LAYERS = """
def layers(write):
    cells = getattr(write, '__closure__', None) or ()
    inner = [cell.cell_contents for cell in cells]
    return 1 + max([layers(one) for one in inner if callable(one)], default=0)
"""


def test_the_thread_and_the_streams_are_left_as_they_were(kernel):
    names = "sorted(t.name for t in threading.enumerate())"
    layers = "[layers(sys.stdout.write), layers(sys.stderr.write)]"
    kernel.run(LAYERS)
    before, depth = kernel.ask(names), kernel.ask(layers)
    for _ in range(5):
        kernel.run(init("left" + str(time.monotonic_ns())))
        kernel.run("print('x')")
        # One more, and not one for each run or cell.
        assert kernel.ask(layers) == [one + 1 for one in depth]
        assert "nbtrack-capture" in kernel.ask(names)
    kernel.run("run.finish()")
    assert kernel.ask(layers) == depth
    assert kernel.ask(names) == before


def test_a_killed_kernel_keeps_its_samples_and_its_console(mortal):
    mortal.run(QUICK + init("killed", system_s=0.2))
    mortal.run("print('before the end', flush=True)")
    mortal.run("time.sleep(1.5)")
    mortal.kill()
    run = stored(mortal, "killed")
    assert run.state == "crashed"
    assert "before the end" in run.console().splitlines()
    frame = run.history(stream="system")
    assert len(frame) >= 2
    assert frame["_runtime"].is_monotonic_increasing
    assert frame["system.memory_percent"].between(0, 100).all()
    assert run.system_metrics["system.proc.cpu.threads"] > 1


def test_a_kernel_that_is_shut_down_keeps_the_last_lines(mortal):
    mortal.run(init("down"))
    mortal.run("print('last words')")
    mortal.manager.shutdown_kernel()
    assert stored(mortal, "down").console("out").splitlines()[-1] == "last words"


def test_workers_that_are_forked_in_a_cell_hang_nothing(kernel):
    kernel.run(init("forks"))
    kernel.run(
        "import multiprocessing as mp\n"
        "def work(n):\n"
        "    print('worker', n)\n"
        "    return n\n"
        "with mp.get_context('fork').Pool(2) as pool:\n"
        "    found = pool.map(work, range(4))\n"
        "print(found)"
    )
    kernel.run("run.finish()")
    assert "[0, 1, 2, 3]" in stored(kernel, "forks").console()


def test_what_is_turned_off_is_not_there(tmp_path):
    session = Session(tmp_path, NBTRACK_CAPTURE="-console,-system")
    try:
        session.run(init("off"))
        session.run("print('x')")
        hooks = "from nbtrack._capture.background import background as b"
        session.run(hooks)
        assert session.ask("len(b._streams._hooks)") == 0
        threads = session.ask("[t.name for t in threading.enumerate()]")
        assert "nbtrack-capture" not in threads
        assert not session.ask("'psutil' in sys.modules and 'pynvml' in sys.modules")
        session.run("run.finish()")
        run = stored(session, "off")
        assert run.console() == ""
        assert [cell.source for cell in run.cells if "'x'" in cell.source]
    finally:
        session.stop()


def test_a_run_that_is_followed_elsewhere_shows_its_console(kernel):
    from nbtrack._capture.console import ConsoleTail

    kernel.run(init("tail"))
    tail, seen = ConsoleTail(stored(kernel, "tail")._directory), {}
    kernel.run("print('one')")
    give_up_at = time.monotonic() + 20
    while "one" not in [text for _, text in seen.values()]:
        assert time.monotonic() < give_up_at
        seen |= {number: (stream, text) for number, stream, text in tail.poll()}
        time.sleep(0.05)
    kernel.run("run.finish()")
