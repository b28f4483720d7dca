"""One ``log()`` call's mapping as a flat row of JSON values.

The row has two parts. ``plain`` holds what JSON can carry exactly. ``extended`` holds
the rest (NaN, infinities, integers beyond 64 bits, lone surrogates) as the text that
Python's ``json`` module writes and reads for it. A key may be in ``extended`` only or
in both; ``extended`` wins. So every value comes back as it went in, and a plain JSON
reader still sees everything else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from itertools import islice
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import orjson

from nbtrack._record import arrays
from nbtrack._record.arrays import MOST_IN_LIST
from nbtrack.errors import DataTypeError, ReservedKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Types that orjson writes exactly, NaN and integers beyond 64 bits aside.
PLAIN_TYPES = frozenset({float, int, bool, str, type(None)})

#: Set by some integrations written for W&B; ours are authoritative, so ignored.
_TOLERATED = frozenset({"_step", "_runtime", "_timestamp"})

_MAX_TEXT = 1_000  # characters kept of an unknown object's str()
_MAX_BITS = 10_000  # of an integer; Python itself refuses to print much longer ones
_MAX_DEPTH = 16  # of nested mappings; deeper ones are cut as text


class Keep(Protocol):
    """Somebody who stores what is too large for a row, or no JSON, beside the rows."""

    def __call__(self, value: Any) -> tuple[Any, str] | None:
        """Give the JSON value that stands for it in the row, and what was lost.

        None for what the row takes itself.
        """


class Row(NamedTuple):
    """A flat row: JSON values, and the text of those that JSON cannot hold."""

    plain: dict[str, Any]
    extended: dict[str, str]


def refuse_keywords(given: Mapping[str, object]) -> NoReturn:
    """Refuse values that were given as keywords.

    Raises
    ------
    DataTypeError
    """
    values = ", ".join(f"{key!r}: {_short(value)}" for key, value in given.items())
    msg = f"log() takes a mapping: run.log({{{values}}})."
    raise DataTypeError(msg)


def _short(value: object) -> str:
    return repr(value) if isinstance(value, (bool, int, float, str)) else "…"


def check_mapping(data: object) -> None:
    """Refuse what cannot be logged, at once and with the reason.

    Raises
    ------
    DataTypeError
        ``data`` is no mapping, or a key is no string.
    ReservedKeyError
        A key begins with an underscore.
    """
    if not isinstance(data, Mapping):
        msg = (
            f"log() takes a mapping of names to values, not {type(data).__name__}. "
            'Write run.log({"loss": value}).'
        )
        raise DataTypeError(msg)
    for key in data:
        if not isinstance(key, str):
            msg = (
                f"log() takes keys of type str, not {type(key).__name__} ({key!r}). "
                f'Write {{"{key}": …}}.'
            )
            raise DataTypeError(msg)
        if key.startswith("_") and key not in _TOLERATED:
            raise ReservedKeyError(key)


def flatten(
    data: Mapping[str, Any],
    note: Callable[[str, str], None],
    keep: Keep | None = None,
) -> Row:
    """Flatten a checked mapping and make every value storable.

    Parameters
    ----------
    data
        What the user logged; nested mappings become keys joined with ``.``.
    note
        Called with a key and a sentence when a value is kept only in part.
    keep
        Asked for everything that is no plain type: arrays, pictures, figures.
    """
    row = Row({}, {})
    for key, value in _leaves(data, depth=0):
        try:
            coerced, kept = _kept(value, keep)
        except Exception as error:  # noqa: BLE001  a user's object may raise anything
            what = f"an object that raised {type(error).__name__}"
            coerced, kept = _text(value, what)
        if kept:
            note(key, f"log(): {key!r} is {kept}")
        _store(row, key, coerced)
    return row


def _leaves(
    data: Mapping[str, Any], depth: int, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Walk nested mappings; their keys are joined with dots."""
    for child, value in data.items():
        if not depth and child in _TOLERATED:
            continue
        key = prefix + _storable_key(str(child))
        if isinstance(value, Mapping) and depth < _MAX_DEPTH:
            yield from _leaves(value, depth + 1, f"{key}.")
        else:
            yield key, value


def _kept(value: object, keep: Keep | None) -> tuple[Any, str]:
    if keep is not None and type(value) not in PLAIN_TYPES:
        kept = keep(value)
        if kept is not None:
            return kept
    return coerce(value)


def _store(row: Row, key: str, value: Any) -> None:
    """Put a JSON value where it comes back from as it is."""
    try:
        # orjson writes NaN as null, inside lists as well: look before trusting it.
        encoded = orjson.dumps(value)
        if value is None or b"null" not in encoded or json.loads(encoded) == value:
            row.plain[key] = value
            row.extended.pop(key, None)  # of a key that flattened to the same name
            return
    except TypeError:  # an integer beyond 64 bits, or a lone surrogate
        pass
    row.plain.pop(key, None)
    row.extended[key] = json.dumps(value)


