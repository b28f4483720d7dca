"""Whether the processes that write a run still live: how a crash is found out.

``run.json`` and the first line of every log name the writer's host, process id and a
token that changes when the process id is used again. On another host only the
heartbeat can tell: a writer touches its log every few seconds.
"""

from __future__ import annotations

import os
import time
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbtrack._store.journal import open_writers
from nbtrack._store.lines import Record, decode
from nbtrack._store.logfile import LogFile
from nbtrack._store.process import hostname, this_process
from nbtrack._store.process import token as token_of
from nbtrack._store.segments import list_logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbtrack._store.rundir import RunDir
    from nbtrack._store.segments import Segment

#: The heartbeat's interval, and after how long without one a far writer is gone.
HEARTBEAT_S: Final = 10.0
_SILENCE_S: Final = 60.0
_FIRST_LINES: Final = 64  # other threads' lines may come before the opening
_TAIL_BYTES: Final = 64 * 2**10


class Writer(NamedTuple):
    """One writer of a run, as its logs tell."""

    name: str
    opening: dict[str, Any]  # its "open" record; empty where that is lost
    end: dict[str, Any] | None  # its "end" record: it has finished
    is_alive: bool

    @property
    def is_editor(self) -> bool:
        """Whether it only changed a run that was there."""
        return self.opening.get("role") == "edit"


def writers(run: RunDir) -> Iterator[Writer]:
    """Look at each writer of a run, in order of time."""
    for name, group in groupby(list_logs(run), key=attrgetter("writer")):
        segments = list(group)
        opening = _first(_records(run, segments, _beginning), "open") or {}
        end = _first(_records(run, segments[-1:], _tail), "end")
        is_alive = end is None and _lives(run, name, opening, segments[-1])
        yield Writer(name, opening, end, is_alive)


def living_writers(run: RunDir) -> set[str]:
    """Name the writers that have their logs open."""
    return {writer.name for writer in writers(run) if writer.is_alive}


def perhaps_writing(run: RunDir) -> set[str]:
    """Name the writers whose logs must be left alone.

    Those that live, and those of other processes that left no last word and whose logs
    are fresh: in another container of our host's name, a process is out of our sight.
    """
    return {
        writer.name
        for writer in writers(run)
        if writer.is_alive
        or (
            writer.end is None
            and not writer.is_editor
            and writer.opening.get("pid") != os.getpid()
            and any(
                _is_fresh(run, segment)
                for segment in list_logs(run)
                if segment.writer == writer.name
            )
        )
    }


def others_alive(run: RunDir, own_writer: str) -> bool:
    """Say whether anybody but this writer is still recording into a run."""
    return bool(living_writers(run) - {own_writer})


def state_of(run: RunDir, document: dict[str, Any]) -> str:
    """Give a run's state.

    One that says "running" without a writer has crashed, unless the last words of all
    its writers are in their logs.
    """
    state = str(document.get("state", "crashed"))
    if state != "running":
        return state
    found = [writer for writer in writers(run) if not writer.is_editor]
    if any(writer.is_alive for writer in found):
        return state
    # Of format 1, or before its log was begun, only run.json knows the writer.
    is_unknown = not any("token" in writer.opening for writer in found)
    if is_unknown and _seems_to_live(run, document.get("writer") or {}):
        return state
    ends = [writer.end.get("state") for writer in found if writer.end is not None]
    if not ends or len(ends) < len(found):
        return "crashed"
    return next((str(end) for end in ends if end != "finished"), "finished")


def reopened(document: dict[str, Any]) -> dict[str, Any]:
    """Give ``run.json`` of a run that had ended and goes on in this process."""
    ended = ("finished", "exit_code", "error", "runtime_s")
    left = {name: value for name, value in document.items() if name not in ended}
    return left | {
        "state": "running",
        "resumed": True,
        "resumed_at": time.time(),
        "writer": this_process(),
    }


def _lives(run: RunDir, name: str, opening: dict[str, Any], newest: Segment) -> bool:
    if opening.get("role") == "edit" or not opening:
        return False  # of a log without its first line, nobody knows the writer
    if opening.get("host") == hostname():
        if opening.get("pid") == os.getpid():
            return name in open_writers
        # Format 1 wrote no token; its one writer is known from run.json.
        return "token" in opening and _process_lives(opening)
    return _is_fresh(run, newest)


def _seems_to_live(run: RunDir, writer: dict[str, Any]) -> bool:
    if writer.get("host") == hostname():
        return _process_lives(writer)
    return any(_is_fresh(run, segment) for segment in list_logs(run))


def _is_fresh(run: RunDir, segment: Segment) -> bool:
    """Say whether a log was appended to, or touched, a short time ago."""
    try:
        touched = (run.log / segment.log_name).stat().st_mtime
    except OSError:
        return False
    return time.time() - touched < _SILENCE_S


def _process_lives(writer: dict[str, Any]) -> bool:
    """Say whether a process of this host is there."""
    pid = writer.get("pid")
    if writer.get("host") != hostname() or not isinstance(pid, int) or pid <= 0:
        return False
    token = writer.get("token")
    return _exists(pid) and (not token or token == token_of(pid))


def _exists(pid: int) -> bool:
    import psutil

    try:
        gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return psutil.Process(pid).status() not in gone
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # it is there, but somebody else's


def _first(records: Iterable[Record], kind: str) -> dict[str, Any] | None:
    return next((record.data for record in records if record.kind == kind), None)


def _records(
    run: RunDir, segments: Sequence[Segment], lines_of: Any
) -> Iterator[Record]:
    for segment in segments:
        try:
            file = LogFile(run.log / segment.log_name)
        except OSError:
            continue  # gone or not for us to read: it tells nothing
        for line in lines_of(file):
            record = decode(line, segment.writer)
            if record is not None:
                yield record


def _beginning(file: LogFile) -> list[bytes]:
    return next(file.chunks(), b"").split(b"\n", _FIRST_LINES)[:_FIRST_LINES]


def _tail(file: LogFile) -> Iterator[bytes]:
    file.offset = max(file.unread - _TAIL_BYTES, 0)
    return reversed(b"".join(file.chunks()).split(b"\n"))
