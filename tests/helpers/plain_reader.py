"""A second reader of run directories, written from FORMAT.md alone.

It imports nothing of nbtrack, so that it can say whether nbtrack and its description
agree: json, zlib and a Parquet library are all that FORMAT.md says a reader needs. It
is slow and plain on purpose. Each function names the section that it was written from.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

_LOG = re.compile(r"(?P<stem>(?P<writer>.+?)(\.(?P<segment>[1-9]\d*))?)\.jsonl")
_PART = re.compile(
    r"(?P<stem>.+)-(?P<first>\d+)-(?P<last>\d+)(\.(?P<crc>[0-9a-f]{1,8}))?\.parquet"
)


class Line(NamedTuple):
    """One line of a journal whose checksum holds."""

    seq: int
    us: int
    place: int | str
    data: dict[str, Any]


class Row(NamedTuple):
    """All that one writer logged at one step."""

    step: int
    writer: str
    runtime_s: float
    data: dict[str, Any]


@dataclass
class PlainRun:
    """What a run's directory holds, damage left out."""

    document: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    others: list[tuple[str, Line]] = field(default_factory=list)
    openings: dict[str, dict[str, Any]] = field(default_factory=dict)
    damaged_lines: int = 0
    damaged_parts: list[str] = field(default_factory=list)

    def as_mappings(self) -> list[dict[str, Any]]:
        """Give the rows with the columns that readers add; section "Rows"."""
        has_labels = any(self.label_of(writer) for writer in self.openings)
        mappings = []
        for row in self.rows:
            opening = self.openings.get(row.writer, {})
            added: dict[str, Any] = {"_step": row.step, "_runtime": row.runtime_s}
            added["_timestamp"] = opening.get("t0", math.nan) + row.runtime_s
            if has_labels:
                added["_label"] = self.label_of(row.writer) or "main"
            mappings.append(added | row.data)
        return mappings

    def label_of(self, writer: str) -> str | None:
        """Give a writer's label, if it has one."""
        label: str | None = self.openings.get(writer, {}).get("label")
        return label


def read_run(directory: Path) -> PlainRun:
    """Read one run's directory; sections "run.json", "The journal" and "Parts"."""
    run = PlainRun(json.loads((directory / "run.json").read_text("utf-8")))
    logged: dict[str, list[Line]] = {}  # by segment; read before the parts are listed
    for path in _files(directory / "log"):
        if match := _LOG.fullmatch(path.name):
            logged[match["stem"]], damaged = read_log(path)
            run.damaged_lines += damaged
    pieces: dict[str, list[Line]] = {}
    ranges: dict[str, list[tuple[int, int]]] = {}
    for path in _files(directory / "history"):
        if match := _PART.fullmatch(path.name):
            try:
                lines = read_part(path, match["crc"])
            except (OSError, pa.ArrowException):
                run.damaged_parts.append(path.name)
                continue
            pieces.setdefault(writer_of(match["stem"]), []).extend(lines)
            held = (int(match["first"]), int(match["last"]))
            ranges.setdefault(match["stem"], []).append(held)
    for stem, lines in logged.items():
        _sort_out(run, writer_of(stem), lines)
        own = pieces.setdefault(writer_of(stem), [])
        own += [
            line
            for line in lines
            if isinstance(line.place, int)
            if not any(low <= line.seq <= high for low, high in ranges.get(stem, []))
        ]
    rows: dict[tuple[int, str | None], Row] = {}
    for writer in sorted(pieces):
        label = run.label_of(writer)
        for row in _merged(writer, pieces[writer]):
            earlier = rows.get((row.step, label))  # of another session of one stream
            data = row.data if earlier is None else earlier.data | row.data
            rows[row.step, label] = row._replace(data=data)
    run.rows = sorted(rows.values(), key=lambda row: (row.step, row.writer))
    return run


def _sort_out(run: PlainRun, writer: str, lines: list[Line]) -> None:
    """Keep the records that are no rows."""
    for line in lines:
        if isinstance(line.place, str):
            run.others.append((writer, line))
            if line.place == "open":
                run.openings.setdefault(writer, line.data)


def writer_of(stem: str) -> str:
    """Give the writer of a segment."""
    match = _LOG.fullmatch(f"{stem}.jsonl")
    return match["writer"] if match else stem


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.is_symlink())


def read_log(path: Path) -> tuple[list[Line], int]:
    """Give a log's whole lines, and how many damaged ones there are."""
    try:
        *ended, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:  # moved into parts since it was listed
        return [], 0
    lines = [line for line in ended if line]
    read = [line for line in map(read_line, lines) if line is not None]
    return read, len(lines) - len(read)


def read_line(line: bytes) -> Line | None:
    """Read one line without its newline; None is damage. Section "The journal"."""
    body, mark, seal = line.rpartition(b',"')
    if not mark or seal != b'%x"]' % crc32(body):
        return None
    seq, us, place, data, *rest = json.loads(line)
    if len(rest) > 1:
        data |= {key: json.loads(text) for key, text in rest[0].items()}
    return Line(seq, us, place, data)


def read_part(path: Path, crc: str | None) -> list[Line]:
    """Give a part's rows; section "Parts".

    Raises
    ------
    OSError, pyarrow.ArrowException
        It is damaged.
    """
    content = path.read_bytes()
    if crc is not None and int(crc, 16) != crc32(content):
        raise OSError(path)
    table = pq.read_table(pa.BufferReader(content))
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    for column in table.schema:
        tags = column.metadata or {}
        if tags.get(b"nbtrack.role") == b"number":
            kind = {b"int": int, b"bool": bool}.get(tags[b"nbtrack.kind"], float)
            for row, number in zip(rows, columns[column.name], strict=True):
                if number is not None:
                    row[tags[b"nbtrack.key"].decode()] = _cast(number, kind)
    for column in table.schema:  # text wins
        tags = column.metadata or {}
        if tags.get(b"nbtrack.role") == b"text":
            for row, text in zip(rows, columns[column.name], strict=True):
                if text is not None:
                    row[tags[b"nbtrack.key"].decode()] = json.loads(text)
    own = zip(columns["_seq"], columns["_us"], columns["_step"], rows, strict=True)
    return [Line(*row) for row in own]


def _cast(number: float, kind: type) -> Any:
    """Give a double as what was logged; an integer beyond all doubles has its text."""
    return kind(number) if number - number == 0 else number


def _merged(writer: str, lines: list[Line]) -> list[Row]:
    """Merge the lines of one step; the higher sequence number wins."""
    by_step: dict[int, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line.seq):
        by_step.setdefault(int(line.place), []).append(line)
    rows = []
    for step, same in by_step.items():
        data: dict[str, Any] = {}
        for line in same:
            data |= line.data
        rows.append(Row(step, writer, same[-1].us / 1e6, data))
    return rows
