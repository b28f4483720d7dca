"""Rows of one writer as columns: what bulk readers pass on instead of records.

A block is to a list of records what a table is to a list of mappings: the same rows,
in order of their sequence numbers, each number once. A key has values in some of the
rows only, so its column is sparse: positions of rows, and a number for each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nbtrack._store.lines import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Positions = NDArray[np.int64]
    Numbers = NDArray[np.float64]

#: Integers beyond it are not all doubles.
EXACT: Final = 2**53


class Code(IntEnum):
    """What one value of a column is; OTHER has no number, only text."""

    FLOAT = 0
    INT = 1
    BOOL = 2
    OTHER = 3


@dataclass(slots=True)
class Values:
    """The values of one key in a block.

    Attributes
    ----------
    rows
        Positions of rows in the block, rising, each once.
    numbers
        Their doubles; NaN where there is only text.
    codes
        A ``Code`` for each.
    texts
        Index into ``rows`` → the exact value as JSON, where a double cannot say it.
    """

    rows: Positions
    numbers: Numbers
    codes: NDArray[np.int8]
    texts: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def exactly(self) -> list[Any]:
        """Give the values as they were logged."""
        values: list[Any] = self.numbers.tolist()
        for at in np.flatnonzero(self.codes != Code.FLOAT).tolist():
            code = self.codes[at]
            if code != Code.OTHER and at not in self.texts:
                values[at] = (int if code == Code.INT else bool)(values[at])
        for at, text in self.texts.items():
            values[at] = json.loads(text)
        return values

    def at(self, chosen: NDArray[np.bool_], rows: Positions) -> Values:
        """Give the chosen values, at these rows of another block."""
        texts = self.texts
        if texts:
            places = np.cumsum(chosen) - 1
            texts = {int(places[at]): t for at, t in texts.items() if chosen[at]}
        return Values(rows, self.numbers[chosen], self.codes[chosen], texts)


@dataclass(slots=True)
class Block:
    """Rows of one writer, in order of their sequence numbers.

    Lines of one step are rows of their own here; ``columns.to_arrow`` merges them.
    """

    writer: str
    seqs: Positions
    steps: Positions
    us: Positions  # microseconds of run time
    columns: dict[str, Values]  # in order of first appearance

    def __len__(self) -> int:
        return len(self.seqs)

    def where(self, chosen: NDArray[np.bool_]) -> Block:
        """Give the chosen rows."""
        places = np.cumsum(chosen) - 1
        columns = {}
        for key, values in self.columns.items():
            kept = chosen[values.rows]
            if kept.any():
                columns[key] = values.at(kept, places[values.rows[kept]])
        own = (self.seqs[chosen], self.steps[chosen], self.us[chosen])
        return Block(self.writer, *own, columns)

    def sorted_by(self, order: Positions) -> Block:
        """Give the rows in another order."""
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        columns = {k: sort_values(v, places[v.rows]) for k, v in self.columns.items()}
        own = (self.seqs[order], self.steps[order], self.us[order])
        return Block(self.writer, *own, columns)

    def part(self, first: int, last: int) -> Block:
        """Give rows ``first`` to ``last``, exclusive."""
        columns = {}
        for key, values in self.columns.items():
            low, high = np.searchsorted(values.rows, (first, last)).tolist()
            if low < high:
                texts = {i - low: t for i, t in values.texts.items() if low <= i < high}
                columns[key] = Values(
                    values.rows[low:high] - first,
                    values.numbers[low:high],
                    values.codes[low:high],
                    texts,
                )
        span = slice(first, last)
        own = (self.seqs[span], self.steps[span], self.us[span])
        return Block(self.writer, *own, columns)

    def records(self) -> Iterator[Record]:
        """Give the rows one by one, exactly."""
        for first in range(0, len(self), _FEW):
            few = self.part(first, first + _FEW)
            rows: list[dict[str, Any]] = [{} for _ in range(len(few))]
            for key, values in few.columns.items():
                places = values.rows.tolist()
                for row, value in zip(places, values.exactly(), strict=True):
                    rows[row][key] = value
            own = (few.seqs.tolist(), few.us.tolist(), few.steps.tolist())
            for seq, us, step, data in zip(*own, rows, strict=True):
                yield Record(self.writer, seq, us, "row", step, data)


#: Rows that are made into mappings at a time: a million would fill the memory.
_FEW: Final = 4096


def join(blocks: Sequence[Block]) -> Block:
    """Make one block of several of one writer; rows that repeat are there once."""
    if len(blocks) == 1:
        return blocks[0]
    size = sum(map(len, blocks))
    all_rows = np.arange(size)
    keys = dict.fromkeys(key for block in blocks for key in block.columns)
    columns = {key: _joined(key, blocks, all_rows) for key in keys}
    joined = Block(
        blocks[0].writer,
        np.concatenate([block.seqs for block in blocks]),
        np.concatenate([block.steps for block in blocks]),
        np.concatenate([block.us for block in blocks]),
        columns,
    )
    return in_sequence(joined)


def _joined(key: str, blocks: Sequence[Block], all_rows: Positions) -> Values:
    """Put a key's values of several blocks one after the other."""
    found = [block.columns.get(key) for block in blocks]
    if all(
        v is not None and len(v) == len(b) for v, b in zip(found, blocks, strict=True)
    ):
        return join_values([v for v in found if v is not None], all_rows)
    chunks, size = [], 0
    for block, values in zip(blocks, found, strict=True):
        if values is not None:
            rows = values.rows + size
            chunks.append(Values(rows, values.numbers, values.codes, values.texts))
        size += len(block)
    return join_values(chunks)