def split(payload: Mapping[str, Any]) -> Row:
    """Give a record's payload of JSON values in the two parts of a row."""
    row = Row({}, {})
    for key, value in payload.items():
        _store(row, key, value)
    return row


def kind_of(value: object) -> str:
    """Say whether a stored value is a number or text; "" for everything else."""
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else ""


def as_scalars(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the numbers of a row as Python's own; None when something is no number.

    The short way for rows of numpy, torch or tf scalars.
    """
    row: dict[str, Any] = {}
    for key, value in data.items():
        if type(value) in PLAIN_TYPES:
            row[key] = value
        elif isinstance(value, float):  # numpy.float64 is one
            row[key] = float(value)
        elif getattr(value, "shape", None) == () and hasattr(value, "item"):
            row[key] = value.item()
        else:
            return None
    return row


def coerce(value: object, depth: int = 0) -> tuple[Any, str]:  # noqa: PLR0911  (a table of types)
    """Turn any value into JSON types, and say what was lost, if anything was.

    Numbers of numpy, torch, tf and jax, 0-d or of one element, become Python
    numbers; dates become ISO text; sequences become lists; anything else its text.

    >>> coerce(True), coerce((1, 2.5)), coerce(date(2026, 1, 2))
    ((True, ''), ([1, 2.5], ''), ('2026-01-02', ''))
    """
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        what = f"an integer of {value.bit_length()} bits; its first hex digits are kept"
        return hex(value)[:_MAX_TEXT], what
    if type(value) in PLAIN_TYPES:
        return value, ""
    if isinstance(value, str):
        return str(value), ""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(), ""
    if isinstance(value, (list, tuple, range, AbstractSet)):
        return _list(value, depth)
    value = arrays.opened(value)
    if hasattr(value, "shape") or hasattr(value, "item"):
        return _array(value)
    if isinstance(value, Integral):
        return int(value), ""
    if isinstance(value, Real):
        return float(value), ""
    if hasattr(value, "__float__") and not isinstance(value, (bytes, complex)):
        return _number(value)
    return _text(value)


def _list(
    values: list[Any] | tuple[Any, ...] | range | AbstractSet[Any], depth: int
) -> tuple[Any, str]:
    if depth > _MAX_DEPTH:
        return _text("…", "a list that is nested too deeply, or holds itself")
    items = [coerce(item, depth + 1) for item in islice(values, MOST_IN_LIST)]
    lost = next((why for _, why in items if why), "")
    if len(values) > MOST_IN_LIST:
        lost = f"a list of {len(values)} elements; the first {MOST_IN_LIST} are kept"
    return [item for item, _ in items], lost


def _array(value: Any) -> tuple[Any, str]:
    size = math.prod(getattr(value, "shape", ()))
    dtype = getattr(value, "dtype", "")
    if arrays.is_frame(value) or "complex" in str(dtype):
        return _text(value)
    if getattr(dtype, "kind", "") in tuple("OSUMm"):
        return _odd_elements(value, size)
    if size > MOST_IN_LIST:
        return _text(value, f"an array of {size} elements ({type(value).__name__})")
    if hasattr(value, "detach"):  # torch, which refuses tolist() on nothing, but
        value = value.detach()  # bfloat16 and devices are its own business
    if not hasattr(value, "tolist") and hasattr(value, "numpy"):
        value = value.numpy()  # tf.Tensor
    if not hasattr(value, "tolist"):
        return _text(value)
    nested = _unwrapped(value.tolist(), size)
    if hasattr(nested, "shape") or hasattr(nested, "item"):
        return _number(nested)  # np.longdouble gives itself back
    return coerce(nested)


def _odd_elements(value: Any, size: int) -> tuple[Any, str]:
    """Give the elements of an array of text, times or objects."""
    items, lost = coerce(_unwrapped(arrays.text_elements(value), size))
    if size > MOST_IN_LIST:
        lost = f"an array of {size} elements; the first {MOST_IN_LIST} are kept"
    return items, lost


def _unwrapped(nested: Any, size: int) -> Any:
    """Give the one element of an array that has one."""
    while size == 1 and isinstance(nested, list):
        nested = nested[0]
    return nested


def _number(value: Any) -> tuple[Any, str]:
    try:
        return float(value), ""
    except (TypeError, ValueError, OverflowError):
        return _text(value)


def _text(value: object, what: str = "") -> tuple[str, str]:
    try:
        text = value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  a user's __str__ may raise anything
        text = f"<{type(value).__name__}: str() raised {type(error).__name__}>"
    what = what or f"of type {type(value).__name__}"
    kept = f"at most the first {_MAX_TEXT} characters of its text are kept"
    return text[:_MAX_TEXT], f"{what}; {kept}"


def _storable_key(key: str) -> str:
    """Escape lone surrogates, which UTF-8 and hence a file cannot hold."""
    return key.encode("utf-8", "backslashreplace").decode("utf-8")
