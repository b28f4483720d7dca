"""A run's history as a pandas frame, or as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from nbtrack._store.columns import column_values, concat, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from nbtrack._record.metrics import Rules
    from nbtrack._store.columns import Metric
    from nbtrack._store.parts import History


#: The label of rows of the writer that began the run, where others wrote it as well.
MAIN: Final = "main"


def history_frame(
    history: History, rules: Rules, keys: Sequence[str] | None = None
) -> pd.DataFrame:
    """Give one row per step and writer, in order of steps.

    Columns: ``_step`` (int), ``_runtime`` (seconds), ``_timestamp`` (Unix seconds),
    where several wrote the run ``_label``, then the metrics in order of first
    appearance. A missing value is NaN. With ``keys``, only those columns, and only
    rows that have all of them.
    """
    if keys is not None:
        history.keep(keys)
    tables = dict(history.tables())
    if not tables:
        return pd.DataFrame(columns=["_step", "_runtime", "_timestamp", *(keys or ())])
    table = concat(tables.values())
    own = _own_columns(history, tables)
    found = metrics(table.schema)
    # Assigned in one go: a frame that grows by thousands of columns is fragmented.
    columns = {metric.key: _series(table, metric) for metric in found}
    frame = pd.DataFrame(own | columns)
    has = {metric.key: _has(table, metric) for metric in found}
    if (np.diff(own["_step"]) < 0).any():
        order = np.argsort(own["_step"], kind="stable")
        frame = frame.iloc[order].reset_index(drop=True)
        has = {key: rows[order] for key, rows in has.items()}
    _synchronise(frame, rules, has)
    if keys is not None:
        nowhere = np.zeros(len(frame), dtype=bool)
        has_all = np.logical_and.reduce([has.get(key, nowhere) for key in keys])
        frame = frame[has_all] if keys else frame
        frame = frame.reindex(columns=[*own, *keys]).reset_index(drop=True)
    return frame


def _has(table: pa.Table, metric: Metric) -> NDArray[np.bool_]:
    """Say which rows have a key; a logged NaN or None is there."""
    has: NDArray[np.bool_] = table.column(metric.number).is_valid().to_numpy()
    if metric.text is not None:
        has = has | table.column(metric.text).is_valid().to_numpy()
    return has


def _own_columns(
    history: History, tables: dict[str, pa.Table]
) -> dict[str, NDArray[Any]]:
    steps, runtimes, origins, labels = [], [], [], []
    for writer, table in tables.items():
        opening = history.openings.get(writer, {})
        steps.append(table.column("_step").to_numpy())
        runtimes.append(table.column("_us").to_numpy() / 1e6)
        origins.append(np.full(len(table), opening.get("t0", np.nan)))
        labels.append(opening.get("label"))
    runtime = np.concatenate(runtimes)
    own = {
        "_step": np.concatenate(steps),
        "_runtime": runtime,
        "_timestamp": np.concatenate(origins) + runtime,
    }
    if any(labels):
        sizes = [len(table) for table in tables.values()]
        named = np.array([label or MAIN for label in labels], dtype=object)
        own["_label"] = np.repeat(named, sizes)
    return own


def _series(table: pa.Table, metric: Metric) -> Any:
    """Give a column as what was logged: doubles where it can, else objects."""
    column = table.column(metric.number)
    if metric.text is None or table.column(metric.text).null_count == len(table):
        numbers = column.to_numpy()
        if metric.kind != "float" and column.null_count == 0:
            return numbers.astype("int64" if metric.kind == "int" else bool)
        if metric.kind != "bool":
            return numbers
    values = column_values(table, metric)
    listed = np.full(len(table), None, dtype=object)
    for row, value in zip(values.rows.tolist(), values.exactly(), strict=True):
        listed[row] = value
    series = pd.Series(listed, dtype=object)
    is_text = all(value is None or isinstance(value, str) for value in listed)
    is_bool = metric.kind == "bool" and metric.text is None
    if not is_text and not is_bool:
        return series  # pandas would make doubles of exact integers
    try:
        return series.infer_objects() if is_text and column.null_count else series
    except UnicodeEncodeError:  # lone surrogates, which no string column can hold
        return series


def _synchronise(
    frame: pd.DataFrame, rules: Rules, has: dict[str, NDArray[np.bool_]]
) -> None:
    """Give rows without the step metric of a metric of theirs its last value.

    ``has`` says which rows have a key; a logged NaN or None is there.
    """
    for key, has_key in has.items():
        axis = rules.step_metric(key)
        if axis is None or axis not in has or not rules.is_synced(key):
            continue
        latest = np.maximum.accumulate(np.where(has[axis], np.arange(len(frame)), -1))
        lacks = has_key & ~has[axis] & (latest >= 0)
        if lacks.any():
            values = frame[axis].to_numpy(copy=True)
            values[lacks] = values[latest[lacks]]
            frame[axis] = values


def history_rows(history: History) -> Iterator[dict[str, Any]]:
    """Give every row as a mapping of what was logged in it, exactly."""
    is_labelled = any(o.get("label") for o in history.openings.values())
    for record in history.rows():
        opening = history.openings.get(record.writer, {})
        runtime = record.us / 1e6
        told = {
            "_step": record.step,
            "_runtime": runtime,
            "_timestamp": opening.get("t0", float("nan")) + runtime,
        }
        if is_labelled:
            told["_label"] = opening.get("label") or MAIN
        yield told | record.data


def config_cell(value: object) -> object:
    """Give a config value as a cell of a frame: nested ones as JSON text."""
    return json.dumps(value) if isinstance(value, (dict, list)) else value
