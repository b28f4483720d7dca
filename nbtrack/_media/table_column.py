"""One column of a table: a head that is Arrow's, and cells that came after it.

A frame or a stored file gives whole columns, which stay as they are; ``add_data`` gives
cell by cell, which a list takes fastest. So a frame of a hundred million cells is never
made into Python objects, and a loop of ``add_data`` never makes Arrow arrays.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media import cells
from nbtrack.errors import MediaTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: The member of a field's metadata that is ours.
MARK: Final = b"nbtrack"
_NUMBERS: Final = ("number", "boolean")


class Column:
    """Cells of one name; knows their type, and refuses what has another.

    Parameters
    ----------
    kind
        The type that its cells must have; "" until the first one says it.
    mixed
        Whether cells may have several types.
    optional
        Whether cells may be missing.
    """

    def __init__(
        self, name: str, kind: str = "", *, mixed: bool = False, optional: bool = True
    ) -> None:
        self.name = name
        self.kind = kind
        self.mixed = mixed
        self.optional = optional
        self.head: Any = None  # pyarrow.ChunkedArray
        self.about: dict[str, Any] = {}  # what its field says of the head
        self.run_path = Path()
        self.tail: list[Any] = []

    @classmethod
    def of_head(
        cls, name: str, head: Any, about: dict[str, Any], run_path: Path
    ) -> Column:
        """Make a column of a frame's, or of a file's."""
        made = cls(name, str(about.get("kind") or kind_of_type(head.type)))
        made.mixed = made.kind == "any"
        made.head, made.about, made.run_path = head, about, run_path
        return made

    def __len__(self) -> int:
        return len(self.tail) + (0 if self.head is None else len(self.head))

    def check(self, value: Any, call: str) -> Any:
        """Give a taken cell as this column takes it.

        Raises
        ------
        MediaTypeError
            It has another type than the cells before it.
        """
        kind = cells.kind_of(value)
        if kind == self.kind:
            return value
        if kind == "none":
            if self.optional:
                return value
            msg = f"{call}: column {self.name!r} takes no None; pass optional=True."
            raise MediaTypeError(msg)
        if self.mixed or not self.kind or self.kind == "any":
            return value
        if self.optional and cells.is_nan(value):
            return None  # as pandas marks what is missing
        shown = repr(value)
        shown = shown if len(shown) < 80 else f"{shown[:79]}…"  # noqa: PLR2004
        msg = (
            f"{call}: column {self.name!r} has cells of type {self.kind}, and "
            f"{shown} is of type {kind}. Pass Table(…, allow_mixed_types=True) to "
            "have both."
        )
        raise MediaTypeError(msg)

    def append(self, value: Any) -> None:
        """Take a checked cell in."""
        if value is not None and (self.mixed or not self.kind):
            kind = cells.kind_of(value)
            self.kind = kind if self.kind in ("", kind) else "any"
        self.tail.append(value)

    # -- cells ---------------------------------------------------------------------

    def __getitem__(self, row: int) -> Any:
        ahead = 0 if self.head is None else len(self.head)
        if row >= ahead:
            return self.tail[row - ahead]
        return next(self._of_head(self.head.slice(row, 1)))

    def values(self, start: int = 0, stop: int | None = None) -> list[Any]:
        """Give cells as Python objects."""
        ahead = 0 if self.head is None else len(self.head)
        stop = len(self) if stop is None else stop
        found: list[Any] = []
        if start < ahead:
            found += self._of_head(self.head.slice(start, min(stop, ahead) - start))
        return found + self.tail[max(0, start - ahead) : max(0, stop - ahead)]

    def _of_head(self, array: Any) -> Iterator[Any]:
        plain = array.to_pylist()
        if not self.is_json:
            yield from plain
        else:
            for text in plain:
                yield cells.decoded(text, self.run_path)

    @property
    def is_json(self) -> bool:
        """Whether the cells of the head are JSON text."""
        return self.about.get("as") == "json"

    # -- Arrow -----------------------------------------------------------------------

    def to_arrow(self, encode: Callable[[Any], dict[str, Any]]) -> tuple[Any, Any]:
        """Give the column as an Arrow array and its field."""
        import pyarrow as pa

        about = {k: v for k, v in self.about.items() if k != "as"}
        array = self.head
        if self.tail or array is None:
            array = self._joined()
        is_json = array is None or (self.is_json and not self.tail)
        if array is None:
            array, about = self._json(encode), {}
        if is_json:
            about["as"] = "json"
        if self.kind:
            about["kind"] = self.kind
        metadata = {MARK: json.dumps(about, sort_keys=True).encode()} if about else None
        return array, pa.field(self.name, array.type, metadata=metadata)

    def _joined(self) -> Any:
        """Give head and tail as one plain array; None where they are none."""
        import pyarrow as pa

        if self.is_json:
            return None
        tail = cells.plain_array(self.tail)
        if tail is None:
            return None
        if self.head is None:
            return pa.chunked_array([tail])
        if tail.type == self.head.type:
            return pa.chunked_array([*self.head.chunks, tail])
        try:  # a list's int64 behind a frame's int32, say: only if nothing changes
            cast = tail.cast(self.head.type)
        except pa.ArrowException:
            return None
        return pa.chunked_array([*self.head.chunks, cast])

    def _json(self, encode: Callable[[Any], dict[str, Any]]) -> Any:
        import pyarrow as pa

        texts = [cells.encoded(value, encode) for value in self.values()]
        return pa.chunked_array([pa.array(texts, pa.large_string())])

    def to_pandas(self) -> Any:
        """Give the column as a pandas Series, of the type that it came with."""
        import pandas as pd

        head = None if self.is_json else self.head
        array = head if head is not None and not self.tail else None
        if array is None and not self.is_json:
            array = self._joined()
        if array is None or array.type == "null":
            return _objects(self.values())
        series = array.to_pandas()
        dtype = self.about.get("dtype") or _dtype(array)
        if dtype:
            try:
                return _as_type(array, series, str(dtype))
            except (TypeError, ValueError, ArithmeticError):
                pass  # a type that this pandas does not know
        return pd.Series(series)


def _dtype(array: Any) -> str:
    """Name the pandas type that has holes and loses nothing."""
    import pyarrow as pa

    if not array.null_count:
        return ""
    if pa.types.is_integer(array.type):
        return str(array.type).replace("int", "Int").replace("uI", "UI")
    return "boolean" if pa.types.is_boolean(array.type) else ""


def _as_type(array: Any, series: Any, dtype: str) -> Any:
    import pandas as pd

    if str(series.dtype) == dtype:
        return series
    if dtype[:1].isupper() or dtype == "boolean":  # through doubles digits get lost
        return pd.Series(pd.array(array.to_pylist(), dtype=dtype))
    return series.astype(dtype)


def _objects(values: list[Any]) -> Any:
    """Give values as they are: pandas would look into lists and arrays."""
    import numpy as np
    import pandas as pd

    listed = np.full(len(values), None, dtype=object)
    for at, value in enumerate(values):
        listed[at] = value
    return pd.Series(listed, dtype=object)


def of_series(name: str, series: Any, note: Callable[[str], None]) -> Column:
    """Make a column of a pandas one, in one go where its type is plain."""
    import pyarrow as pa

    kind = series.dtype
    if str(kind) != "object":
        try:
            array = _array(series)
        except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
            note(f"column {name!r}: of type {kind}, kept as text or objects")
        else:
            about = {"dtype": str(kind)}
            head = array if isinstance(array, pa.ChunkedArray) else [array]
            return Column.of_head(name, pa.chunked_array(head), about, Path())
    made = Column(name, mixed=True)
    for value in series.tolist():
        made.append(cells.take(value, lambda what: note(f"column {name!r}: {what}")))
    return settled(made)


def _array(series: Any) -> Any:
    import pyarrow as pa

    is_numpy = type(series.dtype).__module__.startswith("numpy")
    if is_numpy and series.dtype.kind in "fc":
        return pa.array(series.to_numpy())  # NaN stays NaN, is not missing
    array = pa.Array.from_pandas(series)
    if kind_of_type(array.type) == "any":
        msg = "of a type that needs JSON"
        raise TypeError(msg)
    return array


def settled(column: Column) -> Column:
    """Let the cells of a whole column say its type: one, or "any"."""
    kinds = {cells.kind_of(value) for value in set_of_types(column.tail)} - {"none"}
    nans = any(cells.is_nan(v) for v in column.tail) if len(kinds) > 1 else False
    if nans and len(kinds) == 2 and "number" in kinds:  # noqa: PLR2004
        # Text with NaN for what is missing, as pandas has it.
        others = [v for v in column.tail if not cells.is_nan(v)]
        rest = {cells.kind_of(value) for value in others} - {"none"}
        if len(rest) == 1:
            column.tail = [None if cells.is_nan(v) else v for v in column.tail]
            kinds = rest
    column.mixed = len(kinds) > 1
    column.kind = "any" if column.mixed else next(iter(kinds), "")
    return column


def set_of_types(values: Sequence[Any]) -> list[Any]:
    """Give one value of each Python type."""
    return list({type(value): value for value in values}.values())


def kind_of_type(kind: Any) -> str:
    """Name the type of an Arrow column's cells."""
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return kind_of_type(kind.value_type)
    tests = (
        ("boolean", t.is_boolean),
        ("number", t.is_integer),
        ("number", t.is_floating),
        ("number", t.is_decimal),
        ("string", t.is_string),
        ("string", t.is_large_string),
        ("string", t.is_string_view),
        ("bytes", t.is_binary),
        ("bytes", t.is_large_binary),
        ("timestamp", t.is_temporal),
        ("", t.is_null),
    )
    return next((name for name, test in tests if test(kind)), "any")
