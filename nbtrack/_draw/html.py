"""Static HTML that cannot be an injection, and the few parts all pages share.

Text given to :func:`el` is escaped; only :class:`Safe`, which nothing outside this
file makes, passes as markup. A forgotten field is therefore ugly, never dangerous.

The tags, attributes and styles are those that JupyterLab keeps in a notebook that
is not trusted: no ``<style>``, no inline ``<svg>``, no ``var()``. Pictures travel
as ``<img src="data:…">``. Muted text is made by opacity and grounds are translucent
greys, so that both read on a light and on a dark page without knowing which it is.
"""

from __future__ import annotations

import base64
import re
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

TAGS: Final = frozenset(
    "b details div img pre span summary table tbody td th thead tr".split(),  # noqa: SIM905
)
ATTRIBUTES: Final = frozenset(
    ("alt", "class", "colspan", "height", "scope", "src", "style", "title", "width"),
)
SVG_DATA: Final = "data:image/svg+xml;base64,"
#: What a picture's address may begin with: nothing is fetched.
PICTURE_DATA: Final = (
    SVG_DATA,
    *(f"data:image/{kind};base64," for kind in ("png", "jpeg", "gif", "webp", "bmp")),
)
#: MathJax of either age leaves a board alone: ``$x$`` in a name is a name.
NO_MATH: Final = "tex2jax_ignore mathjax_ignore"
LINE: Final = "#80889040"  # hairlines
GROUND: Final = "#80889014"  # zebra rows and chips
MONO: Final = "font-family:ui-monospace,Menlo,Consolas,monospace"

_FEW_S: Final = 10  # below it, tenths matter
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86400
_AGES_S: Final = 1e12

_STATE_COLORS: Final = {
    # Those of the live board: static/board.css.
    "running": "#2aa876",
    "finished": "#3d8fd1",
    "failed": "#d1495b",
    "crashed": "#d1495b",
    "killed": "#e07b39",
}
# What XML forbids and UTF-8 cannot carry, and the controls that reorder text:
# a name must not be able to show itself as another name.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
    "\u202a-\u202e\u2066-\u2069]",
)
_BREAKABLE: Final = re.compile(r"[\s-]")
_STYLE: Final = re.compile(r"[\w #:;,.%()-]*")


class Safe(str):
    """Markup that was built here. Joining it with text gives text again."""

    __slots__ = ()


def clean(text: str) -> str:
    r"""Replace the characters that no page and no picture can hold.

    >>> clean("a\x00b") == "a\ufffdb"
    True
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def cut(text: str, limit: int) -> str:
    """Shorten to ``limit`` characters, the last of them an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int) -> str:
    """Fold white space to single blanks and shorten."""
    return cut(" ".join(text[: 4 * limit].split()), limit)


def joined(parts: Iterable[str]) -> Safe:
    """Put parts side by side, escaping those that are text."""
    return Safe(
        "".join(
            part if isinstance(part, Safe) else escape(clean(part)) for part in parts
        ),
    )


def el(tag: str, *children: str, **attributes: str | int | None) -> Safe:
    """Give one element; children that are text are escaped, empty attributes left out.

    >>> el("td", "a < b", colspan=2)
    '<td colspan="2">a &lt; b</td>'
    """
    if tag not in TAGS:
        msg = f"<{tag}> does not survive in an untrusted notebook"
        raise ValueError(msg)
    opening = tag
    for name, value in attributes.items():
        if value is not None and value != "":
            opening += f' {name}="{_attribute(name, str(value))}"'
    if tag == "img":
        return Safe(f"<{opening}>")
    return Safe(f"<{opening}>{joined(children)}</{tag}>")


def _attribute(name: str, value: str) -> str:
    if name not in ATTRIBUTES:
        msg = f"attribute {name!r} does not survive in an untrusted notebook"
        raise ValueError(msg)
    if name == "style" and not _STYLE.fullmatch(value):
        msg = f"style {value!r} is more than properties and values"
        raise ValueError(msg)
    if name == "src" and not value.startswith(PICTURE_DATA):
        msg = f"a picture must be one of {PICTURE_DATA}…, got {value[:40]!r}"
        raise ValueError(msg)
    return escape(clean(value))


