"""A bounded picture of unbounded series: min and max of ever longer stretches.

The unit is the pair: two points that stand for ``span`` consecutive samples. At
first a pair holds its two samples themselves. When `CAPACITY` points are closed,
every two neighbouring pairs become one and ``span`` doubles, so a million samples
cost what a thousand cost. A pair of ``2 * span`` is by construction the join of
two pairs of ``span``: the picture is a function of the samples alone, not of when
or in how many batches they came.
"""

from __future__ import annotations

from array import array
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Closed points held for each series; a multiple of four, so that pairs pair up.
CAPACITY = 1024
#: Samples of an open pair that are held as they are before being reduced: it
#: bounds memory, and lets the reduction run over columns instead of values.
CHUNK = 256

Pair = tuple[float, float]
GAP: Pair = (nan, nan)


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


def any_number(values: Sequence[float]) -> bool:
    """Whether not all of it is gap."""
    return not all(map(isnan, values))


def halve(points: array[float]) -> array[float]:
    """Join every two pairs into one; an odd pair at the end is left out."""
    merged = array("d")
    for at in range(0, len(points) - 3, 4):
        merged.extend(join(points[at : at + 2], points[at + 2 : at + 4]))
    return merged


def halved(count: int) -> int:
    """How many points `halve` makes of ``count``."""
    return count // 4 * 2


class Track:
    """Series that were logged in exactly the same rows, and so share their x.

    The last sample is kept apart until the next one comes: it is always exact, and
    a later value of the same step can still replace it.
    """

    __slots__ = (
        "_chunk",
        "_halves",
        "_open_x",
        "_opened",
        "axis",
        "changes",
        "epoch",
        "id",
        "keys",
        "last",
        "last_step",
        "last_x",
        "span",
        "x",
        "ys",
    )

    def __init__(self, ident: int, axis: str, keys: tuple[str, ...]) -> None:
        self.id = ident
        self.axis = axis  # "" is the step
        self.keys = keys
        self.x = array("d")
        self.ys = {key: array("d") for key in keys}
        self.span = 2
        self.epoch = 0  # how often the closed points were halved
        self.changes = 0  # rises with every sample, also with a replaced one
        self.last: list[float] | None = None
        self.last_x = nan
        self.last_step: int | None = None
        self._opened = 0  # samples in the open pair, the last sample not counted
        self._open_x: Pair = GAP  # of its first sample and of its middle one
        self._chunk: list[list[float]] = []  # rows of the open pair, not yet reduced
        self._halves: list[list[Pair]] = [[], []]  # reduced so far, one per series

    def push(self, step: int, x: float, values: list[float]) -> None:
        """Add one sample of every series, in the order of ``keys``."""
        total = sum(values)
        if total - total != 0:  # an infinity cannot be drawn: a gap, as NaN is
            values = [v if isfinite(v) else nan for v in values]
        if self.last is not None and step != self.last_step:
            self._fold(self.last)
        self.last, self.last_x, self.last_step = values, x, step
        self.changes += 1

    def replace(self, key: str, value: float) -> None:
        """Correct the last sample of one series: a later value of the same step."""
        if self.last is not None:
            self.last[self.keys.index(key)] = value if isfinite(value) else nan
            self.changes += 1

    def move(self, x: float) -> None:
        """Correct the x of the last sample."""
        self.last_x = x
        self.changes += 1

    def tail(self) -> tuple[array[float], list[array[float]]]:
        """Give the x and the columns of what is still open: at most three points."""
        if self.last is None:
            return array("d"), [array("d") for _ in self.keys]
        shown = min(self._opened, 2)
        x = array("d", self._open_x[:shown])
        x.append(self.last_x)
        columns = [array("d", pair[:shown]) for pair in self._open_pairs()]
        for column, value in zip(columns, self.last, strict=True):
            column.append(value)
        return x, columns

    def points(self, key: str) -> tuple[array[float], array[float]]:
        """Give all points of one series, the open ones included."""
        tail_x, columns = self.tail()
        return self.x + tail_x, self.ys[key] + columns[self.keys.index(key)]

    def part(self, ident: int, keys: tuple[str, ...]) -> Track:
        """Give a copy that holds only some of the series."""
        at = [self.keys.index(key) for key in keys]
        twin = Track(ident, self.axis, keys)
        twin.x = self.x[:]
        twin.ys = {key: self.ys[key][:] for key in keys}
        twin.span, twin.epoch = self.span, self.epoch
        twin.last = None if self.last is None else [self.last[i] for i in at]
        twin.last_x, twin.last_step = self.last_x, self.last_step
        twin._opened, twin._open_x = self._opened, self._open_x
        twin._chunk = [[row[i] for i in at] for row in self._chunk]
        twin._halves = [[half[i] for i in at] if half else [] for half in self._halves]
        return twin

    def _fold(self, row: list[float]) -> None:
        """Move what was the last sample into the open pair."""
        x = self.last_x
        if self._opened == 0:
            self._open_x = (x, x)
        elif self._opened <= self.span // 2:
            # Until the middle sample has come, the second point moves along.
            self._open_x = (self._open_x[0], x)
        self._chunk.append(row)
        self._opened += 1
        if self._opened == self.span:
            self._close()
        elif len(self._chunk) == CHUNK and self.span > CHUNK:
            self._halves[self._opened > self.span // 2] = self._reduce_chunk()
            self._chunk = []

    def _close(self) -> None:
        self.x.extend(self._open_x)
        for series, pair in zip(self.ys.values(), self._open_pairs(), strict=True):
            series.extend(pair)
        self._opened, self._chunk, self._halves = 0, [], [[], []]
        if len(self.x) >= CAPACITY:
            self.x = array("d", (v for i, v in enumerate(self.x) if i % 4 in {0, 2}))
            self.ys = {key: halve(series) for key, series in self.ys.items()}
            self.span *= 2
            self.epoch += 1

    def _open_pairs(self) -> list[Pair]:
        """Reduce each series of the open pair to the two points that stand for it."""
        columns = list(zip(*self._chunk, strict=True)) or [()] * len(self.keys)
        if self._opened <= 2:  # noqa: PLR2004
            return [(*column, nan, nan)[:2] for column in columns]
        half = self.span // 2
        if self.span <= CHUNK:
            return [join(column[:half], column[half:]) for column in columns]
        now_second = self._opened > half
        first, second = self._halves
        pending = self._reduce_chunk() if self._chunk else self._halves[now_second]
        if now_second:
            second = pending
        else:
            first = pending
        gaps = [GAP] * len(self.keys)
        return [join(a, b) for a, b in zip(first or gaps, second or gaps, strict=True)]

    def _reduce_chunk(self) -> list[Pair]:
        """Join the rows at hand with what the current half held before them."""
        before = self._halves[self._opened > self.span // 2]
        columns = zip(*self._chunk, strict=True)
        if not before:
            return [join(column, ()) for column in columns]
        return [join(b, column) for b, column in zip(before, columns, strict=True)]
