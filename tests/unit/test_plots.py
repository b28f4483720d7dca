"""What nbtrack.plot reckons and draws; scikit-learn is asked whether it is right."""

from __future__ import annotations

import math
import re
import xml.dom.minidom

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

import nbtrack
from nbtrack import plot
from nbtrack._media import scores
from nbtrack._media.drawing import Drawing, Series, figure, overlaid, reduced
from nbtrack._media.plot_svg import drawing_svg
from nbtrack.errors import MediaError, MediaTypeError, TableColumnError

labelled = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    min_size=2,
    max_size=80,
).filter(lambda pairs: 0 < sum(label for label, _ in pairs) < len(pairs))


@given(pairs=labelled)
def test_scikit_learn_agrees_on_roc_and_precision(pairs):
    true = np.array([label for label, _ in pairs])
    score = np.array([one for _, one in pairs])
    false_rate, true_rate = scores.roc(true, score)
    expected = metrics.roc_curve(true, score)
    np.testing.assert_allclose(false_rate, expected[0])
    np.testing.assert_allclose(true_rate, expected[1])
    precision, recall = scores.precision_recall(true, score)
    expected = metrics.precision_recall_curve(true, score)
    np.testing.assert_allclose(precision, expected[0])
    np.testing.assert_allclose(recall, expected[1])


def some_scores(n: int = 300, classes: int = 4):
    rng = np.random.default_rng(0)
    true = rng.integers(0, classes, n)
    probas = rng.random((n, classes))
    probas[np.arange(n), true] += 0.5
    return true, probas / probas.sum(axis=1, keepdims=True)


def test_the_table_of_a_curve_has_what_scikit_learn_gives():
    true, probas = some_scores()
    roc = plot.roc_curve(true, probas, labels=["cat", "dog", "owl", "newt"])
    frame = roc.table.get_dataframe()
    assert list(frame.columns) == ["class", "fpr", "tpr"]
    assert list(frame["class"].unique()) == ["cat", "dog", "owl", "newt"]
    expected = metrics.roc_curve(true == 2, probas[:, 2])
    np.testing.assert_allclose(frame[frame["class"] == "owl"]["tpr"], expected[1])
    pr = plot.pr_curve(true, probas).table.get_dataframe()
    expected = metrics.precision_recall_curve(true == 1, probas[:, 1])
    np.testing.assert_allclose(pr[pr["class"] == "1"]["precision"], expected[0])


def test_scikit_learn_agrees_on_confusion():
    true, probas = some_scores()
    chart = plot.confusion_matrix(probs=probas, y_true=true)
    frame = chart.table.get_dataframe()
    assert list(frame.columns) == ["Actual", "Predicted", "nPredictions"]
    counts = frame["nPredictions"].to_numpy().reshape(4, 4)
    expected = metrics.confusion_matrix(true, probas.argmax(axis=1))
    assert (counts == expected).all()
    words = np.array(["cat", "dog", "owl", "newt"])
    said = words[probas.argmax(axis=1)]
    by_name = plot.confusion_matrix(y_true=words[true], preds=said, class_names=words)
    assert by_name.table.get_column("nPredictions") == counts.reshape(-1).tolist()


def test_a_class_that_never_occurs_keeps_its_place():
    chart = plot.confusion_matrix(
        y_true=[0, 2], preds=[0, 0], class_names=["a", "b", "c"]
    )
    drawing = chart.drawing()
    assert [series.name for series in drawing.series] == ["a", "b", "c"]
    assert [series.y for series in drawing.series] == [(1, 0, 0), (0, 0, 0), (1, 0, 0)]


def test_two_classes_need_the_second_ones_scores_only():
    chart = plot.roc_curve([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3])
    assert set(chart.table.get_column("class")) == {"1"}
    named = plot.roc_curve(["no", "yes"], [0.1, 0.9], classes_to_plot=["yes"])
    assert set(named.table.get_column("class")) == {"yes"}


