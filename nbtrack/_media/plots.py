"""``nbtrack.plot``: charts of tables, and of what a classifier said.

Each function gives a chart that ``log`` takes. A run keeps its table, whole, beside the
picture that is drawn of it, so charts of several runs can be laid over each other, and
``run.table(key)`` gives the numbers.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.drawing import Drawing, Kind, Series, figure, reduced
from nbtrack._media.pages import Plotly
from nbtrack._media.source import Held
from nbtrack._media.table import Table
from nbtrack.errors import MediaError, MediaTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nbtrack._draw.html import Safe
    from nbtrack._media.source import Store

__all__ = [
    "bar",
    "confusion_matrix",
    "histogram",
    "line",
    "line_series",
    "pr_curve",
    "roc_curve",
    "scatter",
]

_EXACT: Final = 2**53
_BINS: Final = 40
_MOST_SERIES: Final = 100
_MOST_BARS: Final = 200


class CustomChart(Plotly):
    """A chart of a table; what the functions of ``nbtrack.plot`` give.

    Attributes
    ----------
    table
        All of its numbers.
    kind
        The name of the function that made it.
    """

    def __init__(
        self,
        kind: str,
        table: Table,
        fields: dict[str, str],
        title: str,
        notes: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.kind = kind
        self.table = table
        self._about = {"kind": kind, "fields": fields, "title": title, **options}
        drawn, what = reduced(self.drawing())
        self._about["notes"] = [*notes, *([what] if what else [])]
        content = json.dumps(figure(drawn), ensure_ascii=False)
        self._source = Held(content.encode("utf-8", "replace"), ".plotly.json")

    @property
    def notes(self) -> list[str]:
        """What was left out of it, a sentence each."""
        return list(self._about["notes"])

    @property
    def note(self) -> str:
        """The same as one."""
        return f"a chart: {'; '.join(self.notes)}" if self.notes else ""

    @property
    def title(self) -> str:
        """What stands above it."""
        return str(self._about["title"])

    def drawing(self) -> Drawing:
        """Give what it shows, of all its numbers."""
        return _drawing(self.kind, self.table, self._about)

    def _to_row(self, store: Store) -> dict[str, Any]:
        row = super()._to_row(store)
        return {**row, "plot": self._about, "table": self.table.to_row(store)}

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        super()._from_row(row, run_path)
        about = row["plot"]
        fields = about["fields"]
        if not isinstance(fields, dict) or about["kind"] not in _DRAWERS:
            msg = "no chart of ours"
            raise ValueError(msg)
        told = about.get("notes")
        notes = [str(one) for one in told] if isinstance(told, list) else []
        self._about = {**about, "title": str(about.get("title", "")), "notes": notes}
        self.kind = about["kind"]
        self.table = Table.from_row(row["table"], run_path)

    def _static(self, budget_bytes: int) -> Safe:
        return self._pictured(budget_bytes)

    def _pictured(self, budget_bytes: int, zoom: float = 1) -> Safe:
        from nbtrack._media.plot_svg import drawing_html

        return drawing_html(self.drawing(), self.notes, budget_bytes, zoom)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # Its picture alone: a notebook shows it with no kernel and trusted by nobody.
        from nbtrack._draw import html
        from nbtrack._media.plot_svg import ALONE

        try:
            shown = self._pictured(_OWN_BUDGET, ALONE)
        except MediaError as error:
            shown = html.hint(str(error))
        return {"text/html": str(html.page(shown)), "text/plain": repr(self)}

    def __repr__(self) -> str:
        title = f" {self.title!r}" if self.title else ""
        return f"<nbtrack.plot.{self.kind}{title}: {self.table!r}>"


_OWN_BUDGET: Final = 100_000


# --- of tables -----------------------------------------------------------------------


def line(
    table: Table,
    x: str,
    y: str,
    stroke: str | None = None,
    title: str = "",
    split_table: bool = False,  # noqa: FBT002, ARG001  (W&B's; the table is kept either way)
) -> CustomChart:
    """Draw a column over another as a line; ``stroke`` names a column that splits it.

    Raises
    ------
    TableColumnError
        The table has no such column.
    """
    fields = {"x": x, "y": y} | ({"stroke": stroke} if stroke is not None else {})
    return _of_table("line", table, fields, title)


def scatter(
    table: Table,
    x: str,
    y: str,
    title: str = "",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw a column over another as points."""
    return _of_table("scatter", table, {"x": x, "y": y}, title)


