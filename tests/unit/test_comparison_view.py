"""Several runs side by side, as a page."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from audit import HOSTILE, Audit

import nbtrack
from nbtrack._compare.config import MISSING
from nbtrack._view.comparison import (
    ComparedRun,
    best_places,
    comparison_bundle,
    run_color,
    value_text,
)


def run(name="calm-otter-3", **facts):
    return ComparedRun(**{"name": name, "run_id": "abc", "state": "finished", **facts})


def said(runs, **options):
    return Audit(comparison_bundle(runs, **options)["text/html"]).said


def test_four_runs_of_twenty_metrics_weigh_at_most_100_kb():
    noise = random.Random(1)
    x = list(range(5_000))
    runs = [
        run(
            f"run-{i}",
            config={"lr": i, **{f"k{j}": j for j in range(30)}},
            summary={f"train/m{j}": noise.random() for j in range(20)},
            curves={
                f"train/m{j}": (
                    x,
                    [math.exp(-t / 700) + noise.gauss(0, 0.03) for t in x],
                )
                for j in range(20)
            },
            cells=[f"lr = {i}", *(f"step{j}()" for j in range(20))],
        )
        for i in range(4)
    ]
    bundle = comparison_bundle(runs)
    assert len(bundle["text/html"]) + len(bundle["text/plain"]) <= 100_000
    assert len(Audit(bundle["text/html"]).pictures) == 20


def test_the_legend_names_every_run_in_its_colour():
    page = comparison_bundle([run("a-1"), run("b-2", state="failed")])["text/html"]
    assert "a-1" in page
    assert "b-2" in page
    assert "failed" in page
    assert run_color(0) in page
    assert run_color(1) in page


def test_runs_left_out_and_colours_used_twice_are_said():
    text = said([run(str(i)) for i in range(9)], left_out=3)
    assert "3 more runs are not compared here" in text
    assert "colours repeat after 8 runs" in text


def test_a_difference_is_marked_by_more_than_colour():
    text = said([run(config={"lr": 1, "w": 2}), run(config={"lr": 3, "w": 2})])
    assert "1 of 2 differ" in text
    assert "≠ lr" in text
    assert "1 equal: w=2" in text


def test_the_best_value_is_marked_only_where_a_goal_is_known():
    runs = [run(summary={"loss": 0.3, "acc": 0.7}), run(summary={"loss": 0.2})]
    assert "★" not in said(runs)
    assert "★ 0.2" in said(runs, goals={"loss": "minimize", "acc": "maximize"})


@pytest.mark.parametrize(
    ("values", "goal", "best"),
    [
        ([3, 1, 1.0], "minimize", {1, 2}),
        ([3, 1, math.nan], "maximize", {0}),
        ([2, 2], "maximize", set()),
        ([2, None], "maximize", set()),
        ([True, 2, 1], "minimize", {2}),
        ([2, 1], None, set()),
    ],
)
def test_best_places(values, goal, best):
    assert best_places(values, goal) == best


def test_missing_and_none_look_different():
    assert value_text(MISSING) != value_text(None) == "None"


def test_code_is_compared_with_the_first_run():
    runs = [
        run("a", cells=["x = 1\ny = 2", "same()"]),
        run("b", cells=["x = 5\ny = 2", "same()"]),
        run("c", cells=["x = 1\ny = 2", "same()"]),
    ]
    text = said(runs)
    assert "1 cell equal, 1 changed" in text
    assert "- x = 1\n" in text
    assert "+ x = 5\n" in text
    assert "the same 2 cells" in text


def test_long_code_is_cut_and_counted():
    long = "\n".join(f"line{i}" for i in range(100))
    text = said([run("a", cells=["z"]), run("b", cells=["z", long])])
    assert "40 more lines" in text
    many = [f"only_{i}_x\n" * 30 for i in range(40)]
    assert "more differs than is shown here" in said(
        [run("a", cells=[]), run("b", cells=many)],
    )


def test_a_metric_that_most_runs_have_comes_before_one_run_s_own():
    xy = ([0, 1], [1.0, 2.0])
    runs = [run(curves={"mine": xy, "ours": xy}), run(curves={"ours": xy})]
    page = comparison_bundle(runs)["text/html"]
    assert page.index('alt="ours') < page.index('alt="mine')


def test_charts_beyond_sixty_are_counted():
    xy = ([0, 1], [1.0, 2.0])
    runs = [run(curves={f"a/m{i}": xy for i in range(70)})]
    text = said(runs)
    assert "10 of 70 charts are not shown" in text


@pytest.mark.parametrize("evil", HOSTILE)
def test_what_comes_from_a_run_is_text(evil):
    evils = [
        ComparedRun(
            name=evil,
            run_id=evil,
            state=evil,
            config={evil: evil, "same": evil, "n": i},
            summary={evil: evil},
            curves={evil: ([0, 1], [1.0, 2.0]), f"{evil}/x": ([0], [1.0])},
            x_titles={evil: evil},
            cells=[evil, f"{evil} {i}"],
        )
        for i in range(2)
    ]
    bundle = comparison_bundle(evils)
    Audit(bundle["text/html"])
    bundle["text/plain"].encode()


def test_the_terminal_sees_what_differs():
    text = comparison_bundle(
        [
            run("a", config={"lr": 1, "w": 1}, summary={"loss": 0.1}, cells=["x"]),
            run("b", config={"lr": 2, "w": 1}, summary={"loss": 0.2}, cells=["x"]),
        ],
    )["text/plain"]
    for part in ("comparing 2 runs", "lr: 1 | 2", "1 setting", "loss: 0.1 | 0.2"):
        assert part in text
    assert "code of b: the same 1 cell" in text


def test_nothing_and_one_run_are_no_errors():
    assert comparison_bundle([])["text/plain"] == "no runs to compare"
    assert "config" in said([run(config={"lr": 1})])


# -- media, plots, tables ----------------------------------------------------------


def recorded(run_id, value):
    with nbtrack.init(project="p", id=run_id, name=run_id, view="off") as one:
        one.log({"value": value, "loss": 1.0})


def compared_page():
    return nbtrack.compare("p")._repr_mimebundle_()["text/html"]


def test_plots_of_several_runs_are_one_picture():
    for n in range(3):
        series = nbtrack.plot.line_series([0, 1], [[n, 1]], keys=["k"], title="T")
        recorded(f"run{n}", series)
    page = compared_page()
    assert len(Audit(page).pictures) == 2, "the loss, and one for all plots"
    assert 'alt="T: run0, run1, run2"' in page


def test_code_is_open_of_two_runs_and_folded_of_more():
    runs = [run(f"run{n}", cells=["a = 1", f"b = {n}"]) for n in range(3)]
    two, three = (comparison_bundle(runs[:n])["text/html"] for n in (2, 3))
    assert "<details" not in two
    assert three.count("<details") == 2
    assert three.count("<summary") == 2
    assert "1 changed" in Audit(three).said


def test_objects_stand_side_by_side_also_of_one_run():
    values = {f"h{n}": nbtrack.Histogram([1.0, 2.0, n]) for n in range(4)}
    lone = nbtrack.init(project="p", name="lone")
    lone.log(values)
    lone.finish()
    page = compared_page()
    assert page.count("the last of each run") == 1
    assert len(Audit(page).pictures) == 4


def test_matrices_of_several_runs_stand_side_by_side():
    for n in range(2):
        matrix = nbtrack.plot.confusion_matrix(y_true=[0, 1], preds=[0, n])
        recorded(f"run{n}", matrix)
    assert len(Audit(compared_page()).pictures) == 3


def test_tables_of_several_runs_are_held_to_the_first():
    rows = [[0, "a"], [1, "b"], [2, "c"]]
    for n in range(3):
        rows[1] = [1, "b" if n < 2 else "<b>other</b>"]
        recorded(f"run{n}", nbtrack.Table(columns=["n", "label"], data=rows))
    said = Audit(compared_page()).said
    assert "3 rows, 2 columns · the same" in said
    assert "1 rows differ" in said
    assert "<b>other</b>" in said, "as text"


def test_pictures_of_several_runs_stand_side_by_side_and_not_in_the_summary():
    for n in range(2):
        pixels = [[n * 100, 0], [0, 0]]
        recorded(f"run{n}", nbtrack.Image(np.array(pixels, dtype=np.uint8)))
    page = compared_page()
    assert page.count("data:image/png") == 2
    assert "sha256" not in page


def test_a_table_whose_file_is_gone_leaves_the_comparison_standing():
    for n in range(2):
        recorded(f"run{n}", nbtrack.Table(columns=["n"], data=[[n]]))
    for path in Path("nbruns/p/run1/media").iterdir():
        path.unlink()
    said = Audit(compared_page()).said
    assert "cannot be read" in said
    assert "run0" in said
