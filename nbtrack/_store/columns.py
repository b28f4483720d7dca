"""Rows as columns: blocks to Arrow, Arrow to Parquet and to blocks.

One metric is one column of doubles, whatever was logged, so that a stray string in one
run never turns a column of the union of all runs into text. What a double cannot say
exactly stands beside it, as JSON text, in ``<key>#text``; where there is text, the text
is the value. NaN is a value, missing is null. Each field's metadata holds its key and
the kind of its numbers ("float", "int", "bool"), so that column names are only a
convenience and keys may be anything.

pyarrow is imported here, and this module only when history is read or compacted: its
first use costs over a second on a cold machine and has no place near ``log()``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from nbtrack._store.block import EXACT, Block, Code, Values, in_sequence, join
from nbtrack._store.lines import is_too_deep
from nbtrack.errors import HistorySizeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbtrack._store.block import Positions

_KINDS: Final = ("float", "int", "bool", "float")  # by code
_CODES: Final = {"float": Code.FLOAT, "int": Code.INT, "bool": Code.BOOL}

#: Columns of our own, before the metrics. ``_us``: microseconds of run time.
OWN: Final = ("_seq", "_step", "_us")

_KEY, _KIND, _ROLE = b"nbtrack.key", b"nbtrack.kind", b"nbtrack.role"

#: A table of more cells than this, nearly all of them empty, is not made.
_MANY_CELLS: Final = 2**25
_SPARSE: Final = 20  # cells for each value


def is_too_sparse(rows: int, keys: int, values: int) -> bool:
    """Say whether a table would be huge only for being empty."""
    cells = rows * keys
    return cells > _MANY_CELLS and cells > _SPARSE * values


def to_arrow(blocks: Sequence[Block]) -> pa.Table:
    """Give rows of one writer by step: lines of one step merged, later values win.

    Columns: ``OWN``, then the keys in order of first appearance.

    Raises
    ------
    HistorySizeError
        It would be a huge table of hardly anything.
    """
    block = join(blocks)
    count = sum(map(len, block.columns.values()))
    if is_too_sparse(len(block), len(block.columns), count):
        raise HistorySizeError(len(block), len(block.columns))
    steps, row_of_line = block.steps, None
    if not (steps[1:] > steps[:-1]).all():
        steps, row_of_line = np.unique(steps, return_inverse=True)
    own = [_last(block.seqs, row_of_line), steps, _last(block.us, row_of_line)]
    fields = [pa.field(name, pa.int64()) for name in OWN]
    arrays = [pa.array(values) for values in own]
    for key, values in block.columns.items():
        rows = values.rows if row_of_line is None else row_of_line[values.rows]
        for field, array in _fields(key, values, rows, len(steps)):
            fields.append(field)
            arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema(_unique(fields)))


def _last(values: Positions, rows: Positions | None) -> Positions:
    """Give each row what its last line has."""
    if rows is None:
        return values
    last = np.empty(rows.max() + 1, dtype=np.int64)
    last[rows] = values
    return last


def _fields(
    key: str, values: Values, rows: Positions, size: int
) -> Iterator[tuple[pa.Field, pa.Array]]:
    """Give a column's fields and arrays, ``size`` rows long."""
    codes, numbers = values.codes, values.numbers
    is_whole = len(rows) == size and bool((rows[1:] > rows[:-1]).all())
    if is_whole and not values.texts and (codes == codes[0]).all():
        tags = _tags(key, _KINDS[codes[0]], "number")
        yield pa.field(key, pa.float64(), metadata=tags), pa.array(numbers)
        return
    if not is_whole:
        codes = np.full(size, -1, dtype=np.int8)  # -1: missing
        codes[rows] = values.codes
        numbers = np.zeros(size)
        numbers[rows] = values.numbers
    counts = np.bincount(codes + 1, minlength=len(Code) + 1)[1:]
    has = {code for code in (Code.FLOAT, Code.INT, Code.BOOL) if counts[code]}
    kind = has.pop() if len(has) == 1 else Code.FLOAT
    texts = _texts_by_row(values, rows, size)
    if kind != Code.BOOL and Code.BOOL in has:
        for row in np.flatnonzero(codes == Code.BOOL).tolist():
            texts[row] = "true" if numbers[row] else "false"
    mask = None
    if counts[Code.FLOAT] + counts[Code.INT] + counts[Code.BOOL] < size:
        mask = (codes == -1) | (codes == Code.OTHER)
    tags = _tags(key, _KINDS[kind], "number")
    yield pa.field(key, pa.float64(), metadata=tags), pa.array(numbers, mask=mask)
    if texts:
        tags = _tags(key, _KINDS[kind], "text")
        text_field = pa.field(f"{key}#text", pa.string(), metadata=tags)
        yield text_field, _sparse_texts(texts, size)


