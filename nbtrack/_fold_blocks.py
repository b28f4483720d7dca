"""Folding blocks of rows into a summary: the same numbers, a hundred times as fast.

numpy is imported here, and this module only where there are blocks.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from nbtrack._record.fold import Extreme, Statistics, Summary
from nbtrack._record.metrics import Rules
from nbtrack._store.block import Block, Code, interleave

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nbtrack._store.block import Values
    from nbtrack._store.parts import History


def folded(history: History) -> Summary:
    """Fold all of a run that was read at once."""
    summary = Summary(Rules())
    others = sorted(history.others, key=attrgetter("writer", "seq"))
    blocks = {block.writer: _final(block) for block in history.blocks()}
    for writer in sorted({*blocks, *(record.writer for record in others)}):
        records = [record for record in others if record.writer == writer]
        for batch in interleave(blocks.get(writer), records):
            if isinstance(batch, list):
                for record in batch:
                    summary.feed(record)
            else:
                feed_block(summary, batch)
    return summary


def _final(block: Block) -> Block:
    """Leave out values that a later line of their step replaced."""
    columns = {}
    for key, values in block.columns.items():
        steps = block.steps[values.rows]
        if (steps[1:] > steps[:-1]).all():
            columns[key] = values
            continue
        _, from_end = np.unique(steps[::-1], return_index=True)
        is_last = np.zeros(len(steps), dtype=bool)
        is_last[len(steps) - 1 - from_end] = True
        columns[key] = values.at(is_last, values.rows[is_last])
    return Block(block.writer, block.seqs, block.steps, block.us, columns)


def feed_block(summary: Summary, block: Block) -> None:
    """Take in many rows of one writer."""
    for key, values in block.columns.items():
        statistics = summary.statistics(key, block.writer)
        steps = block.steps[values.rows]
        if values.texts or (np.diff(steps) < 0).any():
            for value, step in zip(values.exactly(), steps.tolist(), strict=True):
                statistics.feed(value, step)
        else:
            _feed_numbers(statistics, values, steps)


def _feed_numbers(
    statistics: Statistics, values: Values, steps: NDArray[np.int64]
) -> None:
    """Take in numbers whose steps do not fall."""
    is_final = np.append(np.diff(steps) != 0, True)
    numbers, codes, steps = (
        array[is_final] for array in (values.numbers, values.codes, steps)
    )
    last = _exact(numbers, codes, -1)
    if len(steps) > 1:
        if steps[0] == statistics.open_step:
            statistics.open_value = None  # replaced
        statistics.close()
        statistics.add(_of_numbers(numbers[:-1], codes[:-1], steps[:-1]))
    statistics.feed(last, int(steps[-1]))


def _of_numbers(
    numbers: NDArray[np.float64], codes: NDArray[np.int8], steps: NDArray[np.int64]
) -> Statistics:
    """Fold numbers of one step each, in order of their steps."""
    found = Statistics()
    found.first, found.first_step = _exact(numbers, codes, 0), int(steps[0])
    found.last, found.last_step = _exact(numbers, codes, -1), int(steps[-1])
    is_number = ~np.isnan(numbers)
    found.nan = int(len(numbers) - np.count_nonzero(is_number))
    if found.nan:
        numbers, codes = numbers[is_number], codes[is_number]
        steps = steps[is_number]
    if not len(numbers):
        return found
    low, high = int(np.argmin(numbers)), int(np.argmax(numbers))
    found.min = Extreme(_exact(numbers, codes, low), int(steps[low]))
    found.max = Extreme(_exact(numbers, codes, high), int(steps[high]))
    is_finite = np.isfinite(numbers)
    if not is_finite.all():
        with np.errstate(invalid="ignore"):  # inf and -inf make NaN, as they should
            found.infinite = float(np.sum(numbers[~is_finite]))
        numbers = numbers[is_finite]
    found.count = len(numbers)
    if found.count:
        found.mean = float(np.sum(numbers / found.count))
    return found


def _exact(numbers: NDArray[np.float64], codes: NDArray[np.int8], at: int) -> Any:
    """Give one number as it was logged."""
    number = float(numbers[at])
    if codes[at] == Code.INT:
        return int(number)
    return bool(number) if codes[at] == Code.BOOL else number
