"""A board as one page: the live board's own code, fed once, from the file.

The page holds a key frame, as the kernel would send it, and ``static/export.js`` plays
the kernel's part. So every control of the live board works, and there is one board to
keep right. A content security policy keeps the page off the network, whatever a run's
media say; text of the run is JSON without a ``<``, and so can end no element.
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from nbtrack._draw.html import clean
from nbtrack._view import assets, plotly_js, wire
from nbtrack._view.export import write
from nbtrack._view.static_bundle import board_bundle
from nbtrack.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

    from nbtrack._view.board import Board

_URL: Final = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)
#: Contents of media in a page; the latest steps come first.
MEDIA_BYTES: Final = 24_000_000
#: Cells of tables in a page; of one table, at most 500 rows of 100 columns.
TABLE_CELLS: Final = 200_000
_NOT_BY_PLOTLY: Final = frozenset(
    f"{kind}-file" for kind in ("image", "audio", "video", "html", "table", "bokeh")
) | {"histogram"}
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a page gets plotly.js from."""

    how: str  # "inline", "link" or "given"
    address: str = ""


def source_of(plotly: str | os.PathLike[str]) -> Source:
    """Say what is meant by ``plotly=``.

    Raises
    ------
    SettingError
        Nothing is.
    """
    allowed = ("inline", "link", "the URL or the path of a plotly.js")
    try:
        text = os.fsdecode(plotly)
    except TypeError:
        raise SettingError("plotly", plotly, allowed) from None
    if text in {"inline", "link"}:
        return Source(text)
    is_url = _URL.fullmatch(text) is not None
    has_other_scheme = _SCHEME.match(text) and not is_url
    if has_other_scheme or not (is_url or text.endswith((".js", ".mjs"))):
        raise SettingError("plotly", plotly, allowed)
    return Source("given", text)


def linked(source: Source, page_path: Path) -> Source:
    """Write the file that a linked page needs beside it, unless it is there."""
    if source.how != "link":
        return source
    name = f"plotly-{metadata.version('plotly')}.min.js"
    beside = page_path.parent / name
    code = plotly_js.code()
    if not (beside.is_file() and beside.stat().st_size == len(code)):
        write(beside, code, "plotly.js")
    return Source("link", name)


def page(board: Board, source: Source) -> str:
    """Give the page of a board as it is now."""
    spec = board.spec()
    head, buffers, answers = _told(board)
    places = {panel.key: panel.run_path for panel in spec.media}
    tables = _tables(board, head, places, buffers)
    name = escape(clean(f"{spec.card.name} · {spec.card.project}"))
    static = board_bundle(spec)["text/html"]
    given = [base64.b64encode(buffer).decode() for buffer in buffers]
    has_plotly = source.how != "inline" or _needs_plotly(head)
    plotly = ""
    if source.how == "inline" and has_plotly:
        plotly = base64.b64encode(plotly_js.compressed()).decode()
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(source)}">',
            '\n<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f'<meta name="generator" content="nbtrack">\n<title>{name}</title>\n',
            f"<style>\n{assets.css()}\n{_static('export.css')}</style>\n",
            f"{_script_tag(source)}</head>\n<body>\n",
            f'<main id="board"></main>\n<noscript>{static}</noscript>\n',
            _data("frame", head),
            _data("answers", answers),
            _data("tables", tables),
            _data("buffers", given),
            _data("plotly", plotly),
            _data("has-plotly", has_plotly),
            f'<script type="module">\n{_code()}</script>\n</body>\n</html>\n',
        )
    )


def _told(board: Board) -> tuple[dict[str, Any], list[bytes], list[dict[str, Any]]]:
    """Give all that the page is told: a key frame, and what it may ask for.

    The buffers of the answers follow those of the frame, and each says where.
    """
    board.poll()
    frame = board.frame(wire.Cursor(), key=True)
    if frame is None:  # a key frame is never nothing
        raise AssertionError
    head: dict[str, Any] = dict(frame.head)
    card = dict(head.get("card", {}), can_edit=False, x_axes=[])
    if card.get("state") == "running":
        card["state"] = "running when saved"  # and no clock goes on
    buffers = list(frame.buffers)
    return {**head, "card": card}, buffers, _answers(board, head, buffers)


