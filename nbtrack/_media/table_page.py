"""A page of a table for a browser: the rows and columns in view, and nothing else.

The order of the rows (sorted, searched, filtered) is found once for a question, as an
array of row numbers, and kept while somebody pages through it. Of the cells only those
of the page become JSON.
"""

from __future__ import annotations

import json
import math
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nbtrack._media import cells
from nbtrack._media.base import Media, restored
from nbtrack._media.table_column import kind_of_type
from nbtrack._media.table_file import Recent, TableFile
from nbtrack._media.table_filter import Filter
from nbtrack.errors import MediaError, TableColumnError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._media.table import Table

MOST_ROWS: Final = 500  # of a page
MOST_COLUMNS: Final = 100
FIRST: Final = (20, 20)  # rows and columns that are shown without asking
MOST_TEXT: Final = 200  # characters of a cell
MOST_WHOLE: Final = 100_000  # of one that was asked for by itself
_THUMBNAIL_PX: Final = 160
_EXACT: Final = 2**53  # integers beyond are not JavaScript's
_MOST_SORTED: Final = 3  # columns to sort by


class Page(NamedTuple):
    """Some cells of a table as JSON values; ``buffers`` are the contents of media."""

    head: dict[str, Any]
    buffers: list[bytes]


class Rows(Protocol):
    """A table to page through, in memory or in a file."""

    names: list[str]
    n_rows: int
    key: Any  # says whether an order found before still holds

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Give whole columns as Arrow arrays."""

    def rows(self, names: Sequence[str], start: int, count: int) -> dict[str, Any]:
        """Give neighbouring rows of columns."""

    def kind(self, name: str) -> str:
        """Name the type of a column's cells."""

    def is_json(self, name: str) -> bool:
        """Whether the cells are JSON text."""

    def value(self, name: str, row: int, text: str | None) -> Any:
        """Give what a cell of JSON text stands for."""


class StoredRows:
    """The rows of a table in a run."""

    def __init__(self, file: TableFile) -> None:
        self._file = file
        self.names, self.n_rows, self.key = file.names, file.n_rows, file.key
        self.columns, self.rows = file.columns, file.rows

    def kind(self, name: str) -> str:
        """Name the type of a column's cells."""
        about = self._file.about(name).get("kind")
        if isinstance(about, str):
            return about
        return kind_of_type(self._file.schema.field(name).type)

    def is_json(self, name: str) -> bool:
        """Whether the cells are JSON text."""
        return self._file.about(name).get("as") == "json"

    def value(self, _name: str, _row: int, text: str | None) -> Any:
        """Give what a cell of JSON text stands for."""
        return cells.decoded(text, self._file.run_path)


class HeldRows:
    """The rows of a table in memory, as they were when this was made."""

    def __init__(self, table: Table) -> None:
        self._columns = dict(table._columns)  # noqa: SLF001  (our own)
        self.names, self.n_rows = list(self._columns), len(table)
        self.key = ("held", next(_numbers))
        self._arrow: dict[str, Any] = {}

    def _array(self, name: str) -> Any:
        if name not in self._arrow:
            self._arrow[name] = self._columns[name].to_arrow(_outlined)
        return self._arrow[name][0]

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Give whole columns as Arrow arrays."""
        return {name: self._array(name).slice(0, self.n_rows) for name in names}

    def rows(self, names: Sequence[str], start: int, count: int) -> dict[str, Any]:
        """Give neighbouring rows of columns."""
        count = min(count, self.n_rows - start)
        return {name: self._array(name).slice(start, count) for name in names}

    def kind(self, name: str) -> str:
        """Name the type of a column's cells."""
        column = self._columns[name]
        return column.kind

    def is_json(self, name: str) -> bool:
        """Whether the cells are JSON text."""
        self._array(name)
        metadata = self._arrow[name][1].metadata or {}
        return b'"as": "json"' in b"".join(metadata.values())

    def value(self, name: str, row: int, _text: str | None) -> Any:
        """Give the cell itself."""
        return self._columns[name][row]


def _outlined(value: Any) -> dict[str, Any]:
    """Give what can be searched of an object, without encoding it."""
    if isinstance(value, Media):
        return {"_type": value._type, "caption": value.caption or ""}  # noqa: SLF001
    return {"_type": "ndarray", "shape": list(value.shape)}


