"""Real small disks, and a real power cut; a test that cannot have them is skipped."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

#: EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH: what the disk has not got is lost.
_SHUTDOWN, _NOLOGFLUSH = 0x8004587D, 2

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root"
)
needs_fuse = pytest.mark.skipif(
    not os.access("/dev/fuse", os.R_OK | os.W_OK) or os.geteuid() != 0,
    reason="a faulty disk needs root and /dev/fuse",
)


def _run(*command: object) -> bool:
    try:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, check=False, timeout=60
        )
    except OSError:
        return False
    return done.returncode == 0


@contextmanager
def small_disk(path: Path, size_kib: int) -> Iterator[Path]:
    """Give a disk of so many KiB in memory."""
    path.mkdir()
    if not _run("mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "none", path):
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield path
    finally:
        _run("umount", "-l", path)


def fill(disk: Path, leave_bytes: int = 0) -> Path:
    """Fill a disk but for so many bytes; give the file that takes the room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - leave_bytes))
    return filler


class CutDisk:
    """An ext4 disk whose power can be cut."""

    def __init__(self, home: Path) -> None:
        self.path = home / "disk"
        self._image = home / "disk.img"
        self.path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(32 * 2**20)
        if not shutil.which("mkfs.ext4") or not _run("mkfs.ext4", "-q", self._image):
            pytest.skip("no ext4 can be made here")
        if not self._mount():
            pytest.skip("no loop device can be mounted here")

    def _mount(self) -> bool:
        return _run("mount", "-o", "loop", self._image, self.path)

    def cut_power(self) -> None:
        """Lose what the disk has not got yet, and start again."""
        fd = os.open(self.path, os.O_RDONLY)
        fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        os.close(fd)

    def start_again(self) -> None:
        """Mount the disk as it is after the cut."""
        assert _run("umount", self.path)
        assert self._mount()

    def remove(self) -> None:
        """Unmount it for good."""
        _run("umount", "-l", self.path)


@contextmanager
def cut_disk(home: Path) -> Iterator[CutDisk]:
    """Give an ext4 disk of 32 MiB whose power can be cut."""
    disk = CutDisk(home)
    try:
        yield disk
    finally:
        disk.remove()
