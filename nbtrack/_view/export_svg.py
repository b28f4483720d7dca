"""A board as one drawing, and as a picture: no browser is needed.

The same card, charts and summary as the static bundle, set by hand: an SVG knows no
flow of text. Widths of text are estimated, rather too wide, so that nothing runs over.
"""

from __future__ import annotations

import base64
import math
import re
import time
import unicodedata
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack._draw import html
from nbtrack._draw.spec import progress_text
from nbtrack._draw.svg import chart_svg
from nbtrack._media.shown import objects, shown, static_html
from nbtrack._media.table_static import NAMES, first_cells, size_text
from nbtrack.errors import MediaError, MissingPackageError, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbtrack._draw.spec import BoardSpec, Card, Chart, MediaPanel, SummaryRow
    from nbtrack._media.shown import Shown
    from nbtrack._media.table import Table

MAX_CHARTS: Final = 400  # as many as make a picture of some 30,000 pixels
MAX_SUMMARY_ROWS: Final = 200
MAX_MEDIA: Final = 60  # keys
_MAX_PICTURES: Final = 30  # of a gallery
_MAX_NAMED: Final = 6
_PANEL_PX: Final = 300  # the least width of a card with media
_PAD: Final = 10
_PICTURE_PX: Final = 76  # the height of one of many
_SINGLE_PX: Final = 260  # and of one alone
_CELL_PICTURE_PX: Final = 32
_LEAST_CELL_PX: Final = 64  # a text cut to it can still be told
_LEAST_CAPTION_PX: Final = 44
_MOST_GROWN: Final = 1.25  # beyond, the text of a plot would be a headline
_TABLE_SHAPE: Final = (8, 12)  # rows and columns
_BY_TWO: Final = (2, 4)  # as many as leave a hole beside them in threes
_TINY_PX: Final = 64
_PICTURES: Final = frozenset(
    f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp", "svg+xml")
)
_PIXELS: Final = ' image-rendering="optimizeSpeed"'
_DRAWN_BYTES: Final = 64_000
_IMG: Final = re.compile(
    r'<img src="data:image/([a-z+]+);base64,([\w+/=]+)"[^>]*?'
    r' width="(\d+)" height="(\d+)"'
)
_MAX_CONFIG: Final = 60
_WIDTHS_PX: Final = (320, 4_000)
_SCALES: Final = (0.1, 8.0)
_MAX_PIXELS: Final = 2**28  # a gigabyte while it is drawn
_MARGIN: Final = 24
_GAP: Final = 16
_CHART_PX: Final = (300, 190)  # the least width; the height
_MOST_HIGH_PX: Final = 320
_CELL_PX: Final = 22
_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


@dataclass(frozen=True, slots=True)
class Look:
    """How wide a drawing is, and its colours."""

    width: int
    ground: str
    raised: str
    line: str
    ink: str
    faint: str


_THEMES: Final = {
    "light": ("#ffffff", "#ffffff", "#dfe3e8", "#1f2328", "#5c646e"),
    "dark": ("#14171a", "#1b1e22", "#3a4048", "#e6e8eb", "#9aa3ad"),
}


def check_look(width: object, theme: object) -> Look:
    """Give the look that was asked for.

    Raises
    ------
    SettingError
        There is no such theme, or nobody could mean that width.
    """
    if not isinstance(theme, str) or theme not in _THEMES:
        raise SettingError("theme", theme, _THEMES)
    least, most = _WIDTHS_PX
    if not _is_within(width, least, most):
        raise SettingError("width", width, (f"{least} to {most:,} pixels",))
    return Look(round(float(width)), *_THEMES[theme])  # type: ignore[arg-type]


def check_scale(scale: object) -> float:
    """Give the scale that was asked for.

    Raises
    ------
    SettingError
        It is none.
    """
    least, most = _SCALES
    if not _is_within(scale, least, most):
        raise SettingError("scale", scale, (f"{least} to {most:g}",))
    return float(scale)  # type: ignore[arg-type]


