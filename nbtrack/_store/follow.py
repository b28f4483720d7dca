"""Following a run: the one way in which anybody reads what was logged, as it comes.

A ``Tail`` remembers how far it has read and gives only what came since, in batches:
lists of records, or blocks of rows where there are very many. It neither knows nor
cares whether the writer is this kernel, another process, or long dead, and whether
rows still lie in a log or were moved to Parquet parts.

A writer's log is a row of files, its segments. While the run goes on, a segment that
is full is compacted: its rows move to a part, and the file is replaced by the lines
that are no rows. A cursor keeps the file that it reads open, so it can read on to the
end of what it began, replaced or not. A segment that it meets for the first time it
opens *before* it looks for parts: whatever was trimmed by then is in a part by then.

Damage is data, too: torn, flipped, NUL-filled and foreign lines are passed over and
counted, and everything around them is read.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nbtrack._store.lines import decode
from nbtrack._store.logfile import LogFile
from nbtrack._store.segments import list_logs, list_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbtrack._store.block import Block
    from nbtrack._store.lines import Record
    from nbtrack._store.rundir import RunDir
    from nbtrack._store.segments import Part, Segment

    #: What readers are given: rows as columns, or records of any kind one by one.
    Batch = Block | list[Record]

#: So many bytes at once are decoded in bulk, if the caller allows that. It needs
#: numpy and pyarrow, which nobody should import for a few lines.
BULK: Final = 2**20
#: Lines may stand out of order by a few, and a line may be there twice in a row.
_REMEMBERED: Final = 1024


class LogCursor:
    """How far one segment has been read, in its log or in its parts."""

    def __init__(self, run: RunDir, segment: Segment) -> None:
        self.segment = segment
        self.path = run.log / segment.log_name
        self._run = run
        self._file: LogFile | None = None
        self._parts: list[Part] = []
        self._damaged_lines = 0  # of files that were replaced
        self._newest = -1  # largest sequence number given
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        self._before = -1  # the same, of the file that was there before

    @property
    def damaged_lines(self) -> int:
        """Lines that are no whole record of ours."""
        return self._damaged_lines + (self._file.damaged_lines if self._file else 0)

    def poll(self, *, in_bulk: bool = True) -> Iterator[Batch]:
        """Give what was appended since the last call."""
        if self._file is None or self._is_replaced():
            yield from self._begin()
        if self._file is not None:
            yield from self._read(self._file, in_bulk=in_bulk)

    def close(self) -> None:
        """Let go of the file; a later poll opens it again and gives what is new."""
        if self._file is not None:
            self._damaged_lines += self._file.damaged_lines
            self._file = None
            self._before = self._newest
            self._recent.clear()

    def _is_replaced(self) -> bool:
        """Say whether another file has the log's name, and ours is read to its end."""
        if self._file is None or self._file.unread > 0:
            return False
        try:
            stat = self.path.stat(follow_symlinks=False)
        except OSError:
            return False  # removed: there may be a new one some day
        return (stat.st_dev, stat.st_ino) != self._file.identity or (
            self._file.unread < 0
        )

    def _begin(self) -> Iterator[Batch]:
        """Open the log, and give first what lies in parts and was not given yet."""
        self.close()  # what is left in the other file was given already
        # Perhaps only its parts are there; if it is worse, ``read_history`` says so.
        with suppress(OSError):
            self._file = LogFile(self.path)
        known = {part.path for part in self._parts}
        parts = [p for p in list_parts(self._run, self.segment) if p.path not in known]
        unread = [part for part in parts if part.last_seq > self._newest]
        self._parts += [part for part in parts if part not in unread]
        if unread:
            yield from self._with_parts(unread)

    def _with_parts(self, parts: list[Part]) -> Iterator[Batch]:
        """Give a segment that was compacted, wholly or in part."""
        from nbtrack._store.block import BlockBuilder, interleave, join
        from nbtrack._store.parts import read_part

        blocks: list[Block] = []
        for part in parts:
            block = read_part(part)
            if block is not None:  # else it is damage, of which read_history tells
                # Two parts of one log may have numbers that interleave.
                new = block.where(block.seqs > self._before)
                blocks.append(self._remembered(new))
                self._parts.append(part)
        records: list[Record] = []
        if self._file is not None:
            for batch in self._read(self._file, in_bulk=True):
                if isinstance(batch, list):
                    records += batch
                else:
                    blocks.append(batch)
        loose = BlockBuilder(self.segment.writer)
        for record in records:
            if record.kind == "row":
                loose.add_record(record)
        blocks.append(loose.build())
        others = [r for r in records if r.kind != "row"]
        yield from interleave(join(blocks), others)

    def _read(self, file: LogFile, *, in_bulk: bool) -> Iterator[Batch]:
        in_bulk = in_bulk and file.unread >= BULK
        for chunk in file.chunks():
            if in_bulk:
                yield from self._bulk(file, chunk)
            else:
                yield list(self._records(file, chunk))

    def _records(self, file: LogFile, chunk: bytes) -> Iterator[Record]:
        for line in chunk.split(b"\n"):
            record = decode(line, self.segment.writer)
            if record is None:
                file.damaged_lines += bool(line)
            elif self._is_new(record):
                yield record

    def _is_new(self, record: Record) -> bool:
        """Say whether a record was not given yet, and remember it."""
        seq = record.seq
        if seq <= self._newest:
            if seq <= self._before or seq in self._recent:
                return False
            if record.kind == "row" and any(p.covers(seq) for p in self._parts):
                return False
        else:
            self._newest = seq
        self._recent.append(seq)
        return True

    def _bulk(self, file: LogFile, chunk: bytes) -> Iterator[Batch]:
        from nbtrack._store.block import interleave
        from nbtrack._store.bulk import decode_lines

        decoded = decode_lines(chunk, self.segment.writer)
        file.damaged_lines += decoded.damaged_lines
        # Before the rows, which may bring numbers that are newer than theirs.
        others = [record for record in decoded.others if self._is_new(record)]
        yield from interleave(self._new_rows(decoded.rows), others)

    def _new_rows(self, block: Block) -> Block:
        import numpy as np

        if len(block) and block.seqs[0] <= self._newest:
            is_known = block.seqs <= self._before
            is_known |= np.isin(block.seqs, list(self._recent))
            for part in self._parts:
                is_known |= part.covers(block.seqs)
            block = block.where(~is_known)
        return self._remembered(block)

    def _remembered(self, block: Block) -> Block:
        if len(block):
            self._newest = max(self._newest, int(block.seqs[-1]))
            self._recent.extend(block.seqs[-_REMEMBERED:].tolist())
        return block


