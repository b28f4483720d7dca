"""The summary is a fold of the history: a few lines of pandas say the same."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import nbtrack

if TYPE_CHECKING:
    from living_run import Writer

STATISTICS = ("min", "max", "mean", "first", "last", "best")
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

values = st.one_of(
    st.floats(width=32),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.sampled_from([math.inf, -math.inf, math.nan]),
)
rows = st.lists(
    st.dictionaries(st.sampled_from(["a", "b/c", "b/d"]), values, min_size=1),
    min_size=1,
    max_size=12,
)
rules = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/*", "*"]),
    st.lists(st.sampled_from(STATISTICS), min_size=1, unique=True),
)
goals = st.sampled_from(["minimize", "maximize"])


def told_by_pandas(run: Any, key: str, words: list[str], goal: str) -> Any:
    """Give a key's summary by its rows of the history."""
    frame = run.history(keys=[key])
    logged = frame[key]
    numbers = logged.astype(float)
    if not words:
        return logged.iloc[-1]
    best = numbers.idxmin if goal == "minimize" else numbers.idxmax
    at = best() if numbers.notna().any() else None
    told = {
        "min": numbers.min(),
        "max": numbers.max(),
        "mean": math.nan if {-math.inf, math.inf} <= set(numbers) else numbers.mean(),
        "first": logged.iloc[0],
        "last": logged.iloc[-1],
        "best": math.nan if at is None else numbers[at],
    }
    shown = {word: told[word] for word in words}
    if "best" in words:
        shown["best_step"] = math.nan if at is None else frame["_step"][at]
    if numbers.isna().any():
        shown["nan_count"] = numbers.isna().sum()
    return shown