def _answers(
    board: Board, head: dict[str, Any], buffers: list[bytes]
) -> list[dict[str, Any]]:
    """Answer beforehand what is asked when the slider of a key's steps is moved."""
    answers: list[dict[str, Any]] = []
    room = MEDIA_BYTES
    for step in reversed(head.get("media", ())):
        entry = board.media_at(step["key"], step["step"])
        is_sent = step["items"] and all(item["buffer"] >= 0 for item in step["items"])
        if entry is None or is_sent or room <= 0:
            continue
        try:
            items, contents = board.sender.whole(entry, is_full=False)
        except Exception:  # noqa: BLE001, S112  (the page says that it is not there)
            continue
        room -= sum(map(len, contents))
        place = {"key": step["key"], "step": step["step"], "first": len(buffers)}
        answers.append({**place, "count": len(contents), "items": items})
        buffers += contents
    return answers


def _tables(
    board: Board, head: dict[str, Any], places: dict[str, Path], buffers: list[bytes]
) -> list[dict[str, Any]]:
    """Give the first rows of the tables, the latest first, to be paged through.

    The buffers of a table follow those that are there, and it says where.
    """
    tables: list[dict[str, Any]] = []
    room = TABLE_CELLS
    for step in reversed(head.get("media", ())):
        for number, item in enumerate(step["items"]):
            if item["type"] != "table-file" or room <= 0:
                continue
            entry = board.media_at(step["key"], step["step"])
            try:
                found, contents = _first_rows(entry, number, places[step["key"]])
            except Exception:  # noqa: BLE001, S112  (the page says that it is not there)
                continue
            room -= len(found["rows"]) * max(1, len(found["columns"]))
            place = {"key": step["key"], "step": step["step"], "item": number}
            tables.append({**place, **found, "first": len(buffers)})
            buffers += contents
    return tables


def _first_rows(
    entry: Any, number: int, run_path: Path
) -> tuple[dict[str, Any], list[bytes]]:
    from nbtrack._media.table_page import MOST_COLUMNS, MOST_ROWS, page

    value = entry.value[number] if isinstance(entry.value, list) else entry.value
    found, contents = page(
        value, run_path, limit=MOST_ROWS, n_columns=MOST_COLUMNS, names=True
    )
    return found, contents


def _needs_plotly(head: dict[str, Any]) -> bool:
    """Whether anything is drawn by plotly: curves, and most media, are not."""
    types = {item["type"] for step in head.get("media", ()) for item in step["items"]}
    return not types <= _NOT_BY_PLOTLY


def _policy(source: Source) -> str:
    """Allow what is in the file, and the one address that was asked for."""
    script = "script-src 'unsafe-inline' blob:"
    if source.how == "link" or not _URL.match(source.address or "x"):
        # A file beside the page; of a page on a disk 'self' means nothing.
        script += " file: 'self'" if source.address else ""
    else:
        script += f" {escape(_origin(source.address))}"
    return (
        f"default-src 'none'; {script}; style-src 'unsafe-inline'; "
        "img-src data: blob:; media-src data: blob:; font-src data:; "
        "frame-src blob: data:; base-uri 'none'; form-action 'none'"
    )


def _origin(address: str) -> str:
    """Give scheme and host: in a policy, ``;`` and ``,`` would begin something new."""
    found = re.match(r"https?://[\w.:@\[\]-]+", address, re.IGNORECASE)
    return found.group() if found else "https:"


def _script_tag(source: Source) -> str:
    if source.how == "inline":
        return ""
    return f'<script src="{escape(clean(source.address))}"></script>\n'


def _data(name: str, value: object) -> str:
    """Give data that the page's code reads; no text in it can end its element."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="nbtrack-{name}">{text}</script>\n'


@cache
def _code() -> str:
    """Give the board's module and the kernel's part, as one module."""
    board, found = re.subn(r"\bexport default\b", "const boardOf =", assets.joined())
    if found != 1:
        msg = "the board's module must have one default export"
        raise AssertionError(msg)
    code = f"{board}\n{{{_static('export.js')}\n}}"  # the block keeps its names apart
    # Neither may stand in a script element; in strings and comments this is the same.
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _static(name: str) -> str:
    return (files("nbtrack._view") / "static" / name).read_text("utf-8")
