"""What people pass to make a table, checked: names, rows, types.

Each error says which row or column it is about, and what would do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import Media
from nbtrack.errors import (
    MediaError,
    MediaTypeError,
    SettingError,
    TableColumnError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from nbtrack._media.table_column import Column

_DTYPES: Final[dict[Any, str]] = {
    int: "number",
    float: "number",
    str: "string",
    bool: "boolean",
    list: "list",
    dict: "dict",
    bytes: "bytes",
    "int": "number",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "any": "any",
    "datetime": "timestamp",
    **{kind: kind for kind in ("number", "string", "boolean", "list", "dict", "bytes")},
    **{kind: kind for kind in ("timestamp", "ndarray")},
}


def rows_in(data: Any) -> Iterator[Sequence[Any]]:
    """Give the rows of what a user passed as such.

    Raises
    ------
    MediaTypeError
    """
    if data is None:
        return
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        msg = (
            f"Table(data=…) takes a list of rows, not {type(data).__name__}; of a "
            "mapping make pandas.DataFrame(…)."
        )
        raise MediaTypeError(msg)
    if hasattr(data, "__len__"):
        from nbtrack._media.table_file import check_size

        first: Any = next(islice(data, 1), ())
        check_size(len(data), len(first) if hasattr(first, "__len__") else 1)  # type: ignore[arg-type]
    for number, row in enumerate(data):
        if isinstance(row, (str, bytes, Mapping)) or not hasattr(row, "__len__"):
            msg = (
                f"Table(data=…), row {number}: a row is a list of cells, not "
                f"{type(row).__name__}."
            )
            raise MediaTypeError(msg)
        yield list(row)


def check_length(call: str, count: int, names: Iterable[str]) -> None:
    listed = list(names)
    if count != len(listed):
        shown = ", ".join(listed[:12]) + (", …" if len(listed) > 12 else "")  # noqa: PLR2004
        cells = "1 cell" if count == 1 else f"{count} cells"
        columns = "1 column" if len(listed) == 1 else f"{len(listed)} columns"
        msg = f"{call}: {cells} for {columns} ({shown})."
        raise MediaError(msg)


def names_in(names: Any, call: str) -> list[str]:
    """Check the names of columns; whole numbers become text.

    Raises
    ------
    MediaError, MediaTypeError
    """
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        msg = f"{call} takes a list of names, not {names!r}."
        raise MediaTypeError(msg)
    found: list[str] = []
    for name in names:
        if isinstance(name, bool) or not isinstance(name, (str, int)):
            msg = f"{call}: a name is text, not {name!r} ({type(name).__name__})."
            raise MediaTypeError(msg)
        found.append(_storable(str(name)))
    if len(set(found)) != len(found):
        twice = next(name for name in found if found.count(name) > 1)
        msg = f"{call}: {twice!r} stands there twice; a column needs a name of its own."
        raise MediaError(msg)
    return found


def _storable(name: str) -> str:
    """Escape lone surrogates, which a file cannot hold."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def unique_names(names: Any, note: Callable[[str], None]) -> list[str]:
    """Give a frame's column names as text, each once."""
    found: dict[str, None] = {}
    for name in names:
        text = ".".join(map(str, name)) if isinstance(name, tuple) else str(name)
        text = plain = _storable(text)
        count = 1
        while text in found:
            count += 1
            text = f"{plain}_{count}"
        if text != plain:
            note(f"column {plain!r} stands there twice; one is called {text!r}")
        found[text] = None
    return list(found)


def per_column(given: Any, names: list[str], what: str) -> list[Any]:
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise TableColumnError(name, names)
        return [given.get(name, None if what == "dtype" else True) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            msg = f"Table({what}=…): {len(given)} of them for {len(names)} columns."
            raise MediaError(msg)
        return list(given)
    return [given] * len(names)


def kind_in(dtype: Any, name: str) -> str:
    if dtype is None:
        return ""
    if isinstance(dtype, type) and issubclass(dtype, Media):
        return dtype._type  # noqa: SLF001  (our own)
    try:
        if dtype in _DTYPES:
            return _DTYPES[dtype]
    except TypeError:  # not hashable
        pass
    if getattr(dtype, "__module__", "") == "datetime":
        return "timestamp"
    known = [key for key in _DTYPES if isinstance(key, str)]
    raise SettingError(f"dtype of column {name!r}", dtype, known)


def as_array(column: Column) -> NDArray[Any]:
    import numpy as np

    if column.kind in ("number", "boolean") and not column.is_json:
        series = column.to_pandas()
        if series.dtype.kind in "biuf" and str(series.dtype)[0].islower():
            if series.dtype == "boolean":
                return np.array(column.values(), dtype=object)
            return np.asarray(series.to_numpy())
        values = [np.nan if v is None else v for v in column.values()]
        return np.array(values)
    values = [
        value.to_data_array() if hasattr(value, "to_data_array") else value
        for value in column.values()
    ]
    shapes = {np.shape(v) for v in values if not isinstance(v, (str, bytes, dict))}
    if len(shapes) <= 1:
        try:
            return np.array(values)
        except (ValueError, TypeError):
            pass
    found = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        found[at] = value
    return found
