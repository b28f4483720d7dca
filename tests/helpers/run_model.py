"""What a run must give back, from what was called: SEMANTICS B, C and D in memory.

Independent of nbtrack and slow on purpose: every question is answered from the list of
all records, in the order in which their calls returned. There is no state to get out of
step, and a record that is taken back (the tail of a log that was cut) is just removed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

MISSING: Any = object()


@dataclass(frozen=True)
class Record:
    """One thing that a call recorded."""

    writer: int  # in order of their beginnings
    kind: str  # row, metric, set, del, config
    value: Any
    step: int = -1  # of rows


@dataclass
class Model:
    """One run."""

    records: list[Record] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    # -- rows ------------------------------------------------------------------------

    def rows(self) -> list[tuple[int, dict[str, Any]]]:
        """Give step and values of every row, by step and writer."""
        merged: dict[tuple[int, int], dict[str, Any]] = {}
        for record in self._of("row"):
            merged.setdefault((record.step, record.writer), {}).update(record.value)
        return [(step, row) for (step, _), row in sorted(merged.items(), key=_place)]

    def next_step(self) -> int:
        """Give the step at which a resumed run goes on (A5)."""
        return max((step for step, _ in self.rows()), default=-1) + 1

    def synced_rows(self) -> list[tuple[int, dict[str, Any]]]:
        """Give the rows with step metrics filled in (C7)."""
        rows = [(step, dict(row)) for step, row in self.rows()]
        rules = self.rules()
        known = {key for _, row in rows for key in row}
        for axis in {rule.step_metric for rule in map(rules.of, known)} & known:
            followers = [k for k in known if k != axis and rules.syncs(k, axis)]
            last = MISSING
            for _, row in rows:
                if axis in row:
                    last = row[axis]
                elif last is not MISSING and any(key in row for key in followers):
                    row[axis] = last
        return rows

    def _of(self, kind: str) -> list[Record]:
        return [record for record in self.records if record.kind == kind]

    # -- summary ---------------------------------------------------------------------

    def rules(self) -> Rules:
        """Give the rules as they stand."""
        rules = Rules()
        for record in self._of("metric"):
            rules.add(**record.value)
        return rules

    def summary(self) -> dict[str, Any]:
        """Fold the rows in their order (C6, D1)."""
        values: dict[str, dict[tuple[int, int], Any]] = {}
        hand = _ByHand()
        for record in self.records:
            if record.kind == "row":
                for key, value in record.value.items():
                    place = (record.step, record.writer)
                    values.setdefault(key, {})[place] = value
            elif record.kind == "set":
                hand.set(*record.value)
            elif record.kind == "del":
                by_row = values.get(record.value, {})
                for place in [p for p in by_row if p[1] <= record.writer]:
                    del by_row[place]  # what later writers logged stays
                hand.delete(record.value)
        rules = self.rules()
        shown = {}
        for key, by_row in values.items():
            logged = sorted(by_row.items(), key=_place)
            told = fold([(step, value) for (step, _), value in logged], rules.of(key))
            if told is not MISSING:
                shown[key] = told
        return hand.beside_and_over(shown)


class _ByHand:
    """What was set by hand: instead of a metric's value, or beside its statistics."""

    def __init__(self) -> None:
        self._over: dict[str, Any] = {}
        self._beside: dict[str, Any] = {}

    def set(self, path: list[str], value: Any) -> None:
        key, *inner = path
        if inner:
            is_over = key in self._over
            target = self._over[key] if is_over else self._beside.setdefault(key, {})
            target[inner[0]] = value
        else:
            self._over[key] = dict(value) if isinstance(value, dict) else value
            self._beside.pop(key, None)

    def delete(self, key: str) -> None:
        self._over.pop(key, None)
        self._beside.pop(key, None)

    def beside_and_over(self, logged: dict[str, Any]) -> dict[str, Any]:
        shown = dict(logged)
        for key, inner in self._beside.items():
            told = shown.get(key)
            shown[key] = (told if isinstance(told, dict) else {}) | inner
        return shown | self._over


def _place(row: tuple[tuple[int, int], Any]) -> tuple[int, int]:
    return row[0]


@dataclass
class Rule:
    """What is said of a metric, or of a family of them."""

    summary: tuple[str, ...] = ()
    goal: str | None = None
    step_metric: str | None = None
    step_sync: bool | None = None


