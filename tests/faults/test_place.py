"""Where runs are: read-only, taken away, forbidden, far away, out of handles."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from children import HEAD, told_by, until
from disks import needs_fuse, needs_root, small_disk
from faulty_disk import mounted

import nbtrack
from nbtrack.errors import NbtrackWarning, StorageError


def open_run(root=None, run_id="r"):
    return nbtrack.init(
        project="p", id=run_id, view="off", dir=root, reinit="create_new"
    )


def read(root=None, run_id="r"):
    return nbtrack.Api(root).run(f"p/{run_id}").history()["i"].tolist()


def kinds(run):
    return [fault.kind for fault in run.faults]


def without_rights(code, *arguments):
    """Run code that directories can refuse: root has rights that it gives up here."""
    libc = ctypes.CDLL(None)

    def give_up():
        for capability in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, FOWNER
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP, holds from the exec

    return told_by(code, *arguments, preexec_fn=give_up if os.geteuid() == 0 else None)


# -- 12: out of handles --------------------------------------------------------------

HANDLES = """
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
run.log({"i": 0})
list(nbtrack.Api().runs("p"))  # whose modules could not be loaded later
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
used = len(os.listdir("/proc/self/fd")) - 1  # one was open for listing
resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
for i in range(1, 100):
    run.log({"i": i})
refused = []
for attempt in (
    lambda: nbtrack.init(project="p", id="s", view="off", reinit="create_new"),
    lambda: list(nbtrack.Api().runs("p")),
):
    try:
        attempt()
    except OSError as error:
        refused.append([type(error).__name__, str(error)])
before = list(heard)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
run.finish()
tell(run, before=before, refused=refused)
"""

NO_HANDLE_AT_THE_END = """
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
run.log({"i": 0})
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
run.finish()
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
tell(run)
"""


def test_fault_12_without_file_handles_a_run_goes_on_and_a_new_one_says_why():
    told = told_by(HANDLES)
    assert told["before"] == [], "log() needs none"
    assert [name for name, _ in told["refused"]] == ["StorageError"] * 2
    assert all("Too many open files" in text for _, text in told["refused"])
    assert told["faults"] == {}
    assert read() == list(range(100))


def test_fault_12_without_file_handles_finish_says_what_it_could_not_do():
    told = told_by(NO_HANDLE_AT_THE_END)
    assert set(told["faults"]) <= {"document", "finish", "sync", "write"}
    assert any("Too many open files" in text for text in told["heard"])
    assert read() == [0]


# -- 13: read-only -------------------------------------------------------------------

READ_ONLY = """
import nbtrack

read = nbtrack.Api().run("p/r").history()["i"].tolist()
table = repr(nbtrack.runs("p"))
try:
    nbtrack.init(project="p", view="off")
except nbtrack.errors.StorageError as error:
    tell(read=read, table=table, said=str(error))
"""


def test_fault_13_in_a_directory_of_somebody_else_reading_works_and_init_says_why():
    run = open_run()
    run.log({"i": 1})
    run.finish()
    for path in (Path("nbruns"), *Path("nbruns").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    told = without_rights(READ_ONLY)
    assert told["read"] == [1]
    assert run.name[:20] in told["table"]
    assert "Permission denied" in told["said"]
    assert "NBTRACK_DIR" in told["said"]


@needs_root
def test_fault_13_a_read_only_disk_is_read_and_init_says_why(tmp_path):
    with small_disk(tmp_path / "disk", 256) as disk:
        run = open_run(disk)
        run.log({"i": 1})
        run.finish()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert read(disk) == [1]
        with pytest.raises(StorageError, match=r"Read-only file system.*NBTRACK_DIR"):
            open_run(disk, "s")
        with pytest.raises(StorageError, match="Read-only file system"):
            nbtrack.init(project="p", id="r", view="off", dir=disk, resume="allow")


# -- 14, 44, 45: taken away ----------------------------------------------------------


def test_fault_14_a_deleted_run_goes_on_in_a_new_file_and_says_what_is_gone():
    run = open_run()
    run.log({"i": 0})
    shutil.rmtree(run.dir)
    run.log({"i": 1})
    with pytest.warns(NbtrackWarning) as heard:
        until(lambda: len(run.faults) > 0)  # the tick; the file system said nothing
        for i in range(2, 50):
            run.log({"i": i})
        run.finish()
    assert len(heard) == 1
    assert "what the old one held is gone with it" in str(heard[0].message)
    assert kinds(run) == ["vanished"]
    assert read()[-48:] == list(range(2, 50)), "what came after the tick"
    assert nbtrack.Api().run("p/r").state == "finished"


FORBIDDEN = """
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
run.log({"i": 0})
os.chmod(run.dir, 0o555)
for name in ("log", "code"):
    os.chmod(os.path.join(run.dir, name), 0o555)
