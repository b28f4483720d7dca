"""Section C of what each call means: ``define_metric``."""

from __future__ import annotations

import math

import pytest
from recorded import stored

import nbtrack
from nbtrack import _notebook, errors


def log_all(run, key, values):
    for value in values:
        run.log({key: value})


# -- C1 --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_C1_a_rule_may_come_before_or_after_and_holds_for_the_whole_history(when):
    run = nbtrack.init(project="p")
    if when == "before":
        run.define_metric("a", summary="min,max")
    log_all(run, "a", [3, 1, 2])
    if when == "after":
        assert run.summary["a"] == 2
        run.define_metric("a", summary="min,max")
    assert run.summary["a"] == {"min": 1, "max": 3}
    run.finish()
    assert stored(run).summary["a"] == {"min": 1, "max": 3}


def test_C1_objective_is_another_name_of_goal():
    run = nbtrack.init(project="p")
    assert run.define_metric("a", summary="best", objective="max").goal == "maximize"
    assert run.define_metric("b", goal="min", objective="minimize").goal == "minimize"
    with pytest.raises(ValueError, match="but objective='maximize'"):
        run.define_metric("c", goal="minimize", objective="maximize")


def test_C1_it_gives_a_small_object_which_is_a_step_metric_in_turn():
    run = nbtrack.init(project="p")
    epoch = run.define_metric("epoch", hidden=True)
    rule = run.define_metric("val", step_metric=epoch, summary="min")
    assert (rule.name, rule.step_metric, rule.summary) == ("val", "epoch", ("min",))
    assert nbtrack.define_metric("val", summary="max").summary == ("min", "max")


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden": 1},
        {"step_sync": "yes"},
        {"overwrite": 0},
        {"step_metric": 3},
        {"summary": 3},
        {"summary": [1]},
    ],
)
def test_C1_types_are_checked_strictly(wrong):
    run = nbtrack.init(project="p")
    with pytest.raises(errors.MetricRuleError, match=r"define_metric\('a'\)"):
        run.define_metric("a", **wrong)
    with pytest.raises(errors.MetricRuleError, match="no metric name"):
        run.define_metric(3)


# -- C2, C3, C4, C5 --------------------------------------------------------------------


def test_C2_a_glob_holds_for_later_keys_and_the_more_exact_wins():
    run = nbtrack.init(project="p")
    run.define_metric("*", summary="last")
    run.define_metric("train/*", summary="min")
    run.define_metric("train/loss", summary="max")
    for value in (1, 3, 2):
        run.log({"train/loss": value, "train/acc": value, "val": value})
    assert run.summary == {
        "train/loss": {"max": 3},
        "train/acc": {"min": 1},
        "val": {"last": 2},
    }


@pytest.mark.parametrize("name", ["a*b", "*a", "a**", ""])
def test_C2_a_star_elsewhere_is_refused(name):
    with pytest.raises(ValueError, match="no metric name"):
        nbtrack.init(project="p").define_metric(name)


def test_C3_every_statistic_is_known_and_another_is_answered_with_all():
    run = nbtrack.init(project="p")
    asked = "min, max,mean,best,last,first"
    run.define_metric("a", summary=asked, goal="minimize")
    log_all(run, "a", [2.0, 1.0, 3.0])
    assert run.summary["a"] == {
        "min": 1.0,
        "max": 3.0,
        "mean": 2.0,
        "best": 1.0,
        "best_step": 1,
        "last": 3.0,
        "first": 2.0,
    }
    for wrong in ("median", "", "min;max"):
        with pytest.raises(
            ValueError, match="min, max, mean, best, last, first, none, copy"
        ):
            run.define_metric("a", summary=wrong)


def test_C3_copy_is_the_last_value():
    run = nbtrack.init(project="p")
    run.define_metric("*", summary="min")
    run.define_metric("a", summary="copy")
    run.log({"a": 1, "b": 1})
    run.log({"a": 2, "b": 2})
    assert run.summary == {"a": 2, "b": {"min": 1}}


def test_C4_best_needs_a_goal():
    run = nbtrack.init(project="p")
    with pytest.raises(ValueError, match="Add goal='minimize' or goal='maximize'"):
        run.define_metric("a", summary="best")
    with pytest.raises(ValueError, match="neither 'minimize' nor 'maximize'"):
        run.define_metric("a", summary="best", goal="better")
    run.define_metric("a", goal="max")
    run.define_metric("a", summary="best")
    log_all(run, "a", [1, 3, 2])
    assert run.summary["a"] == {"best": 3, "best_step": 1}


