"""The line that a run keeps up to date in a terminal."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack._view.terminal import (
    Latest,
    ProgressLine,
    Screen,
    Status,
    _Pace,
    line_of,
    terminal_of,
)


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal, and what would be seen on it."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def fileno(self):
        raise io.UnsupportedOperation

    def seen(self):
        return screen(self.getvalue())


def screen(text):
    """What a terminal shows that knows ``\\r`` and ``\\n`` and nothing else."""
    lines, column = [[]], 0
    for letter in text:
        if letter == "\r":
            column = 0
        elif letter == "\n":
            lines.append([])
            column = 0
        else:
            row = lines[-1]
            row += " " * (column + 1 - len(row))
            row[column] = letter
            column += 1
    return ["".join(row).rstrip() for row in lines]


@pytest.fixture
def terminal():
    terminal = FakeTerminal()
    terminal.line = Screen(terminal, [])
    yield terminal
    terminal.line.close()


# -- what the line says ----------------------------------------------------------------


def test_the_line_has_name_progress_pace_time_left_and_metrics():
    values = [("train/loss", 0.031234), ("train/acc", 0.98)]
    status = Status("otter-3", 1234, 5000, 198.2, values)
    assert line_of(status, 120) == (
        "otter-3  ━━━╌╌╌╌╌╌╌╌╌  step 1,234 of 5,000  198/s  0:19 left  "
        "train/loss 0.03123  train/acc 0.98"
    )


def test_a_complete_run_reads_as_complete():
    line = line_of(Status("otter-3", 59, 60), 80)
    assert line == "otter-3  ━━━━━━━━━━━━  60 of 60 steps"


def test_what_is_not_known_is_left_out():
    assert line_of(Status("otter-3"), 80) == "otter-3  no rows yet"
    assert line_of(Status("otter-3", 7), 80) == "otter-3  step 7"
    assert "left" not in line_of(Status("o", 9, 5, 3.0), 80)


def test_a_long_run_has_hours_left():
    assert "2:46:40 left" in line_of(Status("o", 0, 10_000, 1.0), 80)


def test_at_most_four_metrics():
    line = line_of(Status("o", 1, values=[(f"m{i}", i) for i in range(9)]), 200)
    assert line.endswith("m3 3")


NUMBERS = st.floats() | st.integers(-(10**30), 10**30)


@given(
    st.text(max_size=80),
    st.none() | st.integers(-(2**53), 2**53),
    st.none() | st.integers(1, 2**53),
    st.none() | st.floats(1e-9, 1e9),
    st.lists(st.tuples(st.text(max_size=60), NUMBERS), max_size=5),
    st.integers(1, 200),
    st.booleans(),
)
def test_any_status_fits_its_width_and_moves_no_cursor(
    name, step, total, pace, values, width, plain
):
    line = line_of(Status(name, step, total, pace, values), width, plain=plain)
    assert len(line) <= max(width, 1)
    assert not set(line) & set("\r\n\t\x1b\x07\x08")


def test_wide_letters_count_twice():
    line = line_of(Status("図" * 10, 7, values=[("損失", 1.0)]), 24)
    assert sum(2 if letter > "\u2fff" else 1 for letter in line) <= 24


# -- how it gives way ------------------------------------------------------------------


def test_a_line_takes_the_place_of_the_last_one(terminal):
    terminal.line.show("a long line")
    terminal.line.show("short")
    assert terminal.seen() == ["short"]
    terminal.line.close()
    assert terminal.seen() == [""]


def test_what_is_printed_finds_an_empty_line(terminal):
    terminal.line.show("otter-3  step 5")
    print("epoch 1", file=terminal)
    terminal.line.show("otter-3  step 9")
    print("a", "b", sep="\n", file=terminal)
    assert terminal.seen() == ["epoch 1", "a", "b", ""]
    terminal.line.show("otter-3")
    assert terminal.seen() == ["epoch 1", "a", "b", "otter-3"]


def test_a_line_that_somebody_began_is_left_alone(terminal):
    terminal.write("loading … ")
    terminal.line.show("otter-3")
    assert terminal.seen() == ["loading …"]
    terminal.write("")
    terminal.line.show("otter-3")
    terminal.write("done\n")
    terminal.line.show("otter-3")
    assert terminal.seen() == ["loading … done", "otter-3"]


def test_a_bar_of_tqdm_is_not_drawn_over(terminal):
    for done in range(5):
        terminal.write(f"\r{done}/5 [bar]")
        terminal.line.show("otter-3")
    assert terminal.seen() == ["4/5 [bar]"]


def test_what_goes_to_the_other_stream_finds_an_empty_line_too():
    err, out = FakeTerminal(), FakeTerminal()
    line = Screen(err, [out])
    line.show("otter-3")
    out.write("hello\n")
    assert err.seen() == [""]
    line.close()


def test_the_streams_are_given_back(terminal):
    assert "write" in vars(terminal)
    terminal.line.close()
    terminal.line.close()
    assert "write" not in vars(terminal)
    terminal.line.show("x")
    terminal.write("y")
    assert terminal.seen() == ["xy"] or terminal.seen() == ["y"]


def test_a_hook_that_was_put_over_ours_stays():
    terminal = FakeTerminal()
    line = Screen(terminal, [])
    ours, heard = terminal.write, []

    def theirs(text):
        heard.append(text)
        return ours(text)

    terminal.write = theirs
    line.close()
    print("still here", file=terminal)
    assert "".join(heard) == "still here\n"
    assert terminal.seen() == ["still here", ""]


def test_what_others_hear_of_a_stream_is_what_was_printed():
    terminal, heard = FakeTerminal(), []
    original = terminal.write

    def theirs(text):
        heard.append(text)
        return original(text)

    terminal.write = theirs
    line = Screen(terminal, [])
    line.show("otter-3")
    print("hello", file=terminal)
    line.show("otter-3")
    line.close()
    assert "".join(heard) == "hello\n"
    assert terminal.write is theirs


def test_printing_from_many_threads_loses_nothing(terminal):
    def work(number):
        for i in range(50):
            terminal.write(f"{number}-{i}\n")
            terminal.line.show(f"line {number} {i}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    terminal.line.close()
    wanted = {f"{n}-{i}" for n in range(4) for i in range(50)}
    assert set(terminal.seen()) == wanted | {""}


def test_a_stream_that_takes_only_ascii_gets_ascii():
    terminal = FakeTerminal()
    terminal.encoding = "ascii"
    line = Screen(terminal, [])
    assert line.is_plain
    line.show("größe")
    assert terminal.getvalue() == "\rgr??e"
    line.close()


def test_a_forked_child_leaves_the_terminal_to_its_parent(terminal):
    terminal.line.show("otter-3")
    terminal.line.forked()
    terminal.write("child\n")
    assert terminal.getvalue().endswith("\rotter-3child\n")


# -- where it is drawn -----------------------------------------------------------------


class Stream:
    def __init__(self, *, tty=False, descriptor=None):
        self._tty, self._descriptor = tty, descriptor

    def isatty(self):
        return self._tty

    def fileno(self):
        if self._descriptor is None:
            raise io.UnsupportedOperation
        return self._descriptor


def test_it_is_drawn_where_both_streams_let_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TERM", "xterm")
    terminal, other = Stream(tty=True), Stream(tty=True)
    reader, writer = os.pipe()
    pipe = Stream(descriptor=writer)
    with (tmp_path / "log").open("w") as log:
        file = Stream(descriptor=log.fileno())
        assert terminal_of(other, terminal) is terminal
        assert terminal_of(file, terminal) is terminal
        assert terminal_of(None, terminal) is terminal
        assert terminal_of(pipe, terminal) is None, "it may come back by way of tee"
        assert terminal_of(terminal, file) is terminal
        assert terminal_of(file, file) is None
        assert terminal_of(None, None) is None
        assert terminal_of(terminal, other, is_prompting=True) is None
    os.close(reader)
    os.close(writer)
    monkeypatch.setenv("TERM", "dumb")
    assert terminal_of(terminal, other) is None


def test_a_closed_stream_is_no_terminal():
    closed = io.StringIO()
    closed.close()
    assert terminal_of(closed, closed) is None


# -- what was logged -------------------------------------------------------------------


def test_the_latest_values_are_read_from_the_end_of_the_log():
    run = nbtrack.init(project="p", view="off")
    latest = Latest(Path(run.dir) / "log")
    latest.look()
    assert (latest.step, latest.values) == (None, {})
    run.log({"loss": 2.0, "note": "text", "flag": True})
    run.log({"loss": 1.0, "acc": 0.5})
    run.log({"loss": float("nan")})
    latest.look()
    assert latest.step == 2
    assert str(latest.values) == "{'loss': nan, 'acc': 0.5}"
    run.log({"loss": 0.25}, step=40)
    latest.look()
    assert (latest.step, latest.values["loss"]) == (40, 0.25)


def test_of_a_long_log_only_the_end_is_read():
    run = nbtrack.init(project="p", view="off")
    for step in range(20_000):
        run.log({"loss": float(step)})
    latest = Latest(Path(run.dir) / "log")
    latest.look()
    assert latest.step == 19_999
    assert latest.values == {"loss": 19_999.0}


def test_damaged_lines_are_passed_over():
    run = nbtrack.init(project="p", view="off")
    run.log({"loss": 1.0})
    (log,) = (Path(run.dir) / "log").glob("*.jsonl")
    with log.open("ab") as file:
        file.write(b'[9,9,9,{"loss":5},"00000000"]\n\xff\xfe\n{"x":\n')
    latest = Latest(log.parent)
    latest.look()
    assert latest.values == {"loss": 1.0}


def test_a_log_that_goes_while_it_is_looked_at_is_no_fault(tmp_path, monkeypatch):
    run = nbtrack.init(project="p", view="off")
    run.log({"loss": 1.0})
    latest = Latest(Path(run.dir) / "log")
    gone = tmp_path / "gone.jsonl"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone, *logs]))
    logs = list((Path(run.dir) / "log").iterdir())
    latest.look()
    assert latest.values == {"loss": 1.0}
    assert Latest(tmp_path / "nowhere").step is None


def test_epochs_tell_how_many_steps_there_will_be():
    run = nbtrack.init(project="p", view="off")
    for step in range(30):
        run.log({"epoch": step // 10})
    latest = Latest(Path(run.dir) / "log")
    latest.look()
    assert latest.total(5) == 50
    assert latest.total(None) is None


def test_what_goes_wrong_is_told_once_and_the_terminal_given_back(tmp_path):
    terminal, told = FakeTerminal(), threading.Event()
    faults = []

    def broken():
        raise OSError

    line = ProgressLine(
        Screen(terminal, []),
        name=broken,
        logs=tmp_path,
        total=lambda: None,
        epochs=lambda: None,
        on_fault=lambda what, _: (faults.append(what), told.set()),
    )
    line.start()
    assert told.wait(10)
    line.close()
    assert faults == ["draw the progress line"]
    assert "write" not in vars(terminal)


# -- a real terminal -------------------------------------------------------------------

SCRIPT = """
import sys, time
import nbtrack
run = nbtrack.init(project="p", name="otter", total_steps=60)
for step in range(60):
    run.log({"loss": 1 / (step + 1), "acc": step / 60})
    time.sleep(0.02)
    if step % 20 == 0:
        print("epoch", step // 20)
        print("warned", file=sys.stderr)
END
"""


def in_terminal(code, tmp_path, **environ):
    pexpect = pytest.importorskip(
        "pexpect", reason="needs a terminal: pip install pexpect"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    env = {k: v for k, v in os.environ.items() if not k.startswith("NBTRACK_")}
    env |= {"TERM": "xterm", "PYTHONPATH": str(Path(nbtrack.__file__).parents[1])}
    child = pexpect.spawn(
        sys.executable,
        [str(script)],
        env=env | environ,
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=60,
        cwd=str(tmp_path),
    )
    child.expect(pexpect.EOF)
    child.close()
    return child.before


@pytest.mark.parametrize("end", ["run.finish()", ""])
def test_on_a_terminal_the_line_moves_and_then_is_gone(tmp_path, end):
    raw = in_terminal(SCRIPT.replace("END", end), tmp_path)
    frames = [part for part in raw.split("\r") if part.startswith("otter  ")]
    assert len(frames) >= 3
    assert "of 60" in frames[-1]
    assert "loss 0.0" in frames[-1]
    assert max(map(len, frames)) < 100
    seen = screen(raw)
    first, *printed, last, rest = seen
    assert first.startswith("nbtrack: otter started, in nbruns/p/")
    assert printed == [t for i in range(3) for t in (f"epoch {i}", "warned")]
    assert last.startswith("nbtrack: otter finished, last step 59, in nbruns/p/")
    assert rest == ""


def test_an_error_in_the_script_is_readable(tmp_path):
    raw = in_terminal(SCRIPT.replace("END", "1 / 0"), tmp_path)
    seen = screen(raw)
    assert "ZeroDivisionError: division by zero" in seen
    assert not [line for line in seen if line.startswith("otter  ")]
    assert "nbtrack: otter failed" in seen[-2]


@pytest.mark.parametrize("setting", ["NBTRACK_QUIET", "NBTRACK_VIEW"])
def test_quiet_and_off_draw_nothing(tmp_path, setting):
    value = {"NBTRACK_QUIET": "1", "NBTRACK_VIEW": "off"}[setting]
    raw = in_terminal(SCRIPT.replace("END", ""), tmp_path, **{setting: value})
    assert "otter" not in raw


def test_in_a_pipe_there_is_a_first_line_and_a_last(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("NBTRACK_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("END", "run.finish()")],
        env=env | {"PYTHONPATH": str(Path(nbtrack.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    said = [line for line in done.stderr.splitlines() if line != "warned"]
    assert len(said) == 2
    assert "\r" not in done.stderr
    assert done.stdout.splitlines() == ["epoch 0", "epoch 1", "epoch 2"]


def test_ipythons_prompt_is_left_alone(tmp_path):
    pytest.importorskip("IPython")
    code = (
        "from IPython.testing.globalipapp import get_ipython\n"
        "from IPython.terminal.interactiveshell import TerminalInteractiveShell\n"
        "shell = TerminalInteractiveShell.instance()\n"
        "import time\n"
        "shell.run_cell('import nbtrack, time')\n"
        'shell.run_cell(\'run = nbtrack.init(project="p", name="otter")\')\n'
        "time.sleep(0.8); print('PROMPT 1')\n"
        "shell.run_cell('for i in range(40): run.log({\"a\": i}); time.sleep(0.02)')\n"
        "print('PROMPT 2'); time.sleep(0.8); print('PROMPT 3')\n"
        "shell.run_cell('run.finish()')\n"
    )
    raw = in_terminal(code, tmp_path)
    between = raw[raw.index("PROMPT 2") : raw.index("PROMPT 3")]
    assert "otter" not in between
    drawn = raw[raw.index("PROMPT 1") : raw.index("PROMPT 2")]
    assert "otter  step" in drawn
    assert "nbtrack: otter finished" in raw


CELLS = [
    "import nbtrack, time",
    "run = nbtrack.init(project='p', name='otter')",
    "train = lambda n: [(run.log({'a': i}), time.sleep(0.02)) for i in range(n)] and 0",
    "train(50); run",
    "time.sleep(0.8)",
    "train(50); 1 / 0",
    "time.sleep(0.8); 'the end'",
    "run.finish()",
]


def in_ipython(tmp_path, *options):
    """Run the cells in IPython; give what each left on the terminal, raw."""
    pexpect = pytest.importorskip(
        "pexpect", reason="needs a terminal: pip install pexpect"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("NBTRACK_")}
    env |= {"PYTHONPATH": str(Path(nbtrack.__file__).parents[1])}
    arguments = ["-m", "IPython", "--no-banner", "--colors=NoColor", *options]
    child = pexpect.spawn(
        sys.executable,
        arguments,
        env=env | {"TERM": "xterm", "IPYTHONDIR": str(tmp_path / "ipython")},
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=60,
        cwd=str(tmp_path),
    )
    raw = []
    child.expect(r"In \[1\]:")
    for number, cell in enumerate(CELLS, 2):
        time.sleep(0.1)  # the prompt looks at the terminal first
        child.send(cell + ("\n" if options else "\r"))
        child.expect(rf"In \[{number}\]:")
        raw.append(child.before)
    child.close(force=True)
    return raw


@pytest.mark.parametrize("options", [["--simple-prompt"], []])
def test_ipython_writes_on_lines_of_its_own(tmp_path, options):
    pytest.importorskip("IPython")
    *_, shown, idle, failed, later, _end = in_ipython(tmp_path, *options)
    for drawn in (shown, failed):
        assert "otter  step" in drawn
    for other in (idle, later):
        assert "otter  step" not in other, "there were no rows"
    (value,) = [line for line in screen(shown) if "<Run otter" in line]
    assert re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", value).startswith("Out[4]: <Run otter")
    seen = screen(failed)
    assert "-" * 75 in [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in seen]
    assert "ZeroDivisionError: division by zero" in seen
    assert [line for line in screen(later) if line.endswith("'the end'")]


def test_the_pace_is_that_of_the_steps_and_not_of_the_waiting():
    pace = _Pace()
    assert [pace.at(0.25 * i, 10 * i) for i in range(5)][-1] == 40
    assert {pace.at(2.0 + i, 40) for i in range(60)} == {40}
    assert pace.at(62.0, 50) < 40
    for i in range(50):
        last = pace.at(62.25 + 0.25 * i, 60 + 10 * i)
    assert last == pytest.approx(40)


def test_a_stream_that_got_its_write_back_is_heard_again(terminal):
    line = terminal.line
    line.show("otter  step 1")
    line.hold()
    line.show("otter  step 2")
    assert terminal.seen() == [""]
    del terminal.write  # as IPython does at the end of a cell
    line.let_go()
    line.show("otter  step 2")
    terminal.write("printed\n")
    assert terminal.seen() == ["printed", ""]
    below = terminal.write
    line.let_go()
    assert terminal.write is below, "no hook over a hook"
