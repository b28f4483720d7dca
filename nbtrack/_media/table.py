"""``nbtrack.Table``: rows and columns to be logged, with media in its cells."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from nbtrack._media import cells
from nbtrack._media.base import Media
from nbtrack._media.source import Held, Nowhere, stored
from nbtrack._media.table_column import Column, of_series, settled
from nbtrack._media.table_input import (
    as_array,
    check_length,
    kind_in,
    names_in,
    per_column,
    rows_in,
    unique_names,
)
from nbtrack.errors import (
    MediaError,
    MediaTypeError,
    SettingError,
    TableColumnError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from nbtrack._draw.html import Safe
    from nbtrack._media.shown import Shown
    from nbtrack._media.source import Store
    from nbtrack._media.table_file import TableFile

LogMode = Literal["IMMUTABLE", "MUTABLE", "INCREMENTAL"]

_MODES: Final = ("IMMUTABLE", "MUTABLE", "INCREMENTAL")
_DEFAULT: Final = ("Input", "Output", "Expected")


class Table(Media):
    """Rows and columns to be logged: numbers, text, media, anything.

    Parameters
    ----------
    columns
        The names; by default "Input", "Output", "Expected".
    data
        Rows: a list of lists, a two-dimensional numpy array, or a DataFrame.
    rows
        The same, by an older name.
    dataframe
        A pandas DataFrame (or what has ``to_pandas``). An index that says something
        (a name, labels) becomes a column.
    dtype
        The type of all columns, or a list or a mapping of one for each: ``int``,
        ``float``, ``str``, ``bool``, … By default that of the first cell.
    optional
        Whether cells may be None; one flag, or a list of one for each column.
    allow_mixed_types
        Whether a column may have cells of several types.
    log_mode
        "INCREMENTAL" stores with each ``log`` only the rows that came since the last
        one. "IMMUTABLE" and "MUTABLE" are W&B's: here every ``log`` stores the table
        as it then is.

    Raises
    ------
    MediaError, MediaTypeError
        Rows of another length than the columns, a column twice, cells of another
        type than those above them.
    TableSizeError
        More rows or cells than can be looked at; nothing was copied.

    Examples
    --------
    >>> table = Table(columns=["digit", "sure"], data=[[3, 0.9], [5, 0.7]])
    >>> table.add_data(8, 0.4)
    >>> table.get_column("digit")
    [3, 5, 8]
    """

    _type = "table-file"

    def __init__(
        self,
        columns: Sequence[str | int] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: bool | Sequence[bool] = True,  # noqa: FBT002  (W&B's signature)
        allow_mixed_types: bool = False,  # noqa: FBT002  (W&B's signature)
        log_mode: LogMode = "IMMUTABLE",
    ) -> None:
        if log_mode not in _MODES:
            raise SettingError("log_mode", log_mode, _MODES)
        self.log_mode = log_mode
        self.allow_mixed_types = allow_mixed_types
        self._begin()
        data = rows if data is None else data
        if dataframe is None and (hasattr(data, "iloc") or hasattr(data, "to_pandas")):
            data, dataframe = None, data
        if dataframe is not None:
            if data is not None:
                msg = "Table(): pass data= or dataframe=, not both."
                raise MediaError(msg)
            self._take_frame(dataframe, columns)
        elif getattr(data, "ndim", 0):
            self._take_array(data, columns)
        else:
            names = _DEFAULT if columns is None else columns
            self._declare(names, dtype, optional)
            for number, row in enumerate(rows_in(data)):
                self._add(row, f"Table(data=…), row {number}")

    def _begin(self) -> None:
        self._held: dict[str, Column] | None = {}
        self._file: TableFile | None = None
        self._logged = 0  # rows that are in a run already
        self._increment = 0
        #: What was not kept as it was given, a sentence each.
        self.notes: list[str] = []

    def _note(self, what: str) -> None:
        if what not in self.notes:
            self.notes.append(what)

    @property
    def note(self) -> str:
        """What was not kept as it was given."""
        more = f" (and {len(self.notes) - 3} more)" if len(self.notes) > 3 else ""  # noqa: PLR2004
        return "a table: " + "; ".join(self.notes[:3]) + more if self.notes else ""

    # -- taking data in --------------------------------------------------------------

    def _declare(self, names: Any, dtype: Any, optional: Any) -> None:
        listed = names_in(names, "Table(columns=…)")
        kinds = per_column(dtype, listed, "dtype")
        may_lack = per_column(optional, listed, "optional")
        self._held = {
            name: Column(
                name,
                kind_in(kinds[at], name),
                mixed=self.allow_mixed_types,
                optional=bool(may_lack[at]),
            )
            for at, name in enumerate(listed)
        }

    def _take_frame(self, frame: Any, columns: Sequence[str | int] | None) -> None:
        from nbtrack._media.table_file import check_size

        if not hasattr(frame, "iloc"):
            if not hasattr(frame, "to_pandas"):
                msg = f"dataframe= takes a DataFrame, not {type(frame).__name__}."
                raise MediaTypeError(msg)
            frame = frame.to_pandas()
        if frame.ndim == 1:
            frame = frame.to_frame()
        if columns is not None:
            wanted = list(columns)
            lacking = [name for name in wanted if name not in frame.columns]
            if lacking:
                raise TableColumnError(lacking[0], map(str, frame.columns))
            frame = frame[wanted]
        check_size(len(frame), len(frame.columns))
        frame = self._with_index(frame)
        found = {}
        for at, name in enumerate(unique_names(frame.columns, self._note)):
            found[name] = of_series(name, frame.iloc[:, at], self._note)
        self._held = found

    def _with_index(self, frame: Any) -> Any:
        """Make a column of an index that says something: labels, or a name."""
        index = frame.index
        if index.nlevels == 1 and index.name is None and index.dtype.kind in "iu":
            return frame  # row numbers, or what a filter left of them
        try:
            return frame.reset_index()
        except ValueError:  # there is a column of its name
            self._note("the index has a column's name and is left out")
            return frame

    def _take_array(self, array: Any, columns: Sequence[str | int] | None) -> None:
        import numpy as np
        import pyarrow as pa

        from nbtrack._media.table_file import check_size

        if array.ndim != 2:  # noqa: PLR2004
            msg = (
                f"Table(data=…): an array of {array.ndim} dimensions is no table; give "
                "one of two, rows by columns."
            )
            raise MediaError(msg)
        width = array.shape[1]
        names = range(width) if columns is None else columns
        listed = names_in(names, "Table(columns=…)")
        check_length("Table(data=…), row 0", width, listed)
        check_size(*array.shape)
        array = np.asarray(array)
        found = {}
        for at, name in enumerate(listed):
            if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:  # noqa: PLR2004
                head = pa.chunked_array([pa.array(np.array(array[:, at]))])
                found[name] = Column.of_head(name, head, {}, Path())
            else:
                column = Column(name, mixed=True)
                column.tail = [cells.take(v, self._note) for v in array[:, at].tolist()]
                found[name] = settled(column)
        self._held = found

    def add_data(self, *row: Any) -> None:
        """Add a row, a cell for each column.

        Raises
        ------
        MediaError
            More or fewer cells than columns.
        MediaTypeError
            A cell has another type than its column.
        """
        self._add(row, "add_data()")

    def add_row(self, *row: Any) -> None:
        """Add a row; ``add_data`` by an older name."""
        self._add(row, "add_row()")

    def _add(self, row: Sequence[Any], call: str) -> None:
        columns = self._columns
        check_length(call, len(row), columns)
        if not columns:
            return
        taken = [
            column.check(cells.take(value, self._note), call)
            for column, value in zip(columns.values(), row, strict=True)
        ]
        for column, value in zip(columns.values(), taken, strict=True):
            column.append(value)
        self._row = None
        if not len(column) & 0xFFFF:
            from nbtrack._media.table_file import check_size

            check_size(len(column), len(columns))

    def add_column(self, name: str, data: Any, optional: bool = True) -> None:  # noqa: FBT002  (W&B's signature)
        """Add a column, a cell for each row.

        Raises
        ------
        MediaError
            There is one of that name, or the lengths differ.
        """
        columns = self._columns
        name = names_in([name], "add_column()")[0]
        if name in columns:
            msg = f"add_column(): there is a column {name!r} already."
            raise MediaError(msg)
        values = data if hasattr(data, "__len__") else list(data)
        if columns and len(values) != len(self):
            cells = "1 cell" if len(values) == 1 else f"{len(values):,} cells"
            rows = "1 row" if len(self) == 1 else f"{len(self):,} rows"
            msg = f"add_column({name!r}): {cells} for {rows}; give one for each."
            raise MediaError(msg)
        columns[name] = self._made_column(name, values, optional)
        self._row = None

    def _made_column(self, name: str, values: Any, optional: bool) -> Column:
        import numpy as np
        import pyarrow as pa

        if hasattr(values, "iloc"):
            return of_series(name, values, self._note)
        if isinstance(values, np.ndarray) and values.ndim == 1:
            if values.dtype.kind in "biuf" and values.dtype.itemsize <= 8:  # noqa: PLR2004
                head = pa.chunked_array([pa.array(values.copy())])
                return Column.of_head(name, head, {}, Path())
            values = values.tolist()
        column = Column(name, mixed=self.allow_mixed_types, optional=optional)
        for value in values:
            taken = cells.take(value, self._note)
            column.append(column.check(taken, f"add_column({name!r})"))
        return column

    def add_computed_columns(
        self, fn: Callable[[int, dict[str, Any]], Mapping[str, Any]]
    ) -> None:
        """Add columns that a function gives for each row.

        Parameters
        ----------
        fn
            Called with the number of the row and its cells by name; gives the new
            cells by name, the same names for each row.
        """
        names = list(self._columns)
        made: dict[str, list[Any]] = {}
        for number, row in self.iterrows():
            given = fn(number, dict(zip(names, row, strict=True)))
            if number and given.keys() != made.keys():
                msg = (
                    f"add_computed_columns(): row {number} has {sorted(given)}, the "
                    f"rows before it {sorted(made)}; give the same names for each."
                )
                raise MediaError(msg)
            for name, value in given.items():
                made.setdefault(name, []).append(value)
        for name in made:
            if name in self._columns:
                msg = f"add_computed_columns(): there is a column {name!r} already."
                raise MediaError(msg)
        for name, values in made.items():
            self.add_column(name, values)

    def cast(self, col_name: str, dtype: Any, optional: bool = False) -> None:  # noqa: FBT002  (W&B's signature)
        """Say which type a column has; its cells must have it.

        Raises
        ------
        MediaTypeError
            One of them has another.
        """
        column = self._column(col_name)
        new = Column(column.name, kind_in(dtype, column.name), optional=optional)
        for value in column.values():
            new.check(value, f"cast({col_name!r})")
        column.kind, column.optional = new.kind, optional

    # -- giving data back --------------------------------------------------------------

    @property
    def _columns(self) -> dict[str, Column]:
        if self._held is None:
            file = self._open()
            file.columns(file.names)  # in one go
            self._held = {name: file.column(name) for name in file.names}
        return self._held

    def _open(self) -> TableFile:
        """Give the file of a table that a run has."""
        from nbtrack._media.table_file import TableFile

        if self._file is None:
            self._file = TableFile(self._run_path, str(self._members["path"]))
        return self._file

    @property
    def file(self) -> TableFile | None:
        """The file of a run's table, of which nothing has been read; else None."""
        return self._open() if self._held is None else None

    def _column(self, name: object) -> Column:
        columns = self._columns
        found = columns.get(name if isinstance(name, str) else str(name))
        if found is None:
            raise TableColumnError(name, columns)
        return found

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return self._open().names if self._held is None else list(self._held)

    @property
    def data(self) -> list[list[Any]]:
        """Its rows, as new lists: what is changed in them changes nothing here."""
        return [row for _, row in self.iterrows()]

    def __len__(self) -> int:
        if self._held is None:
            return self._open().n_rows
        return len(next(iter(self._held.values()), ()))

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Give number and cells of each row."""
        columns = list(self._columns.values())
        for start in range(0, len(self), _BATCH):
            parts = [column.values(start, start + _BATCH) for column in columns]
            for number, row in enumerate(zip(*parts, strict=True), start):
                yield number, list(row)

    def get_column(
        self, name: str, convert_to: Literal["numpy"] | None = None
    ) -> list[Any] | NDArray[Any]:
        """Give the cells of a column.

        Parameters
        ----------
        convert_to
            "numpy" gives an array: of numbers (None as NaN), of arrays of one shape
            stacked, of pictures' pixels; else of objects.

        Raises
        ------
        TableColumnError
            There is no such column.
        """
        if convert_to not in (None, "numpy"):
            raise SettingError("convert_to", convert_to, (None, "numpy"))
        column = self._column(name)
        return column.values() if convert_to is None else as_array(column)

    def column_kind(self, name: str) -> str:
        """Name the type of a column's cells: "number", "string", "image-file"."""
        return self._column(name).kind

    def frozen(self, names: Sequence[str]) -> Table:
        """Give some columns as a table of its own, which later rows do not reach.

        Raises
        ------
        TableColumnError
        """
        made = Table(columns=[])
        held: dict[str, Column] = {}
        for name in names:
            one = copy(self._column(name))
            one.tail = list(one.tail)
            held[one.name] = one
        made._held = held
        return made

    def get_index(self) -> list[int]:
        """Give the numbers of the rows."""
        return list(range(len(self)))

    def get_dataframe(self) -> pd.DataFrame:
        """Give it as a pandas DataFrame.

        Integers with gaps are "Int64", bools "boolean"; a frame's own types come back.
        """
        import pandas as pd

        series = [column.to_pandas() for column in self._columns.values()]
        if not series:
            return pd.DataFrame(index=range(len(self)))
        frame: pd.DataFrame = pd.concat(series, axis=1)
        frame.columns = pd.Index(self.columns)
        return frame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        if self is other:
            return True
        if self.columns != other.columns or len(self) != len(other):
            return False
        return all(
            cells.same_values(self._column(name).values(), other._column(name).values())  # noqa: SLF001
            for name in self.columns
        )

    __hash__ = Media.__hash__

    def __repr__(self) -> str:
        try:
            columns = self.columns
        except MediaError as error:
            return f"<Table that cannot be read: {error}>"
        names = ", ".join(columns[:8]) + (", …" if len(columns) > 8 else "")  # noqa: PLR2004
        return f"<Table {len(self):,} rows by {len(columns):,} columns: {names}>"

    # -- rows of a run -----------------------------------------------------------------

    def _to_row(self, store: Store) -> dict[str, Any]:
        from nbtrack._media.table_file import SUFFIX, written

        if self._held is None and self._row is not None:
            self._columns  # noqa: B018  (of another run: its cells come along)
        start = self._logged if self.log_mode == "INCREMENTAL" else 0
        encode = cells.Encoder(store)
        columns = self._columns
        count = len(self)
        arrays = [column.to_arrow(encode) for column in columns.values()]
        content = written([(array.slice(start), field) for array, field in arrays])
        row: dict[str, Any] = {
            **stored(Held(content, SUFFIX), store).to_row(),
            "ncols": len(columns),
            "nrows": count - start,
        }
        if self.log_mode != "IMMUTABLE":
            row["log_mode"] = self.log_mode
        if self.log_mode == "INCREMENTAL":
            row |= {"first_row": start, "increment": self._increment}
            if not isinstance(store, Nowhere):
                self._logged, self._increment = count, self._increment + 1
        return row

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._begin()
        self._held = None
        self._run_path = run_path
        mode = row.get("log_mode", "IMMUTABLE")
        self.log_mode = mode if mode in _MODES else "IMMUTABLE"
        self.allow_mixed_types = False
        if not isinstance(row["path"], str):
            msg = "a path is text"
            raise TypeError(msg)

    # -- how it looks ------------------------------------------------------------------

    def _shown(self) -> Shown:
        from nbtrack._media.shown import Shown
        from nbtrack._media.table_page import first_page

        size = (self._row or {}).get("size")
        return Shown(
            self._type,
            self.caption or "",
            size=size if isinstance(size, int) else 0,
            data=first_page(self),
        )

    def _static(self, budget_bytes: int) -> Safe:
        from nbtrack._media.table_static import table_html

        return table_html(self, budget_bytes)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from nbtrack._draw import html
        from nbtrack._media.table_static import table_text

        try:
            page, text = html.page(self._static(_OWN_BUDGET)), table_text(self)
        except MediaError as error:  # of a run, and gone or broken
            told = html.hint(str(error))
            return {"text/html": str(html.page(told)), "text/plain": str(error)}
        if mark := _viewer(self):  # by which the viewer finds the picture
            page = html.el("div", page, **{"class": mark})
        return {"text/html": str(page), "text/plain": text}


_BATCH: Final = 4_096
_OWN_BUDGET: Final = 300_000  # bytes of a table that is a cell's value


def _viewer(table: Table) -> str:
    """Open a viewer where there can be one; gives the mark for the table's picture."""
    from importlib import import_module

    # By name: a table can be shown, so it knows of views, which know of tables.
    mark: str = import_module("nbtrack._view.table_widget").open_viewer(table)
    return mark
