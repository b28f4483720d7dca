"""What was printed: folded into lines, heard without harm, written, read back."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from itertools import count, pairwise

import pytest
from children import until
from forking import fork
from hypothesis import given
from hypothesis import strategies as st
from recorded import python, stored

import nbtrack
from nbtrack._capture.background import background
from nbtrack._capture.burst import BURST, bounded
from nbtrack._capture.console import (
    ConsoleLines,
    ConsoleTail,
    ConsoleWriter,
    _Numbers,
    read_console,
)
from nbtrack._capture.files import Appender, Bounds
from nbtrack._capture.screen import LONGEST, Screen, without_controls
from nbtrack._capture.streams import Hook, Printed, Streams
from nbtrack._store.lines import encode
from nbtrack._store.rundir import RunDir

# -- what a terminal shows -------------------------------------------------------------


def shown(*pieces):
    """Give the lines that stand there in the end."""
    screen = Screen(count().__next__)
    lines = {}
    for piece in pieces:
        for number, texts in screen.feed(piece):
            lines |= {number + at: text for at, text in enumerate(texts)}
        lines |= screen.unsettled
    return [lines[number] for number in sorted(lines)]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (("a\n", "b\n"), ["a", "b"]),
        (("a", "b", "\nc"), ["ab", "c"]),
        (("\n\n",), ["", ""]),
        (("one\r\ntwo\r\n",), ["one", "two"]),
        (("one\r", "\ntwo"), ["one", "two"]),
        (
            (
                "10%\r",
                "20%\r100%\n",
            ),
            ["100%"],
        ),
        (("long line\rab\n",), ["abng line"]),
        (("long line\r\x1b[Kab\n",), ["ab"]),
        (("\rab", "\r\x1b[2Kc\n"), ["c"]),
        (("abc\b\bX\n",), ["aXc"]),
        (("\x1b[31mred\x1b[0m and \x1b[1;38;5;3mmore\x1b[m\n",), ["red and more"]),
        (("\x1b[3", "1mred\x1b", "[0m\n"), ["red"]),
        (("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\n",), ["textlink"]),
        (("a\tb\x00\x07c\n",), ["a\tbc"]),
        (("\x9b31mx\n",), ["31mx"]),
        (("a\nb\n\x1b[2AX\n",), ["X", "b"]),
        (("ab\x1b[3Dc\x1b[2Cd\x1b[1Ge",), ["eb d"]),
        (("héllo ✓ 日本\n",), ["héllo ✓ 日本"]),
        (("\x1b[999999999A\x1b[0Bx",), ["x"]),
    ],
)
def test_text_is_folded_to_what_a_person_saw(pieces, lines):
    assert shown(*pieces) == lines


def test_bars_below_each_other_are_folded_each_to_its_last_state():
    """As tqdm draws a bar inside a bar: down, draw, and up again."""
    pieces = []
    for outer in range(3):
        pieces.append(f"\router {outer}")
        pieces += [f"\n\rinner {inner}\x1b[A" for inner in range(4)]
    pieces += ["\n", "\r       \r", "\router 3\n"]
    assert shown(*pieces) == ["outer 2", "outer 3"]


def test_a_line_that_never_ends_is_cut():
    lines = shown("x" * (LONGEST + 5), "y" * 100, "\nz")
    assert lines == ["x" * (LONGEST - 1) + "…", "z"]
    assert len(shown("\x1b[16000C" * 100 + "a")[0]) <= LONGEST


@given(
    text=st.text(st.sampled_from("ab\n\r\b\x1b[AK2;m\t0"), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_in_whatever_pieces_text_comes_the_lines_are_the_same(text, cuts):
    whole = shown(text)
    ends = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(ends)]
    assert shown(*pieces) == whole


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=9)))
def test_plain_lines_stay_as_they_are(lines):
    assert shown("".join(f"{line}\n" for line in lines)) == lines


@given(st.text(max_size=50))
def test_no_line_that_is_read_commands_a_terminal(text):
    line = text.replace("\n", "")
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", without_controls(line))


# -- hearing ---------------------------------------------------------------------------


def heard(streams):
    return [(kind, text) for kind, text in streams.printed.take() if text]


@pytest.fixture
def listening():
    """Give what sets streams of its own, which pytest would replace before a test."""
    own, before = Streams(), (sys.stdout, sys.stderr)

    def listen():
        sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8")
        sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8")
        assert own.listen(below_python=False) == []
        return own

    yield listen
    own.stop()
    sys.stdout, sys.stderr = before


def test_both_streams_are_heard_in_order(listening):
    streams = listening()
    print("a", 1)
    print("b", file=sys.stderr)
    sys.stdout.writelines(["c", "d"])
    assert heard(streams) == [("out", "a 1\n"), ("err", "b\n"), ("out", "cd")]
    sys.stdout.flush()
    assert sys.stdout.buffer.getvalue() == b"a 1\ncd"


def test_afterwards_a_stream_is_what_it_was(listening):
    streams = listening()
    stream = sys.stdout
    streams.stop()
    assert "write" not in vars(stream)
    print("x")
    assert heard(streams) == []


def test_a_write_that_was_replaced_before_us_is_put_back(listening):
    streams = listening()
    streams.stop()
    own = sys.stdout.write
    sys.stdout.write = mine = lambda text: own(text.upper())
    streams.listen(below_python=False)
    print("x")
    streams.stop()
    assert sys.stdout.write is mine
    assert heard(streams) == [("out", "x\n")]


def test_a_write_that_was_put_over_ours_stays(listening):
    streams = listening()
    below = sys.stdout.write
    sys.stdout.write = above = lambda text: below(f"<{text}>")
    print("a", end="")
    streams.stop()
    assert sys.stdout.write is above
    print("b", end="")
    assert heard(streams) == [("out", "<a><>")]
    sys.stdout.flush()
    assert sys.stdout.buffer.getvalue() == b"<a><><b><>"


def test_a_stream_that_is_replaced_for_a_while_has_its_text_alone(listening):
    streams = listening()
    with contextlib.redirect_stdout(io.StringIO()) as other:
        print("secret")
    print("open")
    assert other.getvalue() == "secret\n"
    assert heard(streams) == [("out", "open\n")]


def test_whoever_holds_the_stream_is_heard_too(listening):
    streams = listening()
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("held")
    logger.addHandler(handler)
    logger.warning("careful")
    logger.removeHandler(handler)
    assert heard(streams) == [("err", "careful\n")]


def test_rich_prints_through_us(listening):
    streams = listening()
    console = pytest.importorskip("rich.console").Console(
        force_terminal=True, file=sys.stdout, color_system="truecolor"
    )
    console.print("[red]hot[/red]")
    text = "".join(text for _, text in heard(streams))
    assert shown(text) == ["hot"]


def test_a_stream_that_raises_raises_as_before_and_is_not_heard(listening):
    streams = listening()
    with pytest.raises(TypeError):
        sys.stdout.write(b"bytes")
    sys.stdout.close()
    with pytest.raises(ValueError, match="closed"):
        print("x")
    assert heard(streams) == []


def test_a_stream_that_cannot_be_heard_is_told(monkeypatch):
    class Sealed:
        __slots__ = ()

        def write(self, text):
            return len(text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Sealed())
    streams = Streams()
    try:
        (told,) = streams.listen(below_python=False)
        assert "Sealed" in told
    finally:
        streams.stop()


def test_without_a_stream_there_is_nothing_to_hear(monkeypatch):
    """As under pythonw, where sys.stdout is None."""
    monkeypatch.setattr(sys, "stdout", None)
    streams = Streams()
    assert streams.listen(below_python=False) == []
    streams.stop()


def test_a_new_stream_is_heard_and_the_old_one_let_go(listening, monkeypatch):
    streams = listening()
    old = sys.stdout
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    streams.listen(below_python=False)
    streams.listen(below_python=False)
    print("new")
    assert "write" not in vars(old)
    assert heard(streams) == [("out", "new\n")]


def test_threads_that_print_at_once_lose_nothing(listening):
    streams = listening()

    def work(name):
        for number in range(500):
            sys.stdout.write(f"{name}{number}\n")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = "".join(text for _, text in heard(streams))
    assert len(text.splitlines()) == 2000


def test_a_stream_that_takes_anything_is_no_trouble():
    class Anything:
        def write(self, _):
            return 1

    stream, printed = Anything(), Printed()
    hook = Hook(stream, "err", printed.items.append)
    stream.write(b"x")
    stream.write(None)
    stream.write("y")
    hook.remove()
    assert printed.take() == [("err", "y")]


# -- writing and reading ---------------------------------------------------------------


class Recorded:
    """A writer in a directory, with a clock that a test moves."""

    def __init__(self, tmp_path, bounds=None):
        self.run = RunDir(tmp_path / "run")
        self.run.path.mkdir()
        self.reports = []
        self.appender = Appender(
            self.run.path / "console",
            "w",
            {"t0": 1000.0},
            lambda *told: self.reports.append(told),
            bounds,
        )
        self.writer = ConsoleWriter(self.appender)
        self.us = 0

    def out(self, *texts, after_s=1.0):
        for text in texts:
            self.us += int(after_s * 1e6)
            self.writer.take([("out", text)], self.us)

    def take(self, *printed):
        self.us += 1_000_000
        self.writer.take(printed, self.us)

    def lines(self):
        self.writer.close(self.us)
        return [(line.stream, line.text) for line in read_console(self.run)]

    def texts(self):
        return [text for _, text in self.lines()]

    @property
    def size(self):
        return sum(p.stat().st_size for p in self.run.path.rglob("*.jsonl"))


@pytest.fixture
def recorded(tmp_path):
    return Recorded(tmp_path)


def test_streams_and_cells_are_kept_apart(recorded):
    recorded.take(("cell", 3), ("out", "a\nb"), ("err", "w\n"), ("out", "c\n"))
    recorded.take(("cell", 4), ("out", "d"))
    recorded.writer.close(recorded.us)
    lines = read_console(recorded.run)
    assert [(line.stream, line.cell, line.text) for line in lines] == [
        ("cell", 3, "[3]"),
        ("out", 3, "a"),
        ("out", 3, "bc"),
        ("err", 3, "w"),
        ("cell", 4, "[4]"),
        ("out", 4, "d"),
    ]
    assert (lines[1].seconds, lines[1].timestamp) == (1.0, 1001.0)


def test_a_bar_of_ten_hours_leaves_kilobytes(recorded):
    for number in range(36_000):
        recorded.out(f"\r{number / 360:5.2f}% |" + "#" * 60)
    recorded.out("\rdone\x1b[K\n")
    assert recorded.texts() == ["done"]
    assert recorded.size < 800_000


def test_a_bar_is_never_long_behind(recorded):
    tail = ConsoleTail(recorded.run)
    for number in range(2_000):
        recorded.out(f"\r{number}")
    latest = tail.poll()[-1]
    assert latest[2].isdigit()
    assert int(latest[2]) >= 1_989  # ten seconds


def test_a_line_that_is_not_ended_is_there_already(recorded):
    recorded.out("Epoch 1 ... ")
    tail = ConsoleTail(recorded.run)
    assert tail.poll() == [(0, "out", "Epoch 1 ... ")]
    recorded.out("done\nnext\n")
    assert tail.poll() == [(0, "out", "Epoch 1 ... done"), (1, "out", "next")]
    assert tail.poll() == []


def test_very_much_at_once_keeps_its_beginning_and_its_end(recorded):
    lines = [f"line {number:06}" for number in range(500_000)]
    recorded.out("\n".join(lines) + "\n")
    found = recorded.lines()
    assert found[0] == ("out", lines[0])
    assert found[-1] == ("out", lines[-1])
    (mark,) = [text for kind, text in found if kind == "cell"]
    told = int(re.sub(r"\D", "", mark))
    assert len(found) - 1 + told == pytest.approx(500_000, abs=2)
    assert recorded.size < 2 * BURST


@given(
    st.lists(
        st.tuples(st.sampled_from(["out", "err"]), st.text("ab\n", max_size=20)),
        max_size=12,
    ),
    st.integers(4, 60),
)
def test_bounding_keeps_beginning_and_end_and_counts_what_lies_between(items, burst):
    from nbtrack._capture import burst as module

    kept = module.BURST, module._HEAD
    module.BURST, module._HEAD = burst, burst // 4
    try:
        found = list(bounded(items))
    finally:
        module.BURST, module._HEAD = kept
    whole = "".join(text for _, text in items)
    texts = [text for _, text in found if isinstance(text, str)]
    assert len("".join(texts)) <= max(burst, 0) or found == items
    lost = sum(text for _, text in found if isinstance(text, int))
    assert whole.count("\n") == "".join(texts).count("\n") + lost
    if texts and whole:
        assert whole.startswith(texts[0]) or len(whole) > burst
        assert whole.endswith(texts[-1])


def test_a_run_keeps_the_beginning_and_the_end_of_its_console(tmp_path):
    recorded = Recorded(tmp_path, Bounds(2_000, 10_000, 3))
    for number in range(2_000):
        recorded.out(f"line {number}\n")
    texts = recorded.texts()
    assert (texts[0], texts[-1]) == ("line 0", "line 1999")
    (mark,) = [text for text in texts if text.startswith("…")]
    told = int(re.sub(r"\D", "", mark))
    assert len(texts) - 1 + told == 2_000
    assert len(list((recorded.run.path / "console").iterdir())) == 4
    assert recorded.size < 5 * 2_500


def test_very_many_empty_lines_are_bounded_too(tmp_path):
    recorded = Recorded(tmp_path, Bounds(2**20, 100, 2))
    for _ in range(50):
        recorded.out("\n" * 60)
    assert len(recorded.texts()) < 500


def test_who_follows_sees_lines_that_are_let_go_later(tmp_path):
    recorded = Recorded(tmp_path, Bounds(500, 10_000, 2))
    tail, seen = ConsoleTail(recorded.run), []
    for number in range(300):
        recorded.out(f"line {number}\n")
        seen += tail.poll()
    assert [text for _, _, text in seen] == [f"line {number}" for number in range(300)]
    assert [number for number, _, _ in seen] == list(range(300))


def test_secrets_are_not_written_down(recorded):
    recorded.out("login hf_abcdefghijklmnopqrst ok\npostgres://me:word@host/x\n")
    recorded.out("Bearer abcdefghijklmnopqrstuvwx", "\n")
    recorded.out(
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n", "more\n", "-----END RSA PRIVATE"
    )
    recorded.out(" KEY-----\nafter, a task-specific-finetuning-of-weights\n")
    assert recorded.texts() == [
        "login <redacted> ok",
        "postgres://<redacted>@host/x",
        "<redacted>",
        "<redacted>",
        "<redacted>",
        "<redacted>",
        "<redacted>",
        "after, a task-specific-finetuning-of-weights",
    ]
    raw = b"".join(p.read_bytes() for p in recorded.run.path.rglob("*.jsonl"))
    assert b"MIIEow" not in raw
    assert b"hf_abc" not in raw


def test_lone_surrogates_and_nothing_are_text(recorded):
    recorded.out("a\ud800b\n", "")
    assert recorded.texts() == ["a?b"]


def test_a_refusing_disk_is_told_and_catches_up(recorded):
    place = recorded.run.path / "console"
    place.write_text("in the way")
    recorded.out("first\n", "second\n")
    assert len(recorded.reports) == 2
    place.unlink()
    recorded.out("third\n")
    assert recorded.texts() == ["first", "second", "third"]


def test_what_waits_for_a_disk_is_bounded(recorded):
    (recorded.run.path / "console").write_text("in the way")
    for _ in range(20):
        recorded.out("x" * 1_000_000 + "\n" + "y\n" * 200_000)
    assert len(recorded.appender._waiting) <= 8 * 2**20
    assert recorded.appender.lost > 0


def test_a_short_write_is_repeated_whole(recorded, monkeypatch):
    recorded.out("first\n")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, text: write(fd, text[:10]))
    recorded.out("second\n")
    monkeypatch.undo()
    recorded.out("third\n")
    assert recorded.texts() == ["first", "second", "third"]
    assert len(recorded.reports) == 1


def test_a_console_that_is_removed_goes_on_in_a_new_file(recorded):
    recorded.out("first\n")
    tail = ConsoleTail(recorded.run)
    tail.poll()
    (recorded.run.path / "console" / "w.jsonl").unlink()
    recorded.out("second\n")
    assert [text for _, _, text in tail.poll()] == ["second"]


def test_a_directory_that_is_a_link_is_not_written_to(recorded, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (recorded.run.path / "console").symlink_to(tmp_path / "elsewhere")
    recorded.out("x\n")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert len(recorded.reports) == 1


def lay(tmp_path, **files):
    folder = tmp_path / "run" / "console"
    folder.mkdir(parents=True)
    for name, records in files.items():
        content = b"".join(encode(*record) for record in records)
        (folder / f"{name}.jsonl").write_bytes(content)
    return RunDir(tmp_path / "run")


def test_lines_of_several_writers_have_numbers_of_one_sequence(tmp_path):
    run = lay(
        tmp_path,
        a=[(1, 0, "out", {"n": 0, "text": "a0\na1"})],
        b=[(1, 0, "out", {"n": 0, "text": "b0"})],
    )
    tail = ConsoleTail(run)
    assert tail.poll() == [(0, "out", "a0"), (1, "out", "a1"), (2, "out", "b0")]
    with (run.path / "console" / "a.jsonl").open("ab") as file:
        file.write(encode(2, 0, "out", {"n": 1, "text": "A1\na2"}))
    assert tail.poll() == [(1, "out", "A1"), (3, "out", "a2")]


@given(st.data())
def test_numbers_are_unique_and_the_same_again(data):
    numbers, known = _Numbers(), {}
    for _ in range(data.draw(st.integers(0, 12))):
        writer = data.draw(st.sampled_from("ab"))
        first, size = data.draw(st.integers(0, 20)), data.draw(st.integers(1, 5))
        for line, number in enumerate(numbers.of(writer, first, size), start=first):
            assert known.setdefault((writer, line), number) == number
    assert len(set(known.values())) == len(known)
    assert sorted(known.values()) == list(range(len(known)))


@given(
    kind=st.sampled_from(["out", "err", "cut", "open", "x"]),
    payload=st.dictionaries(
        st.sampled_from(["n", "text", "cell", "lines", "at", "t0"]),
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.none(), max_size=1),
    ),
)
def test_whatever_a_console_file_says_is_lines_or_nothing(
    tmp_path_factory, kind, payload
):
    with contextlib.suppress(TypeError):  # orjson: beyond 64 bits
        run = lay(tmp_path_factory.mktemp("r"), a=[(1, 0, kind, payload)] * 2)
        for line in read_console(run):
            assert isinstance(line.text, str)


def test_escapes_in_a_console_file_do_not_reach_a_terminal(tmp_path):
    run = lay(tmp_path, a=[(1, 0, "out", {"n": 0, "text": "\x1b[2Jx\x07\ty\x9b1A"})])
    assert [line.text for line in read_console(run)] == ["x\ty1A"]


# -- runs ------------------------------------------------------------------------------


def test_a_run_reads_its_console_while_it_is_open(capsys):
    run = nbtrack.init(project="p", view="off")
    print("one")
    print("two", file=sys.stderr)
    print("three")
    assert run.console() == "one\ntwo\nthree"
    assert run.console("out") == "one\nthree"
    assert run.console("stderr") == "two"
    assert run.console(tail=1) == "three"
    assert run.console(tail=0) == ""
    frame = stored(run).console(as_frame=True)
    assert list(frame.columns) == ["_runtime", "_timestamp", "cell", "stream", "text"]
    assert frame["text"].tolist() == ["one", "two", "three"]
    assert frame["stream"].tolist() == ["out", "err", "out"]
    run.finish()
    print("after")
    assert stored(run).console() == "one\ntwo\nthree"
    assert capsys.readouterr().out == "one\nthree\nafter\n"


def test_what_console_is_asked_for_and_cannot_be_is_an_error():
    run = nbtrack.init(project="p", view="off")
    with pytest.raises(nbtrack.errors.SettingError, match="'out'"):
        run.console("both")
    with pytest.raises(ValueError, match="tail=-1"):
        run.console(tail=-1)


def test_a_run_without_any_console_gives_empty_ones():
    run = nbtrack.init(project="p", view="off", settings={"capture": "none"})
    print("x")
    run.finish()
    assert run.console() == ""
    assert run.console(as_frame=True).empty
    assert run.system_metrics == {}
    assert run.history(stream="system").empty


def test_a_warning_of_ours_is_recorded_once_and_makes_no_loop(tmp_path):
    run = nbtrack.init(project="p", view="off")
    (tmp_path / "nbruns" / "p" / run.id / "console").write_text("in the way")
    with pytest.warns(nbtrack.errors.NbtrackWarning, match="cannot write"):
        for number in range(5):
            print(number)
            background.take()
    (fault,) = run.faults
    assert fault.kind == "capture"
    assert fault.count >= 5
    (tmp_path / "nbruns" / "p" / run.id / "console").unlink()
    assert run.console().splitlines()[0] == "0"


def test_a_forked_child_prints_and_ends_without_a_trace():
    run = nbtrack.init(project="p", view="off")
    print("parent")

    def child():
        print("child")
        assert "write" not in vars(sys.stdout)
        assert background._clients == []
        run.log({"x": 1})

    assert fork(child) == 0
    print("parent again")
    run.finish()
    assert stored(run).console() == "parent\nparent again"


def test_a_run_that_is_begun_in_a_forked_child_is_recorded_there():
    run = nbtrack.init(project="p", view="off")

    def child():
        own = nbtrack.init(project="p", id="child", reinit="create_new", view="off")
        print("mine")
        own.finish()

    assert fork(child) == 0
    run.finish()
    assert stored(run).console() == ""
    assert nbtrack.Api().run("p/child").console() == "mine"


# -- scripts ---------------------------------------------------------------------------

SCRIPT = """
import ctypes, os, subprocess, sys
import nbtrack

