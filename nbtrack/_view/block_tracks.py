"""Blocks of rows into tracks: what `Tracks.add` does row by row, in bulk.

Most rows are like the ones before them: every track they touch gets all of its keys.
Between the few *special* rows, in which a metric is new or comes without its
companions, each track takes its columns as they are; the special ones go row by row.
Tracks do not see each other but through the metrics that are axes, so their order
does not matter.

numpy is imported here, and this module only where there are blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nbtrack._store.block import Block, Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from nbtrack._view.points import Track
    from nbtrack._view.tracks import Tracks

    Column = tuple[NDArray[np.int64], NDArray[np.float64]]  # rows, numbers

#: Special rows of a block; with more of them it goes row by row from there.
_MOST_SPECIAL: Final = 64


def add_block(tracks: Tracks, block: Block) -> None:
    """Add the rows of a block to tracks."""
    columns = _numbers(block)
    first, size = 0, len(block)
    for _ in range(_MOST_SPECIAL):
        special = _first_special(tracks, columns, first, size)
        _push(tracks, block, _between(columns, first, special), special - first)
        if special == size:
            return
        _add_rows(tracks, block.part(special, special + 1))
        first = special + 1
    _add_rows(tracks, block.part(first, size))


def _numbers(block: Block) -> dict[str, Column]:
    """Give the rows and the numbers of every key that has some."""
    columns = {}
    for key, values in block.columns.items():
        rows, numbers = values.rows, values.numbers
        is_text = values.codes == Code.OTHER
        if is_text.any():
            rows, numbers = rows[~is_text], numbers[~is_text]
        if len(rows):
            columns[key] = rows, numbers
    return columns


def _between(columns: Mapping[str, Column], first: int, last: int) -> dict[str, Column]:
    """Give what is in rows ``first`` to ``last``, exclusive; rows keep their places."""
    cut = {}
    for key, (rows, numbers) in columns.items():
        low, high = np.searchsorted(rows, (first, last)).tolist()
        if low < high:
            cut[key] = rows[low:high], numbers[low:high]
    return cut


def _first_special(
    tracks: Tracks, columns: Mapping[str, Column], first: int, size: int
) -> int:
    """Find the first row that is not like the ones before; ``size`` if none is."""
    left = _between(columns, first, size)
    found = [size]
    for track in _touched(tracks, left):
        found += _first_apart([left.get(key) for key in track.keys])
    for key, (rows, _) in left.items():
        if key not in tracks.by_key and not key.startswith("_"):
            found += _first_drawn(tracks, left, key, rows)
    return min(found)


def _touched(tracks: Tracks, keys: Iterable[str]) -> list[Track]:
    return list(dict.fromkeys(tracks.by_key[k] for k in keys if k in tracks.by_key))


def _first_apart(columns: list[Column | None]) -> list[int]:
    """Find the first row that has some of a track's keys, but not all."""
    there = [column[0] for column in columns if column is not None]
    if len(there) < len(columns):
        return [int(min(rows[0] for rows in there))]
    one, *others = there
    if all(len(o) == len(one) and (o is one or (o == one).all()) for o in others):
        return []
    rows, counts = np.unique(np.concatenate(there), return_counts=True)
    return [int(rows[counts < len(columns)][0])]


def _first_drawn(
    tracks: Tracks, columns: Mapping[str, Column], key: str, rows: NDArray[np.int64]
) -> list[int]:
    """Find the row in which a metric that has no track gets one."""
    axis = tracks.axes.get(key)
    if not axis or np.isfinite(tracks.axis_values[axis]):
        return [int(rows[0])]
    axis_rows, values = columns.get(axis, (rows[:0], np.empty(0)))
    known = axis_rows[np.isfinite(values)]
    return rows[rows >= known[0]][:1].tolist() if len(known) else []


def _add_rows(tracks: Tracks, block: Block) -> None:
    for record in block.records():
        tracks.add(record.step or 0, record.data, record.us / 1e6)


def _push(
    tracks: Tracks, block: Block, columns: Mapping[str, Column], size: int
) -> None:
    """Add rows that all are like the ones before."""
    if not size:
        return
    seconds = block.us / 1e6
    axes = {
        axis: (rows[is_known], numbers[is_known])
        for axis, (rows, numbers) in columns.items()
        if axis in tracks.axis_values and (is_known := np.isfinite(numbers)).any()
    }
    for track in set(tracks.by_key.values()):
        axis = axes.get(track.axis)
        found = columns.get(track.keys[0])
        rows = np.empty(0, dtype=np.int64) if found is None else found[0]
        places: list[NDArray[Any]] = [block.steps[rows].astype(float), seconds[rows]]
        if track.axis:
            values = _over(tracks, track, rows, axis, block.steps)
            places.insert(1, values)
        if len(rows):
            numbers = np.stack([columns[key][1] for key in track.keys])
            track.push_many(block.steps[rows], np.stack(places), numbers)
    for key, (_, values) in axes.items():
        tracks.axis_values[key] = float(values[-1])


def _over(
    tracks: Tracks,
    track: Track,
    rows: NDArray[np.int64],
    axis: Column | None,
    steps: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Give the axis value of each of a track's rows: the latest, or its own step's."""
    x = np.full(len(rows), tracks.axis_values[track.axis])
    if axis is None:
        return x
    axis_rows, values = axis
    latest = np.searchsorted(axis_rows, rows, side="right") - 1
    x[latest >= 0] = values[latest[latest >= 0]]
    # The axis may come in a later part of a row than the metric.
    before = np.searchsorted(rows, axis_rows, side="right") - 1
    is_old = before < 0
    for value in values[is_old & (steps[axis_rows] == track.last_step)].tolist():
        track.move(value)
    own, at = before[~is_old], axis_rows[~is_old]
    is_same = steps[rows[own]] == steps[at]
    x[own[is_same]] = values[~is_old][is_same]  # of several the last
    return x
