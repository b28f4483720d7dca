"""A run's summary as a mapping that can be read, set and deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from nbtrack._config import read_config

if TYPE_CHECKING:
    from collections.abc import Callable


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
            here = here[key]
        return here

    def __getitem__(self, key: str) -> Any:
        value = self._here()[key]
        if isinstance(value, dict):
            return SummaryView(self._read, self._change, (*self._path, key))
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._change({"set": [[[*self._path, key], value]]})

    def __delitem__(self, key: str) -> None:
        here = dict(self._here())
        del here[key]
        if self._path:  # a nested value: its parent without it is set by hand
            self._change({"set": [[list(self._path), here]]})
        else:
            self._change({"del": [key]})

    def __iter__(self) -> Iterator[str]:
        return iter(self._here())

    def __len__(self) -> int:
        return len(self._here())

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            msg = f"summary has no {name!r}; it has: {', '.join(self) or 'nothing yet'}"
            raise AttributeError(msg) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __eq__(self, other: object) -> bool:
        mine = self._here()
        return mine == (other._here() if isinstance(other, SummaryView) else other)

    __hash__ = None  # type: ignore[assignment]  # mutable, as a dict

    def __repr__(self) -> str:
        return json.dumps(self._here(), indent=1, default=str)

    def update(self, *others: object, **values: Any) -> None:
        """Set several values at once."""
        for other in (*others, values):
            for key, value in read_config(other).items():
                self[key] = value
