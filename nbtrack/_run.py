"""A run being recorded: log, config, summary, define_metric, finish.

Everything goes one way: a call becomes records in the journal, and whoever wants to
know (the summary, the board) follows the journal. This file knows nothing of views.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nbtrack import errors
from nbtrack._config import Config, normalise
from nbtrack._record.metrics import Rule, Rules, Summary, make_rule
from nbtrack._record.row import check_mapping, flatten
from nbtrack._record.steps import place
from nbtrack._store.follow import Tail
from nbtrack._summary import SummaryView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from nbtrack._faults import Faults
    from nbtrack._store.journal import Journal
    from nbtrack._store.lines import Record
    from nbtrack._store.rundir import RunDir

State = Literal["running", "finished", "failed", "killed"]

#: Fields of run.json that can be assigned while the run is open.
_EDITABLE = ("name", "tags", "notes", "group")


class Follower(Protocol):
    """Somebody who wants every record of the run, in batches."""

    def feed(self, records: Sequence[Record]) -> None:
        """Take the records that came since the last call."""

    def restart(self) -> None:
        """Forget what was fed: it comes again, under rules that have changed."""


class Run:
    """One experiment being recorded; made by ``nbtrack.init``.

    Safe to use from several threads. In a forked child it goes on recording, into a
    log file of its own.
    """

    def __init__(
        self,
        directory: RunDir,
        document: dict[str, Any],
        config: dict[str, Any],
        journal: Journal,
        faults: Faults,
        *,
        first_step: int = 0,
    ) -> None:
        self._directory = directory
        self._document = document
        self._journal = journal
        self._append = journal.append_plain_row
        self._steps = count(first_step)
        self._known: frozenset[str] | set[str] = set()  # keys that passed every check
        self._folded: dict[str, str] = {}  # case-folded key → key as first logged
        self._is_open = True
        self._pid = os.getpid()
        self._show: Callable[[], None] | None = None
        self._closers: list[tuple[str, Callable[[], None]]] = []
        self._follow_lock = threading.RLock()
        self._followers: list[Follower] = []
        self._tail = Tail(directory.log)
        self._stored: Sequence[Record] = ()  # rows in Parquet, of a resumed run
        self._rules = Rules()
        self._summary = Summary(self._rules)
        self._last_step: int | None = None
        self._config = Config(config, self._config_changed)
        #: What went wrong without stopping the training; see ``Faults``.
        self.faults: Faults = faults

    # -- recording -------------------------------------------------------------

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
    ) -> None:
        """Record values as one row, or as part of one.

        The row is on disk, safe from a killed kernel, when this returns.

        Parameters
        ----------
        data
            Names to values. ``/`` groups charts into sections; nested mappings are
            flattened with ``.``.
        step
            The row to write to; by default the next one. A step that has passed is
            ignored with a warning, and the values join the current row.
        commit
            False leaves the row open for further values. By default a call without
            ``step`` completes its row and a call with one does not.

        Raises
        ------
        DataTypeError, ReservedKeyError, StepError
            The call cannot be meant; nothing was recorded.
        RunFinishedError
            The run has finished.

        Examples
        --------
        >>> run.log({"train/loss": 0.25, "train/acc": 0.9})  # doctest: +SKIP
        """
        # The hot path: keys seen before, plain finite numbers, no step rules.
        if (
            step is None
            and commit is None
            and type(data) is dict
            and self._known.issuperset(data)
        ):
            row_step = next(self._steps)
            if not self._append(row_step, data):
                self._log_any(data, row_step)
            return
        self._check_open("log")
        check_mapping(data)
        with self._journal.lock:
            current = next(self._steps)
            try:
                placed = place(current, step, commit)
            except errors.StepError:
                self._steps = count(current)
                raise
            self._steps = count(placed.next_step)
            self._log_any(data, placed.step)
        if placed.is_late:
            self.faults.add(
                "late-step",
                f"log(step={step}) came after step {placed.step}: a row cannot be "
                f"written to the past, so its values are at step {placed.step}. "
                "Log with rising steps, or log the step as a metric and use "
                "define_metric(…, step_metric=…)",
            )

    def _log_any(self, data: Mapping[str, Any], step: int) -> None:
        """Record what the hot path cannot: nested, odd or new."""
        self._check_open("log")
        row = flatten(data, self._note)
        self._journal.append(step, row.plain, row.extended)
        self._learn(data, row.plain)

    def _learn(self, data: Mapping[str, Any], plain: dict[str, Any]) -> None:
        """Let keys onto the hot path that came through as they are."""
        new = [key for key in data if key in plain and key not in self._known]
        for key in new:
            first = self._folded.setdefault(key.casefold(), key)
            if first != key:
                self._note(
                    key,
                    f"the keys {first!r} and {key!r} differ only in case; both are "
                    "kept as two metrics",
                )
        if self._is_open and new:
            self._known |= {key for key in new if not key.startswith("_")}

    def _note(self, key: str, message: str) -> None:
        self.faults.add("value", message, subject=key)

    def define_metric(
        self,
        name: str,
        step_metric: str | object | None = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | Iterable[str] | None = None,
        goal: str | None = None,
        objective: str | None = None,
        overwrite: bool | None = None,
    ) -> Rule:
        """Say how a metric is summarised and drawn; also for what was logged before.

        Parameters
        ----------
        name
            A metric, or a family of them: ``"train/*"``.
        step_metric
            The metric that is its x axis.
        step_sync
            Rows without the step metric take its last value (default with one).
        hidden
            Leave it out of automatic charts.
        summary
            Any of "min", "max", "mean", "best", "last", "first", "none", "copy", with
            commas. Calls accumulate.
        goal, objective
            "minimize" or "maximize"; "best" needs one.
        overwrite
            Forget what earlier calls said of this name.

        Raises
        ------
        MetricRuleError
            The rule cannot be meant.
        """
        self._check_open("define_metric")
        rule = make_rule(
            name, step_metric, step_sync, hidden, summary, goal or objective
        )
        self.catch_up()
        self._rules.check(rule, overwrite=bool(overwrite))
        self._journal.append("metric", Rules.to_json(rule, overwrite=bool(overwrite)))
        self.catch_up()
        return self._rules.resolve(name)

    def finish(self, exit_code: int | None = None) -> None:
        """End the run: close its row, write its summary, freeze its charts.

        Calling it again does nothing.

        Parameters
        ----------
        exit_code
            0 or None is "finished", anything else "failed".
        """
        self._finish("failed" if exit_code else "finished", exit_code or 0)

    def _finish(
        self, state: State, exit_code: int, error: dict[str, str] | None = None
    ) -> None:
        if not self._is_open or os.getpid() != self._pid:
            return  # a forked child must not end its parent's run
        ending = {"state": state, "exit_code": exit_code, "error": error}
        with self._journal.lock:
            self._is_open = False
            self._known = _Nothing()
            self._journal.append("end", ending)
        # The state first: a kernel being restarted leaves us two seconds and a half.
        self._journal.close()
        self._save(finished=time.time(), **ending)
        for what, close in self._closers:
            try:
                close()
            except Exception as fault:  # noqa: BLE001  (each gets its turn)
                self.faults.add(
                    "finish",
                    f"finish() could not {what}; the rows are not affected",
                    subject=what,
                    error=fault,
                    in_user_call=False,
                )

    def at_finish(self, what: str, close: Callable[[], None]) -> None:
        """Have something done when the run ends, after its state is saved.

        ``what`` completes "could not …", should it fail.
        """
        self._closers.append((what, close))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
            return
        told = {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": "".join(traceback.format_exception(kind, error, trace)),
        }
        killed = isinstance(error, KeyboardInterrupt)
        self._finish("killed" if killed else "failed", 255 if killed else 1, told)

    # -- following -------------------------------------------------------------

    def catch_up(self) -> None:
        """Let every follower read what the journal has got since the last time."""
        with self._follow_lock:
            records = list(self._tail.poll())
            if not records:
                return
            had_rows = self._last_step is not None
            for record in records:
                self._fold(record)
            if had_rows and any(record.kind == "metric" for record in records):
                records = [*self._stored, *self._tail.reread()]
                for follower in self._followers:
                    follower.restart()
            for follower in self._followers:
                follower.feed(records)

    def _fold(self, record: Record) -> None:
        if record.kind == "row":
            self._last_step = record.step
            self._summary.feed_row(record.step, record.data)
        elif record.kind == "summary":
            self._summary.feed_change(record.data)
        elif record.kind == "metric":
            self._rules.feed(record.data)

    def follow(self, follower: Follower) -> None:
        """Feed a follower with every record from now on."""
        with self._follow_lock:
            self._followers.append(follower)

    def preload(self, records: Sequence[Record]) -> None:
        """Fold rows that are no longer in the journal, of a run that is resumed."""
        with self._follow_lock:
            self._stored = records
            for record in records:
                self._fold(record)
            for follower in self._followers:
                follower.feed(records)

    @property
    def summary_reader(self) -> Summary:
        """The fold itself, as far as followers have been fed."""
        return self._summary

    @property
    def rules(self) -> Rules:
        """What ``define_metric`` said."""
        return self._rules

    # -- what describes the run --------------------------------------------------

    @property
    def config(self) -> Config:
        """Hyperparameters: a nested mapping, saved whenever it changes."""
        return self._config

    @config.setter
    def config(self, value: object) -> None:
        self._config.update(value)

    @property
    def summary(self) -> SummaryView:
        """One value per metric: the last, or what ``define_metric`` asks for."""
        return SummaryView(self.summary_values, self._change_summary)

    def summary_values(self) -> dict[str, Any]:
        """Give the whole summary as a plain mapping, up to date."""
        with self._follow_lock:
            self.catch_up()
            return self._summary.as_dict()

    def _change_summary(self, change: dict[str, Any]) -> None:
        self._check_open("summary")
        changes = [[path, normalise(value)] for path, value in change.get("set", ())]
        self._journal.append("summary", {**change, "set": changes})

    def _config_changed(self, key: str, old: Any, new: Any) -> None:
        self._check_open("config")
        self._journal.append("config", {"key": key, "old": old, "new": new})
        self._write("config.json", self._config.as_dict())

    @property
    def id(self) -> str:
        """Eight letters and digits, unique; also the directory's name."""
        return self._directory.run_id

    @property
    def name(self) -> str:
        """What people call the run."""
        return str(self._document["name"])

    @name.setter
    def name(self, value: str) -> None:
        self._edit("name", check_name(value))

    @property
    def tags(self) -> tuple[str, ...]:
        """Short marks to find runs by."""
        return tuple(self._document["tags"])

    @tags.setter
    def tags(self, value: str | Iterable[str] | None) -> None:
        self._edit("tags", as_tags(value))

    @property
    def notes(self) -> str:
        """A text about the run, as long as it needs to be."""
        return str(self._document["notes"] or "")

    @notes.setter
    def notes(self, value: str | None) -> None:
        self._edit("notes", value)

    @property
    def group(self) -> str | None:
        """The group of runs that this one belongs to."""
        group: str | None = self._document["group"]
        return group

    @group.setter
    def group(self, value: str | None) -> None:
        self._edit("group", value)

    @property
    def job_type(self) -> str | None:
        """What kind of job this is, such as "train"."""
        job_type: str | None = self._document["job_type"]
        return job_type

    @property
    def project(self) -> str:
        """The project, as it was named."""
        return str(self._document["project"])

    @property
    def entity(self) -> str:
        """The user who started the run."""
        return str(self._document["user"])

    @property
    def path(self) -> str:
        """``entity/project/id``."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def dir(self) -> str:
        """The run's directory."""
        return str(self._directory.path)

    @property
    def url(self) -> str:
        """The run's directory as a link that a browser opens."""
        return self._directory.path.resolve().as_uri()

    @property
    def state(self) -> str:
        """running, finished, failed or killed."""
        return str(self._document["state"])

    @property
    def step(self) -> int:
        """The step that the next ``log`` writes to."""
        # itertools.count shows its value in its repr only, and is there because
        # taking a number from it is atomic.
        return int(repr(self._steps)[6:-1])

    @property
    def start_time(self) -> float:
        """Unix time at which the run began."""
        return float(self._document["created"])

    @property
    def elapsed_s(self) -> float:
        """Run time so far, in seconds; of a finished run, in all."""
        return float(
            self._document.get("runtime_s") or self._journal.elapsed_us() / 1e6
        )

    @property
    def last_step(self) -> int | None:
        """The step of the last row that followers have seen; None before any."""
        return self._last_step

    @property
    def total_steps(self) -> int | None:
        """How many steps there will be, if ``init`` was told."""
        return self._document.get("total_steps")

    @property
    def resumed(self) -> bool:
        """Whether this goes on with a run that was there before."""
        return bool(self._document.get("resumed"))

    @property
    def offline(self) -> bool:
        """True: everything is local."""
        return True

    @property
    def is_open(self) -> bool:
        """Whether the run still takes records."""
        return self._is_open

    def at_display(self, show: Callable[[], None]) -> None:
        """Say how the run shows itself as the value of a cell."""
        self._show = show

    def _ipython_display_(self) -> None:
        if self._show is None:
            print(repr(self))  # noqa: T201  (there is no board here)
        else:
            self._show()

    def __repr__(self) -> str:
        return f"<Run {self.name} ({self.state}) {self.dir}>"

    # -- saving ------------------------------------------------------------------

    def _edit(self, field: str, value: object) -> None:
        self._check_open(f"run.{field} =")
        self._save(**{field: value})

    def _save(self, **changes: object) -> None:
        if "finished" in changes:
            changes["runtime_s"] = self._journal.elapsed_us() / 1e6
        self._document |= {k: v for k, v in changes.items() if v is not None}
        self._write("run.json", self._document)

    def _write(self, name: str, document: object) -> None:
        try:
            self._directory.write(name, document)
        except OSError as error:
            self.faults.add(
                "document",
                f"cannot write {name} in {self.dir}. Check space and permissions",
                subject=name,
                error=error,
            )

    def _check_open(self, call: str) -> None:
        if not self._is_open:
            raise errors.RunFinishedError(call, self.path, self.project, self.id)


class _Nothing(frozenset[str]):
    """The known keys of a closed run: no row, not even an empty one, is a subset."""

    __slots__ = ()

    def issuperset(self, _: object) -> bool:
        return False


def check_name(name: str) -> str:
    """Give a run's name back, or say why it cannot be one.

    Raises
    ------
    ValueError
        It is empty, over 128 characters, or has control characters.
    """
    if not name or len(name) > 128 or any(ord(c) < 32 for c in name):  # noqa: PLR2004
        msg = f"A run's name has 1 to 128 characters and no control ones, not {name!r}."
        raise ValueError(msg)
    return name


def as_tags(tags: str | Iterable[str] | None) -> list[str]:
    """Give tags as a list without repeats; a text is one tag."""
    listed = [tags] if isinstance(tags, str) else list(tags or ())
    return list(dict.fromkeys(map(str, listed)))