run = nbtrack.init(project="p", id="r", settings={{"console": {console!r}}})
print("python")
sys.stdout.flush()
ctypes.CDLL(None).puts(b"from C")
ctypes.CDLL(None).fflush(None)
subprocess.run(["echo", "from a child"])
print("error", file=sys.stderr)
{end}
"""


def test_what_is_printed_below_python_is_heard_when_asked_for():
    done = python(SCRIPT.format(console="fd", end="run.finish()\nprint('after')"))
    assert done.stdout == "python\nfrom C\nfrom a child\nafter\n", done.stderr
    assert done.stderr == "error\n"
    lines = nbtrack.Api().run("p/r").console("out")
    assert lines == "python\nfrom C\nfrom a child"
    assert nbtrack.Api().run("p/r").console("err") == "error"


def test_else_only_what_python_prints():
    done = python(SCRIPT.format(console="auto", end=""))
    assert done.stdout == "python\nfrom C\nfrom a child\n"
    assert nbtrack.Api().run("p/r").console("out") == "python"


def test_a_child_that_outlives_the_run_keeps_its_output():
    code = SCRIPT.format(
        console="fd",
        end="p = subprocess.Popen(['sh', '-c', 'sleep 1; echo late'])\n"
        "run.finish()\np.wait()\nimport time; time.sleep(0.3)",
    )
    assert python(code).stdout.endswith("late\n")


def test_on_a_terminal_it_stays_a_terminal():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    code = SCRIPT.format(
        console="fd", end="print(os.isatty(1), os.get_terminal_size().lines)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=2)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):
        while block := os.read(ours, 1000):
            text += block
    os.close(ours)
    child.wait()
    assert b"True 0" in text
    assert "True 0" in nbtrack.Api().run("p/r").console()


def test_the_traceback_that_ends_a_script_is_on_record():
    code = (
        "import nbtrack\nrun = nbtrack.init(project='p', id='r')\n"
        "print('before')\nraise RuntimeError('boom')"
    )
    done = python(code)
    assert "RuntimeError: boom" in done.stderr
    run = nbtrack.Api().run("p/r")
    assert run.state == "failed"
    assert run.console().splitlines()[0] == "before"
    assert run.console().splitlines()[-1] == "RuntimeError: boom"


def test_a_killed_script_keeps_all_but_its_last_moment():
    code = (
        "import nbtrack, os, signal, time\n"
        "nbtrack.init(project='p', id='r')\n"
        "print('long ago', flush=True)\ntime.sleep(1.2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    python(code)
    assert nbtrack.Api().run("p/r").console() == "long ago"


def test_nothing_is_left_when_a_run_ends():
    stream, before = sys.stdout, threading.active_count()
    run = nbtrack.init(project="p", view="off")
    until(lambda: background._thread is not None)
    assert "write" in vars(stream)
    run.finish()
    assert "write" not in vars(stream)
    until(lambda: threading.active_count() <= before)


def test_lines_are_plain_json_that_anybody_reads(tmp_path):
    run = nbtrack.init(project="p", view="off")
    print("x")
    run.finish()
    (path,) = (tmp_path / "nbruns" / "p" / run.id / "console").iterdir()
    opening, line = [json.loads(text) for text in path.read_text().splitlines()]
    assert opening[2] == "open"
    assert line[2:4] == ["out", {"n": 0, "text": "x"}]


def test_reading_twice_gives_the_same_lines(tmp_path):
    run = nbtrack.init(project="p", view="off")
    print("x\ny")
    run.finish()
    place = RunDir(tmp_path / "nbruns" / "p" / run.id)
    assert list(ConsoleLines(place).poll()) == read_console(place)
