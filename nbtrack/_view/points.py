"""A bounded picture of unbounded series: min and max of ever longer stretches.

The unit is the pair: two points that stand for ``span`` consecutive samples. At
first a pair holds its two samples themselves. When `CAPACITY` points are closed,
every two neighbouring pairs become one and ``span`` doubles, so a million samples
cost what a thousand cost. A pair of ``2 * span`` is by construction the join of
two pairs of ``span``: the picture is a function of the samples alone, not of when
or in how many batches they came. So `Track.push_many` may take thousands at once.

A pair stands at the place of its first sample and of its middle one.
"""

from __future__ import annotations

import sys
from array import array
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Closed points held for each series; a multiple of four, so that pairs pair up.
CAPACITY: Final = 1024
#: Samples of an open pair that are held as they are before being reduced: it
#: bounds memory, and lets the reduction run over columns instead of values.
CHUNK: Final = 256

_FEW: Final = 64
#: A capacity that is never reached: every sample stays as it is.
UNBOUNDED: Final = 2**62

Pair = tuple[float, float]
GAP: Pair = (nan, nan)

#: Where a sample stands: its step, its axis value if there is one, its seconds.
Place = tuple[float, ...]


def join(a: Sequence[float], b: Sequence[float]) -> Pair:
    """Reduce two neighbouring halves to their minimum and maximum, in order.

    NaN is a gap. A half that is all gap stays one where this costs no number:
    when the other half holds one value only.

    >>> join((1.0, 5.0), (2.0, -1.0)), join((nan, nan), (3.0, 3.0))
    ((5.0, -1.0), (nan, 3.0))
    """
    column = (*a, *b)
    total = sum(column)
    all_finite = total - total == 0
    numbers = column if all_finite else tuple(v for v in column if not isnan(v))
    if not numbers:
        return GAP
    low, high = min(numbers), max(numbers)
    if low != high:
        low_is_first = numbers.index(low) < numbers.index(high)
        return (low, high) if low_is_first else (high, low)
    if len(numbers) == len(column):
        return low, low
    return low if any_number(a) else nan, low if any_number(b) else nan


def joined(columns: Sequence[Sequence[float]], half: int) -> list[Pair]:
    """Reduce the samples of each series as `join` does, cut in two at ``half``."""
    total = sum(map(sum, columns))
    if total - total != 0:
        return [join(column[:half], column[half:]) for column in columns]
    # All finite, as nearly always: what C can do for all series at once.
    ends = zip(columns, map(min, columns), map(max, columns), strict=True)
    return [
        (low, high) if column.index(low) < column.index(high) else (high, low)
        for column, low, high in ends
    ]


def any_number(values: Sequence[float]) -> bool:
    """Whether not all of it is gap."""
    return not all(map(isnan, values))


def halve(points: array[float]) -> array[float]:
    """Join every two pairs into one; an odd pair at the end is left out."""
    if "numpy" in sys.modules and len(points) > _FEW:
        from nbtrack._view import bulk_points

        return bulk_points.halve(points)
    merged = array("d")
    for at in range(0, len(points) - 3, 4):
        merged.extend(join(points[at : at + 2], points[at + 2 : at + 4]))
    return merged


def halved(count: int) -> int:
    """How many points `halve` makes of ``count``."""
    return count // 4 * 2