def _is_within(value: object, least: float, most: float) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return least <= float(value) <= most  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def rendered(svg: str, scale: float) -> bytes:
    """Give the drawing as PNG.

    Raises
    ------
    MissingPackageError
        resvg-py is not installed.
    """
    try:
        import resvg_py
    except ImportError:
        raise MissingPackageError(
            "resvg-py", extra="png", why="run.to_png(…)"
        ) from None
    found = re.match(r'<svg [^>]*?width="(\d+)" height="(\d+)"', svg)
    width, height = (int(size) for size in found.groups()) if found else (0, 0)
    scale = min(scale, math.sqrt(_MAX_PIXELS / max(width * height, 1)))
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            width=max(1, round(width * scale)),
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
            monospace_family="DejaVu Sans Mono",
            font_dirs=_font_dirs(),
        )
    )


def _font_dirs() -> list[str] | None:
    """Give matplotlib's fonts where it is installed: a bare container has no others."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    fonts = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [str(fonts)] if fonts.is_dir() else None


# --- the drawing -----------------------------------------------------------------


@dataclass(slots=True)
class _Sheet:
    """What is drawn so far, from the top down."""

    look: Look
    y: float = _MARGIN
    parts: list[str] = field(default_factory=list)
    left: float = _MARGIN
    room: float = 0  # the width between the margins

    def __post_init__(self) -> None:
        self.room = self.room or self.look.width - 2 * _MARGIN

    def text(
        self,
        x: float,
        text: str,
        *,
        size: float = 13,
        fill: str = "",
        bold: bool = False,
        right: bool = False,
        mono: bool = False,
        room: float = math.inf,
    ) -> float:
        """Write a line at the current height and give its width."""
        text = _fitted(html.clean(html.one_line(text, 400)), size, room)
        wide = _width(text, size) * (1.1 if bold else 1)
        more = ' font-weight="600"' if bold else ""
        more += ' text-anchor="end"' if right else ""
        more += " font-family=\"ui-monospace,'DejaVu Sans Mono',monospace\"" * mono
        self.parts.append(
            f'<text x="{x:g}" y="{self.y:g}" font-size="{size:g}"'
            f' fill="{fill or self.look.ink}"{more}>{escape(text)}</text>'
        )
        return wide

    def words(self, pairs: Sequence[tuple[str, str]], size: float = 12) -> None:
        """Write names and values, ``lr=0.1``, on as many lines as they need."""
        x = float(self.left)
        for pair in pairs:
            key, value = (html.one_line(html.clean(text), 60) for text in pair)
            name = _fitted(f"{key}=", size, self.room / 2)
            held = _fitted(value, size, self.room - _width(name, size))
            wide = _width(name + held, size)
            if x > self.left and x + wide > self.left + self.room:
                x, self.y = self.left, self.y + size * 1.6
            self.parts.append(
                f'<text x="{x:g}" y="{self.y:g}" font-size="{size:g}"'
                f' fill="{self.look.ink}"><tspan fill="{self.look.faint}">'
                f"{escape(name)}</tspan>{escape(held)}</text>"
            )
            x += wide + 14
        self.y += size * 1.6

    def picture(self, x: float, item: Shown, size: tuple[float, float]) -> None:
        """Put a picture at the current height; of a tiny one the pixels are seen."""
        is_tiny = max(item.width, item.height) <= _TINY_PX
        data = base64.b64encode(item.content or b"").decode()
        self.parts.append(
            f'<image x="{x:.1f}" y="{self.y:.1f}" width="{size[0]:.1f}"'
            f' height="{size[1]:.1f}"{_PIXELS if is_tiny else ""}'
            f' href="data:{item.mime};base64,{data}"/>'
        )

    def rule(self) -> None:
        """Draw a hairline."""
        self.parts.append(
            f'<path d="M{self.left} {self.y:g}h{self.room}" stroke="{self.look.line}"/>'
        )


def board_svg(spec: BoardSpec, look: Look) -> str:
    """Draw a whole board."""
    sheet = _Sheet(look)
    _draw_card(sheet, spec.card)
    _draw_charts(sheet, spec)
    _draw_media(sheet, spec)
    _draw_summary(sheet, spec.summary)
    width, height = look.width, math.ceil(sheet.y + _MARGIN - 8)
    title = escape(html.clean(html.one_line(f"{spec.card.name}, a run", 200)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="{_FONT}">'
        f"<title>{title}</title>"
        f'<rect width="{width}" height="{height}" fill="{look.ground}"/>'
        f"{''.join(sheet.parts)}</svg>\n"
    )


def _draw_card(sheet: _Sheet, card: Card) -> None:
    look = sheet.look
    sheet.y += 14
    state = html.one_line(card.state, 20)
    name_room = sheet.room - _width(state, 13) - 40
    x = sheet.left + sheet.text(
        sheet.left, card.name, size=20, bold=True, room=name_room
    )
    color = html.state_color(card.state)
    sheet.parts.append(
        f'<circle cx="{x + 20:g}" cy="{sheet.y - 5:g}" r="5" fill="{color}"/>'
    )
    sheet.text(x + 31, state)
    sheet.y += 24
    facts = " · ".join(fact for fact in _facts(card) if fact)
    sheet.text(sheet.left, facts, fill=look.faint, room=sheet.room)
    sheet.y += 22
    if card.tags:
        _draw_tags(sheet, card.tags[:24])
    for line in html.cut(card.notes.strip(), 1000).splitlines()[:8]:
        sheet.text(sheet.left, line, room=sheet.room)
        sheet.y += 19
    if card.config:
        sheet.words(card.config[:_MAX_CONFIG])
    for fault in card.faults[:8]:
        sheet.text(sheet.left, "⚠ " + fault, fill="#e07b39", room=sheet.room)
        sheet.y += 19


def _facts(card: Card) -> Iterator[str]:
    yield card.project
    yield card.run_id
    if card.step is not None:
        yield progress_text(card.step, card.total_steps)
    if card.elapsed_s:
        yield html.duration(card.elapsed_s)
    if card.started_at > 0:
        yield time.strftime("%Y-%m-%d %H:%M", time.localtime(card.started_at))


def _draw_tags(sheet: _Sheet, tags: Sequence[str]) -> None:
    x = float(sheet.left)
    for tag in tags:
        text = html.one_line(html.clean(tag), 40)
        wide = _width(text, 12) + 16
        if x > sheet.left and x + wide > sheet.left + sheet.room:
            x, sheet.y = sheet.left, sheet.y + 26
        sheet.parts.append(
            f'<rect x="{x:g}" y="{sheet.y - 14:g}" width="{wide:.0f}" height="20"'
            f' rx="10" fill="{sheet.look.raised}" stroke="{sheet.look.line}"/>'
        )
        sheet.text(x + 8, text, size=12, fill=sheet.look.faint)
        x += wide + 6
    sheet.y += 26


def _draw_heading(sheet: _Sheet, text: str) -> None:
    sheet.y += 26
    sheet.text(sheet.left, text, bold=True, room=sheet.room)
    sheet.y += 9
    sheet.rule()
    sheet.y += 14


def _draw_charts(sheet: _Sheet, spec: BoardSpec) -> None:
    left, total = MAX_CHARTS, sum(len(section.charts) for section in spec.sections)
    for section in spec.sections:
        drawn = section.charts[:left]
        left -= len(drawn)
        if drawn:
            _draw_heading(sheet, section.name or "charts")
            _draw_grid(sheet, drawn)
    if total > MAX_CHARTS:
        _draw_hint(sheet, f"{total - MAX_CHARTS} of {total} charts are not shown")


def _draw_hint(sheet: _Sheet, text: str) -> None:
    sheet.y += 8
    sheet.text(sheet.left, text, fill=sheet.look.faint, room=sheet.room)
    sheet.y += 12


def _columns(room: float, least: int) -> tuple[int, float]:
    """Give how many fit side by side, and how wide each is then."""
    count = max(1, int((room + _GAP) // (least + _GAP)))
    return count, (room + _GAP) / count - _GAP


def _draw_grid(sheet: _Sheet, charts: Sequence[Chart]) -> None:
    """Draw charts in cards, side by side."""
    look = sheet.look
    columns, wide = _columns(sheet.room, _CHART_PX[0])
    high = _CHART_PX[1]
    if columns > 2 and len(charts) in _BY_TWO:  # noqa: PLR2004
        columns, wide = 2, (sheet.room - _GAP) / 2
        high = min(max(high, round(wide * 0.42)), _MOST_HIGH_PX)
    for number, chart in enumerate(charts):
        column = number % columns
        if column == 0 and number:
            sheet.y += high + 20 + _GAP
        x = sheet.left + column * (wide + _GAP)
        width = int(wide) - 20
        svg = chart_svg(
            chart, width=width, height=high, points=width, ink=look.ink, grey=look.faint
        )
        sheet.parts.append(
            f'<rect x="{x:g}" y="{sheet.y:g}" width="{wide:.1f}" height="{high + 20}"'
            f' rx="6" fill="{look.raised}" stroke="{look.line}"/>'
            f'<svg x="{x + 10:g}" y="{sheet.y + 10:g}" {svg.removeprefix("<svg ")}'
        )
    sheet.y += high + 20


def _draw_media(sheet: _Sheet, spec: BoardSpec) -> None:
    """Draw the latest of each key in a card; each goes where there is most room."""
    if not spec.media:
        return
    _draw_heading(sheet, "media")
    columns, wide = _columns(sheet.room, _PANEL_PX)
    ends = [sheet.y] * columns
    for panel in spec.media[:MAX_MEDIA]:
        card = _Sheet(sheet.look, y=0, left=0, room=wide - 2 * _PAD)
        _draw_panel(card, panel)
        column = ends.index(min(ends))
        x, y = sheet.left + column * (wide + _GAP), ends[column]
        high = card.y + 2 * _PAD
        sheet.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
            f' rx="6" fill="{sheet.look.raised}" stroke="{sheet.look.line}"/>'
            f'<g transform="translate({x + _PAD:.1f} {y + _PAD:.1f})">'
            f"{''.join(card.parts)}</g>"
        )
        ends[column] += high + _GAP
    sheet.y = max(ends) - _GAP
    if len(spec.media) > MAX_MEDIA:
        _draw_hint(sheet, f"{len(spec.media) - MAX_MEDIA} more keys with media")


def _draw_panel(sheet: _Sheet, panel: MediaPanel) -> None:
    """Draw one key: its name and step, and below what was logged."""
    from nbtrack._media.table import Table

    step, value = panel.last
    told = f"step {step:,}"
    faint = sheet.look.faint
    sheet.y += 12
    name_room = sheet.room - _width(told, 11) - _GAP
    sheet.text(0, panel.key, size=12, bold=True, room=name_room / 1.1)
    sheet.text(sheet.room, told, size=11, fill=faint, right=True)
    sheet.y += 10
    found = objects(value, panel.run_path)
    tables = [one for one in found if isinstance(one, Table)]
    for table in tables[:_MAX_NAMED]:
        _draw_table(sheet, table)
    if tables:
        return
    seen = list(_with_drawings(value, panel.run_path))
    _draw_pictures(sheet, [item for item, _ in seen if _is_picture(item)])
    drawn = [one for item, one in seen if one is not None and not _is_picture(item)]
    for one in drawn[:_MAX_NAMED]:
        _draw_whole(sheet, one)
    others = [item for item, one in seen if one is None and not _is_picture(item)]
    for item in others[:_MAX_NAMED]:
        sheet.y += 14
        named = NAMES.get(item.type, item.type)
        text = " · ".join(filter(None, (named, item.caption, size_text(item.size))))
        sheet.text(0, text, size=12, fill=faint, room=sheet.room)
        sheet.y += 4
    more = len(drawn) + len(others) - 2 * _MAX_NAMED
    if more > 0:
        _draw_hint(sheet, f"and {more:,} more")


def _draw_table(sheet: _Sheet, table: Table) -> None:
    """Draw the first rows and as many columns as there is room for."""
    faint, size = sheet.look.faint, 11
    try:
        head, rows, told = first_cells(table, _TABLE_SHAPE)
    except MediaError as error:
        _draw_hint(sheet, str(error))
        return
    widths: list[float] = []
    for at, (name, _) in enumerate(head):
        texts = [name, *(one for row in rows if isinstance(one := row[at], str))]
        widest = max(_width(html.one_line(text, 60), size) for text in texts)
        pixels = any(not isinstance(row[at], str) for row in rows) * _CELL_PICTURE_PX
        wide = min(max(widest, pixels, 12), 150.0) + 14
        left = sheet.room - sum(widths)
        if wide > left < _LEAST_CELL_PX and widths:
            break
        widths.append(min(wide, left))
    with_pictures = any(not isinstance(one, str) for row in rows for one in row)
    high = _CELL_PICTURE_PX + 4 if with_pictures else 20
    x = 0.0
    sheet.y += 12
    for (name, is_number), wide in zip(head, widths, strict=False):
        place = x + wide - 7 if is_number else x + 7
        room = wide - 14
        sheet.text(place, name, size=size, fill=faint, right=is_number, room=room)
        x += wide
    sheet.y += 7
    for number, row in enumerate(rows):
        if number % 2 == 0:
            sheet.parts.append(
                f'<rect x="0" y="{sheet.y:g}" height="{high}" width="{sum(widths):.0f}"'
                f' fill="{sheet.look.line}" fill-opacity=".3"/>'
            )
        x, top = 0.0, sheet.y
        for one, (_, is_right), wide in zip(row, head, widths, strict=False):
            if isinstance(one, str):
                sheet.y = top + high / 2 + 4
                place = x + wide - 7 if is_right else x + 7
                sheet.text(place, one, size=size, right=is_right, room=wide - 14)
            else:
                sheet.y = top + 2
                side = _CELL_PICTURE_PX
                sheet.picture(x + 7, one, (min(side, wide - 14), side))
            x += wide
        sheet.y = top + high
    if len(widths) < len(head):
        told += f" · {len(widths)} columns are shown"
    sheet.y += 15
    sheet.text(0, told, size=size, fill=faint, room=sheet.room)
    sheet.y += 3


def _with_drawings(value: Any, run_path: Path) -> Iterator[tuple[Shown, Shown | None]]:
    """Give objects, and the picture that a saved notebook shows of each, if any."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        for item in shown(one, run_path):
            is_done = _is_picture(item)
            page = "" if is_done else static_html(one, run_path, _DRAWN_BYTES)
            found = _IMG.search(page)
            drawn = None
            if found is not None:
                kind, data, width, height = found.groups()
                drawn = item._replace(
                    mime=f"image/{kind}",
                    content=base64.b64decode(data),
                    width=int(width),
                    height=int(height),
                )
            yield item, drawn


