"""Names of logs and parts: which file holds what of whose rows.

A writer's log is ``log/<writer>.jsonl``, and when that is full ``<writer>.1.jsonl``,
``<writer>.2.jsonl`` and so on: its segments. Rows that were moved out of a segment lie
in ``history/<segment>-<first>-<last>.<checksum>.parquet``, where the segment is the
log's name without its ending, the numbers are the first and the last sequence number,
and the checksum is that of the whole file. Parquet itself checks next to nothing: of
three flipped bits, two read as other numbers.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbtrack._store.rundir import RunDir

_LOG: Final = re.compile(r"(?P<writer>.+?)(?:\.(?P<number>[1-9]\d*))?\.jsonl")
_PART: Final = re.compile(
    r"(?P<log>.+)-(?P<first>\d+)-(?P<last>\d+)(?:\.(?P<checksum>[0-9a-f]{8}))?\.parquet"
)


class Segment(NamedTuple):
    """One log file of one writer; sorts by writer, that is by time, and number."""

    writer: str
    number: int = 0

    @property
    def stem(self) -> str:
        """The log's name without its ending; parts begin with it."""
        return f"{self.writer}.{self.number}" if self.number else self.writer

    @property
    def log_name(self) -> str:
        """The log's file name."""
        return f"{self.stem}.jsonl"


class Part(NamedTuple):
    """A Parquet file with a segment's rows of some sequence numbers."""

    path: Path
    segment: Segment
    first_seq: int
    last_seq: int
    checksum: int | None = None  # of the file; format 1 has none

    def covers(self, seq: Any) -> Any:
        """Say of a sequence number, or of each of an array, whether it is in here."""
        return (self.first_seq <= seq) & (seq <= self.last_seq)


def segment_of(log_name: str) -> Segment | None:
    """Read a log's file name; None when it is none of ours."""
    match = _LOG.fullmatch(log_name)
    return match and Segment(match["writer"], int(match["number"] or 0))


def list_logs(run: RunDir) -> list[Segment]:
    """List a run's segments, those whose rows all lie in parts included."""
    found = {segment_of(name) for name in _names(run.log)}
    found.update(part.segment for part in _parts(run))
    return sorted(segment for segment in found if segment is not None)


def list_parts(run: RunDir, segment: Segment | None = None) -> list[Part]:
    """List parts, of one segment or of all, in order of their rows."""
    found = [p for p in _parts(run) if segment is None or p.segment == segment]
    return sorted(found, key=lambda part: (part.segment, part.first_seq))


def _parts(run: RunDir) -> Iterator[Part]:
    for name in _names(run.history):
        match = _PART.fullmatch(name)
        segment = match and segment_of(f"{match['log']}.jsonl")
        if match and segment:
            first, last = int(match["first"]), int(match["last"])
            told = match["checksum"]
            checksum = None if told is None else int(told, 16)
            yield Part(run.history / name, segment, first, last, checksum)


def _names(directory: Path) -> list[str]:
    try:
        if directory.is_symlink():
            return []  # it may lead into another run, or anywhere
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if not entry.is_symlink()]
    except OSError:
        return []  # not there, or not for us to read: it holds nothing then
