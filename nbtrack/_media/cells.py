"""What a cell of a table may hold, and how it travels in a file that holds text.

A column of one plain type is a plain Arrow column, which every tool reads. Any other
(lists, mappings, arrays, media, several types at once) is a column of JSON text, marked
in its field's metadata. What JSON has no word for is a typed mapping, ``{"_type": …}``;
a mapping of the user's that looks like one is wrapped, so nothing is taken for another.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import Media, restored
from nbtrack._media.numbers import npy_of, numbers_of
from nbtrack._media.source import RunFile
from nbtrack.errors import MediaTypeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._media.source import Store

#: Elements of an array that are written into its cell; larger ones get a file.
MOST_INLINE: Final = 1_000
MOST_DEPTH: Final = 32
_TIMES: Final = (datetime, date, time, timedelta)


def kind_of(value: object) -> str:
    """Name the type of a taken cell, as W&B names its types.

    >>> [kind_of(v) for v in (1, 2.5, True, "a", None, [1], {"a": 1}, b"x")]
    ['number', 'number', 'boolean', 'string', 'none', 'list', 'dict', 'bytes']
    """
    if value is None:
        return "none"
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, Media):
        return value._type  # noqa: SLF001  (our own)
    if isinstance(value, _TIMES):  # pandas' are subclasses
        return "timestamp"
    return "ndarray" if hasattr(value, "dtype") else "string"


_KINDS: Final[dict[type, str]] = {
    int: "number",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "dict",
    datetime: "timestamp",
    date: "timestamp",
    time: "timestamp",
    timedelta: "timestamp",
}
_PLAIN: Final = frozenset({int, float, bool, str, type(None)})
_KEPT: Final = (bytes, *_TIMES, Decimal)


def take(value: object, note: Callable[[str], None], depth: int = 0) -> Any:
    """Give a cell's value as it is now: later changes of the object change nothing.

    Scalars of numpy and torch become Python's, sequences lists, figures and the like
    media; what is nothing of all this is kept as its text, and noted.
    """
    if type(value) in _PLAIN or isinstance(value, Media):
        return value
    if isinstance(value, _KEPT):
        return None if value != value else value  # noqa: PLR0124  (NaT)
    if depth > MOST_DEPTH:
        note("a list that is nested too deeply, or holds itself; it is cut")
        return "…"
    if isinstance(value, Mapping):
        return {_key(k): take(v, note, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, range, AbstractSet)):
        return [take(item, note, depth + 1) for item in value]
    return _taken_object(value, note)


def _key(key: object) -> Any:
    return key if type(key) in _PLAIN else str(key)


def _taken_object(value: Any, note: Callable[[str], None]) -> Any:  # noqa: PLR0911  (a table of types)
    from nbtrack._media.wrap import wrap

    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, int, float)):  # of a class of the user's
        return value.real if isinstance(value, (bool, int)) else float(value)
    wrapped = wrap(value)
    if wrapped is not None:
        return wrapped
    if _is_missing(value):
        return None
    if type(value).__module__ == "numpy" and not getattr(value, "ndim", 1):
        return _scalar(value)
    array = _array(value) if hasattr(value, "shape") else None
    if array is not None:
        return array.copy() if array.ndim else array.item()
    listed = _listed(value) if hasattr(value, "shape") else None
    if listed is not None:
        return take(listed, note)
    note(f"of type {type(value).__name__}; its text is kept")
    return str(value)


def _array(value: Any) -> NDArray[Any] | None:
    try:
        return numbers_of(value, "An array")
    except MediaTypeError:  # a tensor without data, say: its text is kept
        return None


def _listed(value: Any) -> list[Any] | None:
    """Give the elements of an array of text, say."""
    try:
        found = value.tolist()
    except Exception:  # noqa: BLE001  (as above)
        return None
    return found if isinstance(found, list) else None


def _is_missing(value: object) -> bool:
    """Know pandas' own marks without loading pandas."""
    return type(value).__name__ in ("NAType", "NaTType")


def _scalar(value: Any) -> Any:
    """Give a numpy scalar as Python's; nanoseconds keep being some."""
    if value.dtype.kind not in "Mm":
        return value.item()
    import pandas as pd

    made = pd.Timestamp(value) if value.dtype.kind == "M" else pd.Timedelta(value)
    return None if pd.isna(made) else made


# --- JSON ----------------------------------------------------------------------