def _is_picture(item: Shown) -> bool:
    return (
        bool(item.content) and item.mime in _PICTURES and item.width * item.height > 0
    )


def _draw_whole(sheet: _Sheet, item: Shown) -> None:
    """Draw a plot as wide as its card: its labels are then as large as a chart's."""
    scale = min(sheet.room / item.width, _MOST_GROWN)
    size = (item.width * scale, item.height * scale)
    sheet.picture((sheet.room - size[0]) / 2, item, size)
    sheet.y += size[1]
    if item.caption:
        sheet.y += 14
        sheet.text(0, item.caption, size=11, fill=sheet.look.faint, room=sheet.room)


def _draw_pictures(sheet: _Sheet, pictures: Sequence[Shown]) -> None:
    """Draw one picture large, several side by side on as many lines as they need."""
    limits = (_PICTURE_PX if len(pictures) > 1 else _SINGLE_PX, sheet.room)
    x, line = 0.0, 0.0  # where the next one goes; how high this line is
    for item in pictures[:_MAX_PICTURES]:
        # Of digits, not of photographs: their pixels are to be seen.
        is_tiny = max(item.width, item.height) <= _TINY_PX
        high = min(limits[0], _PICTURE_PX) if is_tiny else limits[0]
        scale = min(high / item.height, limits[1] / item.width, 8.0)
        size = (item.width * scale, item.height * scale)
        wide = max(size[0], _LEAST_CAPTION_PX if item.caption else 0)
        if x and x + wide > sheet.room:
            x, sheet.y, line = 0.0, sheet.y + line + 8, 0.0
        sheet.picture(x, item, size)
        if item.caption:
            top = sheet.y
            sheet.y += size[1] + 12
            room = max(wide, _LEAST_CAPTION_PX)
            sheet.text(x, item.caption, size=10, fill=sheet.look.faint, room=room)
            sheet.y = top
        line = max(line, size[1] + (15 if item.caption else 0))
        x += wide + 8
    sheet.y += line
    if len(pictures) > _MAX_PICTURES:
        _draw_hint(sheet, f"{len(pictures) - _MAX_PICTURES} more pictures")


