"""A run's history as a pandas frame, or as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nbtrack._store.columns import MISSING, OWN, concat, metrics, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from nbtrack._record.metrics import Rules
    from nbtrack._store.columns import Metric
    from nbtrack._store.parts import History


def history_frame(
    history: History, rules: Rules, keys: Sequence[str] | None = None
) -> pd.DataFrame:
    """Give one row per step, by writer and step.

    Columns: ``_step`` (int), ``_runtime`` (seconds), ``_timestamp`` (Unix seconds),
    then the metrics in order of first appearance. A missing value is NaN. With
    ``keys``, only those columns, and only rows that have all of them.
    """
    if not history.pieces:
        return pd.DataFrame(columns=["_step", "_runtime", "_timestamp", *(keys or ())])
    table = concat([table for _, table in history.pieces])
    frame = _own_columns(history, table)
    found = metrics(table.schema)
    # Assigned in one go: a frame that grows by thousands of columns is fragmented.
    columns = {metric.key: _series(table, metric) for metric in found}
    frame = pd.concat([frame, pd.DataFrame(columns)], axis=1)
    frame = _merge_repeated(frame, [writer for writer, _ in history.pieces])
    _synchronise(frame, rules, list(columns))
    if keys is not None:
        frame = frame[_has_all(table, keys, frame)]
        frame = frame.reindex(columns=[*frame.columns[:3], *keys])
    return frame.reset_index(drop=True)


def _has_all(table: pa.Table, keys: Sequence[str], frame: pd.DataFrame) -> Any:
    """Say which rows have every one of the keys; a logged NaN or None is there."""
    known = {metric.key: metric for metric in metrics(table.schema)}
    has = np.full(len(frame), all(key in known for key in keys))
    if len(frame) != len(table):  # rows were merged, and may have lost their nulls
        return has & frame[[key for key in keys if key in known]].notna().all(axis=1)
    for key in keys:
        if key in known:
            columns = [known[key].number, known[key].text]
            is_there = [table.column(c).is_valid().to_numpy() for c in columns if c]
            has &= np.logical_or.reduce(is_there)
    return has


def _own_columns(history: History, table: pa.Table) -> pd.DataFrame:
    runtime = table.column("_us").to_numpy() / 1e6
    origins = [
        np.full(piece.num_rows, history.openings.get(writer, {}).get("t0", np.nan))
        for writer, piece in history.pieces
    ]
    return pd.DataFrame(
        {
            "_step": table.column("_step").to_numpy(),
            "_runtime": runtime,
            "_timestamp": np.concatenate(origins) + runtime,
        }
    )


def _series(table: pa.Table, metric: Metric) -> Any:
    """Give a column as what was logged: doubles where it can, else objects."""
    column = table.column(metric.number)
    if metric.text is None or table.column(metric.text).null_count == len(table):
        numbers = column.to_numpy()
        if metric.kind != "float" and column.null_count == 0:
            return numbers.astype("int64" if metric.kind == "int" else bool)
        if metric.kind != "bool":
            return numbers
    listed = [None if v is MISSING else v for v in values(table, metric)]
    series = pd.Series(listed, dtype=object)
    return series.infer_objects() if column.null_count else series


def _merge_repeated(frame: pd.DataFrame, writers: list[str]) -> pd.DataFrame:
    """Merge rows of one step that came in several pieces of one writer."""
    if len(writers) == len(set(writers)) or frame["_step"].is_unique:
        return frame
    return frame.groupby("_step", sort=True, as_index=False).last()


def _synchronise(frame: pd.DataFrame, rules: Rules, keys: list[str]) -> None:
    """Give rows without the step metric of a metric of theirs its last value."""
    for key in keys:
        axis = rules.step_metric(key)
        if axis in frame.columns and rules.is_synced(key):
            lacks = frame[axis].isna() & frame[key].notna()
            if lacks.any():
                frame.loc[lacks, axis] = frame[axis].ffill()[lacks]


def history_rows(history: History) -> Iterator[dict[str, Any]]:
    """Give every row as a mapping of what was logged in it, exactly."""
    for writer, table in history.pieces:
        origin = history.openings.get(writer, {}).get("t0", float("nan"))
        own = [table.column(name).to_pylist() for name in OWN]
        keyed = [(m.key, values(table, m)) for m in metrics(table.schema)]
        for row, (_, step, us) in enumerate(zip(*own, strict=True)):
            told = {
                "_step": step,
                "_runtime": us / 1e6,
                "_timestamp": origin + us / 1e6,
            }
            for key, column in keyed:
                if column[row] is not MISSING:
                    told[key] = column[row]
            yield told


def config_cell(value: object) -> object:
    """Give a config value as a cell of a frame: nested ones as JSON text."""
    return json.dumps(value) if isinstance(value, (dict, list)) else value
