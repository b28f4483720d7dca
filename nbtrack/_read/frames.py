"""A run's history as a pandas frame, or as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nbtrack._media.base import restored
from nbtrack._store.columns import column_values, concat, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._record.metrics import Rules
    from nbtrack._store.columns import Metric
    from nbtrack._store.parts import History


#: The label of rows of the writer that began the run, where others wrote it as well.
MAIN: Final = "main"


def history_frame(
    history: History,
    rules: Rules,
    keys: Sequence[str] | None = None,
    *,
    run_path: Path,
) -> pd.DataFrame:
    """Give one row per step and writer, in order of steps.

    Columns: ``_step`` (int), ``_runtime`` (seconds), ``_timestamp`` (Unix seconds),
    where several wrote the run ``_label``, then the metrics in order of first
    appearance. A missing value is NaN. With ``keys``, only those columns, and only
    rows that have all of them. Pictures and the like are objects again, whose files
    are read when they are used.
    """
    if keys is not None:
        history.keep(keys)
    tables = dict(history.tables())
    if not tables:
        return pd.DataFrame(columns=["_step", "_runtime", "_timestamp", *(keys or ())])
    table = concat(tables.values())
    own = _own_columns(history, tables)
    found = metrics(table.schema)
    frame = _frame(own, table, found, run_path)
    needed = {*(keys or ()), *_synchronised(found, rules)}
    has = {m.key: _has(table, m) for m in found if m.key in needed}
    steps = own["_step"].to_numpy()
    if (np.diff(steps) < 0).any():
        order = np.argsort(steps, kind="stable")
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
) -> dict[str, pa.ChunkedArray]:
    own: dict[str, list[pa.Array]] = {"_step": [], "_runtime": [], "_timestamp": []}
    labels = []
    for writer, table in tables.items():
        opening = history.openings.get(writer, {})
        runtime = pc.divide(table.column("_us").cast(pa.float64(), safe=False), 1e6)
        own["_step"] += table.column("_step").chunks
        own["_runtime"] += runtime.chunks
        own["_timestamp"] += pc.add(runtime, opening.get("t0", np.nan)).chunks
        labels.append(opening.get("label"))
    if any(labels):
        own["_label"] = [
            pa.array([label or MAIN]).take(pa.array(np.zeros(len(table), np.int64)))
            for label, table in zip(labels, tables.values(), strict=True)
        ]
    return {name: pa.chunked_array(chunks) for name, chunks in own.items()}


def _frame(
    own: dict[str, pa.ChunkedArray],
    table: pa.Table,
    found: list[Metric],
    run_path: Path,
) -> pd.DataFrame:
    """Make the frame in one go: one that grows by thousands of columns is slow."""
    plain = [column for m in found if (column := _plain(table, m)) is not None]
    if len(plain) == len(found):
        names = [*own, *(metric.key for metric in found)]
        arrays = [*own.values(), *plain]
        frame: pd.DataFrame = pa.Table.from_arrays(arrays, names).to_pandas()
        return frame
    columns = {name: column.to_pandas() for name, column in own.items()}
    for metric in found:
        column = _plain(table, metric)
        columns[metric.key] = (
            _exact_values(table, metric, run_path)
            if column is None
            else column.to_pandas()
        )
    return pd.DataFrame(columns)


def _plain(table: pa.Table, metric: Metric) -> pa.ChunkedArray | None:
    """Give a column that holds nothing but numbers, or bools; None for any other."""
    column = table.column(metric.number)
    if metric.text is not None and table.column(metric.text).null_count < len(table):
        return None
    if metric.kind == "float" or (metric.kind == "int" and column.null_count):
        return column
    if column.null_count:
        return None  # bools of which some are missing
    kind = pa.int64() if metric.kind == "int" else pa.bool_()
    return column.cast(kind, safe=False)  # integers they are


def _exact_values(table: pa.Table, metric: Metric, run_path: Path) -> pd.Series[Any]:
    """Give a column as what was logged, as objects."""
    values = column_values(table, metric)
    listed = np.full(len(table), None, dtype=object)
    for row, value in zip(values.rows.tolist(), values.exactly(), strict=True):
        listed[row] = restored(value, run_path)
    series = pd.Series(listed, dtype=object)
    if not all(value is None or isinstance(value, str) for value in listed):
        return series  # pandas would make doubles of exact integers
    try:
        return series.infer_objects()
    except UnicodeEncodeError:  # lone surrogates, which no string column can hold
        return series


def _synchronised(found: list[Metric], rules: Rules) -> Iterator[str]:
    """Name the metrics that have a step metric to keep up with, and these."""
    for metric in found:
        axis = rules.step_metric(metric.key)
        if axis is not None and rules.is_synced(metric.key):
            yield from (metric.key, axis)


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


def history_rows(
    history: History, run_path: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Give every row as a mapping of what was logged in it, exactly.

    With the run's directory, pictures and the like are objects again.
    """
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
        told |= record.data
        if run_path is not None:
            told |= {
                key: restored(value, run_path)
                for key, value in record.data.items()
                if type(value) in (dict, list)
            }
        yield told


def config_cell(value: object) -> object:
    """Give a config value as a cell of a frame: nested ones as JSON text."""
    return json.dumps(value) if isinstance(value, (dict, list)) else value
