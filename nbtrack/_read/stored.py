"""One run on disk, whoever wrote it and whether or not it has ended."""

from __future__ import annotations

import copy
import time
from datetime import datetime, timezone
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from nbtrack._about import Described, as_tags
from nbtrack._capture.cells import Cell, read_cells
from nbtrack._capture.reading import Captured
from nbtrack._config import flatten
from nbtrack._exports import Exports
from nbtrack._names import shown
from nbtrack._read.tidying import tidy_later
from nbtrack._record.metrics import Rules
from nbtrack._store.alive import state_of
from nbtrack._store.rundir import FORMAT
from nbtrack._tables import LoggedTables
from nbtrack.errors import NbtrackError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from nbtrack._draw.spec import Card
    from nbtrack._read.editing import StoredSummary
    from nbtrack._record.fold import Summary
    from nbtrack._store.parts import History
    from nbtrack._store.rundir import RunDir
    from nbtrack._view.board import Board


class StoredRun(Described, Exports, Captured, LoggedTables):
    """A run as ``nbtrack.Api`` gives it.

    What is small is read when the run is made; the history when it is asked for, each
    time anew, so that a running run shows its latest rows.

    Raises
    ------
    StorageError, FormatError
        ``run.json`` cannot be read.
    """

    def __init__(self, directory: RunDir) -> None:
        self._directory = directory
        self._document = _checked(directory)
        #: What of the run could not be read, a line each.
        self.damage: list[str] = []
        self._document["state"] = state_of(directory, self._document)
        self._saved = copy.deepcopy(self._edited())

    # -- what describes the run --------------------------------------------------

    def _edit(self, field: str, value: object) -> None:
        """Set a member of run.json, for ``update`` to save."""
        self._document[field] = value

    @property
    def user(self) -> str:
        """Who ran it."""
        return self.entity

    @property
    def state(self) -> str:
        """running, finished, failed, killed, or crashed: its writer vanished."""
        return str(self._document["state"])

    @property
    def metadata(self) -> dict[str, Any]:
        """All of run.json."""
        return dict(self._document)

    @property
    def read_only(self) -> bool:
        """Whether it cannot be edited here, because its writer lives."""
        return self.state == "running"

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        tags: list[str] = self._document["tags"]
        return tags

    @tags.setter
    def tags(self, value: str | Iterable[str] | None) -> None:
        self._edit("tags", as_tags(value))

    @property
    def path(self) -> list[str]:
        """Entity, project, id."""
        return [self.entity, self.project, self.id]

    @property
    def created_at(self) -> str:
        """When it began: ISO 8601, UTC."""
        moment = datetime.fromtimestamp(self.started_at, tz=timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def started_at(self) -> float:
        """When it began, in Unix seconds."""
        return float(self._document.get("created", 0))

    @property
    def duration_s(self) -> float | None:
        """How long it ran; None while unknown."""
        known = self._document.get("runtime_s")
        return None if known is None else float(known)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its hyperparameters, nested. ``update`` saves what is changed in it."""
        return copy.deepcopy(self._saved_config)

    @cached_property
    def _saved_config(self) -> dict[str, Any]:
        try:
            return self._directory.read("config.json")
        except StorageError as error:
            self.damage.append(str(error))
            return {}

    @property
    def summary(self) -> StoredSummary:
        """One value per metric, folded anew from the journal while it runs.

        What is set in it is saved at once, unless the run is being written.
        """
        from nbtrack._read.editing import StoredSummary, SummaryEditor

        shown = self._read_summary()
        return StoredSummary(shown, SummaryEditor(self._directory, shown))

    def _read_summary(self) -> dict[str, Any]:
        if self.state in ("finished", "failed", "killed"):
            try:
                return self._directory.read("summary.json")
            except StorageError:
                pass  # its writer had no time; the journal knows as much
        history = self._read()
        return _folded(history).as_dict()

    @property
    def history_keys(self) -> list[str]:
        """The metrics that were logged, in order of first appearance."""
        return self._read().keys()

    @property
    def cells(self) -> list[Cell]:
        """The cells that were executed, in order."""
        return read_cells(self._directory.code / "cells.jsonl")

    @property
    def rules(self) -> Rules:
        """What ``define_metric`` said."""
        return _rules(self._read(keys=()))

    # -- editing -----------------------------------------------------------------

    def _edited(self) -> dict[str, Any]:
        return {name: self._document.get(name) for name in _EDITABLE}

    def update(self) -> None:
        """Save what was changed of name, tags, notes, group and config.

        Raises
        ------
        RunActiveError
            Somebody is writing the run.
        StorageError
            Its directory cannot be written to.
        """
        from nbtrack._read.editing import check_ended, save_about, save_config

        check_ended(self._directory)
        save_about(self._directory, self._saved, self._edited())
        self._saved = copy.deepcopy(self._edited())
        if "config" in self.__dict__:  # it was looked at
            save_config(self._directory, self._saved_config, self.config)
            del self.config, self._saved_config

    def array(self, value: Mapping[str, Any] | str) -> NDArray[Any]:
        """Give the array behind a value of the history or of the summary.

        Parameters
        ----------
        value
            What the history or the summary shows of it, or its path.

        Raises
        ------
        StorageError
            It was not stored, or cannot be read.
        """
        from nbtrack._read.editing import load_array

        return load_array(self._directory, value)

    # -- history -----------------------------------------------------------------

    @overload
    def history(
        self,
        samples: int | None = ...,
        keys: Sequence[str] | None = ...,
        x_axis: str = ...,
        pandas: Literal[True] = ...,
        stream: str = ...,
    ) -> pd.DataFrame: ...
    @overload
    def history(
        self,
        samples: int | None = ...,
        keys: Sequence[str] | None = ...,
        x_axis: str = ...,
        *,
        pandas: Literal[False],
        stream: str = ...,
    ) -> list[dict[str, Any]]: ...
    def history(
        self,
        samples: int | None = None,
        keys: Sequence[str] | None = None,
        x_axis: str = "_step",
        pandas: bool = True,  # noqa: FBT002  (W&B's signature)
        stream: str = "default",
    ) -> pd.DataFrame | list[dict[str, Any]]:
        """Give everything that was logged, one row per step.

        Parameters
        ----------
        samples
            At most so many rows, evenly taken, the last always among them. By default
            every row.
        keys
            Only these metrics, and only rows that have all of them.
        x_axis
            Order by this metric, where it was logged.
        pandas
            False gives a list of mappings.
        stream
            "default", or "system" for what was measured of the machine.

        Returns
        -------
        pandas.DataFrame
            ``_step``, ``_runtime`` (s), ``_timestamp`` (Unix s), then one column per
            metric in order of first appearance.
        """
        from nbtrack._read.frames import history_frame

        if isinstance(keys, str):
            keys = [keys]
        if samples is not None and samples < 1:
            msg = f"history(samples={samples}): give a number of rows, 1 or more."
            raise ValueError(msg)
        history = self._read(keys=None) if stream == "default" else self._system(stream)
        if self.state != "running" and self._document.get("format") == FORMAT:
            tidy_later(self._directory)
        rules = _rules(history)
        frame = history_frame(history, rules, keys, run_path=self._directory.path)
        if keys is not None and x_axis not in (*keys, *_OWN_COLUMNS):
            frame = self._with_axis(frame, x_axis)
        if x_axis != "_step" and x_axis in frame.columns:
            frame = frame.sort_values(
                x_axis, kind="stable", ignore_index=True, key=_as_numbers
            )
        if samples is not None and len(frame) > samples:
            last = len(frame) - 1
            at = [round(i * last / max(samples - 1, 1)) for i in range(samples)]
            frame = frame.iloc[at if samples > 1 else [last]].reset_index(drop=True)
        if pandas:
            return frame
        return [dict(row) for row in frame.to_dict("records")]  # type: ignore[arg-type]

    def _with_axis(self, frame: pd.DataFrame, x_axis: str) -> pd.DataFrame:
        """Add the x axis as the whole history has it: rows take its last value."""
        from nbtrack._read.frames import history_frame

        history = self._read()
        rules = _rules(history)
        whole = history_frame(history, rules, run_path=self._directory.path)
        if x_axis not in whole.columns:
            return frame
        own = list(_OWN_COLUMNS)
        axis = whole[[*own, x_axis]].drop_duplicates(own)
        frame = frame.merge(axis, on=own, how="left")
        return frame[frame[x_axis].notna()]

    def scan_history(
        self,
        keys: Sequence[str] | None = None,
        min_step: int | None = None,
        max_step: int | None = None,
        page_size: int = 1000,  # noqa: ARG002  (W&B's; there are no pages on disk)
    ) -> Iterator[dict[str, Any]]:
        """Give every row as a mapping of what was logged in it, exactly.

        ``max_step`` is exclusive, as W&B's. With ``keys``, rows that have them all.
        """
        from nbtrack._read.frames import history_rows

        for row in history_rows(self._read(), self._directory.path):
            if min_step is not None and row["_step"] < min_step:
                continue
            if max_step is not None and row["_step"] >= max_step:
                continue
            if keys is None:
                yield row
            elif all(key in row for key in keys):
                yield {key: row[key] for key in keys}

    def _read(self, keys: Sequence[str] | None = None) -> History:
        from nbtrack._store.parts import read_history

        history = read_history(self._directory, keys)
        new = [line for line in _damage(history) if line not in self.damage]
        self.damage += new
        return history

    def _system(self, stream: str) -> History:
        from nbtrack._read.captured import system_history

        return system_history(self._directory, stream)

    # -- view --------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return self._bundle()

    def _bundle(self, facts: Callable[[], Card] | None = None) -> dict[str, str]:
        """Give the board's picture; of an ended run, one that can be used in a page."""
        from nbtrack._view.asks import Reach
        from nbtrack._view.board_viewer import with_viewer
        from nbtrack._view.static_bundle import board_bundle

        board = self.board(facts)
        bundle = board_bundle(board.spec())
        if self.state == "running":
            return bundle  # it would soon be wrong; nbtrack.watch() shows a live one

        def refeed() -> None:
            board.restart()
            self._feed(board, self._read())

        reach = Reach(directory=self._directory, refeed=refeed)
        return with_viewer(bundle, board, reach)

    def _board(self) -> Board:
        return self.board()

    def board(self, facts: Callable[[], Card] | None = None) -> Board:
        """Give a board of all that was logged so far; by default with its own card."""
        from nbtrack._view.board import Board
        from nbtrack._view.sources import sources_of

        history = self._read()
        summary = _folded(history)
        last_step = max((int(b.steps.max()) for b in history.blocks()), default=None)
        own = facts or (lambda: self.card(last_step))
        sources = sources_of(self._directory)
        board = Board(own, summary.rules, summary, sources=sources)
        try:
            board.poll()
        except (OSError, NbtrackError) as error:
            self.damage.append(f"console and system metrics: {error}")
        board.close()
        self._feed(board, history)
        return board

    def _feed(self, board: Board, history: History) -> None:
        if _is_in_order(history):
            for block in history.blocks():
                board.feed_block(block)
            return
        rows = history.rows()
        while batch := list(islice(rows, _BATCH)):
            board.feed(batch)

    def card(self, last_step: int | None, faults: Iterable[str] = ()) -> Card:
        """Give the facts of a board's header."""
        from nbtrack._draw.spec import Card

        config = flatten(self.config)
        return Card(
            name=self.name,
            run_id=self.id,
            project=self.project,
            group=self.group or "",
            job_type=self.job_type or "",
            state=self.state,
            tags=tuple(self.tags),
            notes=self.notes,
            started_at=self.started_at,
            elapsed_s=self.duration_s or self._elapsed_s(),
            step=last_step,
            total_steps=self._document.get("total_steps"),
            directory=shown(self.dir),
            config=tuple((key, str(value)) for key, value in config.items()),
            faults=(*self.damage, *faults),
        )

    def _elapsed_s(self) -> float:
        """Give the time since it began, of a run that is still being written."""
        return time.time() - self.started_at if self.state == "running" else 0.0

    # -- files ---------------------------------------------------------------------

    def files(self) -> list[Path]:
        """List every file of the run's directory."""
        root = self._directory.path
        return sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())

    def facts(self, *, with_summary: bool) -> dict[str, Any]:
        """Give what runs are filtered and ordered by.

        The summary of a run that has not ended costs reading its whole history.
        """
        return {
            **self._document,
            "id": self.id,
            "created_at": self.created_at,
            "tags": self.tags,
            "config": self.config,
            "summary": self.summary if with_summary else {},
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredRun) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> Path:
        return self._directory.path.resolve()

    def __repr__(self) -> str:
        return f"<Run {self.name} ({self.state}) {self.dir}>"


