"""One chart as one small SVG: about 2 kB in a saved notebook, spikes included.

The picture knows neither the page's ground nor its theme (it is shown by ``<img>``,
where no style reaches it), so every colour is a mid-tone and the ground transparent.

How a curve gets small: points that are not finite split it; each stretch of a
hundredth of the axis keeps its lowest and its highest point; what then lies within
a third of a pixel of the line through its neighbours is dropped; the rest are
relative path commands in whole fractions of a pixel. A spike passes all three.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from nbtrack._draw.html import clean, one_line
from nbtrack._draw.spec import format_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbtrack._draw.spec import Chart, Curve

    Point = tuple[float, float]
    Segment = list[Point]

_GREY: Final = "#787e87"  # contrast 4 : 1 on white and on JupyterLab's dark ground
_TOLERANCE_PX: Final = 0.3
_HUGE: Final = 1e300
_PLAIN: Final = (1e-4, 1e13)  # sizes that ticks write without an exponent
_SMOOTH: Final = 60  # points: a curve of fewer is placed to a tenth of a pixel
_ROUGH: Final = 100  # one of more, to a pixel
_MANY_DOTS: Final = 40


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values with its ticks."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]  # value, label

    def place(self, value: float, start_px: float, end_px: float) -> float:
        """Give the pixel of a value."""
        return start_px + _share(value, self.low, self.high) * (end_px - start_px)


def chart_svg(
    chart: Chart,
    *,
    width: int = 300,
    height: int = 170,
    points: int = 200,
    grey: str = _GREY,
    ink: str = "",
) -> str:
    """Draw a chart as a complete SVG document.

    ``points`` bounds what one curve alone may use; overlaid curves share more
    sparingly, since eight lines in one small picture need less detail each. ``grey``
    is the colour of its text, ``ink`` that of its title.
    """
    buckets = max(16, int(points / 2 / math.sqrt(max(1, len(chart.curves)))))
    drawn = [
        (_color(curve), reduce_points(curve.x, curve.y, buckets))
        for curve in chart.curves
    ]
    everything = [point for _, segments in drawn for seg in segments for point in seg]
    head = _head(chart, (width, height), grey, ink)
    if not everything:
        body = _empty(chart, width, height)
    else:
        body = _plot(chart, drawn, everything, (width, height))
    return f"{head}{body}</svg>"


# --- reducing ------------------------------------------------------------------


def reduce_points(
    x: Sequence[float],
    y: Sequence[float],
    buckets: int,
) -> list[Segment]:
    """Give the curve's unbroken stretches, at most ``2 * buckets + 2`` points in all.

    Deterministic. The first, the last, and every bucket's lowest and highest point
    stay; a value that is not finite is a gap. Buckets are equal parts of the x axis
    where x never goes back, else equal numbers of points.
    """
    kept = _finite(x, y)
    if len(kept) > 2 * buckets:
        kept = _extremes(kept, buckets)
    segments: list[Segment] = []
    previous = -1
    for gap, px, py in kept:
        if gap != previous:
            segments.append([])
        segments[-1].append((px, py))
        previous = gap
    return segments


def _finite(x: Sequence[float], y: Sequence[float]) -> list[tuple[int, float, float]]:
    """Give (number of gaps before, x, y) of each point that can be drawn."""
    points = []
    gaps, broken = 0, False
    for a, b in zip(x, y, strict=False):
        px, py = _number(a), _number(b)
        if math.isfinite(px) and math.isfinite(py):
            gaps += broken
            broken = False
            points.append((gaps, px, py))
        else:
            broken = True
    return points


def _extremes(
    points: list[tuple[int, float, float]],
    buckets: int,
) -> list[tuple[int, float, float]]:
    low, high = points[0][1], points[-1][1]
    ordered = low < high and all(a[1] <= b[1] for a, b in pairwise(points))
    lowest: dict[int, int] = {}
    highest: dict[int, int] = {}
    for i, (_, px, py) in enumerate(points):
        share = _share(px, low, high) if ordered else i / len(points)
        bucket = min(int(share * buckets), buckets - 1)
        if py < points[lowest.setdefault(bucket, i)][2]:
            lowest[bucket] = i
        if py > points[highest.setdefault(bucket, i)][2]:
            highest[bucket] = i
    ends = (0, len(points) - 1)
    return [points[i] for i in sorted({*lowest.values(), *highest.values(), *ends})]


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond 1e308
        return math.inf


def _share(value: float, low: float, high: float) -> float:
    """Give where a value lies between two others, 0 to 1, without overflowing."""
    return (value / 2 - low / 2) / (high / 2 - low / 2)


# --- axes ----------------------------------------------------------------------


def make_axis(values: Iterable[float], *, whole: bool = False, wanted: int = 4) -> Axis:
    """Span the values with about ``wanted`` ticks at round numbers.

    ``whole``: ticks at whole numbers only, where the range allows it.
    """
    held = list(values)
    low, high = min(held), max(held)
    if not high / 2 - low / 2 > 0:
        whole = whole and abs(low) < 2**53
        low, high = (low - 1, low + 1) if whole else _around(low)
    # Ticks of a range that overflows are those of a thousandth of it.
    unit = 1e3 if max(abs(low), abs(high)) > _HUGE else 1.0
    step, first, last = _step(low / unit, high / unit, whole=whole, wanted=wanted)
    ticks: dict[str, float] = {}
    for k in range(first, last + 1):
        value = k * step * unit
        if low <= value <= high:
            ticks.setdefault(_label(value, step * unit), value)
    return Axis(low, high, tuple((value, label) for label, value in ticks.items()))


def _around(value: float) -> Point:
    """Give a range around a constant."""
    reach = abs(value) / 10
    if not reach / 4 > 0:
        reach = 1.0
    top = math.nextafter(math.inf, 0)
    return max(value - reach, -top), min(value + reach, top)


def _step(
    low: float,
    high: float,
    *,
    whole: bool,
    wanted: int,
) -> tuple[float, int, int]:
    """Choose the tick distance that gives nearest to the wanted number of ticks."""
    exponent = math.floor(math.log10(high - low))
    best: tuple[float, int, int] | None = None
    for power in range(exponent + 1, exponent - 3, -1):
        for factor in (5.0, 2.5, 2.0, 1.0):
            step = float(f"{factor}e{power}")
            uneven = whole and high - low >= 1 and step != int(step)
            if uneven or not step or not math.isfinite(low / step + high / step):
                continue
            first, last = math.ceil(low / step), math.floor(high / step)
            off = abs(last - first + 1 - wanted)
            if best is None or off < abs(best[2] - best[1] + 1 - wanted):
                best = (step, first, last)
    return best or (1.0, 1, 0)


def _label(value: float, step: float) -> str:
    """Write a tick: as many decimals as the step has, thousands as k, M, G."""
    size = max(abs(value), step)
    if value == 0:
        return "0"
    if not _PLAIN[0] <= size < _PLAIN[1]:
        digits = max(0, math.floor(math.log10(abs(value))) - _exponent(step))
        mantissa, _, power = f"{value:.{min(digits, 6)}e}".partition("e")
        return f"{_trim(mantissa)}e{int(power)}"
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit * (10 if suffix == "k" else 1) and step >= unit / 1000:
            return _trim(f"{value / unit:.{_decimals(step / unit)}f}") + suffix
    return _trim(f"{value:.{_decimals(step)}f}")


def _exponent(step: float) -> int:
    """Give the power of ten of the last digit that a multiple of the step needs."""
    mantissa, _, power = f"{step:.1e}".partition("e")
    return int(power) - (mantissa[-1] != "0")


def _decimals(step: float) -> int:
    return min(max(0, -_exponent(step)), 12)


def _trim(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


# --- drawing -------------------------------------------------------------------


def described(chart: Chart) -> str:
    """Say in words what a chart shows, for those who do not see it."""
    latest = _latest(chart)
    about = one_line(f"{chart.key} over {chart.x_title}", 120)
    return f"{about}, latest {latest}" if latest else about


def _latest(chart: Chart) -> str:
    one = chart.curves[0] if len(chart.curves) == 1 else None
    return format_number(_number(one.y[-1])) if one and len(one.y) else ""


def _head(chart: Chart, size: tuple[int, int], grey: str, ink: str) -> str:
    width, height = size
    latest = _latest(chart)
    name_px = width - 16 - len(latest) * 7.7
    name = _middle_cut(clean(one_line(chart.title, 200)), max(4, int(name_px / 7.7)))
    fill = f' fill="{ink}"' if ink else ""
    value = f'<text x="{width - 6}" y="14" text-anchor="end"' if latest else ""
    value += f' fill="{_color(chart.curves[0])}">{latest}</text>' if latest else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" fill="{grey}"'
        ' font-family="system-ui,sans-serif" font-size="10">'
        '<g font-size="12">'
        f'<text x="2" y="14" font-weight="600"{fill}>{_text(name)}</text>'
        f"{value}</g>"
    )


def _empty(chart: Chart, width: int, height: int) -> str:
    logged = any(len(curve.y) for curve in chart.curves)
    say = "no finite values" if logged else "no values yet"
    return (
        f'<path d="M2 {height - 20}H{width - 6}" stroke="{_GREY}" opacity=".3"/>'
        f'<text x="{width // 2}" y="{height // 2}" text-anchor="middle">{say}</text>'
    )


def _plot(
    chart: Chart,
    drawn: list[tuple[str, list[Segment]]],
    everything: Segment,
    size: tuple[int, int],
) -> str:
    width, height = size
    whole = all(px == math.floor(px) for px, _ in everything)
    x_axis = make_axis((px for px, _ in everything), whole=whole)
    y_axis = make_axis(py for _, py in everything)
    longest = max((len(label) for _, label in y_axis.ticks), default=0)
    left, right = min(max(36, 8 + 6 * longest), width // 3), width - 8
    top, bottom = 26, height - 20

    def place(point: Point) -> Point:
        px = x_axis.place(point[0], left + 3, right - 3)
        return px, y_axis.place(point[1], bottom - 3, top + 3)

    pixels = [
        (color, [[place(point) for point in seg] for seg in segments])
        for color, segments in drawn
    ]
    # Whole pixels: shorter, and a hairline between two pixels would be a blur.
    y_places = [y_axis.place(v, bottom - 3, top + 3) for v, _ in y_axis.ticks]
    x_places = [x_axis.place(v, left + 3, right - 3) for v, _ in x_axis.ticks]
    rows = [(round(y), s) for y, (_, s) in zip(y_places, y_axis.ticks, strict=True)]
    columns = [(round(x), s) for x, (_, s) in zip(x_places, x_axis.ticks, strict=True)]
    grid = "".join(f"M{left} {y}H{right}" for y, _ in rows)
    grid += "".join(f"M{x} {top}V{bottom}" for x, _ in columns)
    y_text = "".join(
        f'<text x="{left - 4}" y="{y + 3}">{label}</text>' for y, label in rows
    )
    return (
        f'<path d="{grid}" stroke="{_GREY}" stroke-opacity=".22"/>'
        f'<g text-anchor="end">{y_text}</g>'
        f"{_x_text(columns, chart.x_title, (left, right, height - 6))}"
        f"{_curves(pixels)}"
    )


def _x_text(
    columns: list[tuple[int, str]],
    x_title: str,
    place: tuple[int, int, int],
) -> str:
    """Label the x axis; its name stands in the corner under the y labels.

    A name too long for the corner takes the right end, and the ticks give way.
    """
    left, right, y = place
    name = one_line(clean(x_title), 24)
    in_corner = len(name) * 5.6 < left - 6
    free = right if in_corner else right - len(name) * 5.8
    labels = "".join(
        f'<text x="{min(x, right + 6 - len(label) * 3)}" y="{y}">{label}</text>'
        for x, label in columns
        if x + len(label) * 3 <= free or in_corner
    )
    spot = 'x="2"' if in_corner else f'x="{right}" text-anchor="end"'
    return (
        f'<g text-anchor="middle">{labels}</g>'
        f'<text {spot} y="{y}" opacity=".8">{_text(name)}</text>'
    )


def _curves(pixels: list[tuple[str, list[Segment]]]) -> str:
    lines, dots = [], []
    for color, segments in pixels:
        thin = [thin_out(seg, _TOLERANCE_PX) for seg in segments]
        # Few points: a smooth curve, so place them finely. Many: noise hides it.
        count = sum(len(seg) for seg in thin)
        grow = 10 if count < _SMOOTH else 2 if count < _ROUGH else 1
        path = "".join(_path(seg, grow) for seg in thin if len(seg) > 1)
        if path:
            lines.append(
                f'<path stroke="{color}" stroke-width="{1.6 * grow:g}"'
                f'{_scale(grow)} d="{path}"/>',
            )
        lone = [seg[0] for seg in thin if len(seg) == 1]
        if lone:
            thick = 4 if len(lone) < _MANY_DOTS else 2
            dots.append(
                f'<path stroke="{color}" stroke-width="{thick}" d="{_dots(lone)}"/>',
            )
    round_ends = ' stroke-linecap="round"' if dots else ""  # they are the dots
    return (
        f'<g fill="none" stroke-linejoin="round"{round_ends}>'
        f"{''.join(lines)}{''.join(dots)}</g>"
    )


def thin_out(points: Segment, tolerance_px: float) -> Segment:
    """Drop points that lie on the line through their neighbours (Douglas, Peucker)."""
    keep = {0, len(points) - 1}
    todo = [(0, len(points) - 1)]
    while todo:
        start, end = todo.pop()
        far, at = tolerance_px, 0
        for i in range(start + 1, end):
            away = _distance(points[i], points[start], points[end])
            if away > far:
                far, at = away, i
        if at:
            keep.add(at)
            todo += [(start, at), (at, end)]
    return [points[i] for i in sorted(keep)]


def _distance(point: Point, start: Point, end: Point) -> float:
    """Give the distance of a point from the stretch between two others."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = point[0] - start[0], point[1] - start[1]
    length = dx * dx + dy * dy
    along = min(1.0, max(0.0, (px * dx + py * dy) / length)) if length else 0.0
    return math.hypot(px - along * dx, py - along * dy)


