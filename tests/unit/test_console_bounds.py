"""The console when somebody prints without end, or prints what is hostile."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack._capture import background as backgrounds
from nbtrack._capture import screen as screens
from nbtrack._capture import streams
from nbtrack._capture.burst import BURST
from nbtrack._capture.cells import Cell
from nbtrack._capture.console import ConsoleWriter, _Numbers, read_console
from nbtrack._capture.files import Appender
from nbtrack._capture.keys import Keys
from nbtrack._capture.screen import Screen
from nbtrack._capture.streams import Pipe, Printed
from nbtrack._store.rundir import RunDir
from nbtrack._view.console_log import MOST_LINES, ConsoleLog

BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"  # 64
TAIL = "VMQbVRc2mxnDhA=="
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"


# -- private keys ----------------------------------------------------------------------


def cleaned(*lines):
    keys = Keys()
    return [keys.cleaned(line) for line in lines]


def test_a_keys_first_line_without_a_key_does_not_silence_the_console(tmp_path):
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    writer = ConsoleWriter(Appender(run.path / "console", "w", {}, print))
    said = f"expected a line such as {BEGIN}\n"
    epochs = [f"epoch {number}" for number in range(5)]
    writer.take([("out", said), ("out", "\n".join(epochs) + "\n")], 0)
    writer.close(1)
    assert [line.text for line in read_console(run)] == ["<redacted>", *epochs]


@pytest.mark.parametrize("begin", [BEGIN, f"  {BEGIN} ", f"no {BEGIN} was found"])
@pytest.mark.parametrize(
    "after", [["loss: 0.25", "done"], ["epoch 1", "epoch 2"], ["{'a': 1}"], ["", "a b"]]
)
def test_what_comes_after_such_a_line_is_kept(begin, after):
    assert cleaned(begin, *after)[1:] == after


@pytest.mark.parametrize(
    "key",
    [
        [BEGIN, BODY, BODY, TAIL, END],
        [BEGIN, "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES,0123", "", BODY, TAIL, END],
        [f"INFO:root:{BEGIN}", f"INFO:root:{BODY}", f"INFO:root:{BODY}", END],
        ["  " + BEGIN, "  " + BODY, "  " + TAIL, "  " + END],
        [f"{BEGIN} {BODY} {END}"],
        [f'"private_key": "{BEGIN}\\n{BODY}\\n{TAIL}\\n{END}\\n",'],
    ],
)
def test_a_key_is_left_out_and_nothing_after_it(key):
    found = cleaned("before", *key, "after", BODY)
    assert (found[0], found[-2:]) == ("before", ["after", BODY])
    text = "".join(found[1:-2])
    assert BODY not in text
    assert TAIL not in text
    assert "PRIVATE" not in text


def test_a_key_is_left_out_although_another_thread_prints_in_between():
    found = cleaned(BEGIN, BODY, "epoch 1", BODY, "epoch 2", "epoch 3", BODY, END, "x")
    assert [line for line in found if line != "<redacted>"] == [
        "epoch 1",
        "epoch 2",
        "epoch 3",
        "x",
    ]


def test_a_key_has_an_end_even_if_nobody_says_so():
    found = cleaned(BEGIN, *[BODY] * 1_000)
    assert 100 < found.count("<redacted>") < 300
    assert cleaned(BEGIN, BODY, *["a b"] * 20, BODY)[-1] == BODY


# -- redraws without pause -------------------------------------------------------------


def drawn(pieces):
    screen, lines = Screen(count().__next__), {}
    for piece in pieces:
        for number, texts in screen.feed(piece):
            lines |= {number + at: text for at, text in enumerate(texts)}
        lines |= screen.unsettled
    return lines


_PIECES = st.lists(
    st.sampled_from(
        [
            *("a", "b", "c", "longer text", "\r", "\r", "\r", "\b", "\b\b\r"),
            *("x\by\bz", "\n", "\t", "\x07", "\x9b", "\x1b[K", "\r\x1b[K"),
            *("\r\x1b[2K", "\x1b[A", "\x1b[1D", "\x1b[2", "\x1b]0;t"),
        ]
    ),
    max_size=40,
).map("".join)


@given(st.lists(_PIECES, min_size=1, max_size=3))
def test_redraws_that_are_passed_over_change_nothing(pieces):
    pieces[-1] += "\n"
    found = drawn(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screens, "_without_redraws", lambda text: text)
        assert found == drawn(pieces)


@pytest.mark.parametrize(
    "redraw",
    ["\r{}", "\r 42%|####   | {}/9", "{}\b\b\b\b\b\b\r", "\r\x1b[K{}", "\b/\b-", "\b"],
)
def test_redrawing_without_pause_is_drawn_a_few_times_only(redraw, monkeypatch):
    puts, put = [], Screen._put
    monkeypatch.setattr(
        Screen, "_put", lambda self, text: (puts.append(1), put(self, text))
    )
    text = "".join(redraw.format(number % 10) for number in range(50_000))
    began_s = time.thread_time()
    drawn(["x" * 10_000, text, "\n"])
    assert len(puts) < 100
    assert time.thread_time() - began_s < 1  # not quadratic, either


def test_after_an_expensive_take_it_rests(monkeypatch):
    measuring = backgrounds._Measuring(lambda *_: None)
    taken = []

    def take():
        taken.append(1)
        until_s = time.thread_time() + 0.05
        while time.thread_time() < until_s:
            pass

    def rest_s():
        return measuring._take_due_s - time.monotonic()

    bounded = []
    for _ in range(3):
        assert measuring.hear(take, lambda: bounded.append(1)) <= backgrounds.TAKE_S
    assert (len(taken), len(bounded)) == (1, 2)  # what waits is kept small meanwhile
    assert 0.9 < rest_s() < 3
    monkeypatch.setattr(backgrounds, "TAKE_SHARE", 1e-9)
    measuring._take_due_s = 0.0
    measuring.hear(take, take)
    assert 9 < rest_s() <= 10
    monkeypatch.undo()
    measuring._take_due_s = 0.0
    measuring.hear(lambda: None, take)
    assert rest_s() == pytest.approx(backgrounds.TAKE_S, abs=0.1)


# -- what waits ------------------------------------------------------------------------


def test_what_nobody_takes_is_bounded_and_says_what_is_missing():
    printed = Printed()
    lines = 400_000
    for number in range(lines):
        printed.note_all(f"line {number:06} " + "x" * 60)
        printed.note_all("\n")
        if number == 1_000:
            printed.items.append(3)
            printed.note_all(("warning\n",))
    waiting = sum(len(item) for item in printed.items if isinstance(item, str))
    held = sum(len(text) for _, text in printed._held if isinstance(text, str))
    assert waiting + held < streams._MOST_WAITING
    found = printed.take()
    assert found[0][1].startswith("line 000000 ")
    assert found[-1][1].endswith(f"line {lines - 1:06} " + "x" * 60 + "\n")
    assert ("cell", 3) in found
    assert ("err", "warning\n") in found
    cuts = [text for kind, text in found if kind != "cell" and isinstance(text, int)]
    assert len(cuts) == 1
    kept = sum(text.count("\n") for _, text in found if isinstance(text, str))
    assert kept + cuts[0] == lines + 1
    assert printed.take() == []


def test_without_a_thread_what_is_printed_is_bounded_too(monkeypatch, capsys):
    def refuse(_):
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(streams, "_MOST_WAITING", 50_000)
    bounded = []
    monkeypatch.setattr(Printed, "bound", lambda _: bounded.append(1))
    own = backgrounds.Background()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        wanted = backgrounds.Wanted(None, "w", {}, lambda: 0, lambda *_: None)
        end = own.begin(wanted)
    print("x" * 40_000)
    assert not bounded
    print("x" * 40_000)
    assert bounded
    own._streams.printed.take()
    end()
    assert len(capsys.readouterr().out) == 80_002


def test_small_pieces_are_bounded_even_if_the_thread_gets_no_processor():
    printed = Printed()
    for _ in range(streams._MOST_ITEMS + 10):
        printed.note("ab\n")
    assert len(printed.items) < 10
    text = "".join(str(text) for _, text in printed.take())
    assert text == "ab\n" * (streams._MOST_ITEMS + 10)


def test_what_waits_for_a_thread_that_rests_is_bounded():
    printed = Printed()
    for _ in range(20):
        for _ in range(1_000):
            printed.items.append("x" * 1_000 + "\n")
        printed.bound()
        held = sum(len(text) for _, text in printed._held if isinstance(text, str))
        assert held <= BURST
        assert not printed.items


def test_threads_that_print_very_much_at_once_lose_no_order(monkeypatch):
    monkeypatch.setattr(streams, "_MOST_WAITING", 2_000)  # joined often, never cut
    printed = Printed()

    def work(name):
        for number in range(5_000):
            printed.note_all(f"{name}{number}\n")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = "".join(text for _, text in printed.take()).splitlines()
    for name in "abc":
        own = [line for line in lines if line[0] == name]
        assert own == [f"{name}{number}" for number in range(5_000)]


def test_a_stream_that_takes_anything_is_bounded_too():
    printed = Printed()
    for thing in (1.5, None, b"x", ("text",), (None,), "a"):
        printed.note_all(thing)
    assert printed.take()[-1] == ("out", "a")


def test_where_there_is_no_thread_each_cell_is_written_down(monkeypatch):
    own = backgrounds.Background()
    taken = []
    monkeypatch.setattr(own, "take", lambda: taken.append(1))
    own.hear_cell(Cell(3, "print(1)"))
    assert taken == [1]
    own._thread = threading.current_thread()
    own.hear_cell(Cell(4, "print(1)"))
    assert taken == [1]


def test_an_escape_sequence_that_never_ends_is_given_up():
    screen = Screen(count().__next__)
    screen.feed("\x1b[")
    for _ in range(50):
        screen.feed("1" * 1_000)
        assert len(screen._held) <= 4_096
    assert screen.unsettled
    assert screen.feed("\nafter\n")[-1][1][-1] == "after"


def test_falling_numbers_of_a_hostile_run_are_read_in_time():
    numbers = _Numbers()
    began_s = time.thread_time()
    found = [numbers.of("w", line, 1)[0] for line in range(100_000, 0, -1)]
    assert found == list(range(100_000))
    assert numbers.of("w", 99_999, 3) == [1, 0, 100_000]
    assert time.thread_time() - began_s < 2
    assert len(numbers._spans["w"]) < 10


# -- asking ----------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["x", 2.5, True, [1], "2"])
def test_a_tail_that_is_no_number_of_lines_is_refused_with_advice(tail):
    run = nbtrack.init(project="p", view="off")
    with pytest.raises(TypeError, match=r"console\(tail=.*give a number of lines"):
        run.console(tail=tail)


def test_a_tail_may_be_anybodys_whole_number():
    import numpy as np

    run = nbtrack.init(project="p", view="off")
    print("one\ntwo")
    assert run.console(tail=np.int64(1)) == "two"


# -- descriptors -----------------------------------------------------------------------


@pytest.fixture
def number(tmp_path):
    """Give a descriptor that leads to a file, as 1 may."""
    found = os.open(tmp_path / "real", os.O_CREAT | os.O_RDWR, 0o600)
    yield found
    with contextlib.suppress(OSError):
        os.close(found)


def test_a_pipe_whose_descriptor_was_closed_and_taken_by_a_file_leaves_it(
    number, tmp_path
):
    heard = []
    pipe = Pipe(number, None, heard.append)
    os.write(number, b"before")
    os.close(number)
    pipe._thread.join(5)
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR, 0o600)
    if other != number:
        os.dup2(other, number)
        os.close(other)
    # The pipe's own descriptors may be somebody's by now, had it closed them all.
    more = [os.open(tmp_path / f"m{i}", os.O_CREAT | os.O_RDWR) for i in range(4)]
    pipe.remove()
    os.write(number, b"mine")
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert (tmp_path / "real").read_bytes() == b"before"
    assert heard == ["before"]
    for fd in more:
        os.fstat(fd)  # nobody closed them
        os.close(fd)


def descriptors():
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208  (names are compared)


def test_a_pipe_that_is_removed_leaves_no_descriptor(number, tmp_path):
    before = descriptors()
    pipe = Pipe(number, None, lambda _: None)
    os.write(number, b"one ")
    pipe.remove()
    pipe._thread.join(5)
    os.write(number, b"two")
    assert (tmp_path / "real").read_bytes() == b"one two"
    assert descriptors() == before


# -- in a board ------------------------------------------------------------------------


def test_a_bar_that_is_out_of_sight_does_not_come_again_as_a_new_line():
    log = ConsoleLog()
    log.take([(0, "err", "bar 0 %")])
    for number in range(1, 3 * MOST_LINES):
        log.take([(number, "out", f"line {number}")])
    before = log.texts()
    seen = log.changes
    log.take([(0, "err", "bar 50 %"), (1, "out", "line 1 again")])
    assert log.texts() == before
    assert log.since(seen) is None
    log.take([(3 * MOST_LINES, "out", "new")])
    assert log.texts()[-1] == ("out", "new")
    log.take([(3 * MOST_LINES, "out", "new again")])
    assert log.texts()[-1] == ("out", "new again")
