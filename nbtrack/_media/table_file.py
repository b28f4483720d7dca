"""The file of a table: Parquet, so that any tool reads it and a page needs no whole.

Why Parquet and not Arrow's own form: a fifth to a half of the size, and the same code
reads it. A page of a table reads the columns in view; what was read stays in memory, up
to a budget, because the next page of a sorted table wants the same columns.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.source import RunFile
from nbtrack._media.table_column import MARK, Column
from nbtrack._regular import open_regular
from nbtrack.errors import MediaFileError, TableSizeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_ROWS: Final = 20_000_000
MOST_CELLS: Final = 400_000_000
SUFFIX: Final = ".table.parquet"

_GROUP: Final = 2**16  # rows: twelve columns of numbers are 6 MB
_SAMPLED: Final = 2_000  # cells that say whether a column repeats itself
_BUDGET: Final = 2**28  # bytes of columns that stay in memory


def check_size(rows: int, columns: int) -> None:
    """Refuse a table that would fill memory and disk, before it does.

    Raises
    ------
    TableSizeError
    """
    if rows > MOST_ROWS or rows * columns > MOST_CELLS:
        raise TableSizeError(rows, columns, MOST_ROWS, MOST_CELLS)


def written(columns: Sequence[tuple[Any, Any]]) -> bytes:
    """Give columns (Arrow array, field) as a file's content."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([field for _, field in columns])
    table = pa.Table.from_arrays([array for array, _ in columns], schema=schema)
    sink = pa.BufferOutputStream()
    # Doubles that hardly repeat: a dictionary of them costs five times the time, and
    # a third of the size more, than their bytes sorted by place do.
    split = [name for name in table.column_names if _is_noise(table.column(name))]
    pq.write_table(
        table,
        sink,
        compression="zstd",
        row_group_size=_GROUP,
        use_dictionary=[name for name in table.column_names if name not in set(split)],
        use_byte_stream_split=split,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _is_noise(column: Any) -> bool:
    """Say whether a column is of doubles that hardly repeat."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    if not t.is_float64(column.type) and not t.is_float32(column.type):
        return False
    every = max(1, len(column) // _SAMPLED)
    sample = column.take(list(range(0, len(column), every)))
    return bool(2 * pc.count_distinct(sample).as_py() > len(sample))


class TableFile:
    """A table in the directory of a run, of which only what is wanted is read.

    Raises
    ------
    MediaFileError
        It is not there, leads out of the run, or is no table.
    TableSizeError
        It claims to be larger than what is stored.
    """

    def __init__(self, run_path: Path, name: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.run_path = run_path
        self.path = RunFile(run_path, name).path
        try:
            with open_regular(self.path) as file:
                found = os.fstat(file.fileno())
                #: Says whether what was learnt of it still holds.
                self.key = (str(self.path), found.st_size, found.st_mtime_ns)
                known = _footers.get(self.key)
                if known is None:
                    metadata = pq.read_metadata(file)
                    known = _footers.put(self.key, (metadata, _schema(metadata)), 1)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise MediaFileError.of(self.path, error) from error
        self._metadata, self.schema = known
        self.n_rows: int = self._metadata.num_rows
        self.names: list[str] = list(self.schema.names)
        if len(set(self.names)) != len(self.names):
            raise MediaFileError(self.path, "two of its columns have one name")
        check_size(self.n_rows, len(self.names))

    def about(self, name: str) -> dict[str, Any]:
        """Give what the file says of a column besides its type."""
        told = (self.schema.field(name).metadata or {}).get(MARK)
        try:
            found = json.loads(told) if told else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Give whole columns as Arrow arrays, from memory where they are there."""
        found = {name: _columns.get((self.key, name)) for name in names}
        missing = [name for name, array in found.items() if array is None]
        if missing:
            table = self._read(missing)
            for name in missing:
                array = table.column(name)
                found[name] = _columns.put((self.key, name), array, array.nbytes)
        return found

    def rows(self, names: Sequence[str], start: int, count: int) -> dict[str, Any]:
        """Give some neighbouring rows; of a long table only these are read."""
        have = {name: _columns.get((self.key, name)) for name in names}
        if self.n_rows <= 2 * _GROUP or all(a is not None for a in have.values()):
            found = self.columns(names)
            return {name: found[name].slice(start, count) for name in names}
        first, groups = self._groups(start, count)
        table = self._read(names, groups)
        skip = start - first
        return {name: table.column(name).slice(skip, count) for name in names}

    def _groups(self, start: int, count: int) -> tuple[int, list[int]]:
        """Say which row groups have these rows, and where the first begins."""
        groups: list[int] = []
        at, first = 0, 0
        for number in range(self._metadata.num_row_groups):
            length = self._metadata.row_group(number).num_rows
            if at < start + count and at + length > start:
                first = first if groups else at
                groups.append(number)
            at += length
        return first, groups

    def _read(self, names: Sequence[str], groups: list[int] | None = None) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with open_regular(self.path) as raw:
                file = pq.ParquetFile(raw, metadata=self._metadata)
                if groups is None:
                    table = file.read(columns=list(names))
                else:
                    table = file.read_row_groups(groups, columns=list(names))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise MediaFileError.of(self.path, error) from error
        return table

    def column(self, name: str) -> Column:
        """Give one column as a table has it."""
        array = self.columns([name])[name]
        return Column.of_head(name, array, self.about(name), self.run_path)


def _schema(metadata: Any) -> Any:
    return metadata.schema.to_arrow_schema()


class Recent:
    """What was used last, up to a budget. Safe to use from several threads."""

    def __init__(self, budget: int) -> None:
        self._budget, self._used = budget, 0
        self._held: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Any) -> Any:
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Any, value: Any, cost: int) -> Any:
        with self._lock:
            if key not in self._held and cost <= self._budget:
                self._held[key] = (value, cost)
                self._used += cost
            while self._used > self._budget:
                _, (_, freed) = self._held.popitem(last=False)
                self._used -= freed
        return value


_footers: Final = Recent(16)
_columns: Final = Recent(_BUDGET)
