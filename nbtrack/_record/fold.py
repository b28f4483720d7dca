"""The summary: a fold over rows as they come.

The fold keeps every statistic of every metric from the first row on, and the rules
only choose what is shown. So a rule that comes late applies to the whole history, and
nothing is ever folded twice.

A row may come in several lines, and a later line may replace a value of an earlier
one. So the newest value of a metric is held open until one of another step comes; what
is shown is always the fold of the rows as ``history()`` gives them.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbtrack._record.metrics import Rule, Rules


class RecordLike(Protocol):
    """What the fold reads of a journal's record."""

    @property
    def writer(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def step(self) -> int | None: ...
    @property
    def data(self) -> dict[str, Any]: ...


class Extreme(NamedTuple):
    """A smallest or largest value and the step of its first appearance."""

    value: float
    step: int


class Statistics:
    """Running statistics of one metric of one writer, NaN skipped and counted."""

    __slots__ = (
        "count",
        "first",
        "first_step",
        "infinite",
        "last",
        "last_step",
        "max",
        "mean",
        "min",
        "nan",
        "open_step",
        "open_value",
    )

    def __init__(self) -> None:
        self.open_value: Any = None  # may still be replaced by one of its step
        self.open_step: int | None = None
        self.first: Any = None
        self.first_step: int | None = None
        self.last: Any = None
        self.last_step: int | None = None
        self.min: Extreme | None = None
        self.max: Extreme | None = None
        self.mean = 0.0  # of the finite values
        self.count = 0  # of the finite values
        self.infinite = 0.0  # inf, -inf, or nan when both were seen
        self.nan = 0

    def feed(self, value: Any, step: int) -> None:
        """Take one value; a later one of the same step replaces it."""
        if step != self.open_step:
            if self.open_value is not None:
                self.close()
            self.open_step = step
        self.open_value = value

    def close(self) -> None:
        """Fold the newest value in for good."""
        value, step = self.open_value, self.open_step
        self.open_value = None
        if value is None or step is None:
            return
        if self.first_step is None or step < self.first_step:
            self.first, self.first_step = value, step
        if self.last_step is None or step >= self.last_step:
            self.last, self.last_step = value, step
        if not isinstance(value, (int, float)):
            return
        if value != value:  # noqa: PLR0124  (NaN, faster than math.isnan)
            self.nan += 1
            return
        low, high = self.min, self.max
        # In the usual case it is neither: a metric of a million rows passes here.
        if low is None or high is None or not low.value < value < high.value:
            extreme = Extreme(value, step)
            self._stretch(extreme, extreme)
        self._average(value)

    def _average(self, value: float) -> None:
        try:
            number = float(value)
        except OverflowError:  # an integer beyond 1e308
            number = math.inf if value > 0 else -math.inf
        if number - number == 0:  # finite
            self.count = count = self.count + 1
            # Divided before it is added, so that 1e308 and -1e308 do not overflow.
            self.mean += number / count - self.mean / count
        else:
            self._add(0.0, 0, number)

    def closed(self) -> Statistics:
        """Give a copy that has the newest value folded in."""
        whole = copy.copy(self)
        whole.close()
        return whole

    def _place(self, first: Any, first_step: int, last: Any, last_step: int) -> None:
        if self.first_step is None or first_step < self.first_step:
            self.first, self.first_step = first, first_step
        if self.last_step is None or last_step >= self.last_step:
            self.last, self.last_step = last, last_step

    def _stretch(self, low: Extreme | None, high: Extreme | None) -> None:
        """Take in a smallest and a largest value; of equal ones, the first appeared."""
        if low is not None:
            mine = self.min
            if mine is None or (low.value, low.step) < (mine.value, mine.step):
                self.min = low
        if high is not None:
            mine = self.max
            if mine is None or (-high.value, high.step) < (-mine.value, mine.step):
                self.max = high

    def _add(self, mean: float, count: int, infinite: float) -> None:
        if infinite:
            self.infinite = self.infinite + infinite if self.infinite else infinite
        if count:
            self.count += count
            # Divided before it is added, so that 1e308 and -1e308 do not overflow.
            share = count / self.count
            self.mean += mean * share - self.mean * share

    def add(self, other: Statistics) -> None:
        """Take in what was folded elsewhere of other rows: both must be closed."""
        if other.first_step is not None and other.last_step is not None:
            self._place(other.first, other.first_step, other.last, other.last_step)
        self._stretch(other.min, other.max)
        self._add(other.mean, other.count, other.infinite)
        self.nan += other.nan

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
        if word == "best" and rule.goal is None:
            return {}  # it was taken back
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
        self._logged: dict[str, dict[str, Statistics]] = {}  # key → writer → …
        self._set: dict[str, Any] = {}
        self._replaced: set[str] = set()  # keys that were set as a whole
        self._forgotten: dict[str, str] = {}  # key → the last writer that deleted it
        self._while_restarting: dict[str, Any] | None = None

    def feed(self, record: RecordLike) -> None:
        """Take any record of the journal; those that are not ours say nothing."""
        if record.kind == "row":
            self.feed_row(record.step or 0, record.data, record.writer)
        elif record.kind == "summary":
            self.feed_change(record.data, record.writer)
        elif record.kind == "metric":
            self.rules.feed(record.data)

    def feed_row(self, step: int, row: dict[str, Any], writer: str = "") -> None:
        """Take one row of the history, or a part of one."""
        logged = self._logged
        for key, value in row.items():
            try:
                statistics = logged[key][writer]
            except KeyError:
                statistics = self.statistics(key, writer)
            statistics.feed(value, step)

    def statistics(self, key: str, writer: str) -> Statistics:
        """Give what is known of a metric of one writer, to feed it."""
        if writer < self._forgotten.get(key, ""):
            return Statistics()  # a deletion came from a later writer
        of_writers = self._logged.get(key)
        if of_writers is None:
            of_writers = self._logged[key] = {}
        found = of_writers.get(writer)
        if found is None:
            found = of_writers[writer] = Statistics()
        return found

    def feed_change(self, data: dict[str, Any], writer: str = "") -> None:
        """Take a change made by hand: ``{"set": [[path, value]]}`` or ``{"del": …}``.

        Deleting a key forgets what this writer logged so far, and all that writers
        before it have logged or will.
        """
        for path, value in _settings(data.get("set")):
            set_nested(self._set, path, value)
            if len(path) == 1:
                self._replaced.add(path[0])
        for key in _keys(data.get("del")):
            self._set.pop(key, None)
            self._replaced.discard(key)
            self._forgotten[key] = max(writer, self._forgotten.get(key, ""))
            of_writers = self._logged.pop(key, {})
            left = {name: known for name, known in of_writers.items() if name > writer}
            if left:
                self._logged[key] = left

    def restart(self) -> None:
        """Forget all but the rules; until ``restarted``, show what was there."""
        self._while_restarting = self.as_dict()
        self._logged, self._set, self._replaced = {}, {}, set()
        self._forgotten = {}

    def restarted(self) -> None:
        """Show what was fed since ``restart``: it is everything again."""
        self._while_restarting = None

    def span(self, key: str) -> tuple[Extreme, Extreme] | None:
        """Give the extremes of a metric, each with its first step, if it has any."""
        known = self._whole(key)
        if known is None or known.min is None or known.max is None:
            return None
        return known.min, known.max

    def _whole(self, key: str) -> Statistics | None:
        """Give the statistics of a metric over all writers, in order of time."""
        of_writers = self._logged.get(key)
        if not of_writers:
            return None
        first, *others = sorted(of_writers)
        whole = of_writers[first].closed()
        for writer in others:
            whole.add(of_writers[writer].closed())
        return whole

    def as_dict(self) -> dict[str, Any]:
        """Give every key with its value, logged keys first, in order."""
        if self._while_restarting is not None:
            return self._while_restarting
        shown: dict[str, Any] = {}
        # A copy, because the view reads while another thread folds.
        for key in list(self._logged):
            rule = self.rules.resolve(key)
            whole = None if "none" in rule.summary else self._whole(key)
            if whole is not None and whole.last is not None:
                shown[key] = whole.show(rule)
        for key, value in list(self._set.items()):
            logged = shown.get(key)
            if isinstance(logged, dict) and key not in self._replaced:
                shown[key] = logged | value  # something beside a metric's statistics
            else:
                shown[key] = value
        return shown


def _settings(told: object) -> Iterator[tuple[list[str], Any]]:
    """Give paths and values of a change; what is neither is passed over."""
    for one in told if isinstance(told, list) else ():
        if isinstance(one, list) and len(one) == 2 and _is_path(one[0]):  # noqa: PLR2004
            yield one[0], one[1]


def _is_path(told: object) -> bool:
    is_list = isinstance(told, list) and bool(told)
    return is_list and all(isinstance(part, str) for part in told)  # type: ignore[attr-defined]


def _keys(told: object) -> list[str]:
    listed = told if isinstance(told, list) else []
    return [key for key in listed if isinstance(key, str)]


def set_nested(target: dict[str, Any], path: list[str], value: Any) -> None:
    """Set ``target[path[0]][path[1]]… = value``, making mappings on the way."""
    *parents, last = path
    for parent in parents:
        inner = target.get(parent)
        if not isinstance(inner, dict):
            inner = target[parent] = {}
        target = inner
    target[last] = value
