"""Compacted history: immutable Parquet parts, and the one reader of both forms.

A part is named ``<writer>-<first seq>-<last seq>.parquet`` and holds all rows of its
writer within that range. Compaction writes it under a temporary name, makes it durable,
renames it, reads it back, and only then trims the log to its other records. Whatever
step it dies at, the reader gives the same rows: log lines within the range of a
readable part are skipped, and a part that cannot be read hides nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from nbtrack._store.alive import is_alive
from nbtrack._store.columns import MISSING, OWN, RowTable, metrics, values
from nbtrack._store.documents import replace_file, sync_directory
from nbtrack._store.follow import LogCursor, Tail
from nbtrack._store.lines import Record, decode
from nbtrack._store.rundir import FORMAT
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nbtrack._store.rundir import RunDir

_NAME: Final = re.compile(r"(?P<writer>.+)-(?P<first>\d+)-(?P<last>\d+)\.parquet")
_ROW_GROUP: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of one writer's rows ``first_seq`` to ``last_seq``."""

    path: Path
    writer: str
    first_seq: int
    last_seq: int

    def covers(self, record: Record) -> bool:
        """Say whether this part holds that row of the journal."""
        return self.first_seq <= record.seq <= self.last_seq


@dataclass(slots=True)
class History:
    """All rows of one run and what could not be read.

    Attributes
    ----------
    pieces
        Tables in order of writers and steps; columns ``_seq _step _us`` and metrics.
    others
        Every journal record that is no row, in order of writers and sequence.
    openings
        Writer → its "open" record: ``t0`` is the Unix time of run time zero.
    """

    pieces: list[tuple[str, pa.Table]] = field(default_factory=list)
    others: list[Record] = field(default_factory=list)
    openings: dict[str, dict[str, Any]] = field(default_factory=dict)
    damaged_lines: int = 0
    damaged_parts: list[str] = field(default_factory=list)


def list_parts(run: RunDir) -> list[Part]:
    """List a run's parts by writer and range; foreign files are passed over."""
    try:
        paths = sorted(run.history.iterdir())
    except OSError:
        return []
    found = []
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match and path.is_file() and not path.is_symlink():
            first, last = int(match["first"]), int(match["last"])
            found.append(Part(path, match["writer"], first, last))
    return sorted(found, key=lambda part: (part.writer, part.first_seq))


def read_history(run: RunDir, keys: Sequence[str] | None = None) -> History:
    """Read all rows of a run, from parts and logs together.

    Parameters
    ----------
    keys
        Read only these metrics from the parts.
    """
    history = History()
    tail = Tail(run.log)
    records = list(tail.poll())
    history.damaged_lines = tail.damaged_lines
    by_writer: dict[str, list[pa.Table]] = {}
    parts: dict[str, list[Part]] = {}
    for part in list_parts(run):
        try:
            table = _read_part(part.path, keys)
        except (OSError, pa.ArrowException):
            history.damaged_parts.append(part.path.name)
            continue
        by_writer.setdefault(part.writer, []).append(table)
        parts.setdefault(part.writer, []).append(part)
    open_rows: dict[str, RowTable] = {}
    for record in records:
        if record.kind != "row":
            history.others.append(record)
            if record.kind == "open" and isinstance(record.data.get("t0"), float):
                history.openings[record.writer] = record.data
        elif not any(part.covers(record) for part in parts.get(record.writer, ())):
            open_rows.setdefault(record.writer, RowTable()).feed(record)
    for writer, rows in open_rows.items():
        by_writer.setdefault(writer, []).append(rows.to_arrow())
    for writer in sorted(by_writer):
        for table in by_writer[writer]:
            history.pieces.append((writer, table))
    return history


def _read_part(path: Path, keys: Sequence[str] | None) -> pa.Table:
    if keys is None:
        return pq.read_table(path, memory_map=False)
    file = pq.ParquetFile(path)
    wanted = [m for m in metrics(file.schema_arrow) if m.key in set(keys)]
    names = [name for m in wanted for name in (m.number, m.text) if name]
    return file.read(columns=[*OWN, *names])


