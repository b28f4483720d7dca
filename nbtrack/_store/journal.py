"""The append side of a run: one log file per writer, one write per record.

Invariant: when ``append`` returns, its line is in the kernel's page cache and is read
back even if this process is killed the next instant. There is no queue and no user
space buffer. What the file system refuses is kept in memory up to a stated bound and
retried, and the fault is reported; it is never dropped silently.

Sequence numbers are taken before the write. After a short or failed write the file
may end in half a line, so the next line begins with a newline: the reader sees one
damaged line, and the whole record under the same sequence number after it.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import orjson

from nbtrack._fork import tell_when_forked
from nbtrack._store.clock import steady_ns
from nbtrack._store.lines import encode
from nbtrack._store.process import hostname, this_process
from nbtrack._store.segments import Segment

if TYPE_CHECKING:
    from pathlib import Path

    from nbtrack._faults import Faults

#: Bytes of lines kept in memory while the file system refuses them.
BACKLOG_LIMIT: Final = 64 * 2**20

#: A log that has grown so large is closed, and the writer goes on in another file.
SEGMENT_BYTES = 16 * 2**20

#: Writers that are open in this process.
open_writers: set[str] = set()

_dumps = orjson.dumps
_write = os.write


def new_writer_name() -> str:
    """Name a writer by time, host, process and chance; names sort by time.

    >>> new_writer_name()  # doctest: +SKIP
    '20260102T030405.678901-otterbox-4711-9f3a'
    """
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    host = "".join(c if c.isascii() and c.isalnum() else "_" for c in hostname())
    chance = os.urandom(2).hex()
    return f"{stamp}.{int(now % 1 * 1e6):06d}-{host[:32]}-{os.getpid()}-{chance}"


class JournalClosedError(RuntimeError):
    """Something was appended after the journal had been closed."""


class Journal:
    """One writer's log of one run.

    Parameters
    ----------
    directory
        The run's ``log`` directory; it exists.
    opening
        What a log's first line says besides the clock and the process: run id,
        version, and, where several write one run, the writer's label.
    offset_us
        Run time already on the clock, of a run that is resumed.
    """

    def __init__(
        self,
        directory: Path,
        opening: dict[str, Any],
        faults: Faults,
        *,
        offset_us: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.lost = 0  # records given up because the backlog was full
        self._directory = directory
        self._opening = opening
        self._faults = faults
        self._origin_ns = steady_ns() - offset_us * 1000
        self._t0 = time.time() - offset_us / 1e6  # Unix time of run time zero
        self._fd = -1
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._rename()
        self._open()  # the one place where a refusal reaches the user
        self._append_opening()
        tell_when_forked(self)

    def _rename(self) -> None:
        """Become a writer of our own: at first, and in a forked child."""
        self.writer = new_writer_name()
        open_writers.add(self.writer)
        self.segment = Segment(self.writer)
        self.is_closed = False
        self._is_forked = False
        self._is_torn = False  # the file may end in half a line
        self._is_troubled = False  # lines wait, or the file may be torn
        self._seq = count()
        self._synced_size = -1

    @property
    def path(self) -> Path:
        """The file that is written to now."""
        return self._directory / self.segment.log_name

    def _open(self) -> None:
        self._fd = os.open(self.path, _APPEND, 0o644)
        self._identity = _identity(self._fd)

    def _append_opening(self) -> None:
        self.append("open", self._told_opening())

    def _told_opening(self) -> dict[str, Any]:
        return {**self._opening, **this_process(), "t0": self._t0}

    def _recover(self) -> None:
        """Get a descriptor again, after a fork or after it was lost."""
        if self.is_closed:
            raise JournalClosedError(self.path)
        if self._is_forked:
            self._rename()
            told = self._opening.get("label")
            label = f"{told}/fork-{os.getpid()}" if told else f"fork-{os.getpid()}"
            self._opening = {**self._opening, "label": label}
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            self._report(error)
        else:
            self._append_opening()

    def elapsed_us(self) -> int:
        """Give the run time so far in microseconds."""
        return (steady_ns() - self._origin_ns) // 1000

    def append_plain_row(self, step: int, row: dict[str, Any]) -> bool:
        """Append a row whose values are plain finite numbers: the hot path.

        It takes no lock: the sequence number comes from an atomic counter, and one
        ``write`` to a descriptor opened with O_APPEND is one whole line whatever
        other threads do. Lines may thus stand out of order; readers sort them.

        Returns
        -------
        bool
            False when a value is not a finite number that JSON holds exactly. Nothing
            was written then, and a sequence number stays unused.
        """
        try:
            # One C call finds text, lists, NaN and infinities alike: the first two
            # cannot be summed, and inf - inf and nan - nan are not zero.
            total = sum(row.values())
            if total - total != 0 or self._fd < 0:
                return False
            us = (steady_ns() - self._origin_ns) // 1000
            body = _dumps((next(self._seq), us, step, row))[:-1]
        except Exception:  # noqa: BLE001
            return False  # arrays and tensors raise what they like; the slow path asks
        line = b'%b,"%x"]\n' % (body, crc32(body))
        if self._is_troubled:
            self._write_in_turn(line)
            return True
        try:
            written = _write(self._fd, line)
        except OSError as error:
            self._refused(line, error)
            return True
        if written != len(line):
            self._cut_short(line, written)
        return True

    def append(
        self,
        place: int | str,
        data: dict[str, Any],
        extended: dict[str, str] | None = None,
    ) -> None:
        """Append one record: a row at a step, or another kind by its name."""
        with self.lock:
            if self._fd < 0:
                self._recover()
            us = self.elapsed_us()
            self._write_in_turn(encode(next(self._seq), us, place, data, extended))

    def append_lines(self, lines: bytes) -> None:
        """Append lines that are sealed already, under numbers of this writer."""
        self._write_in_turn(lines)

    def _write_in_turn(self, line: bytes) -> None:
        """Write after what waits, on a line of its own."""
        with self.lock:
            if self._backlog:
                self.retry()  # there may be room again, on the disk and for this line
            self._keep(line)
            self.retry()

    def retry(self) -> None:
        """Write what waits, oldest first, until the file system refuses."""
        with self.lock:
            try:
                while self._backlog:
                    self._write_oldest()
                self._is_troubled = self._is_torn
            except OSError as error:
                self._is_troubled = True
                self._report(error)

    def _write_oldest(self) -> None:
        line = self._backlog[0]
        whole = b"\n" + line if self._is_torn else line
        written = _write(self._fd, whole)
        if written != len(whole):
            self._is_torn = True
            raise _short_write(written, whole)
        self._is_torn = False
        self._backlog_bytes -= len(line)
        self._backlog.popleft()

    def _cut_short(self, line: bytes, written: int) -> None:
        self._is_torn = self._is_torn or written > 0
        self._refused(line, _short_write(written, line))

    def _refused(self, line: bytes, error: OSError) -> None:
        with self.lock:
            if self.is_closed:
                raise JournalClosedError(self.path)
            self._is_troubled = True
            is_ours = self._is_ours()
            if not is_ours:  # closed by somebody, or the file was removed
                self._replace_vanished()
            self._write_in_turn(line)
            if is_ours and not self._backlog:  # else that has told it
                self._report(error)

    def _keep(self, line: bytes) -> None:
        if self._backlog_bytes + len(line) > BACKLOG_LIMIT:
            self.lost += 1
            self._faults.add(
                "lost",
                f"{BACKLOG_LIMIT >> 20} MiB of records wait for {self.path}; "
                "records are lost until it can be written to",
            )
            return
        self._backlog.append(line)
        self._backlog_bytes += len(line)

    def _report(self, error: OSError) -> None:
        self._faults.add(
            "write",
            f"cannot write to {self.path}; rows are kept in memory (up to "
            f"{BACKLOG_LIMIT >> 20} MiB) and tried again. Free some space, or check "
            "the directory's permissions",
            error=error,
        )

    def _is_ours(self) -> bool:
        """Say whether the descriptor is still the file that we opened."""
        try:
            return _identity(self._fd) == self._identity
        except OSError:
            return False

    def rotate(self, *, durably: bool = True) -> Segment | None:
        """Go on in a new file; give the segment that nobody writes to any more.

        The descriptor keeps its number and is made to mean the new file, in one step
        (``dup2``). So threads inside ``append_plain_row`` need not be told: what they
        write lands in one file or in the other. None when this is no time for it.

        Raises
        ------
        OSError
            No new file can be made; the old one stays in use.
        """
        with self.lock:
            if self.is_closed or self._is_forked or self._is_troubled or self._fd < 0:
                return None
            full = self.segment
            following = Segment(self.writer, full.number + 1)
            path = self._directory / following.log_name
            fd = os.open(path, _APPEND, 0o644)
            old = -1
            try:
                old = os.dup(self._fd)
                opening = self._told_opening()
                line = encode(next(self._seq), self.elapsed_us(), "open", opening)
                if (written := _write(fd, line)) != len(line):
                    raise _short_write(written, line)
                os.dup2(fd, self._fd, inheritable=False)
            except OSError:
                path.unlink(missing_ok=True)
                if old >= 0:
                    os.close(old)
                raise
            finally:
                os.close(fd)
            self._identity = _identity(self._fd)
            self.segment, self._synced_size = following, -1
        if durably:
            self._flush(old)
        os.close(old)
        return full

    @property
    def size(self) -> int:
        """Bytes in the current file; -1 when it cannot be asked."""
        try:
            return os.fstat(self._fd).st_size
        except OSError:
            return -1

    @property
    def waiting(self) -> int:
        """Number of records kept in memory because the disk refuses them."""
        return len(self._backlog)

    def sync(self, *, durably: bool = True) -> None:
        """Look after the file; called about once a second.

        Notice that it vanished, write what waits, and make what was appended survive
        a power cut. That costs milliseconds, so never in the user's thread.
        """
        with self.lock:
            if self.is_closed or self._is_forked:
                return
            if not self._is_ours():
                self._replace_vanished()
            self.retry()
            fd, size = self._fd, self.size
        if durably and size != self._synced_size and self._flush(fd):
            self._synced_size = size

    def _flush(self, fd: int) -> bool:
        try:
            getattr(os, "fdatasync", os.fsync)(fd)
        except OSError as error:
            if self.is_closed:
                return True  # by another thread, which flushed it itself
            self._faults.add(
                "sync",
                f"cannot flush {self.path} to the disk: rows survive a killed kernel, "
                "but perhaps not a power cut",
                error=error,
                in_user_call=False,
            )
            return False
        return True

    def _replace_vanished(self) -> None:
        self._faults.add(
            "vanished",
            f"{self.path} was removed or closed under the run. Recording goes on in a "
            "new file of that name; what the old one held is gone with it",
            in_user_call=False,
        )
        self._fd = -1
        self._recover()

    def close(self) -> None:
        """Write what waits, make it durable, close the file. Idempotent."""
        with self.lock:
            if self.is_closed:
                return
            self.sync()
            self.is_closed = True
            open_writers.discard(self.writer)
            fd, is_ours = self._fd, self._is_ours()
            self._fd = -1
            if is_ours:
                _park(fd)

    def forked(self) -> None:
        """Continue in a child process: with a new lock, into a file of its own.

        The file is made by the first append, so that workers that do not log leave
        nothing behind. What waits in memory is the parent's to write.
        """
        self.lock = threading.RLock()
        self._backlog.clear()
        self._backlog_bytes = 0
        self._is_forked = True
        open_writers.discard(self.writer)  # it is the parent's
        if self._fd >= 0:
            os.close(self._fd)  # the child's copy; the parent's stays open
            self._fd = -1


class DurableJournal(Journal):
    """A journal whose every append also survives a power cut; milliseconds each."""

    def append_plain_row(self, step: int, row: dict[str, Any]) -> bool:
        """Append a row and wait for the disk."""
        written = super().append_plain_row(step, row)
        if written:
            self.sync()
        return written

    def append(
        self,
        place: int | str,
        data: dict[str, Any],
        extended: dict[str, str] | None = None,
    ) -> None:
        """Append a record and wait for the disk."""
        super().append(place, data, extended)
        self.sync()


_parked: deque[tuple[float, int]] = deque()
_PARKED_S: Final = 5.0


def _park(fd: int) -> None:
    """Close a descriptor, but let nobody else have its number for a while.

    A thread inside ``append_plain_row`` may be about to write to it, and must not
    write into a file that somebody opened in between.
    """
    try:
        null = os.open(os.devnull, os.O_RDONLY)  # a late write must fail
    except OSError:  # there is no descriptor left, and none would be safer
        os.close(fd)
        return
    os.dup2(null, fd, inheritable=False)
    os.close(null)
    now = time.monotonic()
    _parked.append((now, fd))
    while _parked and now - _parked[0][0] > _PARKED_S:
        os.close(_parked.popleft()[1])


_APPEND: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would write \\r\\n
)


def _identity(fd: int) -> tuple[int, int] | None:
    """Tell a file from any other one; None when it was removed."""
    stat = os.fstat(fd)
    return (stat.st_dev, stat.st_ino) if stat.st_nlink else None


def _short_write(written: int, line: bytes) -> OSError:
    return OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written")