class Encoder:
    """Puts the files of cells into a store, each object once however often it stands.

    Parameters
    ----------
    store
        Takes the contents of media objects and of large arrays.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # The objects, too: an id may come again when its object is gone.
        self._done: dict[int, tuple[object, dict[str, Any]]] = {}

    def __call__(self, value: Any) -> dict[str, Any]:
        """Give the typed mapping of a media object or an array."""
        found = self._done.get(id(value))
        if found is None:
            made = (
                value.to_row(self._store)
                if isinstance(value, Media)
                else self._array_file(value)
            )
            found = self._done[id(value)] = (value, made)
        return found[1]

    def _array_file(self, array: Any) -> dict[str, Any]:
        path = self._store.put(npy_of(array), ".npy")
        shape, dtype = list(array.shape), array.dtype.str
        return {"_type": "ndarray-file", "dtype": dtype, "shape": shape, "path": path}


def encoded(value: Any, encode: Callable[[Any], dict[str, Any]]) -> str | None:
    """Give a cell as JSON text; None, which is missing, has none.

    ``encode`` gives the typed mapping of a media object or of a large array.
    """
    if value is None:
        return None
    plain = _typed(value, encode)
    text = json.dumps(plain, ensure_ascii=False)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # lone surrogates, which a file cannot hold
            return json.dumps(plain)
    return text


def _typed(value: Any, encode: Callable[[Any], dict[str, Any]]) -> Any:  # noqa: PLR0911  (a table of types)
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Media):
        return encode(value)
    if isinstance(value, list):
        return [_typed(item, encode) for item in value]
    if isinstance(value, dict):
        if "_type" in value or not all(type(key) is str for key in value):
            pairs = [[key, _typed(item, encode)] for key, item in value.items()]
            return {"_type": "dict", "items": pairs}
        return {key: _typed(item, encode) for key, item in value.items()}
    if isinstance(value, bytes):
        return {"_type": "bytes", "base64": base64.b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {"_type": "decimal", "text": str(value)}
    if isinstance(value, timedelta):
        return {"_type": "duration", "seconds": value.total_seconds()}
    if isinstance(value, (datetime, date, time)):
        return {"_type": type(value).__name__.lower(), "iso": value.isoformat()}
    return encode(value) if value.size > MOST_INLINE else _inline(value)


def _inline(array: Any) -> dict[str, Any]:
    return {
        "_type": "ndarray",
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "data": array.reshape(-1).tolist(),
    }


def decoded(text: str | None, run_path: Path) -> Any:
    """Give what a cell of JSON text stands for; of no use, the text itself."""
    if text is None:
        return None
    try:
        return _untyped(json.loads(text), run_path, 0)
    except (ValueError, RecursionError):
        return text


def _untyped(value: Any, run_path: Path, depth: int) -> Any:  # noqa: PLR0911  (a table of types)
    if depth > 2 * MOST_DEPTH:
        return value
    if isinstance(value, list):
        return [_untyped(item, run_path, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("_type")
    if not isinstance(kind, str):
        return {key: _untyped(v, run_path, depth + 1) for key, v in value.items()}
    if kind == "dict" and isinstance(value.get("items"), list):
        pairs = (p for p in value["items"] if isinstance(p, list) and len(p) == 2)  # noqa: PLR2004
        made = ((k, _untyped(v, run_path, depth + 1)) for k, v in pairs)
        return {k: v for k, v in made if not isinstance(k, (list, dict))}
    try:
        if kind == "ndarray-file":
            return _read_array_file(value, run_path)
        if kind in _READERS:
            return _READERS[kind](value)
    except (KeyError, TypeError, ValueError, ArithmeticError, EOFError):
        return value
    return restored(value, run_path)


def _read_array_file(value: dict[str, Any], run_path: Path) -> Any:
    import numpy as np

    content = RunFile(run_path, value["path"]).read()
    return np.load(BytesIO(content), allow_pickle=False)


def _read_array(value: dict[str, Any]) -> Any:
    import numpy as np

    dtype = np.dtype(value["dtype"])
    if dtype.kind not in "biuf":
        msg = "an array of what is no number"
        raise ValueError(msg)
    return np.array(value["data"], dtype=dtype).reshape(value["shape"])


_READERS: Final[dict[Any, Callable[[dict[str, Any]], Any]]] = {
    "ndarray": _read_array,
    "bytes": lambda v: base64.b64decode(v["base64"], validate=True),
    "decimal": lambda v: Decimal(v["text"]),
    "duration": lambda v: timedelta(seconds=v["seconds"]),
    "timestamp": lambda v: datetime.fromisoformat(v["iso"]),
    "datetime": lambda v: datetime.fromisoformat(v["iso"]),
    "date": lambda v: date.fromisoformat(v["iso"]),
    "time": lambda v: time.fromisoformat(v["iso"]),
}


# --- plain columns ---------------------------------------------------------------


def plain_array(values: list[Any]) -> Any | None:  # noqa: PLR0911  (a table of types)
    """Give cells of one plain type as an Arrow array; None where they are no such."""
    import pyarrow as pa

    types = set(map(type, values))
    types.discard(type(None))
    try:
        if not types:
            return pa.nulls(len(values))
        if types == {bool}:
            return pa.array(values, pa.bool_())
        if types == {int}:
            return pa.array(values, pa.int64())
        if types <= {int, float}:
            return _doubles(values) if float in types else None
        if types == {str}:
            return pa.array(values, pa.large_string())
        if types == {bytes}:
            return pa.array(values, pa.large_binary())
        if len(types) == 1 and issubclass(next(iter(types)), (*_TIMES, Decimal)):
            return _times(values)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, ValueError):
        pass  # beyond 64 bits, a lone surrogate, another zone: JSON holds it
    return None


def _doubles(values: list[Any]) -> Any | None:
    """Give integers among decimals as doubles, where none of them changes by it."""
    import pyarrow as pa

    for value in values:
        if type(value) is int and int(float(value)) != value:
            return None
    return pa.array(values, pa.float64())


def _times(values: list[Any]) -> Any | None:
    """Give moments of one time zone; Arrow would move all into the first one's."""
    import pyarrow as pa

    zones = {str(getattr(v, "tzinfo", None)) for v in values if v is not None}
    if len(zones) > 1:
        return None
    array = pa.array(values)
    return array if array.to_pylist() == values else None


def is_nan(value: object) -> bool:
    """Say whether this is a number that is none."""
    return isinstance(value, float) and math.isnan(value)


def same_values(a: list[Any], b: list[Any]) -> bool:
    """Say whether two lists of cells are equal, NaN and NaN being so."""
    return len(a) == len(b) and all(map(_same, a, b))


def _same(a: Any, b: Any) -> bool:
    if hasattr(a, "dtype") or hasattr(b, "dtype"):
        import numpy as np

        return bool(
            getattr(a, "shape", 0) == getattr(b, "shape", 1)
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if isinstance(a, list) and isinstance(b, list):
        return same_values(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b) or (is_nan(a) and is_nan(b))
