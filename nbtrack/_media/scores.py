"""How good a classifier is, as curves and counts; scikit-learn agrees on the numbers.

Definitions: Fawcett, "An introduction to ROC analysis" (2006), for the ROC curve; the
precision-recall curve is not interpolated between thresholds, because that is too
optimistic (Davis and Goadrich, 2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nbtrack.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


class Curve(NamedTuple):
    """One class's curve."""

    name: str
    x: Numbers
    y: Numbers


class Scores(NamedTuple):
    """Labels and scores that fit together; ``places`` are columns of the scores."""

    true: NDArray[Any]  # (n,) numbers of classes
    probas: Numbers  # (n, classes)
    names: list[str]
    places: list[int]


def roc(true: NDArray[np.bool_], score: Numbers) -> tuple[Numbers, Numbers]:
    """Give false and true positive rates at every threshold that makes a corner.

    >>> x, y = roc(np.array([False, True]), np.array([0.1, 0.9]))
    >>> x.tolist(), y.tolist()
    ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    """
    wrong, right = _cumulated(true, score)
    if len(wrong) > 2:  # noqa: PLR2004  (ends; between them only where it turns)
        turns = np.logical_or(np.diff(wrong, 2), np.diff(right, 2))
        kept = np.concatenate([[True], turns, [True]])
        wrong, right = wrong[kept], right[kept]
    zero = np.zeros(1)
    wrong = np.concatenate([zero, wrong])
    right = np.concatenate([zero, right])
    return wrong / wrong[-1], right / right[-1]


def precision_recall(
    true: NDArray[np.bool_], score: Numbers
) -> tuple[Numbers, Numbers]:
    """Give precision and recall by falling recall; the last point is (1, 0).

    >>> precision, recall = precision_recall(
    ...     np.array([False, True]), np.array([0.1, 0.9])
    ... )
    >>> precision.tolist(), recall.tolist()
    ([0.5, 1.0, 1.0], [1.0, 1.0, 0.0])
    """
    wrong, right = _cumulated(true, score)
    precision = right / (wrong + right)
    recall = right / right[-1]
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0)


