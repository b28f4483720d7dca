"""``nbtrack.runs`` and ``nbtrack.compare``: many runs, shown where one is working.

What they give is a value that shows itself in a cell and can be asked for frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbtrack._config import flatten
from nbtrack._read.api import Api
from nbtrack._read.stored import StoredRun
from nbtrack.errors import RunNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from nbtrack._read.api import Runs
    from nbtrack._record.metrics import Rules
    from nbtrack._view.comparison import ComparedRun
    from nbtrack._view.runs_table import RunRow

_MOST_COMPARED = 8  # more curves in one chart cannot be told apart
_STATISTICS = frozenset(("last", "min", "max", "mean", "best", "first"))


class RunTable:
    """Runs as a table under the cell, newest first."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    def to_frame(self) -> pd.DataFrame:
        """Give the table as a pandas frame."""
        return self.runs.to_frame()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from nbtrack._view.runs_table import MAX_ROWS, runs_bundle

        # Of ten thousand runs only those that are shown are read in full.
        rows = [_row(run) for run in self.runs[:MAX_ROWS]]
        damaged = [f"{path}: {why}" for path, why in self.runs.damaged.items()]
        return runs_bundle(rows, damaged, total=len(self.runs))

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]


class Comparison:
    """Several runs side by side: curves, config, summary, and code cell by cell."""

    def __init__(self, runs: list[StoredRun], left_out: int = 0) -> None:
        self.runs = runs
        self._left_out = left_out

    @cached_property
    def _compared(self) -> list[ComparedRun]:
        return [_compared(run) for run in self.runs]

    @property
    def config(self) -> pd.DataFrame:
        """The config keys as rows, the runs as columns, and whether they differ."""
        import pandas as pd

        from nbtrack._compare.config import diff_config

        rows = diff_config([run.config for run in self.runs])
        return pd.DataFrame(
            [[*row.values, row.differs] for row in rows],  # noqa: PD011
            index=[row.key for row in rows],
            columns=[*(run.name for run in self.runs), "differs"],
        )

    def figure(self, key: str) -> Any:  # plotly.graph_objects.Figure
        """Give one metric of all runs as an interactive Plotly figure."""
        import plotly.graph_objects as go

        from nbtrack._draw.spec import PALETTE

        figure = go.Figure(layout={"title": {"text": key}, "hovermode": "x unified"})
        for at, run in enumerate(self._compared):
            x, y = run.curves.get(key, ((), ()))
            color = PALETTE[at % len(PALETTE)]
            figure.add_scatter(x=x, y=y, name=run.name, line={"color": color})
        return figure

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from nbtrack._view.comparison import comparison_bundle

        return comparison_bundle(
            self._compared, goals=self._goals(), left_out=self._left_out
        )

    def _goals(self) -> dict[str, Any]:
        """Say for each summary value which way is better, where a run said so."""
        goals = {}
        for run, compared in zip(self.runs, self._compared, strict=True):
            rules = run.rules
            for key in compared.summary:
                metric = key if key in compared.curves else key.rpartition(".")[0]
                if (goal := rules.resolve(metric).goal) is not None:
                    goals[key] = goal
        return goals

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]


def runs(
    project: str | None = None,
    filters: Mapping[str, Any] | None = None,
    order: str = "-created_at",
    root: str | Path | None = None,
) -> RunTable:
    """Show the runs of a project (or of all) as a table, newest first.

    Raises
    ------
    RunNotFoundError
        There is no such project.
    """
    return RunTable(Api(root).runs(project, filters, order))


def compare(*what: Any, root: str | Path | None = None) -> Comparison:
    """Show runs side by side: overlaid curves, config, summary, code cell by cell.

    Parameters
    ----------
    *what
        A project (its eight newest runs), or runs: paths such as "digits/ab12cd34",
        ``Run`` objects of this notebook, runs that ``Api`` gave, or lists of these.

    Raises
    ------
    RunNotFoundError
        A path leads nowhere, or nothing was named.
    """
    api = Api(root)
    runs = list(dict.fromkeys(_each(api, what)))
    if not runs:
        raise RunNotFoundError("", api.root, api.projects())
    runs.sort(key=lambda run: run.started_at)
    return Comparison(runs[-_MOST_COMPARED:], max(0, len(runs) - _MOST_COMPARED))


def _each(api: Api, what: Iterable[Any]) -> Iterable[StoredRun]:
    for one in what:
        if isinstance(one, StoredRun):
            yield one
        elif isinstance(one, str):
            yield from _named(api, one)
        elif hasattr(one, "dir") and hasattr(one, "log"):  # a Run being recorded
            yield from _of_directory(one)
        else:
            yield from _each(api, getattr(one, "runs", one))


def _named(api: Api, path: str) -> Iterable[StoredRun]:
    try:
        yield api.run(path)
    except RunNotFoundError:
        yield from api.runs(path)


def _of_directory(run: Any) -> Iterable[StoredRun]:  # a Run
    from pathlib import Path

    from nbtrack._store.rundir import RunDir

    yield StoredRun(RunDir(Path(run.dir)))


def _row(run: StoredRun) -> RunRow:
    from nbtrack._view.runs_table import RunRow

    rules = run.rules
    summary = flatten(_without_media(run.summary))
    goals = {key for key in summary if _goal_of(rules, key) is not None}
    return RunRow(
        name=run.name,
        run_id=run.id,
        project=run.project,
        state=run.state,
        created_at=run.started_at,
        duration_s=run.duration_s,
        tags=tuple(run.tags),
        notes=run.notes,
        config=flatten(run.config),
        summary=summary,
        goals=frozenset(goals),
    )


def _goal_of(rules: Rules, key: str) -> str | None:
    """Give the goal that a value of the summary is held to: "acc", or "acc.best"."""
    metric, _, statistic = key.rpartition(".")
    if metric and statistic in _STATISTICS:
        return rules.resolve(metric).goal
    return rules.resolve(key).goal


def _without_media(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is shown as a picture: its file's name and hash say nothing."""
    from nbtrack._media.base import HOMES

    def is_media(value: Any) -> bool:
        if isinstance(value, list) and value:
            value = value[0]
        return isinstance(value, Mapping) and value.get("_type") in HOMES

    return {key: value for key, value in summary.items() if not is_media(value)}


def _last_object(column: pd.Series[Any]) -> Any:
    """Give the last media of a history's column, or gallery of it; None without."""
    from nbtrack._media.base import Media

    if column.dtype.kind != "O":
        return None
    for value in reversed(column.dropna().tolist()):
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, Media):
            return value
    return None


def _compared(run: StoredRun) -> ComparedRun:
    from nbtrack._view.comparison import ComparedRun

    frame = run.history()
    rules = run.rules
    curves, x_titles, objects = {}, {}, {}
    for key in frame.columns[3:]:
        if (found := _last_object(frame[key])) is not None:
            objects[key] = found
        if rules.hidden(key) or frame[key].dtype.kind not in "fiub":
            continue
        axis = rules.step_metric(key) or "_step"
        axis = axis if axis in frame.columns else "_step"
        drawn = frame[frame[key].notna()]
        curves[key] = (drawn[axis].tolist(), drawn[key].tolist())
        x_titles[key] = axis.removeprefix("_")
    return ComparedRun(
        name=run.name,
        run_id=run.id,
        state=run.state,
        config=run.config,
        summary=flatten(_without_media(run.summary)),
        curves=curves,
        x_titles=x_titles,
        objects=objects,
        # A cell that only another run was open in is that run's, not this one's.
        cells=[c.source for c in run.cells if not c.runs or run.id in c.runs],
    )
