from __future__ import annotations

import math
import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._record.fold import Summary
from nbtrack._record.metrics import Rules, make_rule
from nbtrack.errors import MetricRuleError

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def summary_of(rows, *rules):
    known = Rules()
    for rule in rules:
        known.check(rule)
        known.define(rule)
    summary = Summary(known)
    for step, row in enumerate(rows):
        summary.feed_row(step, row)
    return summary


def test_C6_without_rules_the_summary_is_the_last_value():
    assert summary_of([{"a": 1}, {"a": 3}, {"b": 2}]).as_dict() == {"a": 3, "b": 2}


def test_C5_calls_accumulate_and_S41_the_documents_script_has_its_answer():
    random.seed(1)
    rows = [
        {"loss": random.uniform(0, 1 / (i + 1)), "acc": random.uniform(i / 10, 1)}
        for i in range(10)
    ]
    summary = summary_of(
        rows,
        make_rule("loss", summary="min"),
        make_rule("loss", summary="max"),
        make_rule("acc", summary="min"),
        make_rule("acc", summary="max"),
    )
    frame = pd.DataFrame(rows)
    assert summary.as_dict() == {
        key: {"min": frame[key].min(), "max": frame[key].max()} for key in frame
    }


def test_C6_best_has_its_step_and_follows_the_goal():
    rows = [{"a": 3}, {"a": 1}, {"a": 1}, {"a": 9}]
    down = make_rule("a", summary="best", goal="min")
    up = make_rule("a", summary="best", goal="maximize")
    assert summary_of(rows, down).as_dict() == {"a": {"best": 1, "best_step": 1}}
    assert summary_of(rows, up).as_dict() == {"a": {"best": 9, "best_step": 3}}


def test_C6_nan_is_skipped_and_counted():
    rows = [{"a": math.nan}, {"a": 2.0}, {"a": math.nan}, {"a": 4.0}]
    rule = make_rule("a", summary="min,max,mean")
    assert summary_of(rows, rule).as_dict() == {
        "a": {"min": 2.0, "max": 4.0, "mean": 3.0, "nan_count": 2}
    }


def test_C6_booleans_count_as_numbers_and_text_does_not():
    rows = [{"a": True}, {"a": False}, {"a": "x"}]
    rule = make_rule("a", summary="max,mean,last")
    assert summary_of(rows, rule).as_dict()["a"] == {"max": 1, "mean": 0.5, "last": "x"}


@given(st.lists(finite, min_size=1, max_size=50))
def test_the_fold_equals_pandas(values):
    rule = make_rule("a", summary="min,max,mean,first,last")
    shown = summary_of([{"a": value} for value in values], rule).as_dict()["a"]
    series = pd.Series(values)
    assert shown["min"] == series.min()
    assert shown["max"] == series.max()
    assert (shown["first"], shown["last"]) == (values[0], values[-1])
    assert shown["mean"] == pytest.approx(series.mean(), rel=1e-9, abs=1e-30)


def test_huge_values_do_not_overflow_the_mean():
    rule = make_rule("a", summary="mean")
    rows = [{"a": 1e308}, {"a": 1e308}, {"a": -1e308}]
    assert summary_of(rows, rule).as_dict()["a"]["mean"] == pytest.approx(1e308 / 3)
    assert summary_of([{"a": 10**400}], rule).as_dict()["a"]["mean"] == math.inf


def test_C2_exact_beats_glob_and_a_longer_glob_a_shorter_one():
    rules = Rules()
    rules.define(make_rule("*", step_metric="epoch", summary="last"))
    rules.define(make_rule("train/*", summary="min"))
    rules.define(make_rule("train/loss", summary="max"))
    assert rules.resolve("val/acc").summary == ("last",)
    assert rules.resolve("train/acc").summary == ("min",)
    assert rules.resolve("train/loss").summary == ("max",)
    assert rules.step_metric("train/loss") == "epoch"


@pytest.mark.parametrize("name", ["a*b", "*a", "", 3])
def test_C2_a_star_elsewhere_is_refused(name):
    with pytest.raises(MetricRuleError, match="no metric name"):
        make_rule(name)


def test_C3_an_unknown_statistic_is_answered_with_all_of_them():
    with pytest.raises(MetricRuleError, match="min, max, mean, best, last, first"):
        make_rule("a", summary="median")


def test_C4_best_without_a_goal_is_refused_and_a_wrong_goal_too():
    with pytest.raises(MetricRuleError, match="goal='minimize'"):
        Rules().check(make_rule("a", summary="best"))
    with pytest.raises(MetricRuleError, match="neither"):
        make_rule("a", goal="sideways")


def test_C5_overwrite_replaces():
    rules = Rules()
    rules.define(make_rule("a", summary="min"))
    rules.define(make_rule("a", summary="max"), overwrite=True)
    assert rules.resolve("a").summary == ("max",)


def test_S42_none_keeps_a_metric_out_of_the_summary():
    assert summary_of([{"a": 1}], make_rule("a", summary="none")).as_dict() == {}


def test_D1_a_value_set_by_hand_wins_until_it_is_deleted():
    summary = summary_of([{"a": 1}])
    summary.feed_change({"set": [[["a"], 5], [["n", "x"], 1], [["n", "y"], 2]]})
    summary.feed_row(1, {"a": 2})
    assert summary.as_dict() == {"a": 5, "n": {"x": 1, "y": 2}}
    summary.feed_change({"del": ["a"]})
    assert "a" not in summary.as_dict()
    summary.feed_row(2, {"a": 3})
    assert summary.as_dict()["a"] == 3


def test_rules_survive_the_journal():
    rule = make_rule("a*", step_metric="epoch", summary="min, best", goal="max")
    read = Rules()
    read.feed(Rules.to_json(rule, overwrite=False))
    assert read.resolve("abc").summary == ("min", "best")
    assert read.step_metric("abc") == "epoch"
