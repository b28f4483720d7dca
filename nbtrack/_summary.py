"""A run's summary as a mapping that can be read, set and deleted.

A key that was logged as ``c.d`` is found as ``summary["c.d"]``, ``summary["c"]["d"]``
and ``summary.c.d`` alike: whether a name was nested or written with a dot is forgotten
when it is logged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from nbtrack._config import MAX_DEPTH
from nbtrack._record import arrays
from nbtrack._record.row import coerce
from nbtrack._sources import read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_MISSING: Final = object()


def child(tree: Mapping[str, Any], key: str) -> Any:
    """Give what is under a key, or under keys that begin with it and a dot.

    Raises
    ------
    KeyError

    >>> child({"a": 1, "c.d": 2, "c.e.f": 3}, "c")
    {'d': 2, 'e.f': 3}
    """
    direct: Any = tree.get(key, _MISSING)
    if direct is not _MISSING and not isinstance(direct, Mapping):
        return direct
    inner = {
        name[len(key) + 1 :]: value
        for name, value in tree.items()
        if name.startswith(f"{key}.")
    }
    if direct is _MISSING and not inner:
        raise KeyError(key)
    return inner | dict(direct) if isinstance(direct, Mapping) else inner


def placed(tree: Mapping[str, Any], path: Sequence[str]) -> list[str]:
    """Say under which path a value stands, or is to be set.

    >>> placed({"c.d": 1}, ["c", "d"]), placed({"c": {}}, ["c", "d"])
    (['c.d'], ['c', 'd'])
    """
    for size in range(len(path), 0, -1):
        joined, rest = ".".join(path[:size]), path[size:]
        inner = tree.get(joined, _MISSING)
        if isinstance(inner, Mapping):
            return [joined, *placed(inner, rest)]
        if inner is not _MISSING and not rest:
            return [joined]
    return list(path)


def removal(tree: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Give the change that takes a value away.

    Raises
    ------
    KeyError
        There is none.
    """
    here: Any = tree
    for key in path:
        here = child(here, key)
    at = placed(tree, path)
    if len(at) == 1:
        dotted = [name for name in tree if name.startswith(f"{at[0]}.")]
        return {"del": [*([at[0]] if at[0] in tree else []), *dotted]}
    # A nested value: its parent without it is set by hand.
    parent: Any = tree
    for key in at[:-1]:
        parent = parent[key]
    kept = {name: value for name, value in parent.items() if name != at[-1]}
    return {"set": [[at[:-1], kept]]}


def storable(
    value: object,
    put: Callable[[NDArray[Any]], str | None],
    note: Callable[[str], None],
    keep: Callable[[Any], tuple[Any, str] | None] = lambda _: None,
    depth: int = 0,
) -> Any:
    """Give a summary value in JSON types; an array as what describes it.

    Parameters
    ----------
    put
        Stores an array and gives the path of its file.
    note
        Told what was kept only in part.
    keep
        Stores a picture, a table and the like; gives its value, and what was lost.
    """
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        inner = depth + 1
        return {str(k): storable(v, put, note, keep, inner) for k, v in value.items()}
    from nbtrack._media.base import Media

    array, coerced, lost = None, None, ""
    try:
        if not isinstance(value, Media):  # a histogram could become an array
            value = arrays.opened(value)
            array = _array(value)
        if array is None:
            coerced, lost = keep(value) or coerce(value)
    except Exception as error:  # noqa: BLE001  (an object of the user's raises anything)
        coerced = f"<{type(value).__name__}>"
        lost = f"{coerced}, which raised {type(error).__name__}: {error}"
    if array is not None:
        return arrays.described(value, array, put(array))
    if arrays.is_too_large(value):
        lost += (
            f". Arrays of up to {arrays.MOST_KEPT:,} elements are stored; write a "
            "larger one to a file, and keep that with run.save(…)"
        )
    if lost:
        note(lost)
    return coerced


def storable_changes(
    change: Mapping[str, Any],
    put: Callable[[NDArray[Any]], str | None],
    keep: Callable[[Any], tuple[Any, str] | None] = lambda _: None,
) -> tuple[list[Any], list[tuple[str, str]]]:
    """Give the values that a change sets in JSON types, and what was lost of which."""
    changes: list[Any] = []
    notes: list[tuple[str, str]] = []
    for path, value in change.get("set", ()):
        lost: list[str] = []
        changes.append([path, storable(value, put, lost.append, keep)])
        notes += [(".".join(map(str, path)), why) for why in lost]
    return changes, notes


def _array(value: object) -> NDArray[Any] | None:
    """Give a value as an array of numbers if it is one; lists are one when long."""
    if isinstance(value, (str, bytes, int, float, type(None))):
        return None
    if arrays.is_array(value):
        return arrays.as_stored(value)
    return arrays.as_large(value)


class SummaryView(MutableMapping[str, Any]):
    """The summary by item and attribute; always up to date when read.

    Parameters
    ----------
    read
        Gives the whole summary as it stands.
    change
        Records a change made by hand: ``{"set": [[path, value]]}`` or
        ``{"del": [key]}``.
    path
        Where in the summary this view stands.
    """

    _read: Callable[[], dict[str, Any]]
    _change: Callable[[dict[str, Any]], None]
    _path: tuple[str, ...]

    def __init__(
        self,
        read: Callable[[], dict[str, Any]],
        change: Callable[[dict[str, Any]], None],
        path: tuple[str, ...] = (),
    ) -> None:
        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_change", change)
        object.__setattr__(self, "_path", path)

    def _here(self) -> dict[str, Any]:
        here = self._read()
        for key in self._path:
            here = child(here, key)
        return here

    def __getitem__(self, key: str) -> Any:
        value = child(self._here(), key)
        if isinstance(value, dict):
            return SummaryView(self._read, self._change, (*self._path, key))
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value})

    def _set(self, values: Mapping[str, Any]) -> None:
        tree = self._read() if self._path else {}  # a key of the whole is itself
        changes = [
            [placed(tree, [*self._path, str(key)]), value]
            for key, value in values.items()
        ]
        self._change({"set": changes})

    def __delitem__(self, key: str) -> None:
        self._change(removal(self._read(), [*self._path, key]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._here())

    def __len__(self) -> int:
        return len(self._here())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # numpy and copy ask for what they know
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            msg = f"summary has no {name!r}; it has: {', '.join(self) or 'nothing yet'}"
            raise AttributeError(msg) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __eq__(self, other: object) -> bool:
        mine = self._here()
        return mine == (other._here() if isinstance(other, SummaryView) else other)

    __hash__ = None  # type: ignore[assignment]  # mutable, as a dict

    def __repr__(self) -> str:
        return json.dumps(self._here(), indent=1, default=str)

    def __reduce__(self) -> Any:
        return dict, (self._here(),)  # a copy is a plain mapping

    def update(self, *others: object, **values: Any) -> None:
        """Set several values at once; without any, do nothing (all is saved)."""
        told: dict[str, Any] = {}
        for other in (*others, values):
            told |= read_config(other)
        if told:
            self._set(told)
