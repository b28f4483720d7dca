"""Files of logged objects on disks that refuse them, and what a watched model does."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from children import until
from disks import fill, needs_fuse, needs_root, small_disk
from faulty_disk import mounted

import nbtrack
from nbtrack._store import blobs
from nbtrack.errors import MediaFileError, NbtrackWarning

NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
WEIGHTS = np.random.default_rng(0).random(100_000)


def open_run(root):
    return nbtrack.init(project="p", id="r", view="off", dir=root)


def read(root):
    return nbtrack.Api(root).run("p/r").history().to_dict("records")


def media_files(run):
    return sorted(path.name for path in Path(run.dir, "media").iterdir())


@needs_root
@pytest.mark.parametrize("most_in_memory", [2**26, 1000])
def test_an_object_on_a_full_disk_costs_its_file_and_not_its_row(
    tmp_path, monkeypatch, most_in_memory
):
    monkeypatch.setattr(blobs, "_MOST_IN_MEMORY", most_in_memory)
    with small_disk(tmp_path / "disk", 512) as disk:
        run = open_run(disk)
        filler = fill(disk, leave_bytes=64 * 1024)
        with pytest.warns(NbtrackWarning, match="cannot be stored"):
            run.log({"img": nbtrack.Image(NOISE), "w": WEIGHTS, "loss": 1.0})
            run.log({"img": nbtrack.Image(NOISE), "w": WEIGHTS, "loss": 2.0})
            run.summary["w"] = WEIGHTS
        assert media_files(run) == [], "nothing that is half a file is left"
        filler.unlink()
        run.log({"img": nbtrack.Image(NOISE[:9]), "loss": 3.0})
        run.finish()
        first, second, third = read(disk)
        assert [row["loss"] for row in (first, second, third)] == [1.0, 2.0, 3.0]
        assert first["img"]["path"] is second["w"]["path"] is None
        assert "No space left" in first["img"]["lost"]
        assert sum(first["w"].counts) == WEIGHTS.size
        with pytest.raises(MediaFileError, match="could not be stored"):
            first["img"].to_numpy()
        np.testing.assert_array_equal(third["img"].to_numpy(), NOISE[:9])
        assert {fault.kind for fault in run.faults} == {"value"}
        summary = nbtrack.Api(disk).run("p/r").summary
        assert summary["w"]["path"] is None
        assert summary["w"]["max"] == WEIGHTS.max()


@needs_fuse
@pytest.mark.parametrize("most_in_memory", [2**26, 1000])
def test_a_disk_that_fails_and_mends_keeps_the_object_when_it_comes_again(
    tmp_path, monkeypatch, most_in_memory
):
    monkeypatch.setattr(blobs, "_MOST_IN_MEMORY", most_in_memory)
    with mounted(tmp_path / "real", tmp_path / "disk") as disk:
        run = open_run(disk.path)
        disk.suffer(write=errno.EIO)
        with pytest.warns(NbtrackWarning) as heard:
            run.log({"w": WEIGHTS})
        assert any("Input/output error" in str(w.message) for w in heard)
        disk.suffer()
        run.log({"w": WEIGHTS})
        run.finish()
        first, second = (row["w"] for row in read(disk.path))
        assert (first["path"], first.counts) == (None, second.counts)
        np.testing.assert_array_equal(second.to_numpy(), WEIGHTS)


def test_a_process_that_is_killed_over_a_file_leaves_none_of_that_name(tmp_path):
    code = f"""
import os, signal, numpy as np, nbtrack
from nbtrack._store import blobs
run = nbtrack.init(project="p", id="r", dir={str(tmp_path)!r})
run.log({{"loss": 1.0}})
blobs._MOST_IN_MEMORY = 10
blobs._Hashing.write = lambda self, content: (
    self._file.write(content[:9]), self._file.flush(), os.kill(os.getpid(), 9))
run.log({{"w": np.arange(100.0)}})
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    stored = nbtrack.Api(tmp_path).run("p/r")
    assert [row["loss"] for row in stored.scan_history()] == [1.0]
    media = Path(stored.dir, "media")
    (left,) = media.iterdir()
    assert left.name.startswith(".array.")
    assert left.name.endswith(".tmp")
    an_hour_ago = time.time() - 4_000
    os.utime(left, (an_hour_ago, an_hour_ago))
    run = nbtrack.init(project="p", id="r", dir=tmp_path, resume="must")
    run.finish()
    until(lambda: not left.exists())


def test_files_that_a_power_cut_left_short_are_written_anew_when_they_come_again(
    tmp_path,
):
    run = open_run(tmp_path)
    run.log({"w": WEIGHTS, "img": nbtrack.Image(NOISE)})
    for path in Path(run.dir, "media").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    run.log({"w": WEIGHTS, "img": nbtrack.Image(NOISE)})
    for row in read(tmp_path):
        np.testing.assert_array_equal(row["w"].to_numpy(), WEIGHTS)
        np.testing.assert_array_equal(row["img"].to_numpy(), NOISE)


@needs_root
def test_a_watched_model_trains_on_when_nothing_of_it_can_be_stored(tmp_path):
    torch = pytest.importorskip("torch")
    with small_disk(tmp_path / "disk", 512) as disk:
        run = open_run(disk)
        model = torch.nn.Linear(3, 2)
        filler = fill(disk)
        with pytest.warns(NbtrackWarning) as heard:
            run.watch(model, log="all", log_freq=1, log_graph=True)
            for _ in range(3):
                model(torch.ones(4, 3)).sum().backward()
                run.log({"loss": 1.0})
        assert any("graph_0 could not be stored" in str(w.message) for w in heard)
        filler.unlink()
        run.finish()
        rows = read(disk)
        assert [row["loss"] for row in rows] == [1.0] * 3
        assert all(row["gradients/weight"]["counts"] for row in rows)
        assert {fault.kind for fault in run.faults} <= {"watch", "write"}
