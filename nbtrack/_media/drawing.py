"""What a plot shows, as plain values: drawn by Plotly in a page, as SVG in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, Literal

from nbtrack._draw.spec import PALETTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["lines", "points", "bars", "matrix"]

MOST_POINTS: Final = 10_000  # of a figure; the table has them all
_GREY: Final = "#787e87"  # reads on a light and on a dark ground
_GRID: Final = "rgba(128,136,144,0.22)"


@dataclass(frozen=True, slots=True)
class Series:
    """A line, a cloud, the bars of one run, or a matrix's row."""

    name: str
    x: tuple[Any, ...]
    y: tuple[float, ...]
    color: str = ""
    dash: str = ""  # "", or Plotly's name for one of DASHES


#: How lines are told apart where the colours repeat: Plotly's name, SVG's pattern.
DASHES: Final = {"": "", "dash": "6 3", "dot": "2 3", "dashdot": "7 3 2 3"}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot; ``is_square``: both axes go from 0 to 1, ``diagonal``: shows chance."""

    kind: Kind
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    is_square: bool = False
    diagonal: bool = False

    def coloured(self) -> Drawing:
        """Give every series a colour of its own, or a colour and dashes."""
        dashes = list(DASHES)
        made = []
        for at, one in enumerate(self.series):
            round_, place = divmod(at, len(PALETTE))
            if not one.color:
                dash = dashes[round_ % len(dashes)]
                one = replace(one, color=PALETTE[place], dash=dash)  # noqa: PLW2901
            made.append(one)
        return replace(self, series=tuple(made))


def can_overlay(drawing: Drawing) -> bool:
    """Say whether several runs' fit into one; matrices stand side by side."""
    return drawing.kind != "matrix"


def overlaid(named: Sequence[tuple[str, Drawing]], colors: Sequence[str]) -> Drawing:
    """Put the same plot of several runs over each other, a colour for each run."""
    first = named[0][1]
    series = []
    for (name, drawing), color in zip(named, colors, strict=True):
        alone = len(drawing.series) == 1
        # The colour says which run it is, dashes which of its few lines.
        dashes = list(DASHES) if len(drawing.series) <= len(DASHES) else [""]
        for one, dash in zip(drawing.series, cycle(dashes), strict=False):
            label = name if alone else f"{name} · {one.name}"
            series.append(replace(one, name=label, color=color, dash=dash))
    return replace(first, series=tuple(series))


def reduced(drawing: Drawing, most: int = MOST_POINTS) -> tuple[Drawing, str]:
    """Give a drawing of no more points than can be drawn, and what was done.

    Lines keep the highest and the lowest point of each stretch, clouds every nth.
    """
    total = sum(len(one.x) for one in drawing.series)
    if total <= most or drawing.kind in ("bars", "matrix"):
        return drawing, ""
    made = []
    for one in drawing.series:
        share = max(4, most * len(one.x) // total)
        places = (
            _extremes(one.y, share)
            if drawing.kind == "lines"
            else (range(0, len(one.x), -(-len(one.x) // share)))
        )
        x, y = tuple(one.x[i] for i in places), tuple(one.y[i] for i in places)
        made.append(replace(one, x=x, y=y))
    drawn = sum(len(one.x) for one in made)
    how = "the highest and lowest" if drawing.kind == "lines" else "every nth"
    what = f"of {total:,} points {drawn:,} are drawn, {how}; the table has them all"
    return replace(drawing, series=tuple(made)), what


def _extremes(y: Sequence[float], most: int) -> list[int]:
    if len(y) <= most:
        return list(range(len(y)))
    count = max(1, (most - 2) // 2)
    kept = {0, len(y) - 1}
    for part in range(count):
        start, stop = len(y) * part // count, len(y) * (part + 1) // count
        finite = [i for i in range(start, stop) if math.isfinite(y[i])]
        if finite:
            kept |= {min(finite, key=y.__getitem__), max(finite, key=y.__getitem__)}
    return sorted(kept)


# --- Plotly --------------------------------------------------------------------------


def figure(drawing: Drawing) -> dict[str, Any]:
    """Give a drawing as a Plotly figure's JSON."""
    drawing = drawing.coloured()
    if drawing.kind == "matrix":
        return {"data": [_heat(drawing)], "layout": _matrix_layout(drawing)}
    layout = _layout(drawing)
    traces = [_trace(drawing.kind, one) for one in drawing.series]
    if drawing.diagonal:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [0, 1],
                "y": [0, 1],
                "name": "chance",
                "hoverinfo": "skip",
                "line": {"color": _GREY, "width": 1, "dash": "dot"},
            }
        )
    layout["showlegend"] = len(traces) > 1
    if drawing.kind == "bars":
        layout["barmode"] = "group"
        layout["xaxis"]["type"] = "category"
    if drawing.is_square:
        for axis in ("xaxis", "yaxis"):
            layout[axis]["range"] = [-0.01, 1.01]
    return {"data": traces, "layout": layout}


def _trace(kind: Kind, one: Series) -> dict[str, Any]:
    common = {"name": one.name, "x": _json(one.x), "y": _json(one.y)}
    if kind == "bars":
        return {"type": "bar", **common, "marker": {"color": one.color}}
    if kind == "points":
        marker = {"color": one.color, "size": 6, "opacity": 0.75}
        return {"type": "scatter", "mode": "markers", **common, "marker": marker}
    mode = "lines" if len(one.x) > 1 else "markers"
    line = {"color": one.color, "width": 2, "dash": one.dash or "solid"}
    return {"type": "scatter", "mode": mode, **common, "line": line}


def _json(values: Iterable[Any]) -> list[Any]:
    """Give numbers as JSON has them: what is not finite is a gap."""
    return [
        None if isinstance(v, float) and not math.isfinite(v) else v for v in values
    ]


def _layout(drawing: Drawing) -> dict[str, Any]:
    def axis(title: str) -> dict[str, Any]:
        return {
            "title": {"text": title},
            "gridcolor": _GRID,
            "zerolinecolor": _GRID,
            "linecolor": _GRID,
            "automargin": True,
        }

    return {
        "title": {"text": drawing.title, "font": {"size": 14}},
        "font": {"color": _GREY, "size": 11},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 48, "r": 12, "t": 36 if drawing.title else 12, "b": 40},
        "xaxis": axis(drawing.x_title),
        "yaxis": axis(drawing.y_title),
        "hovermode": "closest",
    }


def _heat(drawing: Drawing) -> dict[str, Any]:
    return {
        "type": "heatmap",
        "x": list(drawing.series[0].x) if drawing.series else [],
        "y": [one.name for one in drawing.series],
        "z": [_json(one.y) for one in drawing.series],
        "texttemplate": "%{z}",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "colorscale": [[0, "rgba(61,143,209,0.05)"], [1, "rgba(61,143,209,0.85)"]],
        "hovertemplate": "actual %{y}<br>predicted %{x}<br>%{z}<extra></extra>",
    }


def _matrix_layout(drawing: Drawing) -> dict[str, Any]:
    layout = _layout(drawing)
    for axis in ("xaxis", "yaxis"):
        layout[axis] |= {"type": "category", "showgrid": False}
    layout["yaxis"]["autorange"] = "reversed"
    return layout