def _cumulated(true: NDArray[np.bool_], score: Numbers) -> tuple[Numbers, Numbers]:
    """Count wrong and right ones above each threshold, from the highest down."""
    order = np.argsort(score, kind="stable")[::-1]
    score, true = score[order], true[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    right = np.cumsum(true, dtype=np.float64)[ends]
    return 1.0 + ends - right, right


def thinned(precision: Numbers, recall: Numbers, size: int) -> tuple[Numbers, Numbers]:
    """Give the best precision that is had at equally spaced recalls or beyond."""
    best = np.maximum.accumulate(precision)  # recall falls
    wanted = np.linspace(1, 0, size)
    at = np.searchsorted(-recall, -wanted, side="right") - 1
    return best[at], wanted


def checked(
    call: str,
    y_true: Any,
    y_probas: Any,
    labels: Sequence[str] | None,
    classes: Sequence[Any] | None,
    note: Callable[[str], None],
) -> Scores:
    """Bring labels and scores together.

    Raises
    ------
    MediaError
        They do not fit, or there are none.
    """
    if y_true is None or y_probas is None:
        msg = f"{call} needs y_true and y_probas."
        raise MediaError(msg)
    true = np.asarray(_fetched(y_true)).reshape(-1)
    try:
        probas = np.asarray(_fetched(y_probas), dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{call}: y_probas is to hold numbers ({error})."
        raise MediaError(msg) from error
    if probas.ndim == 1:
        probas = np.column_stack([1 - probas, probas])
        plotted = [1]
    else:
        plotted = list(range(probas.shape[-1]))
    if probas.ndim != 2 or len(probas) != len(true):  # noqa: PLR2004
        shape = " by ".join(map(str, np.shape(y_probas)))
        msg = (
            f"{call}: {len(true)} labels and scores of shape {shape}; give one row of "
            "scores for each label, one column for each class."
        )
        raise MediaError(msg)
    true, probas = _without_gaps(true, probas, note)
    numbers, known = _numbered(call, true, probas.shape[1], labels)
    names = [str(name) for name in (labels if labels is not None else known)]
    if len(names) < probas.shape[1]:
        msg = f"{call}: {len(names)} labels for {probas.shape[1]} columns of scores."
        raise MediaError(msg)
    if classes is not None:
        plotted = _chosen(call, classes, names, known)
    return Scores(numbers, probas, names, plotted)


def _fetched(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _without_gaps(
    true: NDArray[Any], probas: Numbers, note: Callable[[str], None]
) -> tuple[NDArray[Any], Numbers]:
    fine = np.isfinite(probas).all(axis=1)
    if true.dtype.kind == "f":
        fine &= np.isfinite(true)
    elif true.dtype.kind == "O":
        fine &= np.array([label is not None for label in true], dtype=bool)
    lost = len(true) - int(fine.sum())
    if lost:
        note(f"{lost:,} of {len(true):,} rows have no finite score or no label")
    return true[fine], probas[fine]


def _numbered(
    call: str, true: NDArray[Any], width: int, labels: Sequence[str] | None
) -> tuple[NDArray[Any], list[Any]]:
    """Give labels as numbers of columns, and what each column stands for."""
    if true.dtype.kind == "b" or (
        true.dtype.kind == "f" and len(true) and (true == np.floor(true)).all()
    ):
        true = true.astype(np.int64)
    if true.dtype.kind in "iu" or not len(true):
        if len(true) and not (true.min() >= 0 and true.max() < width):
            found = int(true.min()) if true.min() < 0 else int(true.max())
            msg = (
                f"{call}: label {found} has no column among {width}; whole numbers "
                f"are numbers of columns, 0 to {width - 1}."
            )
            raise MediaError(msg)
        return true.astype(np.int64), list(range(width))
    texts = [str(label) for label in true.tolist()]
    known = [str(name) for name in labels] if labels is not None else sorted({*texts})
    if len(known) != width or not {*texts} <= {*known}:
        strange = sorted({*texts} - {*known})
        says = (
            f"label {strange[0]!r} is not among labels="
            if strange
            else (
                f"{len(known)} different labels for {width} columns of scores; name "
                "them in the columns' order, labels=[…]"
            )
        )
        msg = f"{call}: {says}."
        raise MediaError(msg)
    places = {name: at for at, name in enumerate(known)}
    return np.array([places[text] for text in texts], dtype=np.int64), list(known)


def _chosen(
    call: str, classes: Sequence[Any], names: list[str], known: list[Any]
) -> list[int]:
    found = []
    for wanted in classes:
        if wanted in known:
            found.append(known.index(wanted))
        elif str(wanted) in names:
            found.append(names.index(str(wanted)))
        else:
            msg = f"{call}: classes_to_plot has {wanted!r}, which is none of {names}."
            raise MediaError(msg)
    return found


def curves(
    scores: Scores,
    kind: Callable[[NDArray[np.bool_], Numbers], tuple[Numbers, Numbers]],
    note: Callable[[str], None],
    *,
    needs_negatives: bool,
) -> list[Curve]:
    """Give a curve for each class that has one."""
    found = []
    for place in scores.places:
        true = scores.true == place
        name = scores.names[place]
        if not true.any():
            note(f"class {name!r} is left out: none of the labels is of it")
        elif needs_negatives and true.all():
            note(f"class {name!r} is left out: all of the labels are of it")
        else:
            found.append(Curve(name, *kind(true, scores.probas[:, place])))
    return found


class Counts(NamedTuple):
    """How often each class was taken for each: ``counts[actual, predicted]``."""

    names: list[str]
    counts: NDArray[np.int64]


def confusion(
    probs: Any,
    y_true: Any,
    preds: Any,
    class_names: Sequence[str] | None,
) -> Counts:
    """Count what was taken for what.

    Raises
    ------
    MediaError
        Lengths differ, or a label is none of the classes.
    """
    call = "confusion_matrix()"
    if (probs is None) == (preds is None):
        msg = f"{call} takes one of probs= and preds=, and y_true=."
        raise MediaError(msg)
    if y_true is None:
        msg = f"{call} needs y_true."
        raise MediaError(msg)
    if probs is not None:
        array = np.asarray(_fetched(probs), dtype=np.float64)
        if array.ndim != 2 or not array.shape[1]:  # noqa: PLR2004
            msg = (
                f"{call}: probs has one row for each label, one column for each class."
            )
            raise MediaError(msg)
        if np.isnan(array).any():
            rows = int(np.isnan(array).any(axis=1).sum())
            msg = f"{call}: {rows:,} rows of probs have NaN, so no class is theirs."
            raise MediaError(msg)
        preds = array.argmax(axis=1)
        if class_names is None:
            class_names = [str(n) for n in range(array.shape[1])]
    true = np.asarray(_fetched(y_true)).reshape(-1)
    said = np.asarray(_fetched(preds)).reshape(-1)
    if len(true) != len(said):
        msg = f"{call}: {len(true)} labels and {len(said)} predictions; give as many."
        raise MediaError(msg)
    names, places = _classes(call, true, said, class_names)
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    pairs = (_placed(places, true), _placed(places, said))
    np.add.at(counts, pairs, 1)
    return Counts(names, counts)


def _placed(places: dict[Any, int], labels: NDArray[Any]) -> NDArray[np.int64]:
    return np.array([places[label] for label in _plain(labels)], dtype=np.int64)


def _plain(labels: NDArray[Any]) -> list[Any]:
    """Give labels as they are told apart: whole numbers, or texts."""
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind in "iub":
        return [int(label) for label in labels]
    return [str(label) for label in labels.tolist()]


def _classes(
    call: str,
    true: NDArray[Any],
    said: NDArray[Any],
    class_names: Sequence[str] | None,
) -> tuple[list[str], dict[Any, int]]:
    seen = {*_plain(true), *_plain(said)}
    if len({type(label) for label in seen}) > 1:
        msg = f"{call}: labels are numbers and predictions text, or the reverse."
        raise MediaError(msg)
    if class_names is None:
        ordered = sorted(seen)
        return [str(one) for one in ordered], {one: i for i, one in enumerate(ordered)}
    names = [str(name) for name in class_names]
    if len({*names}) != len(names):
        msg = f"{call}: class_names has a name twice."
        raise MediaError(msg)
    by_name = all(isinstance(label, str) for label in seen) and bool(seen)
    places: dict[Any, int] = {
        (name if by_name else at): at for at, name in enumerate(names)
    }
    strange = sorted(seen - places.keys())
    if strange:
        msg = (
            f"{call}: label {strange[0]!r} is none of the {len(names)} classes "
            f"({', '.join(names[:12])}); numbers count from 0."
        )
        raise MediaError(msg)
    return names, places