def page(*parts: str) -> Safe:
    """Wrap a whole output: one size, one rhythm, the notebook's own font."""
    style = "font-size:13px;line-height:1.5;max-width:100%;padding:4px 4px 8px"
    return el("div", *parts, style=style, **{"class": NO_MATH})


def picture(svg: str, *, alt: str, width: int, height: int, style: str = "") -> Safe:
    """Show an SVG as an image: scripts in images never run, and sanitizers agree."""
    return el(
        "img",
        src=SVG_DATA + base64.b64encode(svg.encode()).decode(),
        alt=one_line(alt, 160),
        width=width,
        height=height,
        style="display:inline-block;height:auto;vertical-align:top;"
        + (style or "max-width:100%;margin:0 10px 10px 0"),
    )


def muted(*children: str, style: str = "") -> Safe:
    """Give secondary text, on any ground."""
    return el("span", *children, style=f"opacity:0.65;{style}".rstrip(";"))


def title(text: str, size_px: int = 13) -> Safe:
    """Give a name that something else follows on the line."""
    return el("b", text, style=f"font-size:{size_px}px;margin-right:10px")


def heading(text: str, aside: str = "") -> Safe:
    """Give the title of a part of the page, with a quieter remark after it."""
    remark = (muted(f" {aside}"),) if aside else ()
    return el(
        "div",
        el("b", text),
        *remark,
        style=f"margin:12px 0 8px;padding-bottom:3px;border-bottom:1px solid {LINE}",
    )


def hint(text: str) -> Safe:
    """Give a quiet line on its own: what was left out, and where it is."""
    return el("div", text, style="opacity:0.65;margin:4px 0")


def state_color(state: str) -> str:
    """Give the colour of a run's state; grey for one we do not know."""
    return _STATE_COLORS.get(state, "#8a8f98")


def state_mark(state: str) -> Safe:
    """Say a run's state by colour and by word."""
    return el(
        "span",
        el("span", "●", style=f"color:{state_color(state)}"),
        f" {one_line(state, 20)}",
        style="white-space:nowrap;margin-right:10px",
    )


def chip(text: str) -> Safe:
    """Give a tag."""
    return el(
        "span",
        one_line(text, 40),
        style=f"background:{GROUND};border:1px solid {LINE};border-radius:9px;"
        "padding:0 7px;margin-right:4px;font-size:12px;display:inline-block",
    )


def scroll_box(*children: str) -> Safe:
    """Let what is too wide scroll by itself, not the page."""
    return el("div", *children, style="overflow-x:auto;max-width:100%")


def cell(*children: str, head: bool = False, right: bool = False) -> Safe:
    """Give a table cell; ``right`` for numbers, ``head`` for a column's title."""
    # A table has many cells, so each says only what JupyterLab's own style would
    # get wrong: the side, the room, and not to break where a break is possible.
    style = f"text-align:{'right' if right else 'left'};padding:2px 9px"
    if any(isinstance(child, Safe) or _BREAKABLE.search(child) for child in children):
        style += ";white-space:nowrap"
    if head:
        quiet = f"{style};opacity:0.65;border-bottom:1px solid {LINE}"
        return el("th", *children, scope="col", style=f"{quiet};font-weight:500")
    return el("td", *children, style=style)


def table_row(cells: Iterable[str], *, zebra: bool = False) -> Safe:
    """Give a row; every second one is to be a zebra's stripe."""
    return el("tr", *cells, style=f"background:{GROUND}" if zebra else None)


def data_table(head: str, body: Iterable[str]) -> Safe:
    """Give a table as wide as its contents, in a box that scrolls by itself."""
    # Untrusted notebooks drop font-variant-numeric; columns still align right.
    style = (
        "border-collapse:collapse;border:0;margin:0;table-layout:auto;width:auto;"
        "font-size:12px;font-variant-numeric:tabular-nums"
    )
    return scroll_box(el("table", el("thead", head), el("tbody", *body), style=style))


def duration(seconds: float) -> str:
    """Write a length of time as a person says it.

    >>> [duration(s) for s in (0.21, 12.0, 72, 7500, 200000)]
    ['0.21 s', '12 s', '1 min 12 s', '2 h 05 min', '2 d 7 h']
    """
    if not 0 <= seconds < _AGES_S:  # nan, or a clock that went back
        return "?"
    if seconds < _FEW_S:
        return f"{seconds:.2g} s"
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"
