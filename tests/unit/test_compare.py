"""What differs between runs."""

from __future__ import annotations

import random
import time

from hypothesis import assume, given
from hypothesis import strategies as st

from nbtrack._compare.code import CellDiff, DiffLine, diff_cells, diff_lines
from nbtrack._compare.config import MISSING, diff_config, flatten, same
from nbtrack._compare.curves import overlay

CELLS = st.lists(
    st.lists(st.sampled_from(["x = 1", "x = 2", "", "y", "  z"]), max_size=6).map(
        "\n".join,
    ),
    max_size=8,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


# --- curves


def test_a_metric_is_paired_over_the_runs_that_have_it():
    runs = [
        {"a": ([0], [1.0]), "b": ([0], [2.0])},
        {"c": ([0], [3.0]), "a": ([5], [6])},
    ]
    found = overlay(runs)
    assert [one.key for one in found] == ["a", "b", "c"]
    assert [(c.run, c.x, c.y) for c in found[0].curves] == [
        (0, [0], [1.0]),
        (1, [5], [6]),
    ]


def test_nothing_to_overlay():
    assert overlay([]) == []


# --- config


def test_nested_settings_flatten_with_dots():
    assert flatten({"a": {"b": {"c": 1}}, "d": {}, "e": None}) == {
        "a.b.c": 1,
        "d": {},
        "e": None,
    }


def test_what_differs_comes_first():
    rows = diff_config([{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "c": 4}])
    assert [(row.key, row.differs) for row in rows] == [
        ("b", True),
        ("c", True),
        ("a", False),
    ]


def test_missing_is_not_none():
    (row,) = diff_config([{"a": None}, {}])
    assert row.values == (None, MISSING)
    assert row.differs


def test_one_run_differs_from_nobody():
    assert not any(row.differs for row in diff_config([{"a": 1, "b": 2}]))


def test_settings_are_the_same_when_they_mean_the_same():
    nan = float("nan")
    assert same(1, 1.0)
    assert same((1, 2), [1, 2])
    assert same({"a": [nan]}, {"a": [nan]})
    assert not same(1, True)
    assert not same([True], [1])
    assert not same(nan, 1.0)
    assert not same("1", 1)
    assert not same({"a": 1}, {"b": 1})


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_a_config_never_differs_from_itself(config):
    assert not any(row.differs for row in diff_config([config, config]))


# --- code


def test_an_edited_cell_is_an_edit():
    a = ["import torch", "lr = 0.1\nopt = Adam(lr)", "run.finish()"]
    b = ["import torch", "lr = 0.3\nopt = Adam(lr)", "run.finish()"]
    assert diff_cells(a, b) == [
        CellDiff("same", 0, 0),
        CellDiff(
            "changed",
            1,
            1,
            (
                DiffLine("-", "lr = 0.1"),
                DiffLine("+", "lr = 0.3"),
                DiffLine(" ", "opt = Adam(lr)"),
            ),
        ),
        CellDiff("same", 2, 2),
    ]


def test_a_new_cell_before_an_edited_one_does_not_steal_its_partner():
    a = ["loss = train(model, data)\nprint(loss)"]
    b = ["from sklearn import datasets", "loss = train(model, data)\nlog(loss)"]
    found = [(d.kind, d.a, d.b) for d in diff_cells(a, b)]
    assert found == [("added", None, 0), ("changed", 0, 1)]


def test_cells_that_share_nothing_are_not_an_edit():
    assert {d.kind for d in diff_cells(["alpha beta"], ["gamma delta"])} == {
        "added",
        "removed",
    }


def test_blanks_at_the_ends_of_lines_are_no_difference():
    assert diff_cells(["x = 1  \n\n"], ["x = 1"]) == [CellDiff("same", 0, 0)]


def test_equal_lines_far_from_a_change_are_folded_and_counted():
    a = [str(i) for i in range(20)]
    b = [*a[:10], "new", *a[10:]]
    lines = diff_lines(a, b, context=2)
    assert [line.sign for line in lines] == ["…", " ", " ", "+", " ", " ", "…"]
    assert lines[0].text == "8 equal lines"


def test_no_cells_at_all():
    assert diff_cells([], []) == []
    assert [d.kind for d in diff_cells([], ["x"])] == ["added"]


@given(CELLS, CELLS)
def test_every_cell_appears_once_and_in_order(a, b):
    diffs = diff_cells(a, b)
    assert [d.a for d in diffs if d.a is not None] == list(range(len(a)))
    assert [d.b for d in diffs if d.b is not None] == list(range(len(b)))


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_a_line_diff_holds_both_sides(a, b):
    assume(a != b)  # nothing but one fold
    lines = diff_lines(a, b, context=1000)
    assert [line.text for line in lines if line.sign in " -"] == a
    assert [line.text for line in lines if line.sign in " +"] == b


def test_a_notebook_of_five_hundred_long_cells_is_compared_in_seconds():
    pick = random.Random(0)
    words = [f"name{i}" for i in range(300)]

    def cell():
        return "\n".join(" ".join(pick.choices(words, k=6)) for _ in range(200))

    a = [cell() for _ in range(500)]
    edited = [text.replace("name7 ", "other ") for text in a]
    unlike = [cell() for _ in range(500)]
    for b in (edited, unlike, a[::-1]):
        begin = time.perf_counter()
        diff_cells(a, b)
        assert time.perf_counter() - begin < 10  # 0.4 to 0.7 s on an idle core


def test_more_cells_than_can_be_paired_are_paired_by_place():
    a = [f"a{i}" for i in range(700)]
    b = [f"b{i}" for i in range(600)]
    diffs = diff_cells(a, b)
    assert sum(d.kind == "changed" for d in diffs) == 600
    assert sum(d.kind == "removed" for d in diffs) == 100