def _texts_by_row(values: Values, rows: Positions, size: int) -> dict[int, str]:
    """Give the texts of values that no later value of their row replaced."""
    if not values.texts:
        return {}
    last = np.empty(size, dtype=np.int64)
    last[rows] = np.arange(len(rows))
    places = ((at, int(rows[at])) for at in values.texts)
    return {row: values.texts[at] for at, row in places if last[row] == at}


def _sparse_texts(texts: dict[int, str], size: int) -> pa.Array:
    places = np.zeros(size, dtype=np.int64)
    rows = np.fromiter(texts, dtype=np.int64, count=len(texts))
    places[rows] = np.arange(len(texts))
    is_null = np.ones(size, dtype=bool)
    is_null[rows] = False
    return pa.array(list(texts.values())).take(pa.array(places, mask=is_null))


def _tags(key: str, kind: str, role: str) -> dict[bytes, bytes]:
    return {_KEY: key.encode(), _KIND: kind.encode(), _ROLE: role.encode()}


def _unique(fields: list[pa.Field]) -> list[pa.Field]:
    """Rename fields whose names a user's own ``…#text`` key has taken."""
    taken: set[str] = set()
    renamed = []
    for field in fields:
        name = field.name
        while name in taken:
            name += "#text"
        taken.add(name)
        renamed.append(field.with_name(name))
    return renamed


@dataclass(frozen=True, slots=True)
class Metric:
    """Where one key stands in a table: names of its columns, kind of its numbers."""

    key: str
    kind: str
    number: str
    text: str | None


def metrics(schema: pa.Schema) -> list[Metric]:
    """List the keys of a table, in order of appearance."""
    found: dict[str, dict[str, str]] = {}
    for field in schema:
        tags = field.metadata or {}
        if _KEY in tags:
            entry = found.setdefault(tags[_KEY].decode(), {})
            entry[tags[_ROLE].decode()] = field.name
            entry["kind"] = tags[_KIND].decode()
    return [
        Metric(key, entry["kind"], entry["number"], entry.get("text"))
        for key, entry in found.items()
    ]


def is_part(schema: pa.Schema) -> bool:
    """Say whether a Parquet file has the columns of a part, of the right types."""
    if schema.names[: len(OWN)] != list(OWN):
        return False
    if len(set(schema.names)) < len(schema.names):
        return False
    if any(schema.field(name).type != pa.int64() for name in OWN):
        return False
    roles = set()
    for field in list(schema)[len(OWN) :]:
        tags = field.metadata or {}
        if _KEY not in tags:
            continue
        role = tags.get(_ROLE, b"")
        kind = {b"number": pa.float64(), b"text": pa.string()}.get(role)
        is_known = tags.get(_KIND, b"").decode("utf-8", "replace") in _CODES
        if field.type != kind or not is_known or not _is_text(tags[_KEY]):
            return False
        if (tags[_KEY], role) in roles:
            return False
        roles.add((tags[_KEY], role))
    return all((key, b"number") in roles for key, _ in roles)