class Track:
    """Series that were logged in exactly the same rows, and so share their places.

    The last sample is kept apart until the next one comes: it is always exact, and
    a later value of the same step can still replace it.
    """

    __slots__ = (
        "_chunk",
        "_halves",
        "_open_at",
        "_opened",
        "at",
        "axis",
        "capacity",
        "changes",
        "epoch",
        "id",
        "keys",
        "last",
        "last_at",
        "last_step",
        "span",
        "ys",
    )

    def __init__(
        self, ident: int, axis: str, keys: tuple[str, ...], capacity: int | None = None
    ) -> None:
        self.id = ident
        self.axis = axis  # "" is the step
        self.keys = keys
        self.capacity = CAPACITY if capacity is None else capacity
        # Columns: the steps, the values of the axis if there is one, the seconds.
        self.at = [array("d") for _ in range(3 if axis else 2)]
        self.ys = {key: array("d") for key in keys}
        self.span = 2
        self.epoch = 0  # how often the closed points were halved
        self.changes = 0  # rises with every sample, also with a replaced one
        self.last: list[float] | None = None
        self.last_at: Place = ()
        self.last_step: float | None = None
        self._opened = 0  # samples in the open pair, the last sample not counted
        self._open_at: tuple[Place, ...] = ()  # of its first sample and its middle one
        self._chunk: list[list[float]] = []  # rows of the open pair, not yet reduced
        self._halves: list[list[Pair]] = [[], []]  # reduced so far, one per series

    @property
    def steps(self) -> array[float]:
        """The steps of the closed points."""
        return self.at[0]

    @property
    def x(self) -> array[float]:
        """What the closed points are drawn over."""
        return self.at[self._x_column]

    @property
    def _x_column(self) -> int:
        return 1 if self.axis else 0

    def push(self, step: float, at: Place, values: list[float]) -> None:
        """Add one sample of every series, in the order of ``keys``.

        Parameters
        ----------
        step
            Tells samples apart: a second one of the same step replaces the first.
        at
            The step, the value of the axis if there is one, the seconds.
        """
        total = sum(values)
        if total - total != 0:  # an infinity cannot be drawn: a gap, as NaN is
            values = [v if isfinite(v) else nan for v in values]
        if self.last is not None and step != self.last_step:
            self._fold(self.last)
        self.last, self.last_at, self.last_step = values, at, step
        self.changes += 1

    def push_many(
        self,
        steps: NDArray[Any],
        at: NDArray[Any],  # (places, samples)
        values: NDArray[Any],  # (series, samples)
    ) -> None:
        """Add samples as if one by one: the same picture, at a tenth of the cost."""
        from nbtrack._view import bulk_points

        self.changes += len(steps)
        steps, at, values = bulk_points.distinct(steps, at, values)
        if not len(steps):
            return
        if self.last is not None and steps[0] != self.last_step:
            self._fold(self.last)
        self._fold_many(at[:, :-1], values[:, :-1])
        self.last, self.last_at = values[:, -1].tolist(), tuple(at[:, -1].tolist())
        self.last_step = steps[-1].item()

    def replace(self, key: str, value: float) -> None:
        """Correct the last sample of one series: a later value of the same step."""
        if self.last is not None:
            self.last[self.keys.index(key)] = value if isfinite(value) else nan
            self.changes += 1

    def move(self, x: float) -> None:
        """Correct the last sample's place on the axis."""
        step, _, seconds = self.last_at
        self.last_at = (step, x, seconds)
        self.changes += 1

    def tail(self) -> tuple[list[array[float]], list[array[float]]]:
        """Give places and values of what is still open: at most three points."""
        if self.last is None:
            return [array("d") for _ in self.at], [array("d") for _ in self.keys]
        shown = min(self._opened, 2)
        places = (*self._open_at[:shown], self.last_at)
        at = [array("d", column) for column in zip(*places, strict=True)]
        columns = [array("d", pair[:shown]) for pair in self._open_pairs()]
        for column, value in zip(columns, self.last, strict=True):
            column.append(value)
        return at, columns

    def points(self, key: str) -> tuple[array[float], array[float]]:
        """Give all points of one series, the open ones included."""
        places, y = self.placed_points(key)
        return places[self._x_column], y

    def placed_points(self, key: str) -> tuple[list[array[float]], array[float]]:
        """Give all points of one series and all columns of their places."""
        tail_at, columns = self.tail()
        places = [known + tail for known, tail in zip(self.at, tail_at, strict=True)]
        return places, self.ys[key] + columns[self.keys.index(key)]

    def part(self, ident: int, keys: tuple[str, ...]) -> Track:
        """Give a copy that holds only some of the series."""
        places = [self.keys.index(key) for key in keys]
        twin = Track(ident, self.axis, keys, self.capacity)
        twin.at = [column[:] for column in self.at]
        twin.ys = {key: self.ys[key][:] for key in keys}
        twin.span, twin.epoch = self.span, self.epoch
        twin.last = None if self.last is None else [self.last[i] for i in places]
        twin.last_at, twin.last_step = self.last_at, self.last_step
        twin._opened, twin._open_at = self._opened, self._open_at
        twin._chunk = [[row[i] for i in places] for row in self._chunk]
        twin._halves = [[h[i] for i in places] if h else [] for h in self._halves]
        return twin

    def _fold(self, row: list[float]) -> None:
        """Move what was the last sample into the open pair."""
        if self._opened == 0:
            self._open_at = (self.last_at, self.last_at)
        elif self._opened <= self.span // 2:
            # Until the middle sample has come, the second point moves along.
            self._open_at = (self._open_at[0], self.last_at)
        self._chunk.append(row)
        self._opened += 1
        if self._opened == self.span:
            self._close()
        elif self.span > CHUNK and self._opened % CHUNK == 0:
            self._empty_chunk()

    def _fold_many(self, at: NDArray[Any], values: NDArray[Any]) -> None:
        """Move samples into pairs, as many whole ones at a time as there are."""
        from nbtrack._view import bulk_points

        done, size = 0, values.shape[1]
        while done < size:
            if self._opened or size - done < self.span:
                taken = min(self.span - self._opened, size - done)
                part = slice(done, done + taken)
                self._open_many(at[:, part], values[:, part])
            else:
                room = (self.capacity - len(self.steps)) // 2
                pairs = min((size - done) // self.span, room)
                taken = pairs * self.span
                part = slice(done, done + taken)
                ends = bulk_points.pair_places(at[:, part], self.span)
                for column, some in zip(self.at, ends, strict=True):
                    column.frombytes(some.tobytes())
                closed = bulk_points.pairs(values[:, part], self.span)
                for series, some in zip(self.ys.values(), closed, strict=True):
                    series.frombytes(some.tobytes())
                self._halve_if_full()
            done += taken

    def _open_many(self, at: NDArray[Any], values: NDArray[Any]) -> None:
        """Move samples into the open pair, which has room for them."""
        from nbtrack._view import bulk_points

        size, half = values.shape[1], self.span // 2
        if self._opened == 0:
            self._open_at = (tuple(at[:, 0].tolist()),) * 2
        if self._opened <= half:
            middle = min(self._opened + size - 1, half) - self._opened
            self._open_at = (self._open_at[0], tuple(at[:, middle].tolist()))
        done = 0
        while done < size:
            missing = CHUNK - self._opened % CHUNK
            until_half = half - self._opened % half
            whole = min(size - done, until_half) // CHUNK * CHUNK
            if self.span > CHUNK and missing == CHUNK and whole:
                taken = whole
                self._opened += taken
                reduced = bulk_points.extremes(values[:, done : done + taken])
                self._join_half(reduced)
            else:
                taken = min(missing, size - done)
                if self.span <= CHUNK:
                    taken = size - done
                self._chunk += values[:, done : done + taken].T.tolist()
                self._opened += taken
                if self.span > CHUNK and self._opened % CHUNK == 0:
                    self._empty_chunk()
            done += taken
        if self._opened == self.span:
            self._close()

    def _close(self) -> None:
        for column, pair in zip(self.at, zip(*self._open_at, strict=True), strict=True):
            column.extend(pair)
        for series, points in zip(self.ys.values(), self._open_pairs(), strict=True):
            series.extend(points)
        self._opened, self._chunk, self._halves = 0, [], [[], []]
        self._halve_if_full()

    def _halve_if_full(self) -> None:
        if len(self.steps) >= self.capacity:
            self.at = [column[::2] for column in self.at]
            self.ys = {key: halve(series) for key, series in self.ys.items()}
            self.span *= 2
            self.epoch += 1

    def _open_pairs(self) -> list[Pair]:
        """Reduce each series of the open pair to the two points that stand for it."""
        columns = list(zip(*self._chunk, strict=True)) or [()] * len(self.keys)
        if self._opened == 2:  # noqa: PLR2004
            return columns
        if self._opened < 2:  # noqa: PLR2004
            return [(*column, nan, nan)[:2] for column in columns]
        half = self.span // 2
        if self.span <= CHUNK:
            return joined(columns, half)
        now_second = self._opened > half
        first, second = self._halves
        pending = self._reduce_chunk() if self._chunk else self._halves[now_second]
        if now_second:
            second = pending
        else:
            first = pending
        gaps = [GAP] * len(self.keys)
        return [join(a, b) for a, b in zip(first or gaps, second or gaps, strict=True)]

    def _empty_chunk(self) -> None:
        """Reduce the rows at hand: what they were one by one is not needed again."""
        self._halves[self._opened > self.span // 2] = self._reduce_chunk()
        self._chunk = []

    def _reduce_chunk(self) -> list[Pair]:
        """Join the rows at hand with what the current half held before them."""
        before = self._halves[self._opened > self.span // 2]
        columns = list(zip(*self._chunk, strict=True))
        if before:
            columns = [(*b, *c) for b, c in zip(before, columns, strict=True)]
        return joined(columns, 2 if before else len(self._chunk))

    def _join_half(self, later: list[Pair]) -> None:
        """Join extremes of samples with what the current half held before them."""
        now_second = self._opened > self.span // 2
        before = self._halves[now_second]
        if before:
            later = [join(a, b) for a, b in zip(before, later, strict=True)]
        self._halves[now_second] = later
