"""Segments: a log that is closed at a size, compacted, and read all the while."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbtrack._faults import Faults
from nbtrack._fold_blocks import folded
from nbtrack._following import Following
from nbtrack._store import compact, parts, rundir
from nbtrack._store.alive import living_writers, state_of, writers
from nbtrack._store.follow import Tail
from nbtrack._store.journal import Journal, JournalClosedError
from nbtrack._store.lines import encode
from nbtrack._store.process import hostname
from nbtrack._store.segments import Segment, list_logs, segment_of
from nbtrack._ticker import Compaction
from nbtrack.errors import HistorySizeError


@pytest.fixture
def run(tmp_path):
    return rundir.claim(tmp_path, "p", "r")


def open_journal(run, **opening):
    return Journal(run.log, {"format": 2, "run": "r", **opening}, Faults())


def read(run):
    return [(r.step, r.data) for r in parts.read_history(run).rows()]


def taken(reader, *, in_bulk=True):
    """Give what a tail has to give as records."""
    records = []
    for batch in reader.poll(in_bulk=in_bulk):
        records += batch if isinstance(batch, list) else batch.records()
    return records


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_rotated_log_goes_on_in_a_file_of_the_next_number(run):
    journal = open_journal(run)
    journal.append_plain_row(0, {"a": 0})
    full = journal.rotate()
    journal.append_plain_row(1, {"a": 1})
    journal.close()
    assert full == Segment(journal.writer)
    assert list_logs(run) == [full, Segment(journal.writer, 1)]
    assert read(run) == [(0, {"a": 0}), (1, {"a": 1})]
    assert [w.opening["t0"] for w in writers(run)] == [journal._t0]


def test_names_of_segments_are_read_as_they_are_written():
    name = "20261121T124528.901842-vm-6508-a0bf"
    for segment in (Segment(name), Segment(name, 1), Segment(name, 12)):
        assert segment_of(segment.log_name) == segment
    assert segment_of("notes.txt") is None
    assert min(Segment("w", 10), Segment("w", 9)).number == 9


def test_a_full_segment_is_compacted_while_its_writer_goes_on(run):
    journal = open_journal(run)
    for step in range(100):
        journal.append_plain_row(step, {"a": step})
    compact.compact_log(run, journal.rotate())
    journal.append_plain_row(100, {"a": 100})
    assert len(list(run.history.iterdir())) == 1
    assert read(run) == [(step, {"a": step}) for step in range(101)]
    journal.close()


def test_threads_lose_nothing_while_logs_are_rotated_and_compacted(run):
    journal = open_journal(run)
    stop = threading.Event()

    def write(thread):
        for i in range(15_000):
            journal.append_plain_row(100_000 * thread + i, {"n": 100_000 * thread + i})

    def rotate():
        while not stop.is_set():
            full = journal.rotate()
            stop.wait(0.03)  # no write can be on its way any more
            compact.compact_log(run, full)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    rotating = threading.Thread(target=rotate)
    for thread in (rotating, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    rotating.join()
    journal.close()
    wanted = [100_000 * thread + i for thread in range(4) for i in range(15_000)]
    assert len(list_logs(run)) > 2
    assert [step for step, _ in read(run)] == wanted
    assert [data["n"] for _, data in read(run)] == wanted


def test_a_write_that_comes_after_its_log_was_replaced_is_not_lost(run):
    journal = open_journal(run)
    journal.append_plain_row(0, {"a": 0})
    held_up = os.dup(journal._fd)  # as a write that entered before the rotation
    compaction = Compaction(run, journal, Faults())
    compaction.add(journal.rotate())
    while not compaction._replaced:
        compaction.tick()
    os.write(held_up, encode(9, 5, 1, {"a": 1}))
    os.close(held_up)
    compaction.tick()
    assert read(run) == [(0, {"a": 0}), (1, {"a": 1})]
    journal.close()


def test_one_step_that_lies_in_two_segments_is_one_row(run):
    journal = open_journal(run)
    journal.append(0, {"a": 1, "b": 1})
    first = journal.rotate()
    journal.append(0, {"b": 2, "c": 3})
    journal.close()
    assert read(run) == [(0, {"a": 1, "b": 2, "c": 3})]
    compact.compact_log(run, first)
    assert read(run) == [(0, {"a": 1, "b": 2, "c": 3})]
    compact.compact(run)
    assert read(run) == [(0, {"a": 1, "b": 2, "c": 3})]


def test_a_tail_reads_on_in_a_log_that_was_compacted_under_it(run):
    journal = open_journal(run)
    tail = Tail(run)
    journal.append_plain_row(0, {"a": 0})
    assert [r.step for r in taken(tail) if r.kind == "row"] == [0]
    journal.append_plain_row(1, {"a": 1})
    compact.compact_log(run, journal.rotate())
    journal.append_plain_row(2, {"a": 2})
    assert [r.step for r in taken(tail) if r.kind == "row"] == [1, 2]
    assert taken(tail) == []
    journal.close()


def test_a_tail_that_comes_late_takes_rows_from_parts(run):
    journal = open_journal(run)
    for step in range(50):
        journal.append_plain_row(step, {"a": step})
    journal.append("config", {"key": "lr"})
    compact.compact_log(run, journal.rotate())
    journal.append_plain_row(50, {"a": 50})
    found = taken(Tail(run))
    assert [r.step for r in found if r.kind == "row"] == list(range(51))
    assert [r.kind for r in found if r.kind != "row"] == ["open", "config", "open"]
    journal.close()


def test_a_tail_that_was_closed_goes_on_where_it_was(run):
    journal = open_journal(run)
    tail = Tail(run)
    for step in range(3):
        journal.append_plain_row(step, {"a": step})
    assert [r.step for r in taken(tail) if r.kind == "row"] == [0, 1, 2]
    tail.close()
    journal.append_plain_row(3, {"a": 3})
    compact.compact_log(run, journal.rotate())
    journal.append_plain_row(4, {"a": 4})
    assert [r.step for r in taken(tail) if r.kind == "row"] == [3, 4]
    journal.close()


def test_a_tail_lets_go_of_segments_that_are_done(run):
    journal = open_journal(run)
    tail = Tail(run)
    before = open_files()
    for step in range(20):
        journal.append_plain_row(step, {"a": step})
        journal.rotate()
        taken(tail)
    assert open_files() <= before + 3
    tail.close()
    assert open_files() == before
    journal.close()


def test_a_rotation_that_cannot_be_made_leaves_the_log_in_use(run, monkeypatch):
    journal = open_journal(run)
    journal.append_plain_row(0, {"a": 0})

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "dup2", refuse)
    with pytest.raises(OSError, match="No space"):
        journal.rotate()
    monkeypatch.undo()
    journal.append_plain_row(1, {"a": 1})
    journal.close()
    assert len(list_logs(run)) == 1
    assert [step for step, _ in read(run)] == [0, 1]


def test_a_log_with_more_holes_than_values_stays_a_log(run, monkeypatch):
    monkeypatch.setattr("nbtrack._store.columns._MANY_CELLS", 10_000)
    journal = open_journal(run)
    for step in range(200):
        journal.append(step, {f"key {step}": step})
    journal.close()
    compact.compact(run)
    assert not list(run.history.iterdir()) if run.history.exists() else True
    assert read(run) == [(step, {f"key {step}": step}) for step in range(200)]
    with pytest.raises(HistorySizeError, match=r"history\(keys"):
        list(parts.read_history(run).tables())


def test_deleting_a_summary_value_forgets_only_what_was_logged_before(run):
    journal = open_journal(run)
    journal.append("metric", {"rule": {"name": "a", "summary": ["min"]}})
    for step, value in enumerate([1.0, 5.0]):
        journal.append(step, {"a": value})
    journal.append("summary", {"del": ["a"]})
    journal.append(2, {"a": 3.0})
    full = journal.rotate()
    following = Following(run, Faults(), lambda: False)
    assert following.values() == {"a": {"min": 3.0}}
    compact.compact_log(run, full)
    assert Following(run, Faults(), lambda: False).values() == {"a": {"min": 3.0}}
    journal.close()


def test_a_follower_that_comes_late_is_given_everything(run):
    class Listener:
        def __init__(self):
            self.steps = []

        def feed(self, records):
            self.steps += [r.step for r in records if r.kind == "row"]

        def restart(self):
            self.steps.clear()

    journal = open_journal(run)
    following = Following(run, Faults(), lambda: False)
    journal.append(0, {"a": 1})
    assert following.values() == {"a": 1}
    following.follow(listener := Listener())
    journal.append(1, {"a": 2})
    assert following.values() == {"a": 2}
    assert listener.steps == [0, 1]
    journal.append("metric", {"rule": {"name": "a", "summary": ["min"]}})
    assert following.values() == {"a": {"min": 1}}
    assert listener.steps == [0, 1]
    journal.close()


def test_who_lives_and_how_it_ended_is_read_off_the_logs(run):
    run.write("run.json", {"format": 2, "state": "running", "writer": {"pid": 0}})
    document = run.read_run()
    one, other = open_journal(run, label="a"), open_journal(run, label="b")
    assert living_writers(run) == {one.writer, other.writer}
    assert state_of(run, document) == "running"
    one.append("end", {"state": "failed"})
    one.close()
    assert living_writers(run) == {other.writer}
    other.append("end", {"state": "finished"})
    assert state_of(run, document) == "failed"
    other.close()


def test_a_writer_that_left_without_a_word_has_crashed(run):
    run.write("run.json", {"format": 2, "state": "running", "writer": {"pid": 0}})
    open_journal(run).close()
    assert state_of(run, run.read_run()) == "crashed"


actions = st.lists(
    st.one_of(
        st.tuples(
            st.integers(0, 12), st.dictionaries(st.sampled_from("abc"), st.floats())
        ),
        st.sampled_from(["rotate", "compact", "poll", "poll slowly"]),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(actions)
def test_any_order_of_events_reads_the_same(tmp_path_factory, listed):
    run = rundir.claim(tmp_path_factory.mktemp("run"), "p", "r")
    journal = open_journal(run)
    full, model, tail, followed = [], {}, Tail(run), {}

    def follow(*, in_bulk):
        for record in taken(tail, in_bulk=in_bulk):
            if record.kind == "row":
                followed.setdefault(record.step, {}).update(record.data)

    for action in listed:
        if isinstance(action, tuple):
            step, data = action
            plain = {k: v for k, v in data.items() if v - v == 0}
            odd = {k: repr(v) for k, v in data.items() if k not in plain}
            odd = {
                k: {"nan": "NaN", "inf": "Infinity"}.get(v, "-Infinity")
                for k, v in odd.items()
            }
            journal.append(step, plain, odd)
            model.setdefault(step, {}).update(data)
        elif action == "rotate":
            full.append(journal.rotate())
        elif action == "compact" and full:
            compact.compact_log(run, full.pop(0))
        else:
            follow(in_bulk=action == "poll")
        assert told(dict(read(run))) == told(model)
    follow(in_bulk=True)
    assert told(followed) == told(model)
    journal.close()


def told(rows):
    return [repr((step, sorted(rows[step].items()))) for step in sorted(rows)]


def test_a_step_that_a_later_session_writes_again_is_one_row(run):
    first = open_journal(run)
    for step in range(4):
        first.append(step, {"loss": step, "first": True})
    first.close()
    later = open_journal(run)
    for step in (2, 3, 4):
        later.append(step, {"loss": 10 + step})
    later.close()
    wanted = [
        (0, {"loss": 0, "first": True}),
        (1, {"loss": 1, "first": True}),
        (2, {"loss": 12, "first": True}),
        (3, {"loss": 13, "first": True}),
        (4, {"loss": 14}),
    ]
    assert read(run) == wanted
    compact.compact(run)
    assert read(run) == wanted
    tables = list(parts.read_history(run).tables())
    assert [(writer, table.num_rows) for writer, table in tables] == [
        (first.writer, 2),
        (later.writer, 3),
    ]


def test_steps_of_writers_of_different_labels_stay_apart(run):
    for label in ("a", "b"):
        journal = open_journal(run, label=label)
        journal.append(0, {"who": label})
        journal.append(1, {"who": label})
        journal.close()
    assert [(step, data["who"]) for step, data in read(run)] == [
        (0, "a"),
        (0, "b"),
        (1, "a"),
        (1, "b"),
    ]


def test_a_follower_that_is_closed_half_way_misses_nothing(run):
    journal = open_journal(run)
    for step in range(9_000):
        journal.append_plain_row(step, {"n": step})
    following = Following(run, Faults(), lambda: False)
    following.catch_up(0)  # no time for more than the first batch
    assert (following.last_step or 0) < 8_999
    following.close()
    assert following.values() == {"n": 8_999}
    journal.append("metric", {"rule": {"name": "n", "summary": ["mean"]}})
    assert following.values() == {"n": {"mean": 8_999 / 2}}
    journal.close()


def test_a_long_log_becomes_several_parts_whose_numbers_may_interleave(
    run, monkeypatch
):
    monkeypatch.setattr(compact, "_PART_ROWS", 500)
    monkeypatch.setattr("nbtrack._store.logfile._CHUNK", 2**14)
    lines = [encode(i, i, i, {"n": i}) for i in range(3_000)]
    for at in range(10, 2_990, 7):  # as threads leave them
        lines[at], lines[at + 3] = lines[at + 3], lines[at]
    (run.log / "w.jsonl").write_bytes(b"".join(lines))
    os.utime(run.log / "w.jsonl", (0, 0))  # its writer has been silent for long
    compact.compact(run)
    assert len(list(run.history.iterdir())) > 2
    wanted = [(i, {"n": i}) for i in range(3_000)]
    assert read(run) == wanted
    found = [(r.step, r.data) for r in taken(Tail(run))]
    assert sorted(found, key=lambda row: row[0]) == wanted


def test_a_step_that_comes_back_is_folded_once(run):
    first = open_journal(run)
    first.append("metric", {"rule": {"name": "a", "summary": ["mean", "max"]}})
    for step, value in ((1, 9.0), (2, 5.0), (1, 3.0)):
        first.append(step, {"a": value})
    first.close()
    later = open_journal(run)
    later.append(2, {"a": 1.0})
    later.close()
    wanted = {"a": {"mean": 2.0, "max": 3.0}}
    assert folded(parts.read_history(run)).as_dict() == wanted
    compact.compact(run)
    assert folded(parts.read_history(run)).as_dict() == wanted


def test_a_row_that_comes_while_its_log_is_compacted_is_saved(run, monkeypatch):
    journal = open_journal(run)
    journal.append_plain_row(0, {"a": 0})
    number = next(journal._seq)  # of a row that is held up
    journal.append_plain_row(2, {"a": 2})
    held_up = os.dup(journal._fd)
    compaction = Compaction(run, journal, Faults())
    compaction.add(journal.rotate())
    real = compact._write_part

    def late(*args):
        os.write(held_up, encode(number, 5, 1, {"a": 1}))
        return real(*args)

    monkeypatch.setattr(compact, "_write_part", late)
    while not compaction._replaced:
        compaction.tick()
    compaction.tick()
    os.close(held_up)
    assert [step for step, _ in read(run)] == [0, 1, 2]
    journal.close()


def test_a_rotation_that_cannot_open_a_file_leaks_no_descriptor(run, monkeypatch):
    journal = open_journal(run)
    before = open_files()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    for _ in range(20):
        with pytest.raises(PermissionError):
            journal.rotate()
    monkeypatch.undo()
    assert open_files() == before
    journal.close()


def test_a_write_that_comes_after_the_journal_was_closed_says_so(run):
    journal = open_journal(run)
    fd = journal._fd
    journal.close()
    journal._fd = fd  # as a thread has it that was about to write
    with pytest.raises(JournalClosedError):
        journal.append_plain_row(0, {"a": 0})


def test_a_fresh_log_of_a_process_out_of_sight_is_left_alone(run):
    opening = {"format": 2, "run": "r", "host": hostname(), "pid": 2**22 + 1}
    lines = [encode(0, 0, "open", {**opening, "token": "x", "t0": 0.0})]
    lines += [encode(i, i, i, {"a": i}) for i in range(1, 5)]
    log = run.log / "w.jsonl"
    log.write_bytes(b"".join(lines))
    compact.compact(run)
    assert log.read_bytes() == b"".join(lines)
    os.utime(log, (0, 0))
    compact.compact(run)
    assert len(log.read_bytes().splitlines()) == 1
    assert [step for step, _ in read(run)] == [1, 2, 3, 4]