def _path(points: Segment, grow: int) -> str:
    at = [(round(x * grow), round(y * grow)) for x, y in points]
    moves = "".join(_pair(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(at) if a != b)
    return f"M{at[0][0]} {at[0][1]}l{moves.lstrip() or '0 0'}"


def _dots(points: Segment) -> str:
    """Give a dot at each point: a stroke of no length with round ends."""
    at = [(0, 0), *((round(x), round(y)) for x, y in points)]
    moves = (_pair(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(at))
    return "".join(f"m{move.lstrip()}h0" for move in moves)


def _scale(grow: int) -> str:
    return "" if grow == 1 else f' transform="scale({1 / grow:g})"'


def _pair(dx: int, dy: int) -> str:
    """Write one step; a minus sign separates as well as a blank does."""
    return f"{dx if dx < 0 else f' {dx}'}{dy if dy < 0 else f' {dy}'}"


def _color(curve: Curve) -> str:
    return curve.color if re.fullmatch(r"#[0-9a-fA-F]{3,8}", curve.color) else _GREY


def _text(text: str) -> str:
    return escape(clean(text))


def _middle_cut(text: str, limit: int) -> str:
    """Shorten in the middle: names of metrics differ at both ends."""
    if len(text) <= limit:
        return text
    tail = limit // 2
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"