class Tail:
    """Every log of one run, followed together.

    Parameters
    ----------
    run
        Its directory need not exist yet.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._cursors: dict[Segment, LogCursor] = {}
        self._open: list[Segment] = []  # that may still grow, or are not read yet
        self._succeeded: list[Segment] = []  # that had a successor at the last poll

    def poll(self, *, in_bulk: bool = True) -> Iterator[Batch]:
        """Give what all writers appended since the last call, writer by writer.

        Parameters
        ----------
        in_bulk
            Decode much at once, which is ten times as fast and imports pyarrow.
        """
        self._discover()
        for segment in list(self._open):
            yield from self._cursors[segment].poll(in_bulk=in_bulk)
        self._let_go()

    def _discover(self) -> None:
        for segment in list_logs(self._run):
            if segment not in self._cursors:
                self._cursors[segment] = LogCursor(self._run, segment)
                self._open.append(segment)
        self._open.sort()

    def _let_go(self) -> None:
        """Close segments that had a successor already when they were polled."""
        for segment in self._succeeded:
            self._cursors[segment].close()
            self._open.remove(segment)
        newest = {segment.writer: segment for segment in self._open}
        self._succeeded = [s for s in self._open if newest[s.writer] != s]

    def close(self) -> None:
        """Let go of all files."""
        for cursor in self._cursors.values():
            cursor.close()

    @property
    def damaged_lines(self) -> int:
        """Lines that are no whole record of ours, over all writers."""
        return sum(cursor.damaged_lines for cursor in self._cursors.values())