def in_sequence(block: Block) -> Block:
    """Give a block's rows sorted by sequence number, without repeats."""
    if (block.seqs[1:] > block.seqs[:-1]).all():
        return block
    if (block.seqs[1:] < block.seqs[:-1]).any():
        block = block.sorted_by(np.argsort(block.seqs, kind="stable"))
        first_row = {key: values.rows[0] for key, values in block.columns.items()}
        block.columns = dict(
            sorted(block.columns.items(), key=lambda item: first_row[item[0]])
        )
    is_new = np.ones(len(block), dtype=bool)
    is_new[1:] = np.diff(block.seqs) != 0
    return block if is_new.all() else block.where(is_new)


def settle(sessions: Sequence[Block]) -> list[Block]:
    """Let each step be in one session only: the last one that wrote to it.

    A run that is resumed may write to steps that it had written before. What an earlier
    session has of such a step becomes an earlier line of the later session's row.
    """
    settled = list(sessions)
    for number, block in enumerate(settled):
        left = block
        for later in range(number + 1, len(settled)):
            is_moved = np.isin(left.steps, settled[later].steps)
            if is_moved.any():
                moved = _before(left.where(is_moved), settled[later])
                settled[later] = join([moved, settled[later]])
                left = left.where(~is_moved)
        settled[number] = left
    return settled


def _before(block: Block, later: Block) -> Block:
    """Give lines numbers before all of a later session."""
    seqs = np.arange(len(block)) - len(block) + later.seqs.min()
    return Block(later.writer, seqs, block.steps, block.us, block.columns)


class BlockBuilder:
    """Takes rows in any order, one by one or many of one shape, and sorts them."""

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._own: list[tuple[Positions, Positions, Positions]] = []
        self._chunks: dict[str, list[Values]] = {}
        self._size = 0
        self._loose: list[Record] = []

    def add_group(
        self,
        own: tuple[Positions, Positions, Positions],
        columns: dict[str, tuple[Numbers, NDArray[np.int8]]],
    ) -> None:
        """Take rows that have all of some keys; ``own``: seqs, steps, microseconds."""
        rows = np.arange(self._size, self._size + len(own[0]))
        self._own.append(own)
        self._size += len(rows)
        for key, (numbers, codes) in columns.items():
            self._chunks.setdefault(key, []).append(Values(rows, numbers, codes))

    def add_record(self, record: Record) -> None:
        """Take one row."""
        self._loose.append(record)

    def build(self) -> Block:
        """Give all rows; of rows with one sequence number, which are repeats, one."""
        self._gather_loose()
        if not self._own:
            none = np.empty(0, dtype=np.int64)
            return Block(self._writer, none, none, none, {})
        seqs, steps, us = (
            arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            for arrays in zip(*self._own, strict=True)
        )
        columns = {
            key: chunks[0] if len(chunks) == 1 else join_values(chunks)
            for key, chunks in self._chunks.items()
        }
        return in_sequence(Block(self._writer, seqs, steps, us, columns))

    def _gather_loose(self) -> None:
        if not self._loose:
            return
        columns: dict[str, _Loose] = {}
        for row, record in enumerate(self._loose, start=self._size):
            for key, value in record.data.items():
                column = columns.get(key)
                if column is None:
                    column = columns[key] = _Loose()
                column.add(row, value)
        for key, column in columns.items():
            self._chunks.setdefault(key, []).append(column.values())
        own = [(record.seq, record.step or 0, record.us) for record in self._loose]
        array = np.array(own, dtype=np.int64)
        self._own.append((array[:, 0], array[:, 1], array[:, 2]))
        self._size += len(own)
        self._loose = []


