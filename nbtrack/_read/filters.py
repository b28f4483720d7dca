"""W&B's Mongo-style filters and orders over what is known of runs; pure functions.

A field is looked up in a run's facts: ``state``, ``tags``, ``config.lr``,
``summary.loss`` and so on; W&B's spellings (``displayName``, ``summary_metrics.loss``,
``config.lr.value``) are understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nbtrack.errors import UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Callable

#: W&B's field names → ours.
_ALIASES: Final = {
    "createdAt": "created_at",
    "displayName": "name",
    "display_name": "name",
    "jobType": "job_type",
    "username": "user",
}
_MISSING: Final = object()
_NO_VALUE: Final = 2  # first member of the sort key of a run without the field
T = TypeVar("T")


def _compares(operator: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, operand: Any) -> bool:
        try:
            return bool(operator(value, operand))
        except TypeError:  # text against a number: neither less nor greater
            return False

    return test


def _equals(value: Any, operand: Any) -> bool:
    if isinstance(value, (list, tuple)) and not isinstance(operand, (list, tuple)):
        return operand in value  # a tag is equal to a list that has it, as in Mongo
    return bool(value == operand)


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$eq": _equals,
    "$ne": lambda value, operand: not _equals(value, operand),
    "$gt": _compares(gt),
    "$gte": _compares(ge),
    "$lt": _compares(lt),
    "$lte": _compares(le),
    "$in": lambda value, operand: any(_equals(value, one) for one in operand),
    "$nin": lambda value, operand: not any(_equals(value, one) for one in operand),
    "$exists": lambda value, operand: (value is not _MISSING) == bool(operand),
    "$regex": lambda value, operand: (
        isinstance(value, str) and re.search(operand, value) is not None
    ),
}
_LOGIC: Final = ("$and", "$or", "$nor", "$not")


def matches(facts: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Say whether a run's facts fulfil a filter.

    Raises
    ------
    UnknownOptionError
        An operator that is none of ours.

    >>> facts = {"config": {"lr": 0.1}, "tags": ["baseline"]}
    >>> matches(facts, {"config.lr": {"$lt": 1}, "tags": "baseline"})
    True
    >>> matches(facts, {"$or": [{"config.lr": 2}, {"state": {"$exists": True}}]})
    False
    """
    return all(_clause(facts, key, wanted) for key, wanted in query.items())


def _clause(facts: Mapping[str, Any], key: str, wanted: Any) -> bool:
    if key == "$and":
        return all(matches(facts, part) for part in wanted)
    if key == "$or":
        return any(matches(facts, part) for part in wanted)
    if key == "$nor":
        return not any(matches(facts, part) for part in wanted)
    if key == "$not":
        return not matches(facts, wanted)
    value = look_up(facts, key)
    if not (isinstance(wanted, Mapping) and any(k.startswith("$") for k in wanted)):
        return _equals(value, wanted)
    return all(_fulfils(value, *test) for test in wanted.items())


def _fulfils(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$not":
        return not all(_fulfils(value, *test) for test in operand.items())
    if operator not in _OPERATORS:
        known = (*_OPERATORS, *_LOGIC)
        raise UnknownOptionError("runs(filters=…)", operator, known)
    if value is _MISSING and operator not in ("$exists", "$ne", "$nin"):
        return False
    return _OPERATORS[operator](value, operand)


def look_up(facts: Mapping[str, Any], key: str) -> Any:
    """Give the value of a dotted field, or a mark that there is none."""
    head, dot, rest = key.partition(".")
    if head == "summary_metrics":
        head = "summary"
    if head == "config" and rest.endswith(".value"):
        rest = rest.removesuffix(".value")
    if not dot:
        return facts.get(_ALIASES.get(key, key), _MISSING)
    return _descend(facts.get(head, _MISSING), rest)


def _descend(value: Any, key: str) -> Any:
    """Follow a dotted key, where keys may have dots of their own."""
    if not isinstance(value, Mapping):
        return _MISSING
    if key in value:
        return value[key]
    for at, char in enumerate(key):
        if char == "." and key[:at] in value:
            found = _descend(value[key[:at]], key[at + 1 :])
            if found is not _MISSING:
                return found
    return _MISSING


def ordered(items: list[T], keys: list[tuple[int, Any]], falling: bool) -> list[T]:
    """Sort by keys of ``sort_key``; items without a value come last either way.

    >>> ordered(["a", "b", "c"], [(0, 1), (2, 0), (0, 3)], falling=True)
    ['c', 'a', 'b']
    """
    pairs = sorted(zip(keys, items, strict=True), key=lambda pair: pair[0])
    known = [item for key, item in pairs if key[0] != _NO_VALUE]
    unknown = [item for key, item in pairs if key[0] == _NO_VALUE]
    return (known[::-1] if falling else known) + unknown


def sort_key(facts: Mapping[str, Any], field: str) -> tuple[int, Any]:
    """Give what orders runs by a field: numbers, then text, then runs without it."""
    value = look_up(facts, field)
    if isinstance(value, (int, float)) and value == value:  # noqa: PLR0124  (NaN)
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    return (_NO_VALUE, 0)
