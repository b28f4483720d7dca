"""Reading all of a run's rows at once: closed segments from Parquet, open from logs.

The logs are read before the parts are listed. A segment that is compacted meanwhile is
then either read from its log, whole, or found as a part; never neither. Found as both,
the part counts.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nbtrack._store.block import Block, join, settle
from nbtrack._store.bulk import decode_lines
from nbtrack._store.columns import (
    OWN,
    concat,
    holds_together,
    is_part,
    metrics,
    to_arrow,
    to_block,
)
from nbtrack._store.documents import open_regular
from nbtrack._store.logfile import LogFile
from nbtrack._store.segments import Part, Segment, list_logs, list_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nbtrack._store.bulk import Decoded
    from nbtrack._store.lines import Record
    from nbtrack._store.rundir import RunDir

#: Some rows of one writer: of a part as Arrow gave them, of a log as they are.
Piece: TypeAlias = "Block | pa.Table"

_WORKERS: Final = min(4, os.cpu_count() or 1)
_BLOCK: Final = 2**18
_MUCH: Final = 4 * 2**20  # bytes that are worth starting threads for


@dataclass(slots=True)
class History:
    """All rows of one run and what could not be read.

    Attributes
    ----------
    pieces
        Writer → its rows, segment after segment.
    others
        Every journal record that is no row, in order of writers and sequence.
    openings
        Writer → its "open" record: ``t0`` is the Unix time of run time zero.
    damage
        What could not be read, a line each.
    """

    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    others: list[Record] = field(default_factory=list)
    openings: dict[str, dict[str, Any]] = field(default_factory=dict)
    damaged_lines: int = 0
    damage: list[str] = field(default_factory=list)

    def keep(self, keys: Sequence[str]) -> None:
        """Forget all other metrics, before a table of them is made."""
        for pieces in self.pieces.values():
            for piece in pieces:
                if isinstance(piece, Block):
                    piece.columns = {
                        k: v for k, v in piece.columns.items() if k in set(keys)
                    }

    def keys(self) -> list[str]:
        """List the metrics, in order of first appearance."""
        keys: dict[str, None] = {}
        for pieces in self.pieces.values():
            for piece in pieces:
                if isinstance(piece, Block):
                    keys.update(dict.fromkeys(piece.columns))
                else:
                    keys.update({metric.key: None for metric in metrics(piece.schema)})
        return list(keys)

    def reached(self, label: str | None = None) -> tuple[int, int]:
        """Give the last step and microsecond, of all or of the writers of a label.

        -1 and 0 where there is none.
        """
        steps, times = [-1], [0]
        ours = [
            writer
            for writer in {*self.openings, *self.pieces}
            if label is None or self.openings.get(writer, {}).get("label") == label
        ]
        times += [record.us for record in self.others if record.writer in ours]
        for writer in ours:
            for piece in self.pieces.get(writer, ()):
                steps += _ends(piece, "steps", "_step")
                times += _ends(piece, "us", "_us")
        return max(steps), max(times)

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Give each writer's rows as one table, by step; see ``columns.to_arrow``.

        No step is in two tables of writers of one label.
        """
        for writers in self._streams():
            spans = [_steps_of(self.pieces[writer]) for writer in writers]
            if _are_apart(spans):
                yield from ((w, _table(w, self.pieces[w])) for w in writers)
            else:
                settled = settle([self._block(writer) for writer in writers])
                yield from ((b.writer, to_arrow([b])) for b in settled if len(b))

    def blocks(self) -> Iterator[Block]:
        """Give all rows, writer by writer, in order of sequence numbers."""
        for writers in self._streams():
            yield from settle([self._block(writer) for writer in writers])

    def rows(self) -> Iterator[Record]:
        """Give each row by itself, exactly, in order of steps and then of writers."""
        streams = [_rows(block) for block in self.blocks()]
        yield from heapq.merge(*streams, key=lambda row: (row.step or 0, row.writer))

    def _streams(self) -> list[list[str]]:
        """Give writers by label: those of one are sessions of the same stream."""
        streams: dict[str, list[str]] = {}
        for writer in self.pieces:
            label = str(self.openings.get(writer, {}).get("label") or "")
            streams.setdefault(label, []).append(writer)
        return list(streams.values())

    def _block(self, writer: str) -> Block:
        return join([_as_block(writer, piece) for piece in self.pieces[writer]])


def _rows(block: Block) -> Iterator[Record]:
    if (np.diff(block.steps) < 0).any():
        block = block.sorted_by(np.lexsort((block.seqs, block.steps)))
    for _, lines in groupby(block.records(), key=attrgetter("step")):
        yield _merged(list(lines))


def _merged(lines: Sequence[Record]) -> Record:
    """Make one row of the lines of one step; later values win."""
    data: dict[str, Any] = {}
    for line in lines:
        data.update(line.data)
    return lines[-1]._replace(data=data)


