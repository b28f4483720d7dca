"""A disk that is full, limited, broken or slow: training goes on, and is told once."""

from __future__ import annotations

import contextlib
import errno
import threading
import warnings

import pytest
from children import told_by, until
from disks import fill, needs_fuse, needs_root, small_disk
from faulty_disk import mounted

import nbtrack
from nbtrack.errors import NbtrackWarning, StorageError, StrictError


def open_run(root, run_id="r"):
    return nbtrack.init(
        project="p", id=run_id, view="off", dir=root, reinit="create_new"
    )


def read(root, run_id="r", key="i"):
    return nbtrack.Api(root).run(f"p/{run_id}").history()[key].tolist()


def kinds(run):
    return [fault.kind for fault in run.faults]


# -- 7: full -------------------------------------------------------------------------


@needs_root
def test_fault_07_a_full_disk_costs_nothing_once_it_has_room_again(tmp_path):
    with small_disk(tmp_path / "disk", 256) as disk:
        run = open_run(disk)
        filler = fill(disk, leave_bytes=8192)
        with pytest.warns(NbtrackWarning) as heard:
            for i in range(1_000):
                run.log({"i": i})
        assert len(heard) == 1
        assert "rows are kept in memory (up to 64 MiB)" in str(heard[0].message)
        assert "Free some space" in str(heard[0].message)
        assert kinds(run) == ["write"]
        filler.unlink()
        until(lambda: read(disk) == list(range(1_000)))  # the tick tries again
        run.log({"i": 1_000})
        assert read(disk) == list(range(1_001)), "already before the run ends"
        run.finish()
        assert kinds(run) == ["write"], "nothing was lost, so nothing more is said"
        assert read(disk) == list(range(1_001))


@needs_root
def test_fault_07_on_a_disk_that_stays_full_finish_says_how_much_is_lost(tmp_path):
    with small_disk(tmp_path / "disk", 256) as disk:
        run = open_run(disk)
        fill(disk, leave_bytes=8192)
        with pytest.warns(NbtrackWarning) as heard:
            for i in range(1_000):
                run.log({"i": i})
            kept = read(disk)
            run.finish()
        said = [str(warning.message) for warning in heard]
        lost = [text for text in said if "records could not be written" in text]
        assert len(lost) == 1
        assert 1_000 - len(kept) <= int(lost[0].split()[0]) <= 1_002 - len(kept)
        assert kinds(run).count("lost") == 1
        assert kept == read(disk) == list(range(len(kept)))
        assert 0 < len(kept) < 1_000


@needs_root
def test_fault_07_in_strict_mode_finish_comes_to_its_end_all_the_same(tmp_path):
    with small_disk(tmp_path / "disk", 256) as disk:
        run = nbtrack.init(project="p", id="r", view="off", dir=disk, strict=True)
        filler = fill(disk)
        refused = 0
        for i in range(1_000):
            try:
                run.log({"i": i})
            except StrictError:
                refused += 1
        assert refused > 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NbtrackWarning)
            with contextlib.suppress(StrictError):
                run.finish()
        filler.unlink()
        assert run.state == "finished"
        names = [thread.name for thread in threading.enumerate()]
        assert not any(name.startswith("nbtrack") for name in names)


#: 64 MiB would take a minute to fill, so the bound is lowered here.
BACKLOG = """
import nbtrack
from nbtrack._store import journal

journal.BACKLOG_LIMIT = 20_000  # bytes
run = nbtrack.init(project="p", id="r", view="off")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
for i in range(2_000):
    run.log({"i": i})
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
lost = run._journal.lost
run.log({"i": 2_000})
run.finish()
tell(run, lost=lost)
"""


def test_fault_07_what_is_kept_in_memory_has_a_bound_and_its_loss_is_counted():
    told = told_by(BACKLOG)
    kept = read(None)
    assert kept == sorted(set(kept))
    assert len(kept) == 2_001 - told["lost"], "what is said to be lost is, and no more"
    assert kept[-1] == 2_000, "the first row after there is room again"
    assert sum("records are lost until" in text for text in told["heard"]) == 1
    assert sum("could not be written" in text for text in told["heard"]) == 1


# -- 8: full at the wrong moment -----------------------------------------------------