class _Loose:
    """The values of one key, as they come."""

    __slots__ = ("codes", "numbers", "rows", "texts")

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.numbers: list[float] = []
        self.codes: list[int] = []
        self.texts: dict[int, str] = {}

    def add(self, row: int, value: Any) -> None:
        code, number = Code.FLOAT, value
        if type(value) is not float:
            code, number = self._coded(value)
        self.rows.append(row)
        self.numbers.append(number)
        self.codes.append(code)

    def _coded(self, value: Any) -> tuple[Code, float]:
        if value is True or value is False:
            return Code.BOOL, float(value)
        if isinstance(value, int) and -EXACT <= value <= EXACT:
            return Code.INT, float(value)
        self.texts[len(self.rows)] = json.dumps(value)
        if isinstance(value, int):
            return Code.INT, _nearest_double(value)
        return Code.OTHER, np.nan

    def values(self) -> Values:
        rows = np.array(self.rows, dtype=np.int64)
        numbers = np.array(self.numbers, dtype=np.float64)
        return Values(rows, numbers, np.array(self.codes, dtype=np.int8), self.texts)


def _nearest_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def join_values(chunks: Sequence[Values], rows: Positions | None = None) -> Values:
    """Put values one after the other; ``rows`` where that is not theirs joined."""
    texts, size = {}, 0
    for chunk in chunks:
        texts.update({size + at: text for at, text in chunk.texts.items()})
        size += len(chunk)
    if rows is None:
        rows = np.concatenate([chunk.rows for chunk in chunks])
    return Values(
        rows,
        np.concatenate([chunk.numbers for chunk in chunks]),
        np.concatenate([chunk.codes for chunk in chunks]),
        texts,
    )


def sort_values(values: Values, rows: Positions) -> Values:
    """Give the values at these rows, in order of rows; of one row, the order stays."""
    if (np.diff(rows) >= 0).all():
        return Values(rows, values.numbers, values.codes, values.texts)
    by_row = np.argsort(rows, kind="stable")
    texts = values.texts
    if texts:
        places = np.empty(len(by_row), dtype=np.int64)
        places[by_row] = np.arange(len(by_row))
        texts = {int(places[at]): text for at, text in texts.items()}
    return Values(rows[by_row], values.numbers[by_row], values.codes[by_row], texts)


def interleave(
    block: Block | None, records: Sequence[Record]
) -> Iterator[Block | list[Record]]:
    """Give rows and records that are no rows in an order that means the same as theirs.

    That is, the rows before a record that makes one forget what was logged come before
    it. For any other kind of record it makes no difference.
    """
    if block is None or not len(block):
        yield list(records)
        return
    done, waiting = 0, []
    for record in records:
        waiting.append(record)
        if record.kind == "summary" and record.data.get("del"):
            until = int(np.searchsorted(block.seqs, record.seq))
            if until > done:
                yield block.part(done, until)
                done = until
            yield waiting
            waiting = []
    # Rules come before the rows that they speak of, where that can be.
    if waiting:
        yield waiting
    if done < len(block):
        yield block.part(done, len(block)) if done else block
