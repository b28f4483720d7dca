"""A table without a kernel: its first rows and columns, and how many there are."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from nbtrack._draw import html
from nbtrack._draw.html import PICTURE_DATA, Safe, cell, el, muted
from nbtrack._draw.spec import format_number
from nbtrack._media.base import Shown
from nbtrack._media.table_page import FIRST, page, thumbnail

if TYPE_CHECKING:
    from nbtrack._media.table import Table

TIMES: Final = "\N{MULTIPLICATION SIGN}"
_PICTURE_PX: Final = 56
_SMALL_PX: Final = 40  # pictures of fewer pixels are shown by their pixels
_TEXT_SHAPE: Final = (10, 8)  # rows and columns in a terminal
_RIGHT: Final = ("number",)
NAMES: Final = {
    "audio-file": "audio",
    "bokeh-file": "page",
    "histogram": "histogram",
    "html-file": "page",
    "image-file": "image",
    "molecule-file": "molecule",
    "object3D-file": "3D",
    "plotly-file": "plot",
    "table-file": "table",
    "video-file": "video",
}


def counts(table: Table) -> str:
    """Say how large a table is."""
    rows, columns = len(table), len(table.columns)
    ends = ("" if rows == 1 else "s", "" if columns == 1 else "s")
    return f"{rows:,} row{ends[0]} {TIMES} {columns:,} column{ends[1]}"


def table_html(table: Table, budget_bytes: int) -> Safe:
    """Give the first rows and columns, in about so many bytes."""
    found = page(table, limit=FIRST[0], n_columns=FIRST[1])
    columns, rows = found.head["columns"], found.head["rows"]
    right = [kind in _RIGHT for _, kind in columns]
    head = [
        cell(html.one_line(name, 40) or " ", head=True, right=side)
        for (name, _), side in zip(columns, right, strict=True)
    ]
    body: list[Safe] = []
    used = sum(map(len, head))
    for number, row in enumerate(rows):
        cells = [
            cell(_shown(value, found.buffers, budget_bytes // 2), right=side)
            for value, side in zip(row, right, strict=True)
        ]
        line = html.table_row(cells, zebra=number % 2 == 1)
        used += len(line)
        if used > budget_bytes and body:
            break
        body.append(line)
    caption = f"{html.one_line(table.caption, 200)} · " if table.caption else ""
    aside = counts(table) + _left_out(table, len(body), len(columns))
    parts = [el("div", muted(caption + aside), style="margin:0 0 4px;font-size:12px")]
    if columns:
        parts.append(html.data_table(html.table_row(head), body))
    return el("div", *parts)


def _left_out(table: Table, rows: int, columns: int) -> str:
    parts = []
    if rows < len(table):
        parts.append(f"the first {rows} rows")
    if columns < len(table.columns):
        parts.append(f"the first {columns} columns")
    return f" · {' and '.join(parts)} are shown" if parts else ""


def _shown(value: Any, buffers: list[bytes], budget_bytes: int) -> str:
    if isinstance(value, dict) and "type" in value:
        return _media(value, buffers, budget_bytes)
    return cell_text(value)


def _media(value: dict[str, Any], buffers: list[bytes], budget_bytes: int) -> Safe:
    caption = html.one_line(value["caption"], 60)
    if value["buffer"] >= 0 and value["type"] == "image-file":
        content = buffers[value["buffer"]]
        content, mime = thumbnail(content, value["mime"], _PICTURE_PX)
        address = f"data:{mime};base64,"
        if address in PICTURE_DATA and len(content) < budget_bytes:
            is_small = max(value["width"], value["height"]) < _SMALL_PX
            size = (
                f"height:{_SMALL_PX}px;image-rendering:pixelated"
                if is_small
                else (f"max-height:{_PICTURE_PX}px;max-width:{2 * _PICTURE_PX}px")
            )
            return el(
                "img",
                src=address + base64.b64encode(content).decode(),
                alt=caption or "image",
                title=caption,
                style=f"{size};margin:0;vertical-align:middle",
            )
    name = NAMES.get(value["type"], value["type"])
    if "error" in value:
        return muted(f"⚠ {html.one_line(value['error'], 80)}")
    size = size_text(value.get("size") or 0)
    return muted(" · ".join(part for part in (name, caption, size) if part))


def first_cells(
    table: Table, shape: tuple[int, int]
) -> tuple[list[tuple[str, bool]], list[list[str | Shown]], str]:
    """Give the first rows for a drawing, and how large the table is.

    Of a column its name, and whether it holds numbers; of a cell its text or picture.
    """
    found = page(table, limit=shape[0], n_columns=shape[1])
    head = [(name, kind in _RIGHT) for name, kind in found.head["columns"]]
    rows = [[_drawn(cell, found.buffers) for cell in row] for row in found.head["rows"]]
    return head, rows, counts(table) + _left_out(table, len(rows), len(head))


def _drawn(value: Any, buffers: list[bytes]) -> str | Shown:
    if not (isinstance(value, dict) and "type" in value):
        return cell_text(value)
    if value["buffer"] >= 0 and value["type"] == "image-file":
        content, mime = thumbnail(buffers[value["buffer"]], value["mime"], _PICTURE_PX)
        if f"data:{mime};base64," in PICTURE_DATA:
            sides = value["width"], value["height"]
            return Shown(value["type"], "", mime, *sides, content, len(content), None)
    return html.one_line(f"{NAMES.get(value['type'], '')} {value['caption']}", 60)


def size_text(size_bytes: int) -> str:
    """Write a number of bytes.

    >>> size_text(0), size_text(12), size_text(3210), size_text(5_600_000)
    ('', '12 B', '3.2 kB', '5.6 MB')
    """
    if size_bytes <= 0:
        return ""
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= divisor:
            return f"{size_bytes / divisor:.1f} {unit}"
    return f"{size_bytes} B"


def cell_text(value: Any) -> str:
    """Write a page's cell that is no media; nothing for one that is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return format_number(value)
    text = value["text"] if isinstance(value, dict) else value
    return html.one_line(text, 60)


def table_text(table: Table) -> str:
    """Give the first rows and columns for a terminal."""
    rows, columns = _TEXT_SHAPE
    found = page(table, limit=rows, n_columns=columns).head
    lines = [[name for name, _ in found["columns"]]]
    lines += [[_plain(value) for value in row] for row in found["rows"]]
    cut = [[html.clean(html.one_line(text, 24)) for text in line] for line in lines]
    if not cut[0]:
        return f"Table: {counts(table)}"
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    right = [kind in _RIGHT for _, kind in found["columns"]]
    padded = [
        "  ".join(
            f"{text:>{wide}}" if side else f"{text:<{wide}}"
            for text, wide, side in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cut
    ]
    more = _left_out(table, len(lines) - 1, len(widths))
    return "\n".join([f"Table: {counts(table)}{more}", *padded])


def _plain(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        return f"<{NAMES.get(value['type'], value['type'])}>"
    return cell_text(value)