def rows_of(value: Any, run_path: Path | None = None) -> Rows:
    """Give the rows behind a Table or behind a row's value of one.

    Raises
    ------
    MediaError
        It is no table, or its file cannot be read.
    """
    table = value if run_path is None else restored(value, run_path)
    if getattr(table, "_type", "") != "table-file":
        kind = value.get("_type") if isinstance(value, dict) else type(value).__name__
        msg = f"{kind!r} is no table."
        raise MediaError(msg)
    stored_at = table.file
    return HeldRows(table) if stored_at is None else StoredRows(stored_at)


def answer(
    value: Any, run_path: Path | None, ask: dict[str, Any]
) -> tuple[dict[str, Any], list[bytes]]:
    """Answer a browser that asks for a page; it may ask for anything.

    Returns
    -------
    (dict, list of bytes)
        ``columns`` (name and type of those of the page), ``rows`` (lists of cells),
        ``numbers`` (the rows' places in the table), ``n_rows``, ``n_match``,
        ``n_columns``, ``first_column``; and the contents of media, which cells name by
        number.

    Raises
    ------
    MediaError
        What was asked for cannot be had; the message is for the reader.
    """
    found = page(
        value,
        run_path,
        offset=_whole(ask.get("offset"), 0),
        limit=_whole(ask.get("limit"), 50),
        sort=_sorting(ask.get("sort")),
        search=str(ask.get("search") or ""),
        filter=str(ask.get("filter") or ""),
        first_column=_whole(ask.get("first_column"), 0),
        n_columns=_whole(ask.get("n_columns"), FIRST[1]),
        full=bool(ask.get("full")),
        names=bool(ask.get("names")),
    )
    return found.head, found.buffers


