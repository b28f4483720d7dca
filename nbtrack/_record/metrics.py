"""``define_metric`` rules, and the summary as a fold over the journal.

The fold keeps every statistic of every metric from the first row on, and the rules
only choose what is shown. So a rule that comes late applies to the whole history, and
nothing is ever folded twice.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from nbtrack.errors import MetricRuleError

if TYPE_CHECKING:
    from collections.abc import Iterable

STATISTICS = ("min", "max", "mean", "best", "last", "first", "none", "copy")
_GOALS = {"min": "minimize", "max": "maximize"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What ``define_metric`` said of one metric or of a family (``name`` ends in *).

    None means "not said": an exact rule then takes it from the glob that fits.
    """

    name: str
    step_metric: str | None = None
    step_sync: bool | None = None
    hidden: bool | None = None
    summary: tuple[str, ...] = ()
    goal: str | None = None

    def merged(self, later: Rule) -> Rule:
        """Give this rule with what a later call added."""
        return Rule(
            self.name,
            step_metric=_given(later.step_metric, self.step_metric),
            step_sync=_given(later.step_sync, self.step_sync),
            hidden=_given(later.hidden, self.hidden),
            summary=tuple(dict.fromkeys(self.summary + later.summary)),
            goal=_given(later.goal, self.goal),
        )


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def make_rule(
    name: str,
    step_metric: object = None,
    step_sync: bool | None = None,
    hidden: bool | None = None,
    summary: str | Iterable[str] | None = None,
    goal: str | None = None,
) -> Rule:
    """Check the arguments of ``define_metric`` and give the rule they mean.

    Raises
    ------
    MetricRuleError
        A ``*`` that is not at the end, an unknown statistic or goal.
    """
    if not isinstance(name, str) or not name or "*" in name[:-1]:
        msg = (
            f"define_metric(): {name!r} is no metric name. Give a name, or a prefix "
            "that ends in '*', such as 'train/*'."
        )
        raise MetricRuleError(msg)
    step_metric = getattr(step_metric, "name", step_metric)
    if step_metric is not None and not isinstance(step_metric, str):
        msg = f"define_metric({name!r}): step_metric={step_metric!r} is no metric name."
        raise MetricRuleError(msg)
    return Rule(
        name,
        step_metric=step_metric,
        step_sync=step_sync,
        hidden=hidden,
        summary=_statistics(name, summary),
        goal=_goal(name, goal),
    )


def _statistics(name: str, summary: str | Iterable[str] | None) -> tuple[str, ...]:
    words = summary.split(",") if isinstance(summary, str) else (summary or ())
    asked = tuple(dict.fromkeys(word.strip().lower() for word in words))
    if wrong := [word for word in asked if word not in STATISTICS]:
        msg = (
            f"define_metric({name!r}): summary={wrong[0]!r} is not a statistic. "
            f"Give any of: {', '.join(STATISTICS)} (several with commas)."
        )
        raise MetricRuleError(msg)
    return asked


def _goal(name: str, goal: str | None) -> str | None:
    if goal is None:
        return None
    found = _GOALS.get(str(goal).lower()[:3])
    if found is None or not found.startswith(str(goal).lower()):
        msg = (
            f"define_metric({name!r}): goal={goal!r} is neither 'minimize' nor "
            "'maximize'."
        )
        raise MetricRuleError(msg)
    return found


class Rules:
    """All rules of one run: exact names beat globs, longer globs beat shorter."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._resolved: dict[str, Rule] = {}

    def define(self, rule: Rule, *, overwrite: bool = False) -> Rule:
        """Add to what is known of ``rule.name``; give the rule as it now stands."""
        merged = self._merged(rule, overwrite=overwrite)
        self._rules[rule.name] = merged
        self._resolved.clear()
        return merged

    def check(self, rule: Rule, *, overwrite: bool = False) -> None:
        """Refuse a rule that could not hold together with what is known.

        Raises
        ------
        MetricRuleError
            "best" without a goal, said now or before.
        """
        merged = self._inherited(self._merged(rule, overwrite=overwrite))
        if "best" in merged.summary and merged.goal is None:
            msg = (
                f"define_metric({rule.name!r}): summary='best' needs to know which way "
                "is better. Add goal='minimize' or goal='maximize'."
            )
            raise MetricRuleError(msg)

    def _merged(self, rule: Rule, *, overwrite: bool) -> Rule:
        known = self._rules.get(rule.name)
        return rule if overwrite or known is None else known.merged(rule)

    def resolve(self, key: str) -> Rule:
        """Give the rule that holds for a metric."""
        rule = self._resolved.get(key)
        if rule is None:
            rule = self._inherited(self._rules.get(key) or Rule(key))
            self._resolved[key] = rule
        return rule

    def _inherited(self, rule: Rule) -> Rule:
        """Fill what the rule leaves unsaid from the longest glob that fits."""
        globs = [
            glob
            for name, glob in self._rules.items()
            if name.endswith("*") and name != rule.name
            if rule.name.startswith(name[:-1]) and not rule.name.startswith("_")
        ]
        for glob in sorted(globs, key=lambda glob: len(glob.name), reverse=True):
            summary = rule.summary or glob.summary
            rule = replace(glob.merged(rule), name=rule.name, summary=summary)
        return rule

    def step_metric(self, key: str) -> str | None:
        """Give the metric that is this one's x axis; None means the step."""
        found = self.resolve(key).step_metric
        return None if found in (key, "_step") else found

    def is_synced(self, key: str) -> bool:
        """Say whether rows with ``key`` take the last value of its step metric."""
        rule = self.resolve(key)
        return rule.step_metric is not None and rule.step_sync is not False

    def hidden(self, key: str) -> bool:
        """Say whether automatic charts leave this metric out."""
        return bool(self.resolve(key).hidden)

    def feed(self, data: dict[str, Any]) -> None:
        """Take a rule back from the journal, in the form of ``to_json``."""
        told = data.get("rule")
        if not isinstance(told, dict) or not isinstance(told.get("name"), str):
            return  # nothing that we could act on
        known = {name: told[name] for name in Rule.__slots__ if name in told}
        known["summary"] = tuple(known.get("summary") or ())
        self.define(Rule(**known), overwrite=bool(data.get("overwrite")))

    @staticmethod
    def to_json(rule: Rule, *, overwrite: bool) -> dict[str, Any]:
        """Give a rule as the journal keeps it."""
        return {"rule": asdict(rule), "overwrite": overwrite}