_EDITABLE: Final = ("name", "tags", "notes", "group")
_OWN_COLUMNS: Final = ("_step", "_runtime", "_timestamp")

#: Members of run.json that are used, and what they must be.
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "project": str,
    "name": str,
    "created": (int, float),
    "tags": list,
    "writer": dict,
    "notes": (str, type(None)),
    "runtime_s": (int, float, type(None)),
}


def _checked(directory: RunDir) -> dict[str, Any]:
    """Read run.json and see that what is used of it has its type.

    Raises
    ------
    StorageError, FormatError
    """
    document = directory.read_run()
    document = {"tags": [], "writer": {}, "notes": None, "runtime_s": None} | document
    for name, kind in _TYPES.items():
        if not isinstance(document.get(name), kind):
            msg = f"{directory.path / 'run.json'} is damaged: {name} is of no use."
            raise StorageError(msg)
    if not abs(document["runtime_s"] or 0) < _YEAR_3000:  # NaN and infinities, too
        msg = f"{directory.path / 'run.json'} is damaged: runtime_s is no time."
        raise StorageError(msg)
    if not 0 <= document["created"] < _YEAR_3000:
        msg = f"{directory.path / 'run.json'} is damaged: created is no time."
        raise StorageError(msg)
    return document


_BATCH: Final = 10_000  # rows that are made into mappings at a time
_YEAR_3000 = 32_503_680_000  # Unix seconds; later dates cannot be written


def _folded(history: History) -> Summary:
    from nbtrack._fold_blocks import folded

    return folded(history)


def _is_in_order(history: History) -> bool:
    """Whether rows can be taken as they stand: of one writer, and by rising steps."""
    if len(history.pieces) > 1:
        return False
    last = None
    for block in history.blocks():
        steps = block.steps
        if len(steps):
            if (steps[1:] < steps[:-1]).any() or (last is not None and steps[0] < last):
                return False
            last = steps[-1]
    return True


def _as_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Give a column to sort by: numbers, and what is none of them at the end."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _damage(history: History) -> Iterator[str]:
    """Say what of a run could not be read, a line each."""
    if history.damaged_lines:
        yield f"{history.damaged_lines} damaged lines of the log were passed over"
    yield from history.damage


def _rules(history: History) -> Rules:
    rules = Rules()
    for record in history.others:
        if record.kind == "metric":
            rules.feed(record.data)
    return rules