for i in range(1, 100):
    run.log({"i": i})
quiet = list(heard)
run.name = "renamed"
renamed = list(heard)
run.finish()
finished = list(heard)
os.chmod(run.dir, 0o755)
tell(run, quiet=quiet, renamed=renamed, finished=finished)
"""


def test_fault_44_forbidden_documents_are_told_and_rows_go_on():
    told = without_rights(FORBIDDEN)
    assert told["quiet"] == [], "the log is open already"
    assert len(told["renamed"]) == 1
    assert "cannot write run.json" in told["renamed"][0]
    assert "Check space and permissions" in told["renamed"][0]
    assert {"document", "finish"} <= set(told["faults"]) <= {"document", "finish"}
    assert read() == list(range(100))


UNLISTED = """
import nbtrack

api = nbtrack.Api()
runs = api.runs()
try:
    api.runs("hidden")[0]
except nbtrack.errors.StorageError as error:
    tell(ids=[run.id for run in runs], damaged=runs.damaged, said=str(error),
         projects=api.projects())
"""


def test_fault_44_a_project_that_may_not_be_listed_hides_no_other():
    open_run().finish()
    nbtrack.init(project="hidden", view="off").finish()
    Path("nbruns/hidden").chmod(0)
    try:
        told = without_rights(UNLISTED)
    finally:
        Path("nbruns/hidden").chmod(0o755)
    assert told["ids"] == ["r"]
    assert told["projects"] == ["hidden", "p"]
    assert list(told["damaged"]) == [str(Path("nbruns/hidden").absolute())]
    assert "cannot be listed: Permission denied" in told["said"]


def descriptor_of(run):
    """Give the number under which this process has the run's log open."""
    links = [(path, os.path.realpath(path)) for path in Path("/proc/self/fd").iterdir()]
    (mine,) = [path for path, target in links if target.startswith(run.dir)]
    return int(mine.name)


def test_fault_45_a_descriptor_that_foreign_code_closed_is_replaced():
    run = open_run()
    run.log({"i": 0})
    mine = descriptor_of(run)
    os.close(mine)
    with pytest.warns(NbtrackWarning, match="closed under the run") as heard:
        run.log({"i": 1})
    run.log({"i": 2})
    run.finish()
    assert len(heard) == 1
    assert kinds(run) == ["vanished"]
    assert read() == [0, 1, 2]


def test_fault_45_a_descriptor_that_is_now_somebody_elses_is_let_alone(tmp_path):
    """The number is free for the next ``open``: the worst that can happen to it."""
    run = open_run()
    run.log({"i": 0})
    mine = descriptor_of(run)
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.dup2(other, mine)
    with pytest.warns(NbtrackWarning, match="closed under the run"):
        until(lambda: len(run.faults) > 0)
    for i in range(1, 20):
        run.log({"i": i})
    run.finish()
    os.close(other)
    os.close(mine)
    assert read() == list(range(20))
    assert (tmp_path / "other").read_bytes() == b""


# -- 15, 16, 17: mounts that are not quite file systems ------------------------------