def test_C5_calls_accumulate_and_overwrite_replaces():
    run = nbtrack.init(project="p")
    run.define_metric("a", summary="min")
    run.define_metric("a", summary="max")
    log_all(run, "a", [1, 3, 2])
    assert run.summary["a"] == {"min": 1, "max": 3}
    run.define_metric("a", summary="mean", overwrite=True)
    assert run.summary["a"] == {"mean": 2}


# -- C6 --------------------------------------------------------------------------------


def test_C6_only_what_was_asked_for_is_shown_and_none_shows_nothing():
    run = nbtrack.init(project="p")
    run.define_metric("a", summary="min")
    run.define_metric("b", summary="none")
    run.log({"a": 1, "b": 1, "c": 1})
    assert run.summary == {"a": {"min": 1}, "c": 1}
    run.define_metric("b", summary="max")
    assert run.summary["b"] == {"max": 1}, "the last call says whether there is one"


@pytest.mark.parametrize(("goal", "best", "step"), [("min", 1, 1), ("max", 4, 3)])
def test_C6_best_comes_with_the_step_of_its_first_appearance(goal, best, step):
    run = nbtrack.init(project="p")
    run.define_metric("a", summary="best", goal=goal)
    log_all(run, "a", [2, 1, 1, 4, 4])
    run.finish()
    shown = {"best": best, "best_step": step}
    assert run.summary["a"] == stored(run).summary["a"] == shown


def test_C6_nan_is_skipped_and_counted():
    run = nbtrack.init(project="p")
    run.define_metric("a", summary="min,max,mean,best", goal="minimize")
    log_all(run, "a", [math.nan, 2.0, math.nan, 4.0])
    assert run.summary["a"] == {
        "min": 2.0,
        "max": 4.0,
        "mean": 3.0,
        "best": 2.0,
        "best_step": 1,
        "nan_count": 2,
    }


def test_C6_nothing_but_nan_has_no_extremes():
    run = nbtrack.init(project="p")
    run.define_metric("a", summary="min,mean")
    log_all(run, "a", [math.nan])
    assert run.summary["a"] == {"min": None, "mean": None, "nan_count": 1}


def test_C6_booleans_count_as_zero_and_one_and_text_only_as_last():
    run = nbtrack.init(project="p")
    run.define_metric("a", summary="min,max,mean,last")
    run.log({"a": True})
    run.log({"a": False})
    run.log({"a": None})
    with pytest.warns(errors.NbtrackWarning, match="apart"):
        run.log({"a": "x"})
    assert run.summary["a"] == {"min": 0, "max": 1, "mean": 0.5, "last": "x"}


# -- C7, C8 ----------------------------------------------------------------------------


def two_axes(**options):
    run = nbtrack.init(project="p")
    run.define_metric("val", step_metric="epoch", **options)
    run.log({"val": 0.1})
    run.log({"epoch": 2})
    run.log({"val": 0.2})
    run.log({"loss": 1})
    run.log({"epoch": 1, "val": 0.3})
    run.finish()
    return run


def test_C7_rows_take_the_last_value_of_their_step_metric_and_none_is_made_up():
    frame = stored(two_axes()).history()
    assert math.isnan(frame["epoch"][0])
    assert frame["epoch"].tolist()[1:3] == [2, 2]
    assert math.isnan(frame["epoch"][3]), "a row without the metric takes nothing"


def test_C7_step_sync_false_fills_nothing_in():
    frame = stored(two_axes(step_sync=False)).history()
    assert frame["epoch"].dropna().tolist() == [2, 1]


def test_C7_history_is_ordered_by_the_x_axis_that_is_asked_for():
    run = two_axes()
    assert stored(run).history(keys=["val"], x_axis="epoch")["val"].tolist() == [
        0.3,
        0.2,
    ]
    assert stored(run).history(x_axis="epoch")["epoch"].dropna().is_monotonic_increasing


def test_C7_the_step_metric_is_the_x_axis_of_the_chart():
    charts = _charts(two_axes())
    assert charts["val"].x_title == "epoch"
    assert list(charts["val"].curves[0].x) == [2, 1]
    assert charts["loss"].x_title == "step"


def test_C8_a_hidden_metric_has_no_chart():
    run = nbtrack.init(project="p")
    run.define_metric("debug/*", hidden=True)
    for _ in range(2):
        run.log({"debug/x": 1, "loss": 2})
    assert list(_charts(run)) == ["loss"]
    assert run.summary["debug/x"] == 1


def _charts(run):
    from pathlib import Path

    from nbtrack._store.parts import read_history
    from nbtrack._store.rundir import RunDir
    from nbtrack._view.board import Board

    run.following.catch_up()
    following = run.following
    board = Board(lambda: _notebook.card(run), following.rules, following.summary)
    board.feed(list(read_history(RunDir(Path(run.dir))).rows()))
    return {c.key: c for section in board.spec().sections for c in section.charts}
