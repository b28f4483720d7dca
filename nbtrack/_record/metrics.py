"""``define_metric`` rules: what the summary shows of a metric, and its x axis."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

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
            summary=_accumulated(self.summary, later.summary),
            goal=_given(later.goal, self.goal),
        )


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _accumulated(known: tuple[str, ...], later: tuple[str, ...]) -> tuple[str, ...]:
    """Add statistics; whether there is a summary at all is what the last call says."""
    if later and "none" not in later:
        known = tuple(word for word in known if word != "none")
    return tuple(dict.fromkeys(known + later))


def make_rule(
    name: str,
    step_metric: object = None,
    step_sync: bool | None = None,
    hidden: bool | None = None,
    summary: str | Iterable[str] | None = None,
    goal: str | None = None,
    objective: str | None = None,
) -> Rule:
    """Check the arguments of ``define_metric`` and give the rule they mean.

    ``objective`` is another name of ``goal``.

    Raises
    ------
    MetricRuleError
        A ``*`` that is not at the end, an unknown statistic or goal, a wrong type.
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
    way, other = _goal(name, goal), _goal(name, objective)
    if None not in (way, other) and way != other:
        msg = f"define_metric({name!r}): goal={goal!r}, but objective={objective!r}."
        raise MetricRuleError(msg)
    return Rule(
        name,
        step_metric=step_metric,
        step_sync=check_flag(name, "step_sync", step_sync),
        hidden=check_flag(name, "hidden", hidden),
        summary=_statistics(name, summary),
        goal=way or other,
    )


def check_flag(name: str, argument: str, value: object) -> bool | None:
    """Give a flag of ``define_metric`` back.

    Raises
    ------
    MetricRuleError
        It is neither a boolean nor None.
    """
    if value is None or isinstance(value, bool):
        return value
    msg = f"define_metric({name!r}): {argument}={value!r} is neither True nor False."
    raise MetricRuleError(msg)


def _statistics(name: str, summary: str | Iterable[str] | None) -> tuple[str, ...]:
    words = summary.split(",") if isinstance(summary, str) else summary
    if not isinstance(words, (list, tuple, set, type(None))):
        words = [str(words)]  # no statistic, as is said below
    asked = tuple(dict.fromkeys(str(word).strip().lower() for word in words or ()))
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

    def goal(self, key: str) -> str | None:
        """Give which way is better, "minimize" or "maximize"; None if nobody said."""
        return self.resolve(key).goal

    def feed(self, data: dict[str, Any]) -> None:
        """Take a rule back from the journal, in the form of ``to_json``."""
        told = data.get("rule")
        if not isinstance(told, dict):
            return  # nothing that we could act on
        known = {name: told[name] for name in Rule.__slots__ if name in told}
        try:
            rule = make_rule(**known)
        except (MetricRuleError, TypeError):
            return  # written by somebody who does not keep to the format
        self.define(rule, overwrite=bool(data.get("overwrite")))

    @staticmethod
    def to_json(rule: Rule, *, overwrite: bool) -> dict[str, Any]:
        """Give a rule as the journal keeps it."""
        told = asdict(rule) | {"summary": list(rule.summary)}
        return {"rule": told, "overwrite": overwrite}