@needs_root
def test_fault_08_on_a_full_disk_init_says_so(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        fill(disk)
        with pytest.raises(StorageError, match=r"No space left.*nbtrack.init\(dir=…"):
            open_run(disk)


@needs_root
def test_fault_08_an_init_that_failed_leaves_nothing_in_the_way(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        filler = fill(disk)
        with pytest.raises(OSError, match="No space left"):
            open_run(disk)
        filler.unlink()
        assert list(nbtrack.Api(disk).runs()) == []
        assert nbtrack.Api(disk).runs().damaged == {}
        run = open_run(disk)
        run.log({"i": 0})
        run.finish()
        assert read(disk) == [0]


@needs_root
def test_fault_08_a_disk_too_full_to_compact_keeps_the_log(tmp_path):
    with small_disk(tmp_path / "disk", 1024) as disk:
        run = open_run(disk)
        for i in range(2_000):
            run.log({"i": i, "noise": (i * 0.7548776662466927) % 1})
        filler = fill(disk, leave_bytes=12 * 1024)
        with pytest.warns(NbtrackWarning, match="rows are not affected") as heard:
            run.finish()
        assert len(heard) == 1
        assert kinds(run) == ["finish"]
        assert read(disk) == list(range(2_000))
        filler.unlink()
        assert nbtrack.Api(disk).run("p/r").state == "finished"
        again = nbtrack.init(project="p", id="r", view="off", dir=disk, resume="must")
        again.finish()
        assert list(disk.rglob("*.parquet")), "the next to finish compacts it"
        assert read(disk) == list(range(2_000))


# -- 9: a quota ----------------------------------------------------------------------

QUOTA = """
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
for i in range(500):
    run.log({"i": i})
before = len(heard)
waiting = len(nbtrack.Api().run("p/r").history())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
run.log({"i": 500})
run.finish()
tell(run, before=before, waiting=waiting)
"""


def test_fault_09_a_file_size_limit_is_a_full_disk():
    told = told_by(QUOTA)
    assert told["before"] == len(told["heard"]) == 1
    assert "Errno 27" in told["heard"][0] or "bytes were written" in told["heard"][0]
    assert set(told["faults"]) == {"write"}
    assert told["waiting"] < 500, "the limit was met"
    assert read(None) == list(range(501))


# -- 10, 11: broken ------------------------------------------------------------------


@needs_fuse
def test_fault_10_a_disk_that_fails_and_mends_costs_nothing(tmp_path):
    with mounted(tmp_path / "disk", tmp_path / "mount") as mount:
        run = open_run(mount.path)
        run.log({"i": 0})
        mount.suffer(write=errno.EIO)
        with pytest.warns(NbtrackWarning, match="Input/output error") as heard:
            for i in range(1, 50):
                run.log({"i": i})
        assert len(heard) == 1
        mount.suffer()
        run.log({"i": 50})
        run.finish()
        assert kinds(run) == ["write"]
        assert read(mount.path) == list(range(51))


@needs_fuse
def test_fault_10_a_disk_that_cannot_flush_is_told_and_keeps_the_rows(tmp_path):
    with mounted(tmp_path / "disk", tmp_path / "mount") as mount:
        run = open_run(mount.path)
        mount.suffer(fsync=errno.EIO)
        for i in range(20):
            run.log({"i": i})
        with pytest.warns(NbtrackWarning) as heard:
            run.finish()
        told = [str(warning.message) for warning in heard]
        flush = [text for text in told if "cannot flush" in text]
        assert len(flush) == 1
        assert "perhaps not a power cut" in flush[0]
        assert "sync" in kinds(run)
        mount.suffer()
        assert read(mount.path) == list(range(20))


@needs_fuse
def test_fault_11_a_disk_that_takes_half_a_line_gets_the_whole_one_later(tmp_path):
    # Only a file that is not cached shows a short write to who writes.
    with mounted(tmp_path / "disk", tmp_path / "mount", no_mmap=True) as mount:
        run = open_run(mount.path)
        with pytest.warns(NbtrackWarning) as heard:
            for i in range(60):
                mount.suffer(no_mmap=True, **({"short_write": 9} if i % 3 else {}))
                run.log({"i": i})
            mount.suffer(no_mmap=True)
            run.log({"i": 60})
        assert len(heard) == 1
        assert "bytes were written" in str(heard[0].message)
        run.finish()
        assert kinds(run) == ["write"]
        assert read(mount.path) == list(range(61))


SHORT = """
real = os.write
count = 0

def write(fd, data):
    global count
    count += 1
    if count % 4 == 0 and len(data) > 3:
        return real(fd, data[: len(data) - 3])
    if count % 7 == 0:
        raise InterruptedError(4, "Interrupted system call")
    return real(fd, data)

os.write = write
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
for i in range(200):
    run.log({"i": i})
run.finish()
tell(run)
"""


def test_fault_11_short_and_interrupted_writes_everywhere_lose_nothing():
    """The same without root; ``os.write`` itself is made to be short."""
    told = told_by(SHORT)
    assert set(told["faults"]) == {"write"}
    assert len(told["heard"]) == 1
    assert read(None) == list(range(200))


# -- 43: slow ------------------------------------------------------------------------


@needs_fuse
def test_fault_43_a_slow_directory_holds_a_table_up_but_hides_nothing(tmp_path):
    with mounted(tmp_path / "disk", tmp_path / "mount") as mount:
        for run_id in ("a", "slow", "b"):
            open_run(mount.path, run_id).finish()
        mount.suffer(slow="/slow", delay_s=0.02)
        runs = nbtrack.Api(mount.path).runs("p")
        assert [run.id for run in runs] == ["a", "slow", "b"]
        assert runs.damaged == {}


@needs_fuse
def test_fault_43_a_slow_disk_slows_the_loop_and_loses_nothing(tmp_path):
    with mounted(tmp_path / "disk", tmp_path / "mount") as mount:
        run = open_run(mount.path)
        mount.suffer(slow="log", delay_s=0.01)
        for i in range(10):
            run.log({"i": i})
        mount.suffer()
        run.finish()
        assert kinds(run) == []
        assert read(mount.path) == list(range(10))
