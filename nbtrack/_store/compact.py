"""Moving rows out of the logs into Parquet, where they are read ten times as fast.

One log at a time, and in this order, so that a crash at any point loses nothing and
shows nothing twice: the part is written under a temporary name, flushed, read back and
compared, renamed, its directory flushed; only then is the log replaced by its lines
that are no rows. Where part and log both have a row, readers take the part's. Whoever
comes next, this process or any other, goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

from nbtrack._store.alive import perhaps_writing
from nbtrack._store.block import join
from nbtrack._store.bulk import decode_lines
from nbtrack._store.columns import OWN, metrics, to_arrow
from nbtrack._store.documents import replace_file, sync_directory
from nbtrack._store.logfile import LogFile
from nbtrack._store.parts import read_table, without
from nbtrack._store.rundir import FORMAT
from nbtrack._store.segments import list_logs, list_parts
from nbtrack.errors import HistorySizeError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from nbtrack._store.block import Block
    from nbtrack._store.rundir import RunDir
    from nbtrack._store.segments import Segment

_ROW_GROUP: Final = 128 * 1024
#: Parquet keeps a kilobyte of its own for each column.
_MOST_KEYS: Final = 4096
_STALE_S: Final = 3600  # no compaction of one log takes as long, nor a large array
_PART_ROWS: Final = 2**20  # of a log that was never closed at a size


def compact(run: RunDir, *, own: str | None = None) -> None:
    """Move the rows of a run's logs into Parquet, those of living writers aside.

    Parameters
    ----------
    own
        The caller's own writer, which has closed its log.

    Raises
    ------
    StorageError
        A part could not be written or does not read back; its log is untouched then.
    """
    _sweep(run)
    written = perhaps_writing(run) - {own}
    for segment in list_logs(run):
        if segment.writer not in written:
            compact_log(run, segment)


def _sweep(run: RunDir) -> None:
    """Remove files that a process was killed over before they had their names."""
    folders = [f for f in (run.history, run.path / "media") if not f.is_symlink()]
    for path in (path for folder in folders for path in folder.glob(".*.tmp")):
        with contextlib.suppress(OSError):  # somebody else was quicker
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()


def compact_log(run: RunDir, segment: Segment) -> LogFile | None:
    """Move one log's rows into parts, then trim it.

    The lines that stay are copied as they are, damaged ones too: they are evidence.

    Returns
    -------
    LogFile or None
        The file that was replaced, read as far as its rows were moved, or None if it
        stays: what a ``write`` that was on its way still brings into it would be lost.

    Raises
    ------
    StorageError
        As ``compact``.
    """
    path = run.log / segment.log_name
    try:
        file = LogFile(path)
    except OSError:
        return None  # its rows are in parts already, or nobody can read it
    parts = [p for p in list_parts(run, segment) if read_table(p, ()) is not None]
    rest: list[bytes] = []
    blocks: list[Block] = []
    has_rows = False
    try:
        for chunk in file.chunks():
            decoded = decode_lines(chunk, segment.writer)
            rest += decoded.rest
            has_rows = has_rows or len(decoded.rows) > 0
            blocks.append(without(decoded.rows, parts))
        if has_rows:
            _move_all(run, segment, join(blocks))
    except HistorySizeError:
        return None  # a log says sparse rows better than a table
    if not has_rows:
        return None
    # Whole lines that came meanwhile are for the caller to save; see above.
    torn = file.tail().rpartition(b"\n")[2]
    rest += [torn] if torn else []
    replace_file(path, b"".join(line + b"\n" for line in rest))
    return file


def _move_all(run: RunDir, segment: Segment, rows: Block) -> None:
    """Move rows in order, so that no part's range of numbers has rows of another."""
    for first in range(0, len(rows), _PART_ROWS):
        _move(run, segment, rows.part(first, first + _PART_ROWS))


def _move(run: RunDir, segment: Segment, rows: Block) -> None:
    first, last = int(rows.seqs[0]), int(rows.seqs[-1])
    if len(rows.columns) > _MOST_KEYS:
        raise HistorySizeError(len(rows), len(rows.columns))
    table = to_arrow([rows])
    run.history.mkdir(exist_ok=True)
    stem = run.history / f"{segment.stem}-{first}-{last}"
    _write_part(stem, table, run.run_id, segment.writer)


def _write_part(stem: Path, table: pa.Table, run_id: str, writer: str) -> None:
    """Write, make durable, read back, rename."""
    metadata = {
        b"nbtrack.format": str(FORMAT).encode(),
        b"nbtrack.run": run_id.encode(),
        b"nbtrack.writer": writer.encode(),
    }
    table = table.replace_schema_metadata(metadata)
    numbers = [m.number for m in metrics(table.schema)]
    texts = [m.text for m in metrics(table.schema) if m.text]
    # Another process may be compacting the same log at this moment.
    temporary = stem.with_name(f".{stem.name}.{os.urandom(4).hex()}.tmp")
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
        content = temporary.read_bytes()
        if not _is_same(content, table):
            msg = f"{stem} did not read back as it was written; the log is kept."
            raise StorageError(msg)
        temporary.replace(stem.with_name(f"{stem.name}.{crc32(content):08x}.parquet"))
        sync_directory(stem.parent)
    except (OSError, pa.ArrowException) as error:
        msg = f"{stem}.parquet cannot be written, so the log is kept: {error}"
        raise StorageError(msg) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _is_same(content: bytes, table: pa.Table) -> bool:
    """Compare a part with what it should hold, NaN equal to NaN."""
    found = pq.read_table(pa.BufferReader(content))
    if found.schema.names != table.schema.names or found.num_rows != table.num_rows:
        return False
    pairs = zip(table.columns, found.columns, strict=True)
    return all(_are_same(ours, theirs) for ours, theirs in pairs)


def _are_same(ours: Any, theirs: Any) -> bool:
    left, right = ours.combine_chunks(), theirs.combine_chunks()
    if left.null_count != right.null_count:
        return False
    if left.type == pa.float64():
        values = (
            array.fill_null(0).to_numpy(zero_copy_only=False) for array in (left, right)
        )
        return bool(next(values).tobytes() == next(values).tobytes())
    return bool(left.equals(right))
