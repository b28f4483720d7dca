"""Settings of several runs, key by key, what differs first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from nbtrack._config import flatten

if TYPE_CHECKING:
    from collections.abc import Sequence


class Missing(Enum):
    """A key that a run does not have, which is not the same as ``None``."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One key and its value in each run, in the runs' order."""

    key: str
    values: tuple[Any, ...]
    differs: bool


def diff_config(configs: Sequence[Mapping[str, Any]]) -> list[ConfigRow]:
    """Compare configs key by key; rows that differ come first."""
    flats = [flatten(config) for config in configs]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    rows = [_row(key, tuple(flat.get(key, MISSING) for flat in flats)) for key in keys]
    return sorted(rows, key=lambda row: not row.differs)


def _row(key: str, values: tuple[Any, ...]) -> ConfigRow:
    return ConfigRow(key, values, not all(same(values[0], v) for v in values[1:]))


def same(a: object, b: object) -> bool:
    """Say whether two settings mean the same.

    ``1`` and ``1.0`` do, NaN and NaN do; ``True`` and ``1`` do not.

    >>> same(1, 1.0), same(True, 1), same([1, float("nan")], [1, float("nan")])
    (True, False, True)
    """
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)
