"""One run on disk, whoever wrote it and whether or not it has ended."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from nbtrack._capture.cells import Cell, read_cells
from nbtrack._config import flatten
from nbtrack._record.metrics import Rules, Summary
from nbtrack._store.alive import state_of
from nbtrack.errors import SettingError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from nbtrack._store.lines import Record
    from nbtrack._store.parts import History
    from nbtrack._store.rundir import RunDir
    from nbtrack._view.spec import Card


class StoredRun:
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

    # -- what describes the run --------------------------------------------------

    @property
    def id(self) -> str:
        """Its id; also the directory's name."""
        return self._directory.run_id

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self._document["name"])

    @property
    def project(self) -> str:
        """Its project, as it was named."""
        return str(self._document["project"])

    @property
    def user(self) -> str:
        """Who ran it."""
        return str(self._document.get("user"))

    @property
    def entity(self) -> str:
        """Who ran it, by W&B's name."""
        return self.user

    @property
    def notes(self) -> str:
        """Its notes."""
        value: str = self._document["notes"] or ""
        return value

    @property
    def group(self) -> str | None:
        """The group of runs that it belongs to."""
        value: str | None = self._document.get("group")
        return value

    @property
    def job_type(self) -> str | None:
        """What kind of job it was, such as "train"."""
        value: str | None = self._document.get("job_type")
        return value

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
        """Reading changes nothing."""
        return True

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return list(self._document.get("tags") or ())

    @property
    def path(self) -> list[str]:
        """Entity, project, id."""
        return [self.entity, self.project, self.id]

    @property
    def dir(self) -> str:
        """Its directory."""
        return str(self._directory.path)

    @property
    def url(self) -> str:
        """Its directory as a link."""
        return self._directory.path.resolve().as_uri()

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
        """Its hyperparameters, nested."""
        try:
            return self._directory.read("config.json")
        except StorageError as error:
            self.damage.append(str(error))
            return {}

    @property
    def summary(self) -> dict[str, Any]:
        """One value per metric, folded anew from the journal while it runs."""
        if self.state in ("finished", "failed", "killed"):
            try:
                return self._directory.read("summary.json")
            except StorageError:
                pass  # its writer had no time; the journal knows as much
        history = self._read()
        return _folded(_records(history), history.others).as_dict()

    @property
    def history_keys(self) -> list[str]:
        """The metrics that were logged, in order of first appearance."""
        from nbtrack._store.columns import metrics

        tables = [table for _, table in self._read().pieces]
        found = [metric.key for table in tables for metric in metrics(table.schema)]
        return list(dict.fromkeys(found))

    @property
    def system_metrics(self) -> dict[str, Any]:
        """The last of each system metric; empty where none was recorded."""
        found: dict[str, Any] = {}
        for record in self._read(keys=()).others:
            if record.kind == "system":
                found |= record.data
        return found

    @property
    def cells(self) -> list[Cell]:
        """The cells that were executed, in order."""
        return read_cells(self._directory.code / "cells.jsonl")

    @property
    def rules(self) -> Rules:
        """What ``define_metric`` said."""
        return _rules(self._read(keys=()))

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
            Order by this column.
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
        history = self._read(keys=None) if stream == "default" else self._system(stream)
        frame = history_frame(history, _rules(history), keys)
        if x_axis != "_step" and x_axis in frame.columns:
            frame = frame.sort_values(x_axis, kind="stable", ignore_index=True)
        if samples is not None and len(frame) > samples:
            last = len(frame) - 1
            at = [round(i * last / max(samples - 1, 1)) for i in range(samples)]
            frame = frame.iloc[at if samples > 1 else [last]].reset_index(drop=True)
        if pandas:
            return frame
        return [dict(row) for row in frame.to_dict("records")]  # type: ignore[arg-type]

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

        for row in history_rows(self._read()):
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

        return read_history(self._directory, keys)

    def _system(self, stream: str) -> History:
        from nbtrack._store.columns import RowTable

        if stream != "system":
            raise SettingError("stream", stream, ("default", "system"))
        history = self._read(keys=())
        history.pieces.clear()
        tables: dict[str, RowTable] = {}
        for record in history.others:
            if record.kind == "system":
                table = tables.setdefault(record.writer, RowTable())
                table.feed(record._replace(step=len(table)))
        history.pieces += [(w, table.to_arrow()) for w, table in tables.items()]
        return history

    # -- view --------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from nbtrack._view.board import Board
        from nbtrack._view.static_bundle import board_bundle

        history = self._read()
        rows = list(_records(history))
        summary = _folded(rows, history.others)
        board = Board(lambda: self._card(history, rows), summary.rules, summary)
        board.feed(rows)
        return board_bundle(board.spec())

    def _card(self, history: History, rows: Sequence[Record]) -> Card:
        from nbtrack._view.spec import Card

        steps = [row.step for row in rows if row.step is not None]
        config = flatten(self.config)
        return Card(
            name=self.name,
            run_id=self.id,
            project=self.project,
            state=self.state,
            tags=tuple(self.tags),
            notes=self.notes,
            started_at=self.started_at,
            elapsed_s=self.duration_s or 0.0,
            step=max(steps, default=None),
            total_steps=self._document.get("total_steps"),
            directory=self.dir,
            config=tuple((key, str(value)) for key, value in config.items()),
            faults=(*self.damage, *_damage(history)),
        )

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
    if not 0 <= document["created"] < _YEAR_3000:
        msg = f"{directory.path / 'run.json'} is damaged: created is no time."
        raise StorageError(msg)
    return document


_YEAR_3000 = 32_503_680_000  # Unix seconds; later dates cannot be written


def _records(history: History) -> Iterator[Record]:
    from nbtrack._store.parts import table_records

    for writer, table in history.pieces:
        yield from table_records(writer, table)


def _folded(rows: Iterable[Record], others: Iterable[Record]) -> Summary:
    """Fold records in the order in which they were appended."""
    summary = Summary(Rules())
    for record in sorted((*rows, *others), key=lambda r: (r.writer, r.seq)):
        summary.feed(record.kind, record.step, record.data)
    return summary


def _damage(history: History) -> Iterator[str]:
    """Say what of a run could not be read, a line each."""
    if history.damaged_lines:
        yield f"{history.damaged_lines} damaged lines of the log were passed over"
    for name in history.damaged_parts:
        yield f"{name} is damaged and was passed over"


def _rules(history: History) -> Rules:
    rules = Rules()
    for record in history.others:
        if record.kind == "metric":
            rules.feed(record.data)
    return rules
