"""A run's config: a nested mapping with item and attribute access.

Values are normalised to JSON types when they are set, so what is saved is what is
read. Values that look like secrets are never stored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbtrack._record.row import coerce
from nbtrack._record.secrets import REDACTED, is_secret_section, without_secrets
from nbtrack._sources import members, read_config

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH: Final = 32


class Keeper(NamedTuple):
    """Who is asked and told when a config changes.

    Attributes
    ----------
    changed
        Told the dotted key, the old and the new value.
    check
        Raises when nothing may change any more.
    refuse
        Raises when a value that is there may not change; told key, old and new.
    note
        Told of a value that is kept as text.
    allowed
        Names whose values are no secrets, whatever they look like.
    """

    changed: Callable[[str, Any, Any], None]
    check: Callable[[], None]
    refuse: Callable[[str, Any, Any], None]
    note: Callable[[str], None]
    allowed: Collection[str] = ()


class Config(MutableMapping[str, Any]):
    """Hyperparameters and whatever else describes a run.

    ``config["lr"]`` and ``config.lr`` are the same; nested mappings likewise. Changes
    are saved at once.
    """

    _data: dict[str, Any]
    _keeper: Keeper
    _prefix: str

    def __init__(self, data: dict[str, Any], keeper: Keeper, prefix: str = "") -> None:
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_keeper", keeper)
        object.__setattr__(self, "_prefix", prefix)

    def __getitem__(self, key: str) -> Any:
        value = self._data[key]
        if isinstance(value, dict):
            return Config(value, self._keeper, f"{self._prefix}{key}.")
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._set(key, value, may_change=False)

    def _set(self, key: str, value: Any, *, may_change: bool) -> None:
        self._keeper.check()
        key = str(key)
        notes: list[str] = []
        new = normalise(value, key, allowed=self._keeper.allowed, note=notes.append)
        old = self._data.get(key)
        if key in self._data:
            if old == new and type(old) is type(new):
                return
            if not may_change:
                self._keeper.refuse(self._prefix + key, old, new)
        self._data[key] = new
        self._keeper.changed(self._prefix + key, old, new)
        for note in notes:  # after the value: strict mode raises here
            self._keeper.note(note)

    def __delitem__(self, key: str) -> None:
        self._keeper.check()
        if key in self._data:
            self._keeper.refuse(self._prefix + key, self._data[key], None)
        old = self._data.pop(key)
        self._keeper.changed(self._prefix + key, old, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __reduce__(self) -> Any:
        return dict, (self.as_dict(),)  # a copy is a plain mapping

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            msg = f"config has no {name!r}; it has: {', '.join(self) or 'nothing yet'}"
            raise AttributeError(msg) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __repr__(self) -> str:
        return json.dumps(self._data, indent=1, default=str)

    def update(  # takes what init(config=) takes
        self,
        *others: object,
        allow_val_change: bool | None = None,
        **values: Any,
    ) -> None:
        """Set several values; a mapping, namespace, dataclass or file is taken.

        Parameters
        ----------
        allow_val_change
            True also lets values change that are there, in strict mode. Otherwise
            they may always.
        """
        for other in (*others, values):
            for key, value in read_config(other).items():
                self._set(key, value, may_change=bool(allow_val_change))

    def setdefaults(self, defaults: object) -> None:
        """Set the values whose keys are not there yet."""
        for key, value in read_config(defaults).items():
            self.setdefault(key, value)

    def as_dict(self) -> dict[str, Any]:
        """Give a plain nested copy."""
        copy: dict[str, Any] = json.loads(json.dumps(self._data))
        return copy


def normalise(
    value: object,
    name: str = "",
    *,
    allowed: Collection[str] = (),
    note: Callable[[str], None] = lambda _: None,
) -> Any:
    """Give a config value in JSON types, mappings nested, secrets replaced.

    Parameters
    ----------
    name
        The value's key, by which secrets are told.
    allowed
        Keys whose values are no secrets.
    note
        Told, in a sentence, of what is kept as text.
    """
    return _Normaliser(allowed, note).normalise(value, name)


class _Normaliser(NamedTuple):
    allowed: Collection[str]
    note: Callable[[str], None]

    def normalise(self, value: object, name: str, depth: int = 0) -> Any:
        if isinstance(value, str):
            return str(value) if name in self.allowed else without_secrets(name, value)
        if depth > MAX_DEPTH:
            return f"<nested deeper than {MAX_DEPTH}>"
        if isinstance(value, (Sequence, AbstractSet)) and not _is_one(value):
            return [self.normalise(item, name, depth + 1) for item in value]
        try:
            inner = members(value)
            plain, lost = (None, "") if inner is not None else _coerced(value)
        except Exception as error:  # noqa: BLE001  a user's object may raise anything
            raised = f"raised {type(error).__name__}"
            inner, plain = None, f"<{type(value).__name__}: {raised}>"
            lost = f"an object that {raised}"
        if inner is not None:
            return self._section(inner, name, depth)
        if lost:
            self.note(f"config: {name!r} is {lost}")
        is_text = isinstance(plain, str)
        return self.normalise(plain, name, depth + 1) if is_text else plain

    def _section(self, inner: Mapping[str, Any], name: str, depth: int) -> Any:
        hides = is_secret_section(name) and name not in self.allowed
        found = {}
        for key, value in inner.items():
            new = self.normalise(value, str(key), depth + 1)
            is_hidden = hides and key not in self.allowed
            found[str(key)] = _without_text(new) if is_hidden else new
        return found


def _without_text(value: Any) -> Any:
    """Replace all text in a normalised value."""
    if isinstance(value, dict):
        return {key: _without_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_text(inner) for inner in value]
    return REDACTED if isinstance(value, str) else value


def _coerced(value: Any) -> tuple[Any, str]:
    """Turn what is no section into JSON types; say what was lost."""
    if isinstance(value, type) or hasattr(value, "__qualname__"):  # a function
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}", ""
    return (str(value), "") if isinstance(value, PurePath) else coerce(value)


def _is_one(value: object) -> bool:
    return isinstance(value, (bytes, bytearray, memoryview, range))


def plain_json(value: object, depth: int = 0) -> Any:
    """Give a summary value in JSON types; nothing in a summary is a secret."""
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        return {str(k): plain_json(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list) and depth < MAX_DEPTH:  # of pictures, say
        return [plain_json(v, depth + 1) for v in value]
    return coerce(value)[0]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give nested mappings as one, keys joined with dots; an empty one is a value.

    >>> flatten({"a": {"b": 1, "c": {}}, "d": [2]})
    {'a.b': 1, 'a.c': {}, 'd': [2]}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
