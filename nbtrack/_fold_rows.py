"""Folding a few rows at once: what a view reads several times a second.

Most rows of a batch have the same keys and plain numbers. Then each metric's column is
folded by the C of ``min``, ``max`` and ``sum``, at a fifth of the cost and without
numpy, which nobody should import while a training runs. Everything else goes row by
row, and gives the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbtrack._record.fold import Extreme, Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbtrack._record.fold import Summary
    from nbtrack._store.lines import Record

_FEW: Final = 4  # rows that are not worth turning into columns
_NUMBERS: Final = frozenset((float, int, bool))
_LARGEST: Final = 2**1000  # of integers that are summed as they are


def feed_records(summary: Summary, records: Sequence[Record]) -> None:
    """Take in records of any kind, in order; rules are somebody else's."""
    for run in _alike(records):
        if len(run) < _FEW:
            for record in run:
                if record.kind != "metric":
                    summary.feed(record)
        else:
            _feed_rows(summary, run)


def _alike(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut records into runs of rows with the same keys and rising steps."""
    first = 0
    step, writer, keys = None, "", None
    for at, record in enumerate(records):
        known = step, writer, keys
        step, writer, keys = record.step, record.writer, tuple(record.data)
        if at and (
            known[0] is None
            or step is None
            or step <= known[0]
            or known[1:] != (writer, keys)
        ):
            yield records[first:at]
            first = at
    yield records[first:]


def _feed_rows(summary: Summary, rows: Sequence[Record]) -> None:
    steps = [row.step or 0 for row in rows]
    writer, keys = rows[0].writer, tuple(rows[0].data)
    columns = zip(*[row.data.values() for row in rows], strict=True)
    for key, column in zip(keys, columns, strict=True):
        statistics = summary.statistics(key, writer)
        if not _feed_column(statistics, column, steps):
            for value, step in zip(column, steps, strict=True):
                statistics.feed(value, step)


def _feed_column(
    statistics: Statistics, column: Sequence[Any], steps: Sequence[int]
) -> bool:
    """Take in a column of finite numbers; False if it is none."""
    if not _NUMBERS.issuperset(map(type, column)):
        return False
    closed = column[:-1]
    low, high = min(closed), max(closed)
    if not -_LARGEST < low <= high < _LARGEST or column[-1] != column[-1]:
        return False
    total = sum(closed)
    if total - total != 0:  # NaN among them, which min and max may have passed over
        return False
    if statistics.open_step == steps[0]:
        statistics.open_value = None  # replaced
    statistics.close()
    known, least, greatest = statistics.last_step, statistics.min, statistics.max
    size = len(closed)
    if (
        known is not None
        and known < steps[0]
        and least is not None
        and greatest is not None
        and least.value <= low
        and high <= greatest.value
    ):
        # The usual case: rows that go on, and nothing in them is an extreme.
        statistics.last, statistics.last_step = closed[-1], steps[-2]
        statistics.count = count = statistics.count + size
        statistics.mean += (total - statistics.mean * size) / count
    else:
        found = Statistics()
        found.first, found.first_step = closed[0], steps[0]
        found.last, found.last_step = closed[-1], steps[-2]
        found.min = Extreme(low, steps[closed.index(low)])
        found.max = Extreme(high, steps[closed.index(high)])
        found.count, found.mean = size, total / size
        statistics.add(found)
    statistics.open_value, statistics.open_step = column[-1], steps[-1]
    return True