def table_records(writer: str, table: pa.Table) -> Iterator[Record]:
    """Give a table's rows as the records they were, merged by step."""
    own = [table.column(name).to_pylist() for name in OWN]
    keyed = [(m.key, values(table, m)) for m in metrics(table.schema)]
    for row, (seq, step, us) in enumerate(zip(*own, strict=True)):
        data = {k: column[row] for k, column in keyed if column[row] is not MISSING}
        yield Record(writer, seq, us, "row", step, data)


def compact(run: RunDir) -> None:
    """Move the rows of a run's logs into Parquet, those of living writers aside.

    The caller has closed its own log. A forked child may still be writing one.

    Raises
    ------
    StorageError
        A part could not be written or does not read back; the logs are untouched then.
    """
    run.history.mkdir(exist_ok=True)
    for path in sorted(run.log.glob("*.jsonl")):
        if path.is_file() and not path.is_symlink() and not _is_written(run, path):
            _compact_log(run, path)


def _is_written(run: RunDir, log: Path) -> bool:
    """Say whether another process that lives has this log open."""
    opening = next((r for r in LogCursor(log).poll() if r.kind == "open"), None)
    if opening is None or opening.data.get("pid") == os.getpid():
        return False
    return is_alive(run, opening.data)


def _compact_log(run: RunDir, log: Path) -> None:
    """Move one writer's rows into a part of its own, then trim its log.

    The lines that stay are copied as they are, damaged ones too: they are evidence.
    """
    writer = log.name.removesuffix(".jsonl")
    parts = [p for p in list_parts(run) if p.writer == writer and _is_readable(p)]
    records: list[Record] = []
    kept: list[bytes] = []
    moved_before = 0
    for line in log.read_bytes().split(b"\n"):
        record = decode(line, writer)
        if record is None or record.kind != "row":
            kept += [line] if line else []
        elif any(part.covers(record) for part in parts):
            moved_before += 1  # and the log was not trimmed any more
        else:
            records.append(record)
    if records:
        _move(run, writer, records)
    if records or moved_before:
        replace_file(log, b"\n".join([*kept, b""]))


def _move(run: RunDir, writer: str, records: list[Record]) -> None:
    records.sort(key=lambda record: record.seq)
    rows = RowTable()
    for record in records:
        rows.feed(record)
    name = f"{writer}-{records[0].seq}-{records[-1].seq}.parquet"
    _write_part(run.history / name, rows.to_arrow(), run.run_id, writer)


def _is_readable(part: Part) -> bool:
    try:
        pq.read_metadata(part.path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _write_part(path: Path, table: pa.Table, run_id: str, writer: str) -> None:
    """Write, make durable, rename, read back."""
    metadata = {
        b"nbtrack.format": str(FORMAT).encode(),
        b"nbtrack.run": run_id.encode(),
        b"nbtrack.writer": writer.encode(),
    }
    table = table.replace_schema_metadata(metadata)
    numbers = [m.number for m in metrics(table.schema)]
    texts = [m.text for m in metrics(table.schema) if m.text]
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(
                table,
                file,
                row_group_size=_ROW_GROUP,
                compression="zstd",
                use_dictionary=texts,
                use_byte_stream_split=numbers,
                column_encoding=dict.fromkeys(OWN, "DELTA_BINARY_PACKED"),
            )
            file.flush()
            os.fsync(file.fileno())
        if _same(temporary, table):
            temporary.replace(path)
        else:
            msg = f"{path} did not read back as it was written; the log is kept."
            raise StorageError(msg)
        sync_directory(path.parent)
    except (OSError, pa.ArrowException) as error:
        msg = f"{path} cannot be written, so the log is kept: {error}"
        raise StorageError(msg) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _same(path: Path, table: pa.Table) -> bool:
    """Compare a part with what it should hold, NaN equal to NaN."""
    found = pq.read_table(path)
    if found.schema.names != table.schema.names or found.num_rows != table.num_rows:
        return False
    for ours, theirs in zip(table.columns, found.columns, strict=True):
        left, right = ours.combine_chunks(), theirs.combine_chunks()
        if left.null_count != right.null_count:
            return False
        if left.type == pa.float64():
            same = left.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
            if same != right.fill_null(0).to_numpy(zero_copy_only=False).tobytes():
                return False
        elif not left.equals(right):
            return False
    return True