class Extreme(NamedTuple):
    """A smallest or largest value and the step of its first appearance."""

    value: float
    step: int | None


class Statistics:
    """Running statistics of one metric, NaN skipped and counted."""

    __slots__ = ("count", "first", "infinite", "last", "max", "mean", "min", "nan")

    def __init__(self) -> None:
        self.first: Any = None
        self.last: Any = None
        self.min: Extreme | None = None
        self.max: Extreme | None = None
        self.mean = 0.0  # of the finite values
        self.count = 0  # of the finite values
        self.infinite = 0.0  # inf, -inf, or nan when both were seen
        self.nan = 0

    def feed(self, value: Any, step: int | None) -> None:
        """Take one value; None says nothing and changes nothing."""
        if value is None:
            return
        if self.last is None:
            self.first = value
        self.last = value
        if not isinstance(value, (int, float)):
            return
        if value != value:  # noqa: PLR0124  (NaN, faster than math.isnan)
            self.nan += 1
            return
        if self.min is None or value < self.min.value:
            self.min = Extreme(value, step)
        if self.max is None or value > self.max.value:
            self.max = Extreme(value, step)
        self._average(value)

    def _average(self, value: float) -> None:
        try:
            number = float(value)
        except OverflowError:  # an integer beyond 1e308
            number = math.inf if value > 0 else -math.inf
        if math.isinf(number):
            self.infinite = self.infinite + number if self.infinite else number
            return
        self.count += 1
        # Divided before it is added, so that 1e308 and -1e308 do not overflow.
        self.mean += number / self.count - self.mean / self.count

    def show(self, rule: Rule) -> Any:
        """Give what the summary shows under a rule: a value, or a mapping."""
        asked = [word for word in rule.summary if word not in ("none", "copy")]
        if not asked:
            return self.last
        shown: dict[str, Any] = {}
        for word in asked:
            shown.update(self._statistic(word, rule))
        if self.nan:
            shown["nan_count"] = self.nan
        return shown

    def _statistic(self, word: str, rule: Rule) -> dict[str, Any]:
        if word in ("last", "first"):
            return {word: getattr(self, word)}
        if word == "mean":
            known = self.count or self.infinite
            return {"mean": (self.infinite or self.mean) if known else None}
        if word == "best":
            best = self.min if rule.goal == "minimize" else self.max
            return {"best": best and best.value, "best_step": best and best.step}
        extreme: Extreme | None = getattr(self, word)
        return {word: extreme and extreme.value}


class Summary:
    """One value per key: the last logged, what a rule asks for, or what was set.

    A value set by hand wins over logged ones until it is set again or deleted.
    Deleting a key also forgets what was logged under it so far.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._logged: dict[str, Statistics] = {}
        self._set: dict[str, Any] = {}
        self._replaced: set[str] = set()  # keys that were set as a whole

    def feed(self, kind: str, step: int | None, data: dict[str, Any]) -> None:
        """Take any record of the journal; those that are not ours say nothing."""
        if kind == "row":
            self.feed_row(step, data)
        elif kind == "summary":
            self.feed_change(data)
        elif kind == "metric":
            self.rules.feed(data)

    def feed_row(self, step: int | None, row: dict[str, Any]) -> None:
        """Take one row of the history."""
        logged = self._logged
        for key, value in row.items():
            statistics = logged.get(key)
            if statistics is None:
                statistics = logged[key] = Statistics()
            statistics.feed(value, step)

    def feed_change(self, data: dict[str, Any]) -> None:
        """Take a change made by hand: ``{"set": {path…: value}}`` or ``{"del": …}``."""
        for path, value in data.get("set", ()):
            set_nested(self._set, path, value)
            if len(path) == 1:
                self._replaced.add(path[0])
        for key in data.get("del", ()):
            self._set.pop(key, None)
            self._logged.pop(key, None)
            self._replaced.discard(key)

    def as_dict(self) -> dict[str, Any]:
        """Give every key with its value, logged keys first, in order."""
        shown: dict[str, Any] = {}
        # A copy, because the view reads while another thread folds.
        for key, statistics in list(self._logged.items()):
            rule = self.rules.resolve(key)
            if "none" not in rule.summary and statistics.last is not None:
                shown[key] = statistics.show(rule)
        for key, value in self._set.items():
            logged = shown.get(key)
            if isinstance(logged, dict) and key not in self._replaced:
                shown[key] = logged | value  # something beside a metric's statistics
            else:
                shown[key] = value
        return shown


def set_nested(target: dict[str, Any], path: list[str], value: Any) -> None:
    """Set ``target[path[0]][path[1]]… = value``, making mappings on the way."""
    *parents, last = path
    for parent in parents:
        inner = target.get(parent)
        if not isinstance(inner, dict):
            inner = target[parent] = {}
        target = inner
    target[last] = value
