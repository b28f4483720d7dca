"""Which track a metric belongs to: rows in, tracks out."""

from __future__ import annotations

from itertools import count
from math import isfinite, nan
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from nbtrack._view.points import Track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbtrack._store.block import Block

_NUMBERS = frozenset((float, int, bool))
#: Remembered row shapes; code that invents keys at random must not grow us.
_MAX_SHAPES = 64

Part = tuple[Track, "Callable[[list[float]], list[float]]"]


def as_float(value: float) -> float:
    """Convert for drawing; an integer beyond every double becomes a gap."""
    try:
        return float(value)
    except OverflowError:
        return nan


class Tracks:
    """Every drawn metric's track, split as rows show that metrics differ.

    Parameters
    ----------
    axis_of
        Gives the metric that another one is drawn over, or None.
    capacity
        How many points a track holds; see `points`.
    ids
        Where tracks get their ids from.
    """

    def __init__(
        self,
        axis_of: Callable[[str], str | None],
        *,
        capacity: int | None = None,
        ids: Iterator[int] | None = None,
    ) -> None:
        self.by_key: dict[str, Track] = {}  # in order of first appearance
        self.layout = 0  # rises when the set of tracks or their keys change
        #: Key → metric on its x axis, "" is the step; of all keys that were seen.
        self.axes: dict[str, str] = {}
        self.axis_values: dict[str, float] = {}  # the latest of each such metric
        self._axis_of = axis_of
        self._capacity = capacity
        self._ids = count() if ids is None else ids
        self._plans: dict[tuple[str, ...], list[Part]] = {}

    def tracks(self) -> list[Track]:
        """Give the tracks, oldest first."""
        return sorted(set(self.by_key.values()), key=lambda track: track.id)

    def add(self, step: float, row: Mapping[str, Any], seconds: float = 0.0) -> bool:
        """Add the numbers of one row; everything else in it is passed over.

        Returns
        -------
        bool
            Whether there was nothing but numbers.
        """
        values = row.values()
        is_all = _NUMBERS.issuperset(map(type, values))
        if not is_all:
            row = {k: v for k, v in row.items() if type(v) in _NUMBERS}
            values = row.values()
        try:
            numbers = list(map(float, values))
        except OverflowError:
            numbers = list(map(as_float, values))
        keys = tuple(row)
        if self.axis_values:
            self._note_axes(step, dict(zip(keys, numbers, strict=True)))
        plan = self._plans.get(keys) or self._plan(keys, step, numbers)
        at = (float(step), seconds)
        for track, pick in plan:
            if track.axis:
                place = (at[0], self.axis_values[track.axis], seconds)
                track.push(step, place, pick(numbers))
            else:
                track.push(step, at, pick(numbers))
        return is_all

    def add_block(self, block: Block) -> None:
        """Add many rows: the same picture as row by row, at a tenth of the cost."""
        from nbtrack._view.block_tracks import add_block

        add_block(self, block)

    def restart(self) -> None:
        """Forget all points; what comes then gets tracks with ids of their own."""
        self.by_key.clear()
        self.axes.clear()
        self.axis_values.clear()
        self._plans.clear()
        self.layout += 1

    def _axis(self, key: str) -> str:
        """Give what a metric is drawn over; a rule for "*" meets the axis itself."""
        axis = self._axis_of(key) or ""
        return "" if axis == key else axis

    def _note_axes(self, step: float, row: Mapping[str, float]) -> None:
        for axis in self.axis_values.keys() & row.keys():
            if isfinite(row[axis]):
                self.axis_values[axis] = row[axis]
                for track in set(self.by_key.values()):
                    # The axis may come in a later part of a row than the metric.
                    if track.axis == axis and track.last_step == step:
                        track.move(row[axis])

    def _plan(
        self, keys: tuple[str, ...], step: float, numbers: list[float]
    ) -> list[Part]:
        """Find the tracks for rows of these keys, making and splitting as needed."""
        row = dict(zip(keys, numbers, strict=True))
        self._choose_axes(row)
        tracks = [*self._known(row, step), *self._fresh(row)]
        parts = [(t, _picker([keys.index(key) for key in t.keys])) for t in tracks]
        drawn = sum(key in self.axes for key in keys)
        if sum(len(track.keys) for track in tracks) == drawn:
            # Nothing was special about this row: the next one goes the same way.
            if len(self._plans) >= _MAX_SHAPES:
                self._plans.clear()
            self._plans[keys] = parts
        return parts

    def _choose_axes(self, row: Mapping[str, float]) -> None:
        for key in row:
            if key not in self.axes and not key.startswith("_"):
                axis = self.axes[key] = self._axis(key)
                if axis and axis not in self.axis_values:
                    self.axis_values[axis] = row.get(axis, self._latest(axis))

    def _latest(self, key: str) -> float:
        """Give the last value of a metric that is drawn; NaN where there is none."""
        track = self.by_key.get(key)
        if track is None or track.last is None:
            return nan
        return track.last[track.keys.index(key)]

    def _known(self, row: Mapping[str, float], step: float) -> Iterator[Track]:
        """Give the tracks that take the row as a whole; correct the others."""
        found = (self.by_key.get(key) for key in row)
        for track in dict.fromkeys(track for track in found if track is not None):
            mine = tuple(key for key in track.keys if key in row)
            if len(mine) == len(track.keys):
                yield track
            elif track.last_step == step:
                for key in mine:
                    track.replace(key, row[key])
            else:
                yield self._split(track, mine)

    def _fresh(self, row: Mapping[str, float]) -> Iterator[Track]:
        """Make tracks for metrics that have none, if there is an x to draw them at."""
        fresh = [key for key in row if key in self.axes and key not in self.by_key]
        for axis in dict.fromkeys(self.axes[key] for key in fresh):
            if not axis or isfinite(self.axis_values[axis]):
                group = tuple(key for key in fresh if self.axes[key] == axis)
                track = Track(next(self._ids), axis, group, self._capacity)
                yield self._enter(track)

    def _split(self, track: Track, keys: tuple[str, ...]) -> Track:
        """Give these keys a track of their own; the others get one as well."""
        rest = tuple(key for key in track.keys if key not in keys)
        self._enter(track.part(next(self._ids), rest))
        return self._enter(track.part(next(self._ids), keys))

    def _enter(self, track: Track) -> Track:
        self.by_key.update(dict.fromkeys(track.keys, track))
        self._plans.clear()
        self.layout += 1
        return track


def _picker(at: list[int]) -> Callable[[list[float]], list[float]]:
    """Give a function that picks these places of a row into a list of its own."""
    if at == list(range(len(at))):
        return itemgetter(slice(len(at)))
    if len(at) == 1:
        return itemgetter(slice(at[0], at[0] + 1))
    pick = itemgetter(*at)
    return lambda numbers: list(pick(numbers))
