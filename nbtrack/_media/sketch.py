"""A Plotly figure as a small picture, where it is simple enough: no browser is needed.

Lines, points, bars and histograms over numbers or names. What else a figure may have
(maps, surfaces, several axes) is left to the page that draws it with plotly.js.
"""

from __future__ import annotations

import base64
import math
from typing import Any, Final

from nbtrack._media.drawing import Drawing, Series

MOST_TRACES: Final = 30
MOST_VALUES: Final = 200_000  # of one trace
_BINS: Final = 30
_KINDS: Final = frozenset("i1 u1 i2 u2 i4 u4 f4 f8".split())  # noqa: SIM905


def sketch(figure: dict[str, Any]) -> Drawing | None:
    """Give what a figure shows as a drawing; None for one that is not so simple."""
    traces = [
        t for t in figure["data"] if t.get("visible") not in (False, "legendonly")
    ]
    kinds = {str(trace.get("type", "scatter")) for trace in traces}
    layout = figure["layout"]
    if not traces or len(traces) > MOST_TRACES or "xaxis2" in layout:
        return None
    titles = (_title(layout), _title(layout.get("xaxis")), _title(layout.get("yaxis")))
    try:
        if kinds <= {"scatter", "scattergl"}:
            return _curves(traces, titles)
        if kinds == {"bar"}:
            return _bars(traces, titles)
        if kinds == {"histogram"}:
            return _histogram(traces, titles)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        pass  # of a form that this does not know
    return None


def _title(part: Any) -> str:
    found = part.get("title", "") if isinstance(part, dict) else ""
    text = found.get("text", "") if isinstance(found, dict) else found
    return str(text or "")[:200]


def _values(data: Any) -> list[Any]:
    """Give a trace's values: a list, or bytes as plotly 6 writes arrays."""
    import numpy as np

    if data is None:
        return []
    if isinstance(data, dict):
        if data["dtype"] not in _KINDS or "shape" in data:
            raise ValueError
        content = base64.b64decode(data["bdata"], validate=True)
        data = np.frombuffer(content, f"<{data['dtype']}").tolist()
    if not isinstance(data, list) or len(data) > MOST_VALUES:
        raise ValueError
    return data


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    return float(value)


def _name(trace: dict[str, Any], at: int) -> str:
    return str(trace.get("name") or f"trace {at}")[:200]


def _color(trace: dict[str, Any]) -> str:
    """Give a trace's own colour, if it is one that can be nothing else."""
    for part in ("line", "marker"):
        color = (trace.get(part) or {}).get("color")
        if isinstance(color, str) and len(color) == len("#rrggbb") and color[0] == "#":
            int(color[1:], 16)
            return color
    return ""


def _curves(
    traces: list[dict[str, Any]], titles: tuple[str, str, str]
) -> Drawing | None:
    series = []
    for at, trace in enumerate(traces):
        y = [_number(v) for v in _values(trace.get("y"))]
        given = _values(trace.get("x")) or range(len(y))
        x = [_number(v) for v in given]
        if any(isinstance(v, str) for v in given) or trace.get("yaxis", "y") != "y":
            return None  # dates and names are no places on this axis
        pairs = list(zip(x, y, strict=False))
        made = Series(
            _name(trace, at),
            tuple(a for a, _ in pairs),
            tuple(b for _, b in pairs),
            _color(trace),
        )
        series.append(made)
    are_points = all("lines" not in str(t.get("mode", "lines")) for t in traces)
    return Drawing("points" if are_points else "lines", *titles, tuple(series))


def _bars(traces: list[dict[str, Any]], titles: tuple[str, str, str]) -> Drawing | None:
    if any(trace.get("orientation") == "h" for trace in traces):
        return None
    series = []
    for at, trace in enumerate(traces):
        y = [_number(v) for v in _values(trace.get("y"))]
        x = [str(v) for v in _values(trace.get("x")) or range(len(y))]
        pairs = list(zip(x, y, strict=False))
        labels, heights = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
        series.append(Series(_name(trace, at), labels, heights, _color(trace)))
    return Drawing("bars", *titles, tuple(series))


def _histogram(
    traces: list[dict[str, Any]], titles: tuple[str, str, str]
) -> Drawing | None:
    import numpy as np

    columns = [np.array([_number(v) for v in _values(t.get("x"))]) for t in traces]
    columns = [column[np.isfinite(column)] for column in columns]
    whole = np.concatenate(columns)
    if not whole.size:
        return None
    asked = traces[0].get("nbinsx")
    bins = min(max(int(asked), 1), 100) if isinstance(asked, int) else _BINS
    edges = np.histogram_bin_edges(whole, bins)
    labels = tuple(f"{v:.4g}" for v in (edges[:-1] + edges[1:]) / 2)
    series = tuple(
        Series(
            _name(trace, at),
            labels,
            tuple(map(float, np.histogram(column, edges)[0])),
            _color(trace),
        )
        for at, (trace, column) in enumerate(zip(traces, columns, strict=True))
    )
    return Drawing("bars", titles[0], titles[1], titles[2] or "count", series)
