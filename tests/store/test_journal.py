"""The journal: whole lines or none, whatever happens to the file."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._faults import Faults
from nbtrack._store.follow import LogCursor, Tail
from nbtrack._store.journal import DurableJournal, Journal
from nbtrack._store.lines import decode, encode
from nbtrack._store.rundir import RunDir
from nbtrack._store.segments import Segment
from nbtrack.errors import NbtrackWarning

scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
keys = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
rows = st.dictionaries(keys, scalars, max_size=5)
row_lists = st.lists(rows, max_size=12)


def lines_of(listed):
    return [encode(i, 10 * i, i, row) for i, row in enumerate(listed)]


def cursor_of(path: Path) -> LogCursor:
    return LogCursor(RunDir(path.parents[1]), Segment(path.stem))


def records(reader):
    """Give what a cursor or a tail has to give, record by record."""
    batches = reader.poll(in_bulk=False)
    return [record for batch in batches for record in batch]


def read_rows(path: Path):
    return [r.data for r in records(cursor_of(path)) if r.kind == "row"]


def a_log(folder: Path) -> Path:
    (folder / "log").mkdir()
    return folder / "log" / "w.jsonl"


def new_journal(folder: Path, kind=Journal, **options) -> Journal:
    folder.mkdir(parents=True, exist_ok=True)
    return kind(folder, {"format": 1}, options.pop("faults", Faults()), **options)


@given(listed=row_lists)
def test_a_line_comes_back_as_it_was(listed):
    for i, line in enumerate(lines_of(listed)):
        record = decode(line[:-1], "w")
        assert record == ("w", i, 10 * i, "row", i, listed[i])
        assert isinstance(json.loads(line), list), "a line is plain JSON"


@given(listed=row_lists, data=st.data())
def test_a_cut_log_reads_back_as_a_prefix(tmp_path_factory, listed, data):
    whole = b"".join(lines_of(listed))
    path = a_log(tmp_path_factory.mktemp("cut"))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    kept = read_rows(path)
    assert kept == listed[: len(kept)]


@given(listed=st.lists(rows, min_size=1, max_size=8), data=st.data())
def test_a_flipped_bit_costs_at_most_its_own_lines(tmp_path_factory, listed, data):
    whole = bytearray(b"".join(lines_of(listed)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    path = a_log(tmp_path_factory.mktemp("flip"))
    path.write_bytes(whole)
    found = records(cursor_of(path))
    assert len(found) >= len(listed) - 2, "a flipped newline joins two lines"
    for record in found:
        assert record.data == listed[record.seq], "no row is ever wrong"


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(tmp_path_factory, noise):
    good = encode(0, 0, 0, {"a": 1})
    path = a_log(tmp_path_factory.mktemp("noise"))
    path.write_bytes(noise + b"\n" + good + noise)
    assert {"a": 1} in read_rows(path)


def test_damage_is_counted_and_what_surrounds_it_is_read(tmp_path):
    path = a_log(tmp_path)
    first, second = lines_of([{"a": 1}, {"a": 2}])
    noise = [
        first[:10] + b"\n",
        b"\0" * 125 + b"\n",
        b'{"foreign": 1}\n',
        b"\xef\xbb\xbf\n",
    ]
    path.write_bytes(first + b"".join(noise) + second + second[:7])
    cursor = cursor_of(path)
    assert [r.data["a"] for r in records(cursor)] == [1, 2]
    assert cursor.damaged_lines == 4


def test_a_link_or_a_pipe_in_the_place_of_a_log_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(encode(0, 0, 0, {"a": 1}))
    log = tmp_path / "log"
    log.mkdir()
    (log / "link.jsonl").symlink_to(tmp_path / "secret")
    (log / "folder.jsonl").mkdir()
    os.mkfifo(log / "pipe.jsonl")
    assert records(Tail(RunDir(tmp_path))) == []


def test_a_tail_gives_each_record_once_while_it_is_written(tmp_path):
    journal = new_journal(tmp_path / "log")
    tail = Tail(RunDir(tmp_path))
    seen = []
    for step in range(5):
        journal.append_plain_row(step, {"a": float(step)})
        seen += [r.step for r in records(tail) if r.kind == "row"]
    assert seen == [0, 1, 2, 3, 4]
    assert records(tail) == []
    journal.close()


def test_a_half_written_line_waits_for_its_rest(tmp_path):
    path = a_log(tmp_path)
    (line,) = lines_of([{"a": 1}])
    path.write_bytes(line[:9])
    cursor = cursor_of(path)
    assert records(cursor) == []
    path.write_bytes(line)
    assert [r.data for r in records(cursor)] == [{"a": 1}]


def test_what_the_hot_path_cannot_hold_it_leaves_alone(tmp_path):
    journal = new_journal(tmp_path / "log")
    numpy = pytest.importorskip("numpy")
    odd = [
        float("nan"),
        float("inf"),
        "text",
        None,
        2**70,
        [1],
        numpy.zeros(3),
        {"b": 1},
    ]
    for value in odd:
        assert not journal.append_plain_row(0, {"a": value})
    assert journal.append_plain_row(0, {"a": 1, "b": 1e308, "c": True, "d": -0.0})
    journal.close()
    assert len(read_rows(journal.path)) == 1


def test_threads_never_tear_or_lose_a_line(tmp_path):
    journal = new_journal(tmp_path / "log")

    def write(thread):
        for i in range(800):
            journal.append_plain_row(i, {"thread": thread, "i": i})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    cursor = cursor_of(journal.path)
    found = [r for r in records(cursor) if r.kind == "row"]
    assert cursor.damaged_lines == 0
    assert len({r.seq for r in found}) == 6_400
    assert {(r.data["thread"], r.data["i"]) for r in found} == {
        (t, i) for t in range(8) for i in range(800)
    }


def test_a_forked_child_writes_a_file_of_its_own(tmp_path):
    journal = new_journal(tmp_path / "log")
    journal.append_plain_row(0, {"who": 0})
    pid = os.fork()
    if pid == 0:
        journal.append(1, {"who": 1})
        os._exit(0)
    os.waitpid(pid, 0)
    journal.append_plain_row(1, {"who": 0})
    journal.close()
    by_writer = {}
    for record in records(Tail(RunDir(tmp_path))):
        if record.kind == "row":
            by_writer.setdefault(record.writer, []).append(record.data["who"])
    assert sorted(by_writer.values()) == [[0, 0], [1]]


def test_a_forked_child_that_does_not_log_leaves_nothing(tmp_path):
    journal = new_journal(tmp_path / "log")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    journal.close()
    assert len(list((tmp_path / "log").iterdir())) == 1


def test_a_full_disk_loses_nothing_that_fits_into_memory(tmp_path):
    """RLIMIT_FSIZE stands for the full disk: one short write, then errors."""
    faults = Faults()
    journal = new_journal(tmp_path / "log", faults=faults)
    size = journal.path.stat().st_size
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 250, hard))
    try:
        with pytest.warns(NbtrackWarning, match="cannot write") as warned:
            for step in range(20):
                assert journal.append_plain_row(step, {"a": float(step)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert len(warned) == 1
    assert journal.waiting > 0
    journal.append_plain_row(20, {"a": 20.0})
    assert journal.waiting == 0
    journal.close()
    assert [row["a"] for row in read_rows(journal.path)] == [
        float(i) for i in range(21)
    ]
    assert faults


def test_a_descriptor_closed_by_foreign_code_is_replaced(tmp_path):
    journal = new_journal(tmp_path / "log")
    journal.append_plain_row(0, {"a": 0})
    os.close(journal._fd)
    with pytest.warns(NbtrackWarning, match="closed under the run"):
        journal.append_plain_row(1, {"a": 1})
    journal.append_plain_row(2, {"a": 2})
    journal.close()
    assert [row["a"] for row in read_rows(journal.path)] == [0, 1, 2]


def test_a_removed_file_is_noticed_at_the_next_tick(tmp_path):
    journal = new_journal(tmp_path / "log")
    journal.path.unlink()
    with pytest.warns(NbtrackWarning, match="removed or closed"):
        journal.sync()
    journal.append_plain_row(1, {"a": 1})
    journal.close()
    assert [row["a"] for row in read_rows(journal.path)] == [1]


def test_a_disk_that_cannot_flush_is_a_fault_and_not_an_error(tmp_path, monkeypatch):
    faults = Faults()
    journal = new_journal(tmp_path / "log", faults=faults)

    def fail(_fd):
        raise OSError(5, "I/O error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.warns(NbtrackWarning, match="cannot flush"):
        journal.sync()
    monkeypatch.undo()
    journal.close()
    assert [fault.kind for fault in faults] == ["sync"]


def test_always_means_that_the_disk_has_it_when_append_returns(tmp_path, monkeypatch):
    synced = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(fd), real(fd)))
    journal = new_journal(tmp_path / "log", kind=DurableJournal)
    before = len(synced)
    journal.append_plain_row(0, {"a": 1})
    assert len(synced) == before + 1
    journal.close()


CHILD = """
import os, sys
from pathlib import Path
from nbtrack._faults import Faults
from nbtrack._store.journal import Journal