def agree(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(
            agree(found[word], wanted[word]) for word in wanted
        )
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return math.isnan(wanted)
    return found == pytest.approx(wanted, rel=1e-6, abs=1e-30)


def words_for(key: str, defined: dict[str, list[str]]) -> list[str]:
    """Give the statistics asked for: an exact name, else the longest glob."""
    fitting = [name for name in defined if key.startswith(name.removesuffix("*"))]
    fitting = [name for name in fitting if name in (key, "*", "b/*")]
    return defined[max(fitting, key=lambda n: (n == key, len(n)))] if fitting else []


def check(summary: Any, run: Any, defined: dict[str, list[str]], goal: str) -> None:
    keys = {key for row in run.scan_history() for key in row if key[:1] != "_"}
    assert summary.keys() == keys
    for key in keys:
        words = words_for(key, defined)
        wanted = told_by_pandas(run, key, words, goal)
        assert agree(summary[key], wanted), (key, words, summary[key], wanted)


def log_in_two_calls(writer: Writer, listed: list[dict[str, Any]]) -> None:
    for row in listed:
        first, *others = row
        writer.log({first: row[first]}, commit=False)
        writer.log({key: row[key] for key in others}, commit=True)


def test_the_summary_is_a_fold_of_the_history_in_every_state(nursery, tmp_path_factory):
    @settings(
        max_examples=1_000 if THOROUGH else 8,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(rows, rows, rules, goals)
    def holds(
        early: list[dict[str, Any]],
        late: list[dict[str, Any]],
        defined: dict[str, list[str]],
        goal: str,
    ) -> None:
        root = tmp_path_factory.mktemp("oracle")
        where = {"project": "p", "id": "r", "dir": str(root)}

        def stored() -> Any:
            return nbtrack.Api(root).run("p/r")

        def check_both(writer: Writer) -> None:
            check(writer.summary(), stored(), defined, goal)
            check(stored().summary, stored(), defined, goal)

        writer = nursery.fork()
        writer.init(**where)
        log_in_two_calls(writer, early)
        for name, words in defined.items():
            writer.define_metric(name, summary=words, goal=goal, overwrite=True)
        check_both(writer)
        writer.kill()
        assert stored().state == "crashed"
        check(stored().summary, stored(), defined, goal)

        writer = nursery.fork()
        writer.init(**where, resume="must")
        check_both(writer)
        log_in_two_calls(writer, late)
        check_both(writer)
        writer.finish()
        assert stored().state == "finished"
        check_both(writer)
        writer.kill()

        writer = nursery.fork()
        writer.init(**where, resume="must")
        check_both(writer)
        writer.kill()

    holds()


# -- where the live run and its readers must not part ----------------------------------


@pytest.fixture
def writer(nursery, tmp_path):
    writer = nursery.fork()
    writer.init(project="p", id="r", dir=str(tmp_path))
    yield writer
    writer.kill()


def read(tmp_path: Any) -> dict[str, Any]:
    summary: dict[str, Any] = nbtrack.Api(tmp_path).run("p/r").summary
    return summary


def test_a_value_that_was_replaced_in_its_row_is_not_summarised(writer, tmp_path):
    """B5: two calls of one step make one row, and a later value wins."""
    writer.define_metric("a", summary=["max", "mean", "first"])
    writer.log({"a": 9.0}, commit=False)
    writer.log({"a": 1.0})
    history = nbtrack.Api(tmp_path).run("p/r").history()
    assert history["a"].tolist() == [1.0]
    assert read(tmp_path) == {"a": {"max": 1.0, "mean": 1.0, "first": 1.0}}
    assert writer.summary() == read(tmp_path)


def test_a_none_in_the_place_of_a_value_of_its_row_is_the_rows_value(writer, tmp_path):
    writer.log({"a": 1.0})
    writer.log({"a": 2.0}, commit=False)
    writer.log({"a": None})
    assert read(tmp_path) == {"a": 1.0}
    assert writer.summary() == read(tmp_path)


def test_what_was_deleted_from_the_summary_stays_deleted_in_its_row(writer, tmp_path):
    """D1: deleting forgets what was logged under the key so far."""
    writer.log({"a": 1.0}, commit=False)
    writer.delete_summary("a")
    writer.log({"b": 2.0})
    assert writer.summary() == {"b": 2.0}
    assert read(tmp_path) == {"b": 2.0}


def test_the_summary_of_a_forked_run_is_the_same_live_and_read(writer, tmp_path):
    """D1: the last logged value, whichever process logged it."""
    child = writer.fork()
    writer.log({"a": 1.0})
    child.log({"a": 2.0})
    child.kill()
    assert writer.summary() == read(tmp_path) == {"a": 2.0}
    writer.log({"a": 3.0})
    assert writer.summary() == {"a": 3.0}
    assert read(tmp_path) == {"a": 3.0}


def test_a_deletion_of_what_a_fork_logged_is_the_same_live_and_read(writer, tmp_path):
    child = writer.fork()
    child.log({"a": 2.0})
    child.kill()
    writer.delete_summary("a")
    assert writer.summary() == read(tmp_path)
    writer.log({"b": 1.0})
    assert writer.summary() == read(tmp_path)
    writer.finish()
    assert writer.summary() == read(tmp_path)


def test_best_without_a_goal_is_not_said_after_the_goal_was_taken_back(writer):
    """C4: nobody knows which way is better."""
    writer.define_metric("*", goal="minimize")
    writer.define_metric("a", summary=["best"])
    writer.log({"a": 1.0})
    writer.log({"a": 2.0})
    writer.define_metric("*", summary=["last"], overwrite=True)
    assert writer.summary()["a"].get("best") in (None, 1.0)


def test_infinities_of_both_signs_have_no_mean_and_make_no_noise(writer, tmp_path):
    """Python's warnings are errors here: a reader must not print any."""
    writer.define_metric("a", summary=["min", "max", "mean"])
    for value in (math.inf, -math.inf, 1.0):
        writer.log({"a": value})
    for summary in (writer.summary(), read(tmp_path)):
        assert (summary["a"]["min"], summary["a"]["max"]) == (-math.inf, math.inf)
        assert math.isnan(summary["a"]["mean"])