def bar(
    table: Table,
    label: str,
    value: str,
    title: str = "",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw a bar for each row."""
    return _of_table("bar", table, {"label": label, "value": value}, title)


def histogram(
    table: Table,
    value: str,
    title: str = "",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw how often a column has which values."""
    return _of_table("histogram", table, {"value": value}, title)


def _of_table(kind: str, table: Any, fields: dict[str, str], title: str) -> CustomChart:
    if not isinstance(table, Table):
        if not hasattr(table, "iloc"):
            msg = f"plot.{kind}() takes a Table, not {type(table).__name__}."
            raise MediaTypeError(msg)
        table = Table(dataframe=table)
    own = table.frozen(list(dict.fromkeys(fields.values())))
    notes: list[str] = []
    for role, name in fields.items():
        if role not in ("label", "stroke"):
            lost = _strange(own, name, role)
            if lost:
                notes.append(f"{lost:,} cells of {name!r} are no numbers: not drawn")
    return CustomChart(kind, own, fields, str(title or ""), notes)


def _strange(table: Table, name: str, role: str) -> int:
    """Count cells that cannot be placed on an axis of numbers."""
    if table.column_kind(name) in ("number", "boolean", "timestamp"):
        return 0
    if role == "x" and table.column_kind(name) == "string":
        return 0
    values = table.get_column(name)
    return sum(not isinstance(v, (int, float, type(None))) for v in values)


def line_series(
    xs: Any,
    ys: Any,
    keys: Sequence[str] | None = None,
    title: str = "",
    xname: str = "x",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw several lines in one chart.

    Parameters
    ----------
    xs
        The x values: one list for all lines, or a list of lists.
    ys
        A list of y values for each line.
    keys
        Their names in the legend; by default ``line_0``, ``line_1``, …

    Raises
    ------
    MediaError
        Their numbers or lengths differ.

    Examples
    --------
    >>> chart = line_series([0, 1, 2], [[1, 2, 3], [3, 2, 1]], keys=["up", "down"])
    >>> chart.table.columns
    ['step', 'lineKey', 'lineVal']
    """
    lines_y = [_listed(one, "ys") for one in _listed(ys, "ys")]
    lines_x = _listed(xs, "xs")
    if lines_x and hasattr(lines_x[0], "__len__") and not isinstance(lines_x[0], str):
        lines_x = [_listed(one, "xs") for one in lines_x]
    else:
        lines_x = [lines_x] * len(lines_y)
    if len(lines_x) != len(lines_y):
        msg = f"line_series(): {len(lines_x)} lists of xs and {len(lines_y)} of ys."
        raise MediaError(msg)
    if isinstance(keys, str) or (keys is not None and len(keys) != len(lines_y)):
        msg = f"line_series(): keys is a list of {len(lines_y)} names, not {keys!r}."
        raise MediaError(msg)
    names = [f"line_{n}" for n in range(len(lines_y))] if keys is None else keys
    table = Table(columns=["step", "lineKey", "lineVal"], allow_mixed_types=True)
    for name, line_x, line_y in zip(names, lines_x, lines_y, strict=True):
        if len(line_x) != len(line_y):
            msg = f"line_series(): {name!r} has {len(line_x)} xs and {len(line_y)} ys."
            raise MediaError(msg)
        for one_x, one_y in zip(line_x, line_y, strict=True):
            table.add_data(one_x, str(name), one_y)
    fields = {"x": "step", "stroke": "lineKey", "y": "lineVal"}
    return CustomChart(
        "line_series", table, fields, str(title or ""), xname=str(xname or "x")
    )


def _listed(value: Any, what: str) -> list[Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        msg = f"line_series(): {what} holds lists of numbers, not {value!r:.80}."
        raise MediaTypeError(msg)
    return list(value)


# --- of classifiers ------------------------------------------------------------------


def roc_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    title: str | None = "ROC curve",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw true over false positive rates, a curve for each class against the rest.

    Parameters
    ----------
    y_true
        Labels: numbers of columns of ``y_probas``, or texts.
    y_probas
        Scores, a column for each class; of two classes the second's alone will do.
    labels
        Names of the classes.
    classes_to_plot
        Some of them, by number or name.

    Raises
    ------
    MediaError
        They do not fit together.
    """
    from nbtrack._media import scores

    notes: list[str] = []
    given = scores.checked(
        "roc_curve()", y_true, y_probas, labels, classes_to_plot, notes.append
    )
    curves = scores.curves(given, scores.roc, notes.append, needs_negatives=True)
    table = _curve_table(("class", "fpr", "tpr"), curves)
    fields = {"stroke": "class", "x": "fpr", "y": "tpr"}
    return CustomChart("roc_curve", table, fields, title or "ROC curve", notes)


def pr_curve(
    y_true: Any = None,
    y_probas: Any = None,
    labels: Sequence[str] | None = None,
    classes_to_plot: Sequence[Any] | None = None,
    interp_size: int | None = None,
    title: str | None = "Precision-Recall curve",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw precision over recall, a curve for each class against the rest.

    Parameters
    ----------
    interp_size
        So many points at equal recalls, each with the best precision that is had there
        or beyond (W&B's default is 21). By default every threshold is kept.

    See ``roc_curve`` for the other parameters.
    """
    from nbtrack._media import scores

    if interp_size is not None and interp_size < 2:  # noqa: PLR2004
        msg = f"pr_curve(): interp_size={interp_size!r} is to be 2 or more."
        raise MediaError(msg)
    notes: list[str] = []
    given = scores.checked(
        "pr_curve()", y_true, y_probas, labels, classes_to_plot, notes.append
    )

    def curve(true: Any, score: Any) -> tuple[Any, Any]:
        precision, recall = scores.precision_recall(true, score)
        if interp_size is not None:
            precision, recall = scores.thinned(precision, recall, interp_size)
        return recall, precision

    curves = scores.curves(given, curve, notes.append, needs_negatives=False)
    table = _curve_table(("class", "recall", "precision"), curves)
    fields = {"stroke": "class", "x": "recall", "y": "precision"}
    title = title or "Precision-Recall curve"
    return CustomChart("pr_curve", table, fields, title, notes)


def _curve_table(columns: tuple[str, str, str], curves: Sequence[Any]) -> Table:
    import pandas as pd

    frames = [
        pd.DataFrame({columns[0]: one.name, columns[1]: one.x, columns[2]: one.y})
        for one in curves
    ]
    if not frames:
        return Table(columns=list(columns))
    return Table(dataframe=pd.concat(frames, ignore_index=True))


def confusion_matrix(
    probs: Any = None,
    y_true: Any = None,
    preds: Any = None,
    class_names: Sequence[str] | None = None,
    title: str | None = "Confusion matrix",
    split_table: bool = False,  # noqa: FBT002, ARG001
) -> CustomChart:
    """Draw how often each class was taken for each.

    Parameters
    ----------
    probs
        Scores, a column for each class: the highest is what is predicted.
    preds
        Or the predictions themselves.
    y_true
        Labels, numbers that count from 0, or texts.
    class_names
        Names of the classes.

    Raises
    ------
    MediaError
        They do not fit together.
    """
    from nbtrack._media import scores

    names, counts = scores.confusion(probs, y_true, preds, class_names)
    table = Table(columns=["Actual", "Predicted", "nPredictions"])
    for actual, row in zip(names, counts.tolist(), strict=True):
        for predicted, count in zip(names, row, strict=True):
            table.add_data(actual, predicted, count)
    fields = {"actual": "Actual", "predicted": "Predicted", "value": "nPredictions"}
    title = title or "Confusion matrix"
    return CustomChart("confusion_matrix", table, fields, title)


# --- tables as drawings --------------------------------------------------------------


def _drawing(kind: str, table: Table, about: dict[str, Any]) -> Drawing:
    fields = {role: str(name) for role, name in about["fields"].items()}
    title = str(about["title"])
    return _DRAWERS[kind](table, fields, title, about)


def _numbers(table: Table, name: str) -> tuple[float, ...]:
    """Give cells as numbers; what is none is a gap."""
    return tuple(v if type(v) is float else _number(v) for v in table.get_column(name))


def _number(value: Any) -> float:
    if hasattr(value, "timestamp"):
        return float(value.timestamp())
    if type(value) is int and abs(value) < _EXACT:
        return value
    try:
        is_number = not isinstance(value, (str, bytes)) and value is not None
        return float(value) if is_number else math.nan
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _xs(table: Table, name: str) -> tuple[Any, ...]:
    return _numbers(table, name)


def _split(
    table: Table, fields: dict[str, str], x: tuple[Any, ...], y: tuple[float, ...]
) -> tuple[Series, ...]:
    """Give a series for each value of the column that splits."""
    if "stroke" not in fields:
        return (Series(fields["y"], x, y),)
    groups: dict[str, list[int]] = {}
    for at, name in enumerate(table.get_column(fields["stroke"])):
        groups.setdefault(str(name), []).append(at)
    return tuple(
        Series(name, tuple(x[i] for i in places), tuple(y[i] for i in places))
        for name, places in list(groups.items())[:_MOST_SERIES]
    )


def _lines(
    table: Table, fields: dict[str, str], title: str, about: dict[str, Any]
) -> Drawing:
    x, y = _xs(table, fields["x"]), _numbers(table, fields["y"])
    kind: Kind = "points" if about["kind"] == "scatter" else "lines"
    is_square = about["kind"] in ("roc_curve", "pr_curve")
    named = about["kind"] == "line_series"
    x_title = str(about.get("xname", "x")) if named else fields["x"]
    y_title = "" if named else fields["y"]
    if is_square:  # the table has W&B's names; a reader has words
        x_title, y_title = (_WORDS.get(one, one) for one in (x_title, y_title))
    return Drawing(
        kind,
        title,
        x_title,
        y_title,
        _split(table, fields, x, y),
        is_square=is_square,
        diagonal=about["kind"] == "roc_curve",
    )


def _bars(
    table: Table, fields: dict[str, str], title: str, _: dict[str, Any]
) -> Drawing:
    labels = tuple(str(v) for v in table.get_column(fields["label"]))[:_MOST_BARS]
    values = _numbers(table, fields["value"])[:_MOST_BARS]
    series = Series(fields["value"], labels, values)
    return Drawing("bars", title, fields["label"], fields["value"], (series,))


def _histogram(
    table: Table, fields: dict[str, str], title: str, _: dict[str, Any]
) -> Drawing:
    import numpy as np

    values = np.array(_numbers(table, fields["value"]), dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Drawing("bars", title, fields["value"], "count", ())
    labels, counts = _binned(values)
    series = Series("count", labels, counts)
    return Drawing("bars", title, fields["value"], "count", (series,))


def _binned(values: Any) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Give the middles of equal bins as text, and how many values each has."""
    import numpy as np

    low, high = float(values.min()), float(values.max())
    spread = high / 2 - low / 2  # half of it: all of it may be infinite
    try:
        bins = min(_BINS, max(1, len(np.unique(values[:10_000]))))
        counts, edges = np.histogram(values / 2, bins=bins, range=(low / 2, high / 2))
    except ValueError:  # too near to each other for bins between them
        spread = 0.0
    if not spread:
        found, counts = np.unique(values, return_counts=True)
        return tuple(f"{v:g}" for v in found[:_BINS]), tuple(counts[:_BINS].tolist())
    middles = edges[:-1] + edges[1:]
    # As few digits as tell one bin from the next.
    step = spread / bins
    digits = [2 + int(math.log10(max(abs(m) / step, 1))) for m in middles.tolist()]
    labels = (f"{m:.{d}g}" for m, d in zip(middles.tolist(), digits, strict=True))
    return tuple(labels), tuple(counts.tolist())


def _matrix(
    table: Table, fields: dict[str, str], title: str, _: dict[str, Any]
) -> Drawing:
    actual = [str(v) for v in table.get_column(fields["actual"])]
    predicted = [str(v) for v in table.get_column(fields["predicted"])]
    values = _numbers(table, fields["value"])
    columns = tuple(dict.fromkeys(predicted))
    rows: dict[str, dict[str, float]] = {}
    for row, column, value in zip(actual, predicted, values, strict=True):
        rows.setdefault(row, {})[column] = value
    series = tuple(
        Series(name, columns, tuple(cells.get(c, 0) for c in columns))
        for name, cells in rows.items()
    )
    return Drawing("matrix", title, "predicted", "actual", series)


_WORDS: Final = {
    "fpr": "False positive rate",
    "tpr": "True positive rate",
    "recall": "Recall",
    "precision": "Precision",
}
_DRAWERS: Final[dict[str, Callable[..., Drawing]]] = {
    "line": _lines,
    "line_series": _lines,
    "scatter": _lines,
    "roc_curve": _lines,
    "pr_curve": _lines,
    "bar": _bars,
    "histogram": _histogram,
    "confusion_matrix": _matrix,
}