def test_interpolated_precision_never_rises_with_recall():
    true, probas = some_scores()
    chart = plot.pr_curve(true, probas, interp_size=21, classes_to_plot=[0])
    frame = chart.table.get_dataframe().sort_values("recall")
    assert len(frame) == 21
    assert (np.diff(frame["precision"]) <= 0).all()
    precision, recall, _ = metrics.precision_recall_curve(true == 0, probas[:, 0])
    for level, found in zip(frame["recall"], frame["precision"], strict=True):
        assert found == pytest.approx(precision[recall >= level - 1e-12].max())


def test_rows_without_a_score_are_left_out_and_counted():
    true, probas = some_scores(50, 2)
    probas[3, 0] = math.nan
    chart = plot.roc_curve(true, probas)
    assert chart.notes == ["1 of 50 rows have no finite score or no label"]
    whole = np.delete(np.arange(50), 3)
    assert chart.table == plot.roc_curve(true[whole], probas[whole]).table


def test_one_class_alone_has_no_curve_and_says_so():
    chart = plot.roc_curve([1, 1, 1], [0.2, 0.3, 0.4])
    assert len(chart.table) == 0
    assert "all of the labels are of it" in chart.note
    assert "nothing to draw" in drawing_svg(chart.drawing())[0]
    assert "none of the labels" in plot.pr_curve([0, 0], [0.2, 0.3]).note


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.roc_curve([0, 1], [[0.5, 0.5]]), "2 labels and scores of shape"),
        (lambda: plot.roc_curve([0, 5], np.zeros((2, 3))), "label 5 has no column"),
        (lambda: plot.roc_curve([0, -1], np.zeros((2, 3))), "label -1 has no column"),
        (lambda: plot.roc_curve(["a", "b"], np.zeros((2, 3))), "2 different labels"),
        (
            lambda: plot.roc_curve(["a", "z"], np.zeros((2, 2)), labels=["a", "b"]),
            "label 'z' is not among",
        ),
        (lambda: plot.roc_curve([0], [["x"]]), "is to hold numbers"),
        (plot.roc_curve, "needs y_true and y_probas"),
        (
            lambda: plot.roc_curve([0, 1], np.zeros((2, 2)), classes_to_plot=["q"]),
            "which is none of",
        ),
        (lambda: plot.pr_curve([0], [0.5], interp_size=1), "2 or more"),
        (lambda: plot.confusion_matrix(y_true=[0]), "one of probs= and preds="),
        (
            lambda: plot.confusion_matrix(y_true=[0], preds=[0, 1]),
            "1 labels and 2 predictions",
        ),
        (
            lambda: plot.confusion_matrix(
                y_true=[0, 7], preds=[0, 1], class_names=["a", "b"]
            ),
            "label 7 is none of the 2 classes",
        ),
        (lambda: plot.confusion_matrix(y_true=[0], preds=["a"]), "labels are numbers"),
        (
            lambda: plot.confusion_matrix(y_true=[0], probs=[[math.nan, 1]]),
            "1 rows of probs have NaN",
        ),
        (lambda: plot.line_series([0, 1], [[1, 2, 3]]), "2 xs and 3 ys"),
        (lambda: plot.line_series([[0], [1]], [[1]]), "2 lists of xs and 1 of ys"),
        (lambda: plot.line_series([0], [[1], [2]], keys=["a"]), "a list of 2 names"),
        (lambda: plot.line_series([0], [[1]], "title"), "a list of 1 names"),
        (lambda: plot.line_series([0], [3]), "holds lists of numbers"),
        (lambda: plot.line([1, 2], "x", "y"), "takes a Table, not list"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_the_reason(call, message):
    with pytest.raises(MediaError, match=message):
        call()


def test_a_column_that_is_not_there_is_named():
    table = nbtrack.Table(columns=["step", "loss"], data=[[0, 1.0]])
    with pytest.raises(TableColumnError, match="Did you mean 'loss'"):
        plot.line(table, "step", "los")
    with pytest.raises(MediaTypeError):
        plot.bar("table", "a", "b")


def test_line_series_takes_one_x_or_one_for_each():
    shared = plot.line_series([0, 1], [[1, 2], [3, 4]])
    each = plot.line_series([[0, 1], [0, 1]], [[1, 2], [3, 4]])
    assert shared.table == each.table
    assert set(shared.table.get_column("lineKey")) == {"line_0", "line_1"}
    arrays = plot.line_series(np.arange(2), np.array([[1, 2], [3, 4]]))
    assert arrays.drawing() == shared.drawing()
    ragged = plot.line_series([[0], [0, 1]], [[1], [3, 4]])
    assert [len(s.x) for s in ragged.drawing().series] == [1, 2]


def test_ten_classes_have_ten_looks_and_axes_have_words():
    classes = [str(n) for n in range(10)]
    true = list(range(10)) * 3
    scores = [[0.9 if n == one else 0.1 for n in range(10)] for one in true]
    roc = nbtrack.plot.roc_curve(true, scores, labels=classes).drawing()
    looks = {(one.color, one.dash) for one in roc.coloured().series}
    assert len(looks) == 10
    lines = [one["line"] for one in figure(roc)["data"][:10]]
    assert [line["dash"] for line in lines] == ["solid"] * 8 + ["dash"] * 2
    svg, _ = drawing_svg(roc)
    assert svg.count('stroke-dasharray="6 3"') == 4, "two lines, and in the legend"
    assert (roc.x_title, roc.y_title) == ("False positive rate", "True positive rate")
    pr = nbtrack.plot.pr_curve(true, scores, labels=classes).drawing()
    assert (pr.x_title, pr.y_title) == ("Recall", "Precision")


def test_later_rows_of_a_table_do_not_reach_a_chart():
    table = nbtrack.Table(columns=["x", "y", "z"], data=[[0, 1, 2]])
    chart = plot.scatter(table, "x", "y")
    table.add_data(5, 5, 5)
    assert len(chart.table) == 1
    assert chart.table.columns == ["x", "y"]


def test_many_points_are_drawn_in_part_and_kept_whole():
    y = np.zeros(50_000)
    y[31_234] = 100.0
    table = nbtrack.Table(data=np.column_stack([np.arange(50_000), y]))
    chart = plot.line(table, "0", "1")
    assert len(chart.table) == 50_000
    drawn = chart.figure.data[0].y
    assert len(drawn) <= 10_000
    assert max(drawn) == 100, "a spike stays"
    assert "of 50,000 points" in chart.note
    cloud = plot.scatter(table, "0", "1")
    assert len(cloud.figure.data[0].x) <= 10_000


numbers = st.floats() | st.integers(-(10**400), 10**400) | st.none() | st.booleans()


@given(
    rows=st.lists(st.tuples(numbers, numbers, st.text(max_size=4)), max_size=20),
    title=st.text(max_size=20),
)
def test_anything_in_a_table_gives_a_valid_picture_and_figure(rows, title):
    table = nbtrack.Table(columns=["x", "y", "g"], allow_mixed_types=True)
    for row in rows:
        table.add_data(*row)
    for chart in (
        plot.line(table, "x", "y", "g", title),
        plot.scatter(table, "x", "y", title),
        plot.bar(table, "g", "y", title),
        plot.histogram(table, "x", title),
    ):
        svg, _ = drawing_svg(chart.drawing())
        xml.dom.minidom.parseString(svg)
        assert not re.search(r"\b(nan|inf)\b", re.sub(r"<text.*?</text>", "", svg))
        chart.to_dict()


def test_names_are_text_in_a_picture():
    evil = "<script>alert(1)</script>"
    table = nbtrack.Table(columns=["a", evil], data=[[evil, 1]])
    chart = plot.bar(table, "a", evil, title=evil)
    assert "<script" not in drawing_svg(chart.drawing())[0]
    assert "<script" not in chart._repr_mimebundle_()["text/html"]


def test_curves_of_several_runs_lie_over_each_other():
    one = Drawing("lines", "t", "x", "y", (Series("a", (0, 1), (0, 1)),))
    two = Drawing("lines", "t", "x", "y", (Series("a", (0,), (1,)),) * 2)
    drawn = overlaid([("first", one), ("second", two)], ["#111", "#222"])
    assert [s.name for s in drawn.series] == ["first", "second · a", "second · a"]
    assert [s.color for s in drawn.series] == ["#111", "#222", "#222"]
    assert figure(drawn)["layout"]["showlegend"]
    assert reduced(drawn) == (drawn, "")
