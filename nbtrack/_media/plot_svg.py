"""A plot as one small SVG, for a saved notebook: mid-tones on a transparent ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from nbtrack._draw import html
from nbtrack._draw.html import Safe, clean, el, hint, one_line
from nbtrack._draw.spec import format_number
from nbtrack._draw.svg import make_axis, thin_out
from nbtrack._media.drawing import DASHES, Drawing, Series, reduced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbtrack._draw.svg import Axis

_GREY: Final = "#787e87"
_BLUE: Final = "#3d8fd1"
_SIZE: Final = (320, 250)  # as wide as a chart: they stand side by side
_SQUARE: Final = (320, 300)
#: By itself under a cell a plot has more room.
ALONE: Final = 1.3
_MOST_POINTS: Final = 1_200
_TOLERANCE_PX: Final = 0.35
_MOST_LEGEND: Final = 12
_MOST_CELLS: Final = 30  # of a matrix, each way, that are drawn with their numbers
_LINE_PX: Final = 15


def drawing_html(
    drawing: Drawing, notes: Sequence[str], budget_bytes: int, zoom: float = 1
) -> Safe:
    """Give a plot as an image and what was left out of it."""
    svg, size = drawing_svg(drawing, min(_MOST_POINTS, max(60, budget_bytes // 24)))
    width, height = (round(side * zoom) for side in size)
    style = "max-width:100%;margin:0 0 6px"
    told = _told(drawing)
    picture = html.picture(svg, alt=told, width=width, height=height, style=style)
    return el("div", picture, *(hint(one_line(note, 300)) for note in notes[:3]))


def _told(drawing: Drawing) -> str:
    what = drawing.title or f"{drawing.y_title} over {drawing.x_title}"
    names = ", ".join(one.name for one in drawing.series[:6])
    return f"{what}: {names}" if drawing.kind != "matrix" else what


def drawing_svg(
    drawing: Drawing, points: int = _MOST_POINTS
) -> tuple[str, tuple[int, int]]:
    """Draw a plot as a complete SVG document; gives its width and height, too."""
    drawing = reduced(drawing.coloured(), points)[0]
    is_square = drawing.is_square or drawing.kind == "matrix"
    width, height = _SQUARE if is_square else _SIZE
    legend = [] if drawing.kind == "matrix" else list(drawing.series)
    has_legend = len(legend) > 1
    rows = _legend_rows(legend, width) if has_legend else []
    height += _LINE_PX * len(rows)
    draw = {"matrix": _matrix, "bars": _bars}.get(drawing.kind, _curves)
    body = draw(drawing, width, height - _LINE_PX * len(rows))
    at = height - _LINE_PX * len(rows) + 8
    body += "".join(_legend_row(row, at + n * _LINE_PX) for n, row in enumerate(rows))
    if len(legend) > _MOST_LEGEND:
        more = f"and {len(legend) - _MOST_LEGEND} more"
        body += f'<text x="{width - 8}" y="14" text-anchor="end">{more}</text>'
    title = _text(one_line(drawing.title, 200), int((width - 12) / 7))
    # Nothing stands in the first line: it is left out.
    cut = 0 if title or len(legend) > _MOST_LEGEND else _LINE_PX
    height -= cut
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 {cut} {width} {height}" fill="{_GREY}" '
        'font-family="system-ui,sans-serif" font-size="10">'
        f'<text x="2" y="14" font-size="12" font-weight="600">{title}</text>'
        f"{body}</svg>"
    ), (width, height)


def _legend_rows(series: list[Series], width: int) -> list[list[tuple[int, Series]]]:
    """Place the names in rows."""
    rows: list[list[tuple[int, Series]]] = [[]]
    x = 8
    for one in series[:_MOST_LEGEND]:
        need = 26 + 6 * min(len(one.name), 28)
        if x + need > width and rows[-1]:
            rows.append([])
            x = 8
        rows[-1].append((x, one))
        x += need
    return rows


def _legend_row(row: list[tuple[int, Series]], y: int) -> str:
    return "".join(
        f'<path d="M{x} {y - 3}h12" stroke="{one.color}" stroke-width="2.5"'
        f"{_dashes(one)}/>"
        f'<text x="{x + 16}" y="{y}">{_text(one.name, 28)}</text>'
        for x, one in row
    )


def _dashes(one: Series) -> str:
    pattern = DASHES.get(one.dash, "")
    return f' stroke-dasharray="{pattern}"' if pattern else ""


def _frame(
    drawing: Drawing, x_axis: Axis | None, y_axis: Axis, width: int, height: int
) -> tuple[str, tuple[int, int, int, int]]:
    """Draw ticks and titles; give the sides of the plot's own ground."""
    longest = max((len(label) for _, label in y_axis.ticks), default=0)
    left, right, top, bottom = (
        min(12 + 6 * longest, width // 3),
        width - 8,
        40,
        height - 34,
    )
    grid, labels = "", ""
    for value, label in y_axis.ticks:
        y = round(y_axis.place(value, bottom, top))
        grid += f"M{left} {y}H{right}"
        labels += f'<text x="{left - 5}" y="{y + 3}" text-anchor="end">{label}</text>'
    for value, label in x_axis.ticks if x_axis else ():
        x = round(x_axis.place(value, left, right)) if x_axis else 0
        grid += f"M{x} {top}V{bottom}"
        labels += f'<text x="{x}" y="{bottom + 13}" text-anchor="middle">{label}</text>'
    x_title = _text(drawing.x_title, 60)
    y_title = _text(drawing.y_title, 60)
    labels += (
        f'<text x="{(left + right) // 2}" y="{bottom + 28}" text-anchor="middle" '
        f'opacity=".85">{x_title}</text>'
        f'<text x="2" y="31" opacity=".85">{y_title}</text>'
    )
    path = f'<path d="{grid}" stroke="{_GREY}" stroke-opacity=".22" fill="none"/>'
    return path + labels, (left, right, top, bottom)


def _curves(drawing: Drawing, width: int, height: int) -> str:
    segments = [(one, _segments(one)) for one in drawing.series]
    everything = [point for _, parts in segments for part in parts for point in part]
    if not everything:
        return _empty(width, height)
    if drawing.is_square:
        everything += [(0.0, 0.0), (1.0, 1.0)]
    x_axis = make_axis(x for x, _ in everything)
    y_axis = make_axis(y for _, y in everything)
    body, (left, right, top, bottom) = _frame(drawing, x_axis, y_axis, width, height)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = x_axis.place(point[0], left, right)
        return round(x, 1), round(y_axis.place(point[1], bottom, top), 1)

    if drawing.diagonal:
        (x1, y1), (x2, y2) = place((0, 0)), place((1, 1))
        line = f"M{x1:g} {y1:g}L{x2:g} {y2:g}"
        body += f'<path d="{line}" stroke="{_GREY}" stroke-dasharray="2 4"/>'
    for one, parts in segments:
        if drawing.kind == "points":
            body += _dots([place(p) for part in parts for p in part], one.color)
            continue
        lines = [part for part in parts if len(part) > 1]
        alone = [place(part[0]) for part in parts if len(part) == 1]
        placed = ([place(point) for point in part] for part in lines)
        path = "".join(_path(thin_out(part, _TOLERANCE_PX)) for part in placed)
        body += (
            f'<path d="{path}" fill="none" stroke="{one.color}" stroke-width="1.6" '
            f'stroke-linejoin="round"{_dashes(one)}/>'
        )
        body += _dots(alone, one.color) if alone else ""
    return body


def _segments(one: Series) -> list[list[tuple[float, float]]]:
    """Give a line's unbroken stretches: what is not finite is a gap."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(one.x, one.y, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            parts[-1].append((_bounded(x), _bounded(y)))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _bounded(value: float) -> float:
    return max(-1e300, min(1e300, float(value)))


def _path(points: list[tuple[float, float]]) -> str:
    """Give a line in tenths of a pixel, each point from the one before it."""
    (x, y), *rest = ((round(10 * x), round(10 * y)) for x, y in points)
    steps = ""
    for a, b in rest:
        steps += f"l{(a - x) / 10:g} {(b - y) / 10:g}"
        x, y = a, b
    return f"M{points[0][0]:g} {points[0][1]:g}{steps}"


def _dots(points: list[tuple[float, float]], color: str) -> str:
    marks = "".join(f"M{x:g} {y:g}h0" for x, y in points)
    return (
        f'<path d="{marks}" stroke="{color}" stroke-width="4.5" stroke-linecap="round" '
        'stroke-opacity=".75"/>'
    )


def _bars(drawing: Drawing, width: int, height: int) -> str:
    labels = list(dict.fromkeys(label for one in drawing.series for label in one.x))
    values = [v for one in drawing.series for v in one.y if math.isfinite(v)]
    if not labels or not values:
        return _empty(width, height)
    y_axis = make_axis([0.0, *map(_bounded, values)])
    body, (left, right, top, bottom) = _frame(drawing, None, y_axis, width, height)
    slot = (right - left) / len(labels)
    thick = slot * 0.82 / len(drawing.series)
    zero = y_axis.place(0.0, bottom, top)
    places = {label: left + slot * at for at, label in enumerate(labels)}
    for number, one in enumerate(drawing.series):
        path = ""
        for label, value in zip(one.x, one.y, strict=True):
            if math.isfinite(value):
                x = places[label] + slot * 0.09 + thick * number
                y = y_axis.place(_bounded(value), bottom, top)
                path += f"M{x:.1f} {zero:.1f}V{y:.1f}h{max(thick, 0.6):.1f}V{zero:.1f}z"
        body += f'<path d="{path}" fill="{one.color}" fill-opacity=".85"/>'
    every = max(1, math.ceil(len(labels) / max(1, (right - left) // 52)))
    most = max(3, int(slot * every / 6))
    for label in labels[::every]:
        x = places[label] + slot / 2
        text = _text(str(label), most)
        body += (
            f'<text x="{x:.0f}" y="{bottom + 13}" text-anchor="middle">{text}</text>'
        )
    return body


def _matrix(drawing: Drawing, width: int, height: int) -> str:
    rows = drawing.series[:100]
    columns = list(rows[0].x)[:100] if rows else []
    if not columns:
        return _empty(width, height)
    longest = min(12, max(len(one.name) for one in rows))
    left, top, right, bottom = 22 + 6 * longest, 40, width - 8, height - 34
    wide, tall = (right - left) / len(columns), (bottom - top) / len(rows)
    most = max((v for one in rows for v in one.y if math.isfinite(v)), default=0) or 1
    body = f'<text x="2" y="31" opacity=".85">{_text(drawing.y_title, 20)}</text>'
    with_numbers = len(columns) <= _MOST_CELLS and wide > 14  # noqa: PLR2004  (two digits)
    every = max(1, math.ceil(10 / tall))
    for i, one in enumerate(rows):
        y = top + tall * i
        if i % every == 0:
            body += (
                f'<text x="{left - 5}" y="{y + tall / 2 + 3:.0f}" '
                f'text-anchor="end">{_text(one.name, 12)}</text>'
            )
        for j, value in enumerate(one.y[: len(columns)]):
            share = max(0.0, value / most) if math.isfinite(value) else 0.0
            x = left + wide * j
            body += (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide - 1:.1f}" fill="{_BLUE}" '
                f'height="{tall - 1:.1f}" fill-opacity="{0.06 + 0.84 * share:.2f}"/>'
            )
            if with_numbers:
                ink = ' fill="#fff"' if share > 0.5 else ""  # noqa: PLR2004
                body += (
                    f'<text x="{x + wide / 2:.0f}" y="{y + tall / 2 + 3:.0f}"{ink} '
                    f'text-anchor="middle">{format_number(value)}</text>'
                )
    across = max(1, math.ceil(26 / wide))
    for j, name in enumerate(columns):
        if j % across == 0:
            x = left + wide * (j + 0.5)
            text = _text(str(name), max(2, int(wide * across / 6)))
            place = f'x="{x:.0f}" y="{bottom + 13}"'
            body += f'<text {place} text-anchor="middle">{text}</text>'
    x_title = _text(drawing.x_title, 40)
    middle = (left + right) // 2
    return body + (
        f'<text x="{middle}" y="{bottom + 28}" text-anchor="middle" opacity=".85">'
        f"{x_title}</text>"
    )


def _empty(width: int, height: int) -> str:
    return (
        f'<text x="{width // 2}" y="{height // 2}" text-anchor="middle">'
        "nothing to draw</text>"
    )


def _text(text: str, limit: int) -> str:
    from html import escape

    return escape(html.cut(clean(one_line(text, 400)), limit))
