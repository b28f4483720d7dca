"""Rows as columns: journal records to Arrow, Arrow to Parquet, Parquet to frames.

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
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbtrack._store.lines import Record

_FLOAT, _INT, _BOOL, _OTHER = range(4)
_KINDS: Final = ("float", "int", "bool", "float")
_EXACT: Final = 2**53  # integers beyond it are not all doubles

#: Columns of our own, before the metrics. ``_us``: microseconds of run time.
OWN: Final = ("_seq", "_step", "_us")

_KEY, _KIND, _ROLE = b"nbtrack.key", b"nbtrack.kind", b"nbtrack.role"


class Column:
    """The values of one key, as they come; sparse, later ones win."""

    __slots__ = ("codes", "numbers", "rows", "texts")

    def __init__(self) -> None:
        self.rows = array("q")
        self.numbers = array("d")
        self.codes = array("b")
        self.texts: dict[int, str] = {}  # position → JSON

    def add(self, row: int, value: Any) -> None:
        """Set the value of a row."""
        code, number = _FLOAT, value
        if type(value) is not float:
            code, number = self._coded(value)
        self.rows.append(row)
        self.numbers.append(number)
        self.codes.append(code)

    def _coded(self, value: Any) -> tuple[int, float]:
        if value is True or value is False:
            return _BOOL, float(value)
        if isinstance(value, int) and -_EXACT <= value <= _EXACT:
            return _INT, float(value)
        self.texts[len(self.rows)] = json.dumps(value)
        if isinstance(value, int):
            return _INT, _nearest_double(value)
        return _OTHER, np.nan

    def fields(self, key: str, size: int) -> Iterator[tuple[pa.Field, pa.Array]]:
        """Give the column's Arrow fields and arrays, ``size`` rows long."""
        rows = np.frombuffer(self.rows, dtype=np.int64)
        codes = np.full(size, -1, dtype=np.int8)  # -1: missing
        codes[rows] = np.frombuffer(self.codes, dtype=np.int8)
        numbers = np.zeros(size)
        numbers[rows] = np.frombuffer(self.numbers)
        has = set(np.unique(codes).tolist()) - {-1, _OTHER}
        kind = has.pop() if len(has) == 1 else _FLOAT
        texts = self._text_by_row(rows)
        if kind != _BOOL and _BOOL in has:
            for row in np.flatnonzero(codes == _BOOL).tolist():
                texts[row] = "true" if numbers[row] else "false"
        mask = (codes == -1) | (codes == _OTHER)
        field = pa.field(key, pa.float64(), metadata=_tags(key, _KINDS[kind], "number"))
        yield field, pa.array(numbers, mask=mask)
        if texts:
            text = [texts.get(row) for row in range(size)]
            tags = _tags(key, _KINDS[kind], "text")
            yield pa.field(f"{key}#text", pa.string(), metadata=tags), pa.array(text)

    def _text_by_row(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> dict[int, str]:
        last = {int(row): at for at, row in enumerate(rows)} if self.texts else {}
        return {
            int(rows[at]): text
            for at, text in self.texts.items()
            if last[int(rows[at])] == at
        }


def _nearest_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _tags(key: str, kind: str, role: str) -> dict[bytes, bytes]:
    return {_KEY: key.encode(), _KIND: kind.encode(), _ROLE: role.encode()}


class RowTable:
    """Rows of one writer, merged by step as they come: later values win."""

    def __init__(self) -> None:
        self._row_of_step: dict[int, int] = {}
        self._seqs = array("q")
        self._us = array("q")
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._seqs)

    def feed(self, record: Record) -> None:
        """Take one row of the journal, whole or partial."""
        step: int = record.step  # type: ignore[assignment]  # rows have one
        row = self._row_of_step.setdefault(step, len(self._seqs))
        if row == len(self._seqs):
            self._seqs.append(record.seq)
            self._us.append(record.us)
        else:
            self._seqs[row] = max(self._seqs[row], record.seq)
            self._us[row] = max(self._us[row], record.us)
        columns = self._columns
        for key, value in record.data.items():
            column = columns.get(key)
            if column is None:
                column = columns[key] = Column()
            column.add(row, value)

    def to_arrow(self) -> pa.Table:
        """Give the rows by step; keys in order of first appearance."""
        steps = np.fromiter(self._row_of_step, dtype=np.int64, count=len(self))
        seqs = np.frombuffer(self._seqs, dtype=np.int64)
        own = (seqs, steps, np.frombuffer(self._us, dtype=np.int64))
        fields = [pa.field(name, pa.int64()) for name in OWN]
        arrays = [pa.array(values) for values in own]
        for key, column in self._columns.items():
            for field, values in column.fields(key, len(self)):
                fields.append(field)
                arrays.append(values)
        table = pa.Table.from_arrays(arrays, schema=pa.schema(_unique(fields)))
        if len(steps) > 1 and (np.diff(steps) < 0).any():
            table = table.take(np.argsort(steps, kind="stable"))
        return table


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


def concat(tables: list[pa.Table]) -> pa.Table:
    """Join tables of one run: the union of their keys, each under one name."""
    kinds: dict[str, set[str]] = {}
    for table in tables:
        for metric in metrics(table.schema):
            kinds.setdefault(metric.key, set()).add(metric.kind)
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


def _bool_texts(numbers: pa.ChunkedArray, texts: Any) -> list[str | None]:
    words = {None: None, 0.0: "false", 1.0: "true"}
    bools = [words[value] for value in numbers.to_pylist()]
    if texts is None:
        return bools
    return [text or word for text, word in zip(texts.to_pylist(), bools, strict=True)]


def values(table: pa.Table, metric: Metric) -> list[Any]:
    """Give a key's values exactly as they were logged; ``MISSING`` where not."""
    found = table.column(metric.number).to_pylist()
    texts: dict[int, str] = {}
    if metric.text is not None:
        column = enumerate(table.column(metric.text).to_pylist())
        texts = {row: text for row, text in column if text is not None}
    cast = {"int": int, "bool": bool}.get(metric.kind, float)
    return [
        json.loads(texts[row])  # NaN and any integer included
        if row in texts
        else MISSING
        if number is None
        else cast(number)
        for row, number in enumerate(found)
    ]


class _Missing:
    def __repr__(self) -> str:
        return "<missing>"


#: In a list of values: the row has no such key.
MISSING: Final = _Missing()
