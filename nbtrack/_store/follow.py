"""Following a run's logs: every reader of a journal is this one cursor.

A ``Tail`` remembers how far it has read in each writer's log and gives only what came
since, whole records in order of appending. It neither knows nor cares whether the
writer is this kernel, another process, or long dead.

Damage is data, too: torn, flipped, NUL-filled and foreign lines are passed over and
counted, and everything around them is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from nbtrack._store.documents import open_regular
from nbtrack._store.lines import Record, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

_BLOCK: Final = 4 * 2**20
#: A "line" longer than this is damage (a NUL-filled tail, say), not a record.
_MAX_LINE: Final = 256 * 2**20


class LogCursor:
    """How far one log file has been read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = path.name.removesuffix(".jsonl")
        self.damaged_lines = 0
        self._offset = 0
        self._inode = 0
        self._seen = -1  # largest sequence number given
        self._given = -1  # the same, of the file that was there before

    def poll(self) -> Iterator[Record]:
        """Give the records whose lines were completed since the last call."""
        try:
            file = open_regular(self.path)
        except OSError:
            return  # gone, or no file: nothing to read here
        with file:
            found = os.fstat(file.fileno())
            if found.st_ino != self._inode or found.st_size < self._offset:
                # Trimmed after compaction: what is left was given already.
                self._inode, self._offset = found.st_ino, 0
                self._given = self._seen
            if found.st_size == self._offset:
                return
            file.seek(self._offset)
            yield from self._records(file)

    def _records(self, file: FileIO) -> Iterator[Record]:
        rest = b""
        while block := file.read(_BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._offset += len(line) + 1
                record = decode(line, self.writer)
                if record is None:
                    self.damaged_lines += bool(line)
                elif record.seq > self._given:
                    self._seen = max(self._seen, record.seq)
                    yield record
            if len(rest) > _MAX_LINE:
                self._offset += len(rest)
                rest = b""
                self.damaged_lines += 1

    def reread(self) -> Iterator[Record]:
        """Give once more what ``poll`` has given so far, and no more."""
        try:
            file = open_regular(self.path)
        except OSError:
            return
        with file:
            for line in file.read(self._offset).split(b"\n"):
                record = decode(line, self.writer)
                if record is not None:
                    yield record


class Tail:
    """Every log of one run, followed together.

    Parameters
    ----------
    directory
        The run's ``log`` directory; it need not exist yet.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cursors: dict[str, LogCursor] = {}

    def poll(self) -> Iterator[Record]:
        """Give what all writers appended since the last call, writer by writer."""
        self._discover()
        for cursor in self._cursors.values():
            yield from cursor.poll()

    def reread(self) -> Iterator[Record]:
        """Give once more what ``poll`` has given so far."""
        for cursor in self._cursors.values():
            yield from cursor.reread()

    def _discover(self) -> None:
        try:
            names = sorted(entry.name for entry in os.scandir(self._directory))
        except OSError:
            return
        for name in names:
            if name.endswith(".jsonl") and name not in self._cursors:
                self._cursors[name] = LogCursor(self._directory / name)

    @property
    def cursors(self) -> list[LogCursor]:
        """One per log file, in order of the writers' names, that is of time."""
        return list(self._cursors.values())

    @property
    def damaged_lines(self) -> int:
        """Lines that are no whole record of ours, over all writers."""
        return sum(cursor.damaged_lines for cursor in self.cursors)
