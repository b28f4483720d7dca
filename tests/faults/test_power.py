"""Power cuts, for real: an ext4 disk is told to forget what it has not flushed."""

from __future__ import annotations

import json
import threading
import time

import pytest
from children import told_by
from disks import cut_disk, needs_root

import nbtrack
from nbtrack._store import documents

#: Says which rows were there before a flush that has ended, and goes on till it is cut.
FLUSHED = """
import threading

rows = [0]
flushed = []
real = os.fdatasync

def fdatasync(fd):
    before = rows[0]
    real(fd)
    flushed.append(before)

os.fdatasync = fdatasync
import nbtrack
import time

run = nbtrack.init(project="p", id="r", view="off", dir=sys.argv[1])
while not flushed or rows[0] < 100:
    run.log({"i": rows[0]})
    rows[0] += 1
    time.sleep(0.002)
tell(flushed=flushed[-1], written=rows[0])
os._exit(0)
"""


@needs_root
def test_fault_05_a_power_cut_costs_what_came_after_the_last_flush(tmp_path):
    with cut_disk(tmp_path) as disk:
        told = told_by(FLUSHED, disk.path)
        disk.cut_power()
        disk.start_again()
        run = nbtrack.Api(disk.path).run("p/r")
        kept = run.history()["i"].tolist()
    assert kept == list(range(len(kept)))
    assert told["flushed"] <= len(kept) <= told["written"]
    assert told["flushed"] > 0, "the first flush comes within about a second"
    assert run.state == "crashed"


@needs_root
def test_fault_05_with_sync_always_a_power_cut_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("NBTRACK_SYNC", "always")
    with cut_disk(tmp_path) as disk:
        run = nbtrack.init(project="p", id="r", view="off", dir=disk.path)
        for i in range(30):
            run.log({"i": i})
        disk.cut_power()
        with pytest.warns(nbtrack.errors.NbtrackWarning):
            run.finish()  # on a disk that answers every call with EIO
        disk.start_again()
        stored = nbtrack.Api(disk.path).run("p/r")
        assert stored.history()["i"].tolist() == list(range(30))


@needs_root
def test_fault_06_a_power_cut_while_documents_are_replaced_leaves_whole_ones(tmp_path):
    with cut_disk(tmp_path) as disk:
        run_dir = disk.path / "r"
        run_dir.mkdir()
        documents.sync_directory(disk.path)
        document = run_dir / "run.json"
        told = []

        def replace():
            try:
                while True:
                    documents.write_document(document, {"n": len(told), "x": "x" * 999})
                    told.append(len(told))
            except OSError:
                pass  # the power is cut

        writer = threading.Thread(target=replace)
        writer.start()
        while len(told) < 50:
            time.sleep(0.001)
        disk.cut_power()
        writer.join()
        disk.start_again()
        kept = json.loads(document.read_bytes())
    assert kept["n"] in (told[-1], told[-1] + 1), "the last one told, whole"


def test_fault_06_what_is_renamed_over_a_document_was_flushed_before(
    tmp_path, monkeypatch
):
    """The same without root: the calls, in their order."""
    import os

    calls = []

    def watch(name):
        real = getattr(os, name)

        def watched(*arguments, **options):
            calls.append(name)
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, watched)

    watch("fsync")
    watch("replace")
    documents.write_document(tmp_path / "run.json", {"n": 1})
    assert calls == ["fsync", "replace", "fsync"], "file, rename, directory"