def _whole(value: Any, default: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return int(value) if math.isfinite(value) and value >= 0 else default


def _sorting(value: Any) -> list[tuple[str, str]]:
    pairs = value if isinstance(value, list) else []
    return [
        (str(pair[0]), str(pair[1]))
        for pair in pairs[:_MOST_SORTED]
        if isinstance(pair, (list, tuple)) and len(pair) == 2  # noqa: PLR2004
    ]


def page(
    value: Any,
    run_path: Path | None = None,
    *,
    offset: int = 0,
    limit: int = 50,
    sort: Sequence[tuple[str, str]] = (),
    search: str = "",
    filter: str = "",  # noqa: A002  (the word on the wire)
    first_column: int = 0,
    n_columns: int = FIRST[1],
    full: bool = False,
    names: bool = False,
) -> Page:
    """Give some rows and columns of a table, sorted, searched and filtered.

    Parameters
    ----------
    value
        A Table, with ``run_path`` a row's value of one, or what ``rows_of`` gave.
    sort
        Columns, each with "asc" or "desc"; what is missing comes last either way, and
        rows that are alike stay in their order.
    search
        Rows that have it in a cell of text, whatever the case.
    filter
        An expression over columns: ``lr < 0.01 and "cat" in label``.
    full
        Give texts and pictures whole.
    names
        Name all columns, too.

    Raises
    ------
    MediaError
    """
    is_open = isinstance(value, (HeldRows, StoredRows))
    rows = value if is_open else rows_of(value, run_path)
    order = ordered(rows, sort, search.strip(), filter.strip())
    n_match = rows.n_rows if order is None else len(order)
    wanted = rows.names[first_column:][: min(n_columns, MOST_COLUMNS)]
    offset = min(offset, n_match)
    n_shown = min(limit, MOST_ROWS, n_match - offset)
    if order is None:
        numbers = np.arange(offset, offset + n_shown)
        parts = rows.rows(wanted, offset, n_shown)
    else:
        numbers = order[offset : offset + n_shown]
        whole = rows.columns(wanted)
        parts = {name: whole[name].take(pa.array(numbers)) for name in wanted}
    places = numbers.tolist()
    buffers: list[bytes] = []
    shown = [
        _cells(rows, name, parts[name], places, buffers, full=full) for name in wanted
    ]
    head = {
        "columns": [[name, rows.kind(name)] for name in wanted],
        "rows": [list(row) for row in zip(*shown, strict=True)] or [[] for _ in places],
        "numbers": places,
        "n_rows": rows.n_rows,
        "n_match": n_match,
        "n_columns": len(rows.names),
        "first_column": first_column,
    }
    if names:
        head["all"] = [[name, rows.kind(name)] for name in rows.names]
    return Page(head, buffers)


def first_page(table: Table) -> dict[str, Any]:
    """Give what is shown of a table before anybody asks."""
    return page(table, limit=FIRST[0], n_columns=FIRST[1]).head


# --- which rows, in which order ------------------------------------------------------


def ordered(
    rows: Rows, sort: Sequence[tuple[str, str]], search: str, expression: str
) -> NDArray[np.int64] | None:
    """Give the numbers of the rows that are wanted; None: all, as they are.

    Raises
    ------
    MediaError
    """
    if not sort and not search and not expression:
        return None
    key = (rows.key, tuple(sort), search, expression)
    known = _orders.get(key)
    if known is not None:
        return known  # type: ignore[no-any-return]
    order = _found(rows, search, expression)
    if sort:
        order = _sorted(rows, order, sort)
    elif order is None:
        return None
    _orders.put(key, order, order.nbytes)
    return order


def _found(rows: Rows, search: str, expression: str) -> NDArray[np.int64] | None:
    mask: Any = None
    if expression:
        wanted = Filter(expression, rows.names)
        columns = rows.columns(wanted.columns)
        mask = wanted.mask(columns.__getitem__, rows.n_rows)
    if search:
        has = _searched(rows, search)
        mask = has if mask is None else pc.and_(mask, has)
    if mask is None:
        return None
    if isinstance(mask, pa.ChunkedArray):
        mask = mask.combine_chunks()
    found: NDArray[np.int64] = np.flatnonzero(np.asarray(mask))
    return found


def _searched(rows: Rows, search: str) -> Any:
    """Say which rows have a text in a cell; column by column, so that few are held."""
    found: Any = pa.array(np.zeros(rows.n_rows, dtype=bool))
    for name in rows.names:
        kind = rows.kind(name)
        if kind in ("number", "boolean", "timestamp", "bytes", ""):
            continue
        array = rows.columns([name])[name]
        wanted = search
        if rows.is_json(name):
            wanted = json.dumps(search, ensure_ascii=False)[1:-1]
        found = pc.or_(found, _has(array, wanted))
    return found


def _has(array: Any, text: str) -> Any:
    """Say which cells hold a text; of a dictionary each word is looked at once."""
    if pa.types.is_dictionary(array.type):
        parts = [
            pc.take(_has(chunk.dictionary, text), chunk.indices)
            for chunk in array.chunks
        ]
        return pc.fill_null(pa.chunked_array(parts, pa.bool_()), False)  # noqa: FBT003
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        array = array.cast(pa.large_string())
    has = pc.match_substring(array, text, ignore_case=True)
    return pc.fill_null(has, False)  # noqa: FBT003


def _sorted(
    rows: Rows, order: NDArray[np.int64] | None, sort: Sequence[tuple[str, str]]
) -> NDArray[np.int64]:
    """Sort row numbers. Arrow's sort is stable, and puts what is missing last."""
    names = [name for name, _ in sort]
    for name in names:
        if name not in rows.names:
            raise TableColumnError(name, rows.names)
    columns = rows.columns(list(dict.fromkeys(names)))
    keys: dict[str, Any] = {}
    directions = []
    for at, (name, direction) in enumerate(sort):
        array = columns[name]
        if order is not None:
            array = array.take(pa.array(order))
        for number, part in enumerate(_sort_keys(rows, name, array)):
            keys[f"{at}.{number}"] = part
            down = direction == "desc" and not (number == 0 and _has_kinds(rows, name))
            directions.append((f"{at}.{number}", "descending" if down else "ascending"))
    # What is null, and NaN, comes at the end by default, in either direction.
    found = pc.sort_indices(pa.table(keys), sort_keys=directions)
    places: NDArray[np.int64] = found.to_numpy().astype(np.int64)
    return places if order is None else order[places]


def _has_kinds(rows: Rows, name: str) -> bool:
    return rows.is_json(name)


def _sort_keys(rows: Rows, name: str, array: Any) -> list[Any]:
    """Give what a column is sorted by: itself, or of JSON numbers, then texts."""
    kind = array.type
    if rows.is_json(name):
        return _json_keys(array)
    if pa.types.is_dictionary(kind):
        return [array.cast(kind.value_type)]
    if str(kind) == "string_view":
        return [array.cast(pa.large_string())]
    if pa.types.is_null(kind):
        return [pa.nulls(len(array), pa.int8())]
    return [array]


def _json_keys(array: Any) -> list[Any]:
    numbers: list[float | None] = []
    texts: list[str | None] = []
    for text in array.to_pylist():
        value = _loaded(text)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        numbers.append(_double(value) if is_number else None)
        texts.append(_sort_text(value) if value is not None and not is_number else None)
    kinds = [
        0 if n is not None and n == n else (1 if t is not None else 2)  # noqa: PLR0124
        for n, t in zip(numbers, texts, strict=True)
    ]
    return [
        pa.array(kinds, pa.int8()),
        pa.array(numbers, pa.float64()),
        pa.array(texts, pa.large_string()),
    ]


def _loaded(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _sort_text(value: Any) -> str:
    """Give the text that a value is sorted by; of media the caption."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict) and "_type" in value:
        text = str(value.get("caption") or value.get("iso") or value["_type"])
    else:
        text = json.dumps(value)
    return text.encode("utf-8", "replace").decode()


# --- cells ---------------------------------------------------------------------------


def _cells(
    rows: Rows,
    name: str,
    array: Any,
    numbers: list[int],
    buffers: list[bytes],
    *,
    full: bool,
) -> list[Any]:
    """Give cells as JSON values."""
    most = MOST_WHOLE if full else MOST_TEXT
    plain = array.to_pylist()
    if not rows.is_json(name):
        return [cell(value, most) for value in plain]
    found = []
    for number, text in zip(numbers, plain, strict=True):
        value = None if text is None else rows.value(name, number, text)
        if isinstance(value, Media):
            found.append(_media(value, buffers, full=full))
        else:
            found.append(cell(value, most))
    return found


def cell(value: Any, most: int = MOST_TEXT) -> Any:
    """Give a value as JSON: null, a number, a bool, text, or ``{"text": …}``.

    >>> cell(0.5), cell(float("nan")), cell(2**60), cell("ab", 1)
    (0.5, {'text': 'NaN'}, {'text': '1152921504606846976'}, {'text': 'a', 'length': 2})
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else {"text": str(value)[:most]}
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return {"text": "NaN" if value != value else f"{value:+g}"}  # noqa: PLR0124
    text = value if isinstance(value, str) else _text(value)
    text = text.encode("utf-8", "replace").decode()
    if len(text) > most:
        return {"text": text[:most], "length": len(text)}
    return text


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if hasattr(value, "isoformat"):
        return str(value.isoformat(" ") if hasattr(value, "hour") else value)
    if hasattr(value, "dtype"):
        shape = " by ".join(map(str, value.shape))
        return (
            f"array {shape} {value.dtype}: {str(value.reshape(-1)[:6].tolist())[:80]}"
        )
    if isinstance(value, (list, dict)):
        try:
            return json.dumps(value, ensure_ascii=False, default=_text)
        except (TypeError, ValueError):
            pass
    return str(value)


def _media(item: Media, buffers: list[bytes], *, full: bool) -> dict[str, Any]:
    """Give a cell that is an object; of pictures a small one comes with it."""
    kind = item._type  # noqa: SLF001  (our own)
    head: dict[str, Any] = {"type": kind, "caption": item.caption or "", "buffer": -1}
    is_picture = kind == "image-file"
    try:
        if full and hasattr(item, "_full"):
            shown = item._full()  # noqa: SLF001  (our own)
        elif full or is_picture:
            shown = item._shown()  # noqa: SLF001  (our own)
        else:
            shown = item._outline()  # noqa: SLF001  (our own)
    except Exception as error:  # noqa: BLE001  (files of a run may be anything)
        return {**head, "error": str(error)[:300]}
    head |= {"mime": shown.mime, "width": shown.width, "height": shown.height}
    head["size"] = shown.size
    if shown.data is not None and (full or "error" in shown.data):
        head["data"] = shown.data
    if shown.content is not None:
        content = shown.content
        if is_picture and not full:
            content, head["mime"] = thumbnail(content, shown.mime, _THUMBNAIL_PX)
        head["buffer"] = len(buffers)
        buffers.append(content)
    return head


def thumbnail(content: bytes, mime: str, side: int) -> tuple[bytes, str]:
    """Give a picture no larger than a cell shows it, with its type."""
    from io import BytesIO

    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as picture:
            if max(picture.size) <= side:
                return content, mime
            picture.thumbnail((side, side))
            file = BytesIO()
            picture.save(file, "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return content, mime  # the browser may know it
    return file.getvalue(), "image/png"


_orders: Final = Recent(2**26)
_numbers: Final = count()