Path(sys.argv[1]).mkdir()
journal = Journal(Path(sys.argv[1]), {"format": 1}, Faults())
acknowledge = os.write
step = 0
while True:
    journal.append_plain_row(step, {"loss": 1.0 / (step + 1), "step": step})
    acknowledge(1, b"%d\\n" % step)
    step += 1
"""


@pytest.mark.parametrize("round_", range(20))
def test_sigkill_at_a_random_moment_loses_no_acknowledged_row(tmp_path, round_):
    """``log`` returned means it is read back, whenever the kernel is killed."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, True)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "log")], stdout=write_end
    )
    os.close(write_end)
    acknowledged = b""
    wanted = 200 + 397 * round_  # bytes of acknowledgements, different each round
    while len(acknowledged) < wanted:
        acknowledged += os.read(read_end, 4096)
    child.kill()
    child.wait()
    while chunk := os.read(read_end, 65536):
        acknowledged += chunk
    os.close(read_end)
    last = int(acknowledged[: acknowledged.rindex(b"\n")].split(b"\n")[-1])

    tail = Tail(RunDir(tmp_path))
    steps = [r.data["step"] for r in records(tail) if r.kind == "row"]
    assert steps == list(range(len(steps))), "whole rows, in order, none twice"
    assert len(steps) > last, "every acknowledged row is there"
    assert tail.damaged_lines == 0
