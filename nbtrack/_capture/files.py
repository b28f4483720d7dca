"""Files of what is recorded without being asked, and following them.

They are written as the journal is: sealed lines, one file per writer, appended to and
never changed, so that a killed kernel leaves every line whole. They are apart from the
journal, so that who reads a million rows need not step over a day of samples and a
hundred thousand lines of text. What comes, comes from a background thread in batches;
a fault of the disk costs some of it, is told, and touches nothing else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from nbtrack._store.lines import Record, decode, encode
from nbtrack._store.logfile import LogFile
from nbtrack._store.process import this_process
from nbtrack._store.segments import Segment, segment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

#: Bytes that wait in memory for a disk that refuses them; then they are given up.
_PATIENCE_BYTES: Final = 4 * 2**20
_APPEND: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)

Told = tuple[int, str, dict[str, Any]]  # microseconds of run time, kind, payload


class Bounds(NamedTuple):
    """How much a writer may leave: the beginning, and the end."""

    segment_bytes: int
    segment_lines: int
    last_segments: int  # kept besides the first one


class Appender:
    """One writer's file, made when there is something to write.

    Parameters
    ----------
    directory
        Made when needed.
    opening
        What the first line says, besides the process.
    report
        Told of a refusal by the disk: a message and the error.
    bounds
        Without it, one file grows as long as it is written to.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        opening: dict[str, Any],
        report: Callable[[str, OSError], None],
        bounds: Bounds | None = None,
    ) -> None:
        self._directory = directory
        self._opening = opening
        self._report = report
        self._bounds = bounds
        self._segment = Segment(writer)
        self._fd = -1
        self._seq = 0
        self._bytes = self._lines = 0  # in the current segment
        self._waiting = b""
        self._is_torn = False
        self.lost = 0  # records given up

    def append(self, records: Sequence[Told], *, lines: int = 0, at: int = 0) -> None:
        """Write records, whole or not at all; they wait if the disk refuses them.

        Parameters
        ----------
        lines
            How many lines of text are in them.
        at
            What the first line of a new segment says of where it begins.
        """
        full = self._bounds is not None and (
            self._bytes >= self._bounds.segment_bytes
            or self._lines >= self._bounds.segment_lines
        )
        if full:
            self._next_segment()
        text = b"".join(self._encoded(record) for record in records)
        if len(self._waiting) + len(text) > _PATIENCE_BYTES and self._waiting:
            self.lost += len(records)
            return
        self._waiting += text
        try:
            if self._fd < 0 or not os.fstat(self._fd).st_nlink:
                self._open(at)
            self._write()
        except OSError as error:
            self._report(
                f"cannot write to {self._directory}; what is recorded there is kept in "
                f"memory (up to {_PATIENCE_BYTES >> 20} MiB) and tried again. The rows "
                "that you log are not affected",
                error,
            )
        else:
            self._bytes += len(text)
            self._lines += lines

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the disk."""
        return bool(self._waiting)

    def _encoded(self, told: Told) -> bytes:
        self._seq += 1
        return encode(self._seq, *told)

    def _open(self, at: int) -> None:
        self._close()
        self._directory.mkdir(parents=True, exist_ok=True)  # the journal does the same
        if self._directory.is_symlink():
            raise NotADirectoryError(20, "it is a link", str(self._directory))
        self._fd = os.open(self._directory / self._segment.log_name, _APPEND, 0o644)
        told = {**self._opening, **this_process(), **({"at": at} if at else {})}
        self._waiting = self._encoded((0, "open", told)) + self._waiting

    def _write(self) -> None:
        text = b"\n" + self._waiting if self._is_torn else self._waiting
        written = os.write(self._fd, text)
        if written != len(text):
            # All of it comes again: readers know each line by its number.
            self._is_torn = written > 0
            raise OSError(28, f"only {written} of {len(text)} bytes were written")
        self._is_torn = False
        self._waiting = b""

    def _next_segment(self) -> None:
        bounds = self._bounds
        if bounds is None or self._waiting:
            return
        self._close()
        self._bytes = self._lines = 0
        self._segment = self._segment._replace(number=self._segment.number + 1)
        old = self._segment.number - bounds.last_segments
        if old > 0:
            with suppress(OSError):
                (self._directory / self._segment._replace(number=old).log_name).unlink()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """Write what waits, if the disk takes it now, and let go of the file."""
        if self._waiting:
            self.append([])
        self._close()

    def abandon(self) -> None:
        """Let go of the file in a forked child: the parent writes what waits."""
        self._waiting = b""
        self._close()


class _Cursor:
    """How far one file has been read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: LogFile | None = None

    def chunks(self) -> Iterator[bytes]:
        if self._file is None or self._is_replaced(self._file):
            self._file = None
            with suppress(OSError):
                self._file = LogFile(self._path)
        if self._file is not None:
            yield from self._file.chunks()

    def _is_replaced(self, file: LogFile) -> bool:
        if file.unread > 0:
            return False
        try:
            found = self._path.stat(follow_symlinks=False)
        except OSError:
            return False
        return file.unread < 0 or (found.st_dev, found.st_ino) != file.identity


class Followed:
    """The files of all writers in one directory, read from where one last stopped."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cursors: dict[Segment, _Cursor] = {}
        self._done: set[Segment] = set()
        self._newest: dict[str, int] = {}  # sequence number, by writer
        self.openings: dict[str, dict[str, Any]] = {}

    def poll(self) -> Iterator[Record]:
        """Give the records that came, writer by writer, each once.

        An "open" record is among them, at the beginning of each segment.
        """
        present = self._segments()
        for segment in sorted({*present, *self._cursors} - self._done):
            cursor = self._cursors.setdefault(
                segment, _Cursor(self._directory / segment.log_name)
            )
            for chunk in cursor.chunks():
                yield from self._records(segment, chunk)
        last = {segment.writer: segment for segment in sorted(present)}
        for segment in list(self._cursors):
            if segment < last.get(segment.writer, segment):
                del self._cursors[segment]  # nothing is appended to it any more
                self._done.add(segment)

    def _records(self, segment: Segment, chunk: bytes) -> Iterator[Record]:
        for line in chunk.split(b"\n"):
            record = decode(line, segment.writer) if line else None
            if record is None:
                continue
            if record.kind == "open":  # its number is younger than lines that waited
                self.openings.setdefault(segment.writer, record.data)
            elif record.seq <= self._newest.get(segment.writer, -1):
                continue
            else:
                self._newest[segment.writer] = record.seq
            yield record._replace(step=segment.number)

    def _segments(self) -> list[Segment]:
        try:
            if self._directory.is_symlink():
                return []
            with os.scandir(self._directory) as entries:
                names = [entry.name for entry in entries if not entry.is_symlink()]
        except OSError:
            return []
        return [s for name in names if (s := segment_of(name)) is not None]

    def label(self, writer: str) -> str:
        """Give what tells a writer's figures from the first writer's."""
        if not self.openings:
            return ""
        told = {w: str(o.get("label") or "") for w, o in self.openings.items()}
        label = told.get(writer, "")
        return "" if label == told[min(told)] else label

    def close(self) -> None:
        """Let go of all files; a later poll opens them again and gives what is new."""
        self._cursors.clear()


def json_text(text: str) -> str:
    """Give a text that JSON can hold: lone surrogates become question marks."""
    try:
        orjson.dumps(text)
    except TypeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
