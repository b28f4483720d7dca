"""A run's config: a nested mapping with item and attribute access.

Values are normalised to JSON types when they are set, so what is saved is what is
read. Values that look like secrets are never stored.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack._record.row import coerce

if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED: Final = "<redacted>"
_MAX_DEPTH: Final = 32

#: Last words of names whose text values are secrets: api_key, hfToken, db-password.
_SECRET_WORDS: Final = frozenset(
    {"key", "apikey", "token", "secret", "password", "passwd", "credentials"}
)
_SECRET_VALUE: Final = re.compile(
    r"(sk-[\w-]{16,}|hf_\w{16,}|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16}|xox[abp]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)


class Config(MutableMapping[str, Any]):
    """Hyperparameters and whatever else describes a run.

    ``config["lr"]`` and ``config.lr`` are the same; nested mappings likewise. Changes
    are saved at once.
    """

    _data: dict[str, Any]
    _changed: Callable[[str, Any, Any], None]
    _check: Callable[[], None]

    def __init__(
        self,
        data: dict[str, Any],
        changed: Callable[[str, Any, Any], None],
        check: Callable[[], None],
    ) -> None:
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_changed", changed)  # told key, old and new
        object.__setattr__(self, "_check", check)  # raises when nothing may change

    def __getitem__(self, key: str) -> Any:
        value = self._data[key]
        if not isinstance(value, dict):
            return value

        def changed(inner: str, old: Any, new: Any) -> None:
            self._changed(f"{key}.{inner}", old, new)

        return Config(value, changed, self._check)

    def __setitem__(self, key: str, value: Any) -> None:
        self._check()
        key = str(key)
        old = self._data.get(key)
        new = normalise(value, key)
        if key in self._data and old == new and type(old) is type(new):
            return
        self._data[key] = new
        self._changed(key, old, new)

    def __delitem__(self, key: str) -> None:
        self._check()
        old = self._data.pop(key)
        self._changed(key, old, None)

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

    def __repr__(self) -> str:
        return json.dumps(self._data, indent=1, default=str)

    def update(  # takes what init(config=) takes
        self,
        *others: object,
        allow_val_change: bool | None = None,  # noqa: ARG002  (W&B's; always allowed)
        **values: Any,
    ) -> None:
        """Set several values; a mapping, namespace, dataclass or file is taken."""
        for other in (*others, values):
            for key, value in read_config(other).items():
                self[key] = value

    def setdefaults(self, defaults: object) -> None:
        """Set the values whose keys are not there yet."""
        for key, value in read_config(defaults).items():
            self.setdefault(key, value)

    def as_dict(self) -> dict[str, Any]:
        """Give a plain nested copy."""
        copy: dict[str, Any] = json.loads(json.dumps(self._data))
        return copy


def read_config(source: object) -> dict[str, Any]:
    """Give the mapping that ``init(config=…)`` means, values as they are.

    Raises
    ------
    TypeError
        It is neither a mapping, an object with attributes, nor a JSON or YAML file.
    """
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return {str(key): value for key, value in source.items()}
    if isinstance(source, (str, Path)):
        return _read_file(Path(source))
    if dataclasses.is_dataclass(source) and not isinstance(source, type):
        return _fields(source)
    for method in ("model_dump", "flag_values_dict", "as_dict"):  # pydantic, absl
        if callable(getattr(source, method, None)):
            return dict(getattr(source, method)())
    if hasattr(source, "__dict__") and not isinstance(source, type):
        return {k: v for k, v in vars(source).items() if not k.startswith("_")}
    msg = (
        f"config= takes a mapping, a namespace, a dataclass, or the path of a JSON or "
        f"YAML file, not {type(source).__name__}."
    )
    raise TypeError(msg)


def _read_file(path: Path) -> dict[str, Any]:
    text = path.read_text("utf-8")
    if path.suffix.lower() == ".json":
        return dict(json.loads(text))
    try:
        import yaml
    except ImportError as error:
        msg = f"Reading {path} needs PyYAML: pip install pyyaml, or use a JSON file."
        raise ImportError(msg) from error
    return dict(yaml.safe_load(text) or {})


def _fields(value: Any) -> dict[str, Any]:
    # Not dataclasses.asdict, which copies deeply and so cannot take a lock.
    return {
        field.name: getattr(value, field.name) for field in dataclasses.fields(value)
    }


def normalise(  # noqa: PLR0911  (a table of types)
    value: object, name: str = "", depth: int = 0
) -> Any:
    """Give a config value in JSON types, mappings nested, secrets replaced."""
    if isinstance(value, str):
        return REDACTED if is_secret(name, value) else str(value)
    if depth > _MAX_DEPTH:
        return f"<nested deeper than {_MAX_DEPTH}>"
    if isinstance(value, type) or callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', value)}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = _fields(value)
    elif type(value).__name__ in ("Namespace", "SimpleNamespace"):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(k): normalise(v, str(k), depth + 1) for k, v in value.items()}
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, bytes):
        return [normalise(item, name, depth + 1) for item in value]
    try:
        plain, _ = coerce(value)
    except Exception as error:  # noqa: BLE001  a user's object may raise anything
        return f"<{type(value).__name__}: raised {type(error).__name__}>"
    return normalise(plain, name, depth + 1) if isinstance(plain, str) else plain


def plain_json(value: object, depth: int = 0) -> Any:
    """Give a summary value in JSON types; nothing in a summary is a secret."""
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        return {str(k): plain_json(v, depth + 1) for k, v in value.items()}
    return coerce(value)[0]


def is_secret(name: str, text: str) -> bool:
    """Say whether a text looks like a credential, by its name or by itself.

    Only text: ``max_tokens=512`` and ``key_dim=64`` are hyperparameters.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    last = re.split(r"[^a-z0-9]+", words.lower())[-1]
    return bool(text) and (
        last in _SECRET_WORDS or _SECRET_VALUE.search(text) is not None
    )


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