def _draw_summary(sheet: _Sheet, rows: Sequence[SummaryRow]) -> None:
    if not rows:
        return
    look = sheet.look
    _draw_heading(sheet, "summary")
    listed = rows[:MAX_SUMMARY_ROWS]
    names = list(dict.fromkeys(name for row in listed for name, _ in row.values))
    cells = [
        [html.one_line(dict(row.values).get(name, ""), 60) for name in names]
        for row in listed
    ]
    keys = [html.one_line(row.key, 80) for row in listed]
    widths = [
        max(_width(name, 12), *(_width(row[i], 12) for row in cells)) + 24
        for i, name in enumerate(names)
    ]
    while len(widths) > 1 and sum(widths) > sheet.room - 100:
        widths.pop()  # a narrow drawing: the first columns are the ones that matter
    key_room = max(80.0, sheet.room - sum(widths))
    key_width = min(key_room, max(_width(key, 12) for key in keys) + 24)
    sheet.y += 6
    edges = [sheet.left + key_width + sum(widths[: i + 1]) for i in range(len(widths))]
    for name, edge in zip(names, edges, strict=False):
        sheet.text(edge - 10, name, size=12, fill=look.faint, right=True)
    sheet.y += 8
    for number, (key, row) in enumerate(zip(keys, cells, strict=True)):
        if number % 2 == 0:
            sheet.parts.append(
                f'<rect x="{sheet.left}" y="{sheet.y:g}" height="{_CELL_PX}"'
                f' width="{edges[-1] - sheet.left if edges else key_width:.0f}"'
                f' fill="{look.line}" fill-opacity=".3"/>'
            )
        sheet.y += 15
        sheet.text(sheet.left + 10, key, size=12, room=key_width - 20)
        for value, edge, wide in zip(row, edges, widths, strict=False):
            sheet.text(edge - 10, value, size=12, right=True, room=wide)
        sheet.y += _CELL_PX - 15
    if len(rows) > len(listed):
        _draw_hint(sheet, f"{len(rows) - len(listed)} more: run.summary")
    sheet.y += 10


# --- text ------------------------------------------------------------------------

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]{} ·-")
_WIDE: Final = frozenset("mwMW@%—…⚠")


def _width(text: str, size: float) -> float:
    """Estimate the width of a text in a sans-serif font, rather too wide."""
    return size * sum(map(_em, text))


def _em(letter: str) -> float:
    if letter in _NARROW:
        return 0.4
    if letter in _WIDE or unicodedata.east_asian_width(letter) in "WF":
        return 1.02
    return 0.7 if letter.isupper() else 0.635


def _fitted(text: str, size: float, room: float) -> str:
    """Shorten to a width."""
    if _width(text, size) <= room:
        return text
    room -= size
    for end, letter in enumerate(text):
        room -= size * _em(letter)
        if room < 0:
            return text[:end] + "…"
    return text
