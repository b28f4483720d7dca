"""A log file held open, and read in whole lines from where one last stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from nbtrack._store.documents import open_regular
from nbtrack._store.lines import is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK: Final = 2**20
#: A "line" longer than this is damage (a NUL-filled tail, say), not a record.
_MAX_LINE: Final = 256 * 2**20


class LogFile:
    """A log file held open, and how far it has been read.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file.
    """

    _fd = -1

    def __init__(self, path: Path) -> None:
        self.offset = 0
        self.damaged_lines = 0
        with open_regular(path) as file:
            self._fd = os.dup(file.fileno())

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode, which tell a file from one that took its name."""
        stat = os.fstat(self._fd)
        return stat.st_dev, stat.st_ino

    @property
    def unread(self) -> int:
        """Bytes that came since; negative when the file was cut."""
        return os.fstat(self._fd).st_size - self.offset

    def chunks(self) -> Iterator[bytes]:
        """Give what is not read yet, in pieces of whole lines.

        A last line without its newline is left for the next time, unless nothing but
        the newline is missing: its writer may be dead, and the row is whole.
        """
        begun: list[bytes] = []  # of a line that is longer than what was read at once
        size = 0
        while block := self._read(self.offset + size, _CHUNK):
            end = block.rfind(b"\n") + 1
            if end:
                self.offset += size + end
                yield b"".join([*begun, memoryview(block)[:end]])
                begun, size = [], 0
            begun.append(block[end:])
            size += len(block) - end
            if size > _MAX_LINE:
                self.offset += size
                self.damaged_lines += 1
                begun, size = [], 0
        last = b"".join(begun)
        if last and is_sealed(last):
            self.offset += size
            yield last + b"\n"

    def tail(self) -> bytes:
        """Give the beginning of the last line, whose newline is not there yet."""
        return self._read(self.offset, _MAX_LINE)

    def _read(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):  # a forked child shares the descriptor's position
            return os.pread(self._fd, size, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.read(self._fd, size)
