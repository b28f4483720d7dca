"""The table of runs."""

from __future__ import annotations

import pytest
from audit import HOSTILE, Audit

from nbtrack._view.runs_table import (
    RunRow,
    choose_columns,
    runs_bundle,
    runs_table_html,
    runs_table_text,
)


def row(name, created_at=1.7e9, **facts):
    given = {"run_id": f"id-{name}", "project": "digits", "state": "finished"}
    return RunRow(**{"duration_s": 72.0, **given, **facts}, **_at(name, created_at))


def _at(name, created_at):
    return {"name": name, "created_at": created_at}


def test_the_newest_run_comes_first():
    page = runs_table_html([row("old", 1e9), row("new", 2e9), row("mid", 1.5e9)])
    assert page.index("new") < page.index("mid") < page.index("old")
    text = runs_table_text([row("old", 1e9), row("new", 2e9)])
    assert text.index("new") < text.index("old")


def test_a_bundle_keeps_the_order_it_is_given():
    bundle = runs_bundle([row("old", 1e9), row("new", 2e9)], ["x: torn"])
    for text in bundle.values():
        assert text.index("old") < text.index("new")
        assert "x: torn" in text


def test_a_cell_says_state_time_and_values():
    audit = Audit(
        runs_table_html(
            [
                row("a", state="failed", tags=("t1",), config={"lr": 0.1}),
                row("b", summary={"loss": 0.25, "_step": 7}),
            ],
        ),
    )
    for fact in ("failed", "1 min 12 s", "t1", "lr", "0.1", "loss", "0.25"):
        assert fact in audit.said
    assert "_step" not in audit.said


def test_settings_that_vary_get_the_first_columns():
    rows = [row(str(i), config={"same": 1, "lr": i, "none": None}) for i in range(3)]
    assert choose_columns(rows).config == ("lr", "same", "none")


def test_what_tells_runs_apart_comes_before_what_is_the_same():
    rows = [
        row(
            str(i),
            config={"epochs": 40, "lr": i},
            summary={"lr": i, "loss": 1.0, "acc.best": 0.9},
            goals=frozenset(["acc.best"]),
        )
        for i in range(2)
    ]
    head = runs_table_text(rows).splitlines()[0].split()
    assert head[:6] == ["name", "state", "acc.best", "config.lr", "lr", "loss"]
    assert head[6:] == ["duration", "created", "id", "epochs"]
    said = Audit(runs_table_html(rows)).said
    places = [said.index(word) for word in ("acc.best", "config.lr", "loss", "epochs")]
    assert places == sorted(places)


def test_all_settings_of_a_lone_run_come_first():
    head = runs_table_text([row("a", config={"lr": 1}, summary={"loss": 2})])
    assert head.split()[:4] == ["name", "state", "lr", "loss"]


def test_a_missing_setting_varies_from_one_that_is_there():
    rows = [row("a", config={"x": 1, "y": 1}), row("b", config={"x": 1})]
    assert choose_columns(rows).config == ("y", "x")


def test_twelve_columns_of_each_kind_are_shown_and_the_rest_named():
    config = {f"c{i}": i for i in range(15)}
    summary = {f"s{i}": i for i in range(14)}
    rows = [row("a", config=config, summary=summary)]
    page = Audit(runs_table_html(rows)).said
    assert "5 columns left out: config.c12, config.c13, config.c14" in page
    assert "summary.s13" in page
    assert page.count("s11") == 1


def test_columns_can_be_asked_for():
    rows = [row("a", config={"lr": 1, "wd": 2}, summary={"loss": 3})]
    chosen = choose_columns(rows, ["summary.loss", "config.wd"])
    assert (chosen.config, chosen.summary) == (("wd",), ("loss",))
    assert "lr" not in Audit(runs_table_html(rows, ["config.wd"])).said


def test_numbers_align_right_and_words_left():
    rows = [row("a", config={"lr": 0.1, "opt": "adam", "on": True})]
    page = runs_table_html(rows)
    assert '<td style="text-align:right;padding:2px 9px">0.1</td>' in page
    assert '<td style="text-align:left;padding:2px 9px">adam</td>' in page
    assert '<td style="text-align:left;padding:2px 9px">True</td>' in page


def test_a_wide_table_scrolls_in_its_own_box():
    assert "overflow-x:auto" in runs_table_html([row("a")])


def test_many_runs_are_counted_and_stay_light():
    rows = [row(f"r{i}", i + 1.0) for i in range(10_000)]
    page = runs_table_html(rows)
    assert "The first 50 of 10,000 runs" in page
    assert len(page) < 60_000


@pytest.mark.parametrize("evil", HOSTILE)
def test_what_comes_from_a_run_is_text(evil):
    rows = [
        RunRow(
            name=evil,
            run_id=evil,
            project=evil,
            state=evil,
            created_at=float("nan"),
            duration_s=float("inf"),
            tags=(evil,),
            notes=evil,
            config={evil: evil, **{f"{evil}{i}": 1 for i in range(20)}},
            summary={evil: [evil]},
        ),
    ]
    bundle = runs_bundle(rows, [evil])
    Audit(bundle["text/html"])
    bundle["text/plain"].encode()


def test_an_empty_table_says_so():
    assert runs_bundle([])["text/plain"] == "no runs yet"
    assert "no runs yet" in Audit(runs_table_html([])).said


def test_a_run_that_never_started_has_blank_times():
    text = runs_table_text([row("a", 0.0, duration_s=None)])
    assert text.split("\n")[1].split() == ["a", "finished", "id-a"]
