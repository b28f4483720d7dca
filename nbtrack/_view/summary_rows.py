"""The summary table: what a run's summary says, as text."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Final

from nbtrack._draw.spec import SummaryRow, format_number
from nbtrack._view.media_log import media_type
from nbtrack._view.points import halved
from nbtrack._view.tracks import as_float

if TYPE_CHECKING:
    from array import array

    from nbtrack._view.points import Track

_MAX_TEXT: Final = 200
_KINDS: Final = {
    "audio-file": "sound",
    "bokeh-file": "page",
    "html-file": "page",
    "object3D-file": "3D object",
    "plotly-file": "plot",
}


class SummaryRows:
    """Makes rows of summaries; remembers how far it has looked for extremes."""

    def __init__(self) -> None:
        #: Key → track, its epoch, closed points looked at, least and greatest.
        self._seen: dict[str, tuple[int, int, int, float, float]] = {}

    def rows(
        self, summary: Mapping[str, Any], tracks: Mapping[str, Track]
    ) -> tuple[SummaryRow, ...]:
        """Give the rows; tracks by the keys that they hold."""
        return tuple(
            SummaryRow(key, self._values(key, value, tracks.get(key)))
            for key, value in summary.items()
            if not key.startswith("_")
        )

    def _values(
        self, key: str, value: object, track: Track | None
    ) -> tuple[tuple[str, str], ...]:
        if kind := media_type(value):
            many = len(value) if isinstance(value, list) else 1
            return (("last", _counted(kind, many)),)
        if isinstance(value, Mapping):
            return tuple((str(name), _text(one)) for name, one in value.items())
        if track is None or not isinstance(value, (int, float)):
            return (("last", _text(value)),)
        low, high = self._extremes(key, track)
        if low > high:
            return (("last", _text(value)), ("min", ""), ("max", ""))
        extremes = (("min", format_number(low)), ("max", format_number(high)))
        return (("last", _text(value)), *extremes)

    def _extremes(self, key: str, track: Track) -> tuple[float, float]:
        """Give the least and the greatest: a reduction loses neither."""
        closed = track.ys[key]
        ident, epoch, count, low, high = self._seen.get(key, (-1, 0, 0, inf, -inf))
        if ident != track.id:
            epoch, count, low, high = track.epoch, 0, inf, -inf
        for _ in range(epoch, track.epoch):
            count = halved(count)
        low, high = _stretched(low, high, closed[count:])
        self._seen[key] = (track.id, track.epoch, len(closed), low, high)
        return _stretched(low, high, track.tail()[1][track.keys.index(key)])


def _counted(kind: str, many: int) -> str:
    """Say what was logged.

    >>> _counted("image-file", 13), _counted("plotly-file", 1), _counted("histogram", 2)
    ('13 images', 'plot', '2 histograms')
    """
    name = _KINDS.get(kind, kind.removesuffix("-file"))
    return f"{many} {name}s" if many > 1 else name


def _stretched(low: float, high: float, points: array[float]) -> tuple[float, float]:
    numbers = [v for v in points if not isnan(v)]
    return min(low, *numbers, inf), max(high, *numbers, -inf)


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = str(value)
        return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    if isinstance(value, int) and abs(value) >= 10**300:
        return format_number(as_float(value))
    return format_number(value)