def read_history(run: RunDir, keys: Sequence[str] | None = None) -> History:
    """Read all rows of a run, from parts and logs together.

    Parameters
    ----------
    keys
        Read only these metrics from the parts. What is read of logs has all.
    """
    history = History()
    logs = {segment: _read_log(run, segment, history) for segment in list_logs(run)}
    parts = {
        segment: list(group)
        for segment, group in groupby(list_parts(run), key=attrgetter("segment"))
    }
    for segment in sorted({*logs, *parts}):
        pieces = history.pieces.setdefault(segment.writer, [])
        good = []
        for part in parts.get(segment, ()):
            table = read_table(part, keys)
            if table is None:
                history.damage.append(f"history/{part.path.name} cannot be read")
            else:
                good.append(part)
                pieces.append(table)
        for block in logs.get(segment, ()):
            left = without(block, good)
            if len(left):
                pieces.append(left)
        if not pieces:
            del history.pieces[segment.writer]
    history.others.sort(key=attrgetter("writer", "seq"))
    return history


def _read_log(run: RunDir, segment: Segment, history: History) -> list[Block]:
    """Read one log; its records that are no rows, and damage, go to the history."""
    try:
        file = LogFile(run.log / segment.log_name)
    except FileNotFoundError:
        return []  # only its parts are there
    except OSError as error:
        history.damage.append(f"log/{segment.log_name} cannot be read: {error}")
        return []
    blocks = []
    for decoded in decode_file(file, segment.writer):
        history.damaged_lines += decoded.damaged_lines
        blocks.append(decoded.rows)
        for record in decoded.others:
            history.others.append(record)
            if record.kind == "open" and isinstance(record.data.get("t0"), float):
                history.openings.setdefault(segment.writer, record.data)
    history.damaged_lines += file.damaged_lines
    return blocks


def decode_file(file: LogFile, writer: str) -> Iterator[Decoded]:
    """Decode a log in pieces, on several cores: numpy and Arrow work in parallel."""
    chunks = file.chunks()
    if file.unread < _MUCH:
        for chunk in chunks:
            yield decode_lines(chunk, writer)
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        running: deque[Any] = deque()
        for chunk in chunks:
            running.append(pool.submit(decode_lines, chunk, writer))
            if len(running) > _WORKERS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def without(block: Block, parts: Sequence[Part]) -> Block:
    """Give the rows of a log that are in none of its segment's parts."""
    for part in parts:
        is_covered = part.covers(block.seqs)
        if is_covered.any():
            block = block.where(~is_covered)
    return block


def read_table(part: Part, keys: Sequence[str] | None = None) -> pa.Table | None:
    """Read a part, or some of its metrics; None when it is damaged."""
    try:
        if not _is_intact(part):
            return None
        found = pq.ParquetFile(part.path)  # closed when it is let go of
        if not is_part(found.schema_arrow):
            return None
        if keys is None:
            table = found.read()
        else:
            wanted = [m for m in metrics(found.schema_arrow) if m.key in set(keys)]
            names = [name for m in wanted for name in (m.number, m.text) if name]
            table = found.read(columns=[*OWN, *names])
    except (OSError, pa.ArrowException):
        return None
    return table if holds_together(table) else None


#: Parts whose checksums held, as they were then. Only their bytes on disk could change.
_intact: set[tuple[Path, int, int, int]] = set()


def _is_intact(part: Part) -> bool:
    """Say whether a part is a file with the checksum in its name; look once."""
    with open_regular(part.path) as file:
        stat = os.fstat(file.fileno())
        known = (part.path, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if part.checksum is None or known in _intact:
            return True
        checksum = 0
        while block := file.read(_BLOCK):
            checksum = crc32(block, checksum)
        if checksum != part.checksum:
            return False
    _intact.add(known)
    return True


def read_part(part: Part) -> Block | None:
    """Read a part as a block; None when it is damaged."""
    table = read_table(part)
    return None if table is None else to_block(table, part.segment.writer)


def _as_block(writer: str, piece: Piece) -> Block:
    return piece if isinstance(piece, Block) else to_block(piece, writer)


def _table(writer: str, pieces: Sequence[Piece]) -> pa.Table:
    """Make one table of a writer's rows, by step."""
    if _are_apart([_ends(piece, "steps", "_step") for piece in pieces]):
        return concat([p if isinstance(p, pa.Table) else to_arrow([p]) for p in pieces])
    return to_arrow([_as_block(writer, piece) for piece in pieces])


def _steps_of(pieces: Sequence[Piece]) -> list[int]:
    """Give the lowest and the highest step of pieces, if they have rows."""
    ends = [end for piece in pieces for end in _ends(piece, "steps", "_step")]
    return [min(ends), max(ends)] if ends else []


def _are_apart(spans: Sequence[list[int]]) -> bool:
    """Say whether spans follow each other without touching."""
    known = [span for span in spans if span]
    return all(before[1] < after[0] for before, after in pairwise(known))


def _ends(piece: Piece, name: str, column: str) -> list[int]:
    """Give the lowest and the highest of a piece's steps or times, if it has rows."""
    if isinstance(piece, Block):
        values = getattr(piece, name)
    else:
        values = piece.column(column).to_numpy()
    return [int(values.min()), int(values.max())] if len(values) else []
