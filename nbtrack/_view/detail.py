"""A range of some series at full resolution, read from the run's own rows.

What a board holds of a long run is a reduction. When somebody zooms in, the rows of
that range are read again and reduced anew: to so few points as a chart has pixels,
with every spike, and with one point beyond each end, so that lines leave the chart.
"""

from __future__ import annotations

import sys
from array import array
from math import isnan
from typing import TYPE_CHECKING, Final, Literal

from nbtrack._store.follow import Tail
from nbtrack._store.segments import list_logs, list_parts
from nbtrack._view.points import UNBOUNDED
from nbtrack._view.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbtrack._store.rundir import RunDir

    Series = tuple[array[float], array[float]]  # x, y

MOST_POINTS: Final = 1_024
#: Logs of so many bytes are read row by row, unless pyarrow is there already: it takes
#: a second to import, and somebody may be training.
_FEW_BYTES: Final = 8 * 2**20


def read_range(
    run: RunDir,
    keys: Sequence[str],
    x: Literal["step", "time", "axis"],
    bounds: tuple[float, float],
    axis_of: Callable[[str], str | None],
) -> dict[str, Series]:
    """Give the points of metrics between two values of x.

    Parameters
    ----------
    axis_of
        Gives the metric that another one is drawn over, or None.

    Returns
    -------
    dict
        What is found of the metrics, at most 1,024 points each.
    """
    axes = {key: axis_of(key) for key in keys}  # asked once: another may be chosen
    tracks = Tracks(axes.get, capacity=UNBOUNDED)
    _fill(tracks, run, {*keys, *filter(None, axes.values())})
    found: dict[str, Series] = {}
    chosen: dict[int, tuple[array[float], Sequence[int]]] = {}
    for key in keys:
        track = tracks.by_key.get(key)
        if track is None:
            continue
        places, y = track.placed_points(key)
        if track.id not in chosen:
            column = {"step": 0, "time": -1, "axis": 1 if track.axis else 0}[x]
            chosen[track.id] = places[column], _between(places[column], *bounds)
        at, rows = chosen[track.id]
        found[key] = reduced(_picked(at, rows), _picked(y, rows))
    return found


def _fill(tracks: Tracks, run: RunDir, keys: set[str]) -> None:
    """Feed a run's rows, of these metrics only."""
    if "pyarrow" not in sys.modules and _is_small(run):
        tail = Tail(run)
        for batch in tail.poll(in_bulk=False):
            for record in batch if isinstance(batch, list) else batch.records():
                if record.kind == "row" and record.step is not None:
                    row = {k: v for k, v in record.data.items() if k in keys}
                    tracks.add(record.step, row, record.us / 1e6)
        tail.close()
        return
    from nbtrack._store.parts import read_history

    wanted = sorted(keys)
    history = read_history(run, wanted)
    history.keep(wanted)
    for block in history.blocks():
        tracks.add_block(block)


def _is_small(run: RunDir) -> bool:
    sizes = [(run.log / log.log_name).stat().st_size for log in list_logs(run)]
    return sum(sizes) < _FEW_BYTES and not list_parts(run)


def _between(x: array[float], low: float, high: float) -> Sequence[int]:
    """Find the places between two values, and where x rises one more at each end."""
    found = [at for at, value in enumerate(x) if low <= value <= high]
    if not found:
        return found
    first, last = found[0], found[-1]
    if last - first + 1 == len(found):
        return range(max(first - 1, 0), min(last + 2, len(x)))
    return found


def _picked(column: array[float], places: Sequence[int]) -> array[float]:
    if isinstance(places, range):
        return column[places.start : places.stop]
    return array("d", [column[at] for at in places])


def reduced(x: array[float], y: array[float], most: int = MOST_POINTS) -> Series:
    """Reduce points to the least and the greatest of each stretch, where they are.

    >>> x, y = array("d", range(9)), array("d", [0, 5, 0, 0, 0, -3, 0, 0, 1])
    >>> [column.tolist() for column in reduced(x, y, 6)]
    [[0.0, 1.0, 2.0, 4.0, 5.0, 8.0], [0.0, 5.0, 0.0, 0.0, -3.0, 1.0]]
    """
    size = len(x)
    if size <= most:
        return x, y
    places = [0]
    stretches = most // 2 - 1
    for number in range(stretches):
        first = 1 + (size - 2) * number // stretches
        last = 1 + (size - 2) * (number + 1) // stretches
        places += _ends(y, first, last)
    places.append(size - 1)
    return _picked(x, places), _picked(y, places)


def _ends(y: array[float], first: int, last: int) -> list[int]:
    """Find the least and the greatest of a stretch, in order; two if all is gap."""
    part = y[first:last]
    total = sum(part)
    numbers = part if total - total == 0 else [v for v in part if not isnan(v)]
    if not numbers:
        return [first, last - 1]
    at = part.index(min(numbers)), part.index(max(numbers))
    if at[0] == at[1]:  # all alike: its two ends, should they not be gaps
        at = (at[0], _last_number(part))
    return [first + min(at), first + max(at)]


def _last_number(part: array[float]) -> int:
    return next(i for i in range(len(part) - 1, -1, -1) if not isnan(part[i]))