class Rules:
    """Rules by name; an exact one beats a glob, a longer glob a shorter (C2, C5)."""

    def __init__(self) -> None:
        self._said: dict[str, list[dict[str, Any]]] = {}

    def add(self, name: str, *, overwrite: bool = False, **said: Any) -> None:
        """Take a call of define_metric."""
        calls = self._said.setdefault(name, [])
        if overwrite:
            calls.clear()
        calls.append(said)

    def of(self, key: str) -> Rule:
        """Give what holds for a key, the most specific first."""
        globs = [n for n in self._said if n[-1:] == "*" and key.startswith(n[:-1])]
        names = [key, *sorted(set(globs) - {key}, key=len, reverse=True)]
        rule = Rule()
        for name in names:
            calls = self._said.get(name, [])
            rule.summary = rule.summary or _asked(calls)
            for what in ("goal", "step_metric", "step_sync"):
                told = [c[what] for c in calls if c.get(what) is not None]
                if told and getattr(rule, what) is None:
                    setattr(rule, what, told[-1])
        return rule

    def syncs(self, key: str, axis: str) -> bool:
        """Say whether rows with the key take the last value of the axis."""
        rule = self.of(key)
        return rule.step_metric == axis and rule.step_sync is not False


def _asked(calls: list[dict[str, Any]]) -> tuple[str, ...]:
    """Give the statistics of several calls; "none" holds until others are asked for."""
    words: list[str] = []
    for call in calls:
        asked = list(call.get("summary") or ())
        if asked and "none" not in asked:
            words = [word for word in words if word != "none"]
        words += asked
    return tuple(words)


def fold(rows: list[tuple[int, Any]], rule: Rule) -> Any:
    """Give a metric's summary from its step and value in each row."""
    rows = [(step, value) for step, value in rows if value is not None]
    if not rows or "none" in rule.summary:
        return MISSING
    asked = [word for word in rule.summary if word != "copy"]
    if not asked:
        return rows[-1][1]
    numbers = [(s, v) for s, v in rows if isinstance(v, (bool, int, float))]
    nans = len([value for _, value in numbers if is_nan(value)])
    numbers = [(step, value) for step, value in numbers if not is_nan(value)]
    told: dict[str, Any] = {"nan_count": nans} if nans else {}
    for word in asked:
        if word == "best":
            best = min if rule.goal == "minimize" else max
            step, value = best(numbers, key=lambda n: n[1], default=(None, None))
            told |= {"best": value, "best_step": step}
        elif word in ("first", "last"):
            told[word] = rows[0 if word == "first" else -1][1]
        elif word == "mean":
            told[word] = mean([value for _, value in numbers])
        else:
            extreme = min if word == "min" else max
            told[word] = extreme((value for _, value in numbers), default=None)
    return told


def is_nan(value: Any) -> bool:
    """Say whether a value is NaN."""
    return isinstance(value, float) and math.isnan(value)


class Mean(float):
    """A mean, which is right to some accuracy."""

    tolerance = 0.0


def mean(values: list[Any]) -> Any:
    """Give the mean, with how far off one may be."""
    if not values:
        return None
    floats = [as_float(value) for value in values]
    endless = {value for value in floats if math.isinf(value)}
    if endless:
        return endless.pop() if len(endless) == 1 else math.nan
    told = Mean(math.fsum(value / len(floats) for value in floats))
    told.tolerance = 1e-9 * max(map(abs, floats))
    return told


def as_float(value: float) -> float:
    """Give the nearest double, of integers beyond all of them infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings (B8)."""
    row: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            row |= flat(value, f"{prefix}{key}.")
        else:
            row[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return row


def same(found: Any, wanted: Any, *, strictly: bool = True) -> bool:
    """Compare values, NaN equal to NaN; strictly also bools with numbers."""
    if isinstance(wanted, Mean):
        return abs(found - wanted) <= wanted.tolerance
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(
            same(found[key], wanted[key], strictly=strictly) for key in wanted
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(
            same(a, b, strictly=strictly) for a, b in zip(found, wanted, strict=True)
        )
    if is_nan(wanted):
        return is_nan(found)
    if strictly and isinstance(wanted, bool) != isinstance(found, bool):
        return False
    return bool(found == wanted)