def _is_text(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True


def holds_together(table: pa.Table) -> bool:
    """Say whether a part has values that can be meant, whoever wrote it."""
    if any(table.column(name).null_count for name in OWN):
        return False
    for metric in metrics(table.schema):
        if metric.kind == "float" and metric.text is None:
            continue
        values = column_values(table, metric)
        if metric.kind != "float":
            plain = np.delete(values.numbers, list(values.texts))
            if not ((np.abs(plain) <= EXACT) & (plain == np.round(plain))).all():
                return False
        if not all(map(_is_json, values.texts.values())):
            return False
    return True


def _is_json(text: str) -> bool:
    try:
        return not is_too_deep(json.loads(text))
    except (ValueError, RecursionError):
        return False


def to_block(table: pa.Table, writer: str) -> Block:
    """Give the rows of a table as a block, in order of sequence numbers."""
    seqs, steps, us = (table.column(name).to_numpy() for name in OWN)
    columns = {}
    for metric in metrics(table.schema):
        values = column_values(table, metric)
        if len(values):
            columns[metric.key] = values
    return in_sequence(Block(writer, seqs, steps, us, columns))


def column_values(table: pa.Table, metric: Metric) -> Values:
    """Give the values of one key where there are any."""
    column = table.column(metric.number).combine_chunks()
    numbers = column.to_numpy(zero_copy_only=False)
    has = column.is_valid().to_numpy(zero_copy_only=False)
    codes = np.full(len(table), _CODES[metric.kind], dtype=np.int8)
    texts: dict[int, str] = {}
    if metric.text is not None:
        text = table.column(metric.text).combine_chunks()
        has_text = text.is_valid().to_numpy(zero_copy_only=False)
        codes[has_text & ~has] = Code.OTHER
        has = has | has_text
        places = np.cumsum(has) - 1
        at = np.flatnonzero(has_text)
        texts = dict(
            zip(places[at].tolist(), text.drop_null().to_pylist(), strict=True)
        )
    rows = np.flatnonzero(has)
    return Values(rows, numbers[rows], codes[rows], texts)


def concat(tables: Iterable[pa.Table]) -> pa.Table:
    """Join tables of one run: the union of their keys, each under one name."""
    tables = list(tables)
    if len(tables) == 1:
        return tables[0]
    kinds: dict[str, set[str]] = {}
    for table in tables:
        for metric in metrics(table.schema):
            kinds.setdefault(metric.key, set()).add(metric.kind)
    count = sum(len(table) * len(metrics(table.schema)) for table in tables)
    size = sum(map(len, tables))
    if is_too_sparse(size, len(kinds), count):
        raise HistorySizeError(size, len(kinds))
    common = {
        key: next(iter(found)) if len(found) == 1 else "float"
        for key, found in kinds.items()
    }
    return pa.concat_tables(
        [_aligned(table, common) for table in tables], promote_options="default"
    )


def _aligned(table: pa.Table, kinds: dict[str, str]) -> pa.Table:
    """Give a key the same column names and the same kind in every table.

    Names come from key and role, because a user's key may look like a text column's
    name. Bools of a key that is a number elsewhere go into the text column.
    """
    fields = [table.schema.field(name) for name in table.schema.names[: len(OWN)]]
    arrays = table.columns[: len(OWN)]
    for metric in metrics(table.schema):
        kind = kinds[metric.key]
        numbers = table.column(metric.number)
        texts = table.column(metric.text) if metric.text else None
        if metric.kind == "bool" != kind:
            texts = pa.array(_bool_texts(numbers, texts), pa.string())
        tags = _tags(metric.key, kind, "number")
        fields.append(pa.field(f"n:{metric.key}", pa.float64(), metadata=tags))
        arrays.append(numbers)
        if texts is not None:
            tags = _tags(metric.key, kind, "text")
            fields.append(pa.field(f"t:{metric.key}", pa.string(), metadata=tags))
            arrays.append(texts)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _bool_texts(
    numbers: pa.ChunkedArray, texts: pa.ChunkedArray | None
) -> list[str | None]:
    words = {None: None, 0.0: "false", 1.0: "true"}
    bools = [words[value] for value in numbers.to_pylist()]
    if texts is None:
        return bools
    return [text or word for text, word in zip(texts.to_pylist(), bools, strict=True)]