@needs_fuse
def test_fault_15_without_locks_maps_links_and_flush_everything_works(tmp_path):
    lacks = {"no_locks": True, "no_mmap": True, "no_links": True}
    with mounted(
        tmp_path / "disk", tmp_path / "mount", fsync=errno.ENOSYS, **lacks
    ) as mount:
        assert_is_poor(mount.path)
        run = open_run(mount.path)
        run.define_metric("i", summary="max")
        for i in range(100):
            run.log({"i": i, "text": str(i)})
        assert read(mount.path) == list(range(100))
        run.finish()
        assert kinds(run) == []
        assert read(mount.path) == list(range(100))
        again = nbtrack.init(
            project="p", id="r", view="off", dir=mount.path, resume="must"
        )
        again.log({"i": 100})
        again.finish()
        assert kinds(again) == []
        assert read(mount.path) == list(range(101))
        assert nbtrack.Api(mount.path).run("p/r").summary["i"] == {"max": 100}
        assert "finished" in repr(nbtrack.runs("p", root=mount.path))


def assert_is_poor(folder):
    """See that the mount lacks what the test is about."""
    import fcntl

    with (folder / "probe").open("w+b") as file:
        file.write(b"x" * 4096)
        file.flush()
        with pytest.raises(OSError, match="lock"):
            fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="device"):
            mmap.mmap(file.fileno(), 4096)
    with pytest.raises(OSError, match="permitted"):
        os.link(folder / "probe", folder / "link")


CLIENT = """
import nbtrack

root, run_id, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
run = nbtrack.init(project="p", id=run_id, view="off", dir=root)
for i in range(rows):
    run.log({"i": i, "client": run_id})
run.finish()
tell(run)
"""


@needs_fuse
def test_fault_16_two_clients_that_believe_old_sizes_lose_no_row(tmp_path):
    """As with NFS, each appends where it believes the end of a file to be."""
    stale = {"attr_s": 30}
    backing = tmp_path / "disk"
    with (
        mounted(backing, tmp_path / "a", **stale) as a,
        mounted(backing, tmp_path / "b", **stale) as b,
    ):
        assert_appends_collide(a.path, b.path)
        clients = [
            subprocess.Popen(
                [sys.executable, "-c", HEAD + CLIENT, str(mount.path), name, "1000"],
                stdout=subprocess.PIPE,
            )
            for mount, name in ((a, "a"), (b, "b"))
        ]
        told = [json.loads(client.communicate()[0]) for client in clients]
    assert [one["faults"] for one in told] == [{}, {}]
    for name in ("a", "b"):
        assert read(backing, name) == list(range(1_000))


def assert_appends_collide(left, right):
    """See that one file of two such clients would lose what one of them wrote."""
    with (
        (left / "shared").open("ab", 0) as one,
        (right / "shared").open("ab", 0) as two,
    ):
        for _ in range(10):
            one.write(b"a")
            two.write(b"b")
    assert len((left.parent / "disk/shared").read_bytes()) < 20


@needs_fuse
def test_fault_17_a_reader_that_sees_an_old_size_reads_fewer_rows(tmp_path):
    backing = tmp_path / "disk"
    with mounted(backing, tmp_path / "far", attr_s=30, read_only=True) as far:
        run = open_run(backing)
        seen = [[]]
        for i in range(300):
            run.log({"i": i})
            if i % 30 == 0:
                seen.append(read(far.path))
                assert seen[-1] == list(range(len(seen[-1])))
                assert len(seen[-1]) >= len(seen[-2])
        assert len(seen[-1]) < 271, "it was stale"
        run.finish()
    assert read(backing) == list(range(300))


FAR = """
import ctypes, socket

if ctypes.CDLL(None).unshare(0x04000000) != 0:  # CLONE_NEWUTS: a host name of its own
    tell(is_far=False)
    sys.exit()
socket.sethostname("elsewhere")
import nbtrack

run = nbtrack.init(project="p", id="r", view="off")
run.log({"i": 1})
tell(is_far=True)
os._exit(9)
"""


@needs_root
def test_fault_17_a_run_of_another_host_is_running_while_its_log_is_touched():
    if not told_by(FAR)["is_far"]:
        pytest.skip("no host name of one's own can be had here")
    run = nbtrack.Api().run("p/r")
    assert run.metadata["writer"]["host"] == "elsewhere"
    assert run.state == "running", "nobody here can ask whether the process lives"
    for log in Path(run.dir, "log").iterdir():
        os.utime(log, (0, 0))
    assert nbtrack.Api().run("p/r").state == "crashed"
    assert read() == [1]
