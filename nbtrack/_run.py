"""A run being recorded: log, config, summary, define_metric, finish.

Everything goes one way: a call becomes records in the journal, and whoever wants to
know (the summary, the board) follows the journal. This file knows nothing of views.
"""

from __future__ import annotations

import os
import time
from functools import cached_property, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal

from nbtrack import errors
from nbtrack._about import About
from nbtrack._capture.reading import Captured, ReadsItself
from nbtrack._config import Config, Keeper
from nbtrack._exports import Exports
from nbtrack._following import Following
from nbtrack._gradients.watching import Watching
from nbtrack._keeping import Keeping
from nbtrack._record.metrics import Rule, Rules, check_flag, make_rule
from nbtrack._record.row import (
    as_scalars,
    check_mapping,
    flatten,
    kind_of,
    refuse_keywords,
    split,
)
from nbtrack._record.steps import Placement, place
from nbtrack._store.journal import JournalClosedError
from nbtrack._summary import SummaryView, storable_changes
from nbtrack._tables import LoggedTables
from nbtrack.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Never, Self

    from nbtrack._faults import Faults
    from nbtrack._record.row import Keep
    from nbtrack._store.journal import Journal
    from nbtrack._store.rundir import RunDir

#: Of the values to log: whoever writes ``log(loss=3)`` is told what to write.
_NOT_GIVEN: Final[Any] = None

State = Literal["running", "finished", "failed", "killed"]


class Run(About, Keeping, Exports, Captured, ReadsItself, LoggedTables, Watching):
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
        options: Settings | None = None,
    ) -> None:
        self._directory = directory
        self._document = document
        self._options = options or Settings()
        self._journal = journal
        self._append = journal.append_plain_row
        self._steps = count(first_step)
        self._checked: set[str] = set()  # keys that came through as they are
        self._known: frozenset[str] | set[str] = self._checked  # those of the hot path
        self._learns = True
        self._folded: dict[str, str] = {}  # case-folded key → key as first logged
        self._kinds: dict[str, str] = {}  # key → "number" or "text", as first logged
        self._is_open = True
        self._pid = os.getpid()
        self._show: Callable[[], None] | None = None
        self._closers: list[tuple[str, Callable[[], None]]] = []
        #: Rules, summary, and whoever else reads what is recorded.
        self.following = Following(directory, faults, self._has_ended)
        self._config = Config(config, self._config_keeper())
        #: What went wrong without stopping the training; see ``Faults``.
        self.faults: Faults = faults

    # -- recording -------------------------------------------------------------

    def log(
        self,
        data: Mapping[str, Any] = _NOT_GIVEN,
        step: int | None = None,
        commit: bool | None = None,
        **others: Never,  # taken to say what to write instead
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
            ignored with a warning, and the values join the current row; with the
            setting ``late_steps="keep"`` they go to the row of that step.
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
        # The hot path: keys seen before, plain finite numbers, no step rules, no lock.
        if (
            step is None
            and commit is None
            and type(data) is dict
            and self._known.issuperset(data)
            and not others
        ):
            row_step = next(self._steps)
            try:
                if not self._append(row_step, data):
                    self._log_any(data, row_step)
            except JournalClosedError:
                self._check_open("log")
            return
        self._check_open("log")
        if others:
            refuse_keywords(others)
        if type(data) is not dict or not self._checked.issuperset(data):
            check_mapping(data)
        with self._journal.lock:
            placed = self._place(step, commit)
            self._log_any(data, placed.step)
        if placed.is_late:
            self.faults.add(
                "late-step",
                f"log(step={step}) came after step {placed.step}: a row cannot be "
                f"written to the past, so its values are at step {placed.step}, in "
                "the place of those that are there under the same names. To train "
                "anew, start a new run: run the cell with nbtrack.init() again. Else "
                "log with rising steps, or log the step as a metric and use "
                "define_metric(…, step_metric=…)",
            )

    def _place(self, step: int | None, commit: bool | None) -> Placement:
        """Take the row that a call writes to; the caller holds the lock."""
        if step is None and commit is not False:
            return Placement(row := next(self._steps), row + 1, is_late=False)
        # Threads on the hot path take steps without the lock. From now on that would
        # give one step to two rows, so every call comes this way, and waits its turn.
        self._known = _Nothing()
        self._learns = False
        current, keeps_late = self.step, self._options.late_steps == "keep"
        placed = place(current, step, commit, keeps_late=keeps_late)
        if placed.step < current:
            self._rewrite_past()
        self._steps = count(placed.next_step)
        return placed

    def _rewrite_past(self) -> None:
        """Have the summary fold rows again that it has folded."""
        self.following.is_rewritten = True

    def _log_any(self, data: Mapping[str, Any], step: int) -> None:
        """Record what the hot path cannot: scalars of arrays, nested, odd, new."""
        self._check_open("log")
        watched = self._seen_by_watch()
        if not watched and self._checked.issuperset(data):
            scalars = as_scalars(data)
            if scalars is not None and self._append(step, scalars):
                return
        notes: list[tuple[str, str]] = []
        row = flatten(
            data, lambda key, message: notes.append((key, message)), self._keep
        )
        self._journal.append(step, watched | row.plain, row.extended)
        self._learn(data, row.plain)
        for key, message in notes:  # after the row: strict mode raises here
            self._note(key, message)
        self._compare_kinds(row.plain)

    def _keep(self, value: Any) -> tuple[Any, str] | None:
        return self._keeper(value)

    @cached_property
    def _keeper(self) -> Keep:
        # Once: to import anew for each value costs more than to look at it.
        from nbtrack._media.keep import keep

        return partial(keep, run=self._directory)

    def _hold(self) -> None:
        """Have the next ``log`` come the long way: something is to join its row."""
        self._known = _Nothing()

    def _learn(self, data: Mapping[str, Any], plain: dict[str, Any]) -> None:
        """Let keys onto the short ways that came through as they are."""
        new = {k for k in data if k in plain and k not in self._checked}
        if not new or not self._is_open:
            return
        self._checked |= new
        if self._learns:
            self._known = self._checked
        for key in new:
            first = self._folded.setdefault(key.casefold(), key)
            if first != key:
                self._note(
                    key,
                    f"the keys {first!r} and {key!r} differ only in case; both are "
                    "kept as two metrics",
                )

    def _compare_kinds(self, plain: dict[str, Any]) -> None:
        """Say once of a key that it has both numbers and text."""
        for key, value in plain.items():
            kind = kind_of(value)
            known = self._kinds.setdefault(key, kind) if kind else ""
            if known not in (kind, ""):
                self._kinds[key] = ""
                self._note(
                    key,
                    f"log(): {key!r} has had {known}s and now has a {kind}; both are "
                    "kept, apart, and only the numbers are drawn",
                )

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
        rule = make_rule(name, step_metric, step_sync, hidden, summary, goal, objective)
        replaces = bool(check_flag(name, "overwrite", overwrite))
        self.following.catch_up()
        self.following.rules.check(rule, overwrite=replaces)
        self._record("metric", Rules.to_json(rule, overwrite=replaces))
        self.following.catch_up()
        return self.following.rules.resolve(name)

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
        self._end_watch()
        ending = {"state": state, "exit_code": exit_code, "error": error}
        with self._journal.lock:
            self._is_open = False
            self._known = _Nothing()
            self._checked = set()
        # The state first: a kernel being restarted leaves us two seconds and a half.
        steps: list[tuple[str, Callable[[], None]]] = [
            ("record how it ended", lambda: self._record("end", ending)),
            ("close the log", self._journal.close),
            ("save its state", lambda: self._save(finished=time.time(), **ending)),
            *self._closers,
            ("count what was lost", self._report_loss),
        ]
        raised: BaseException | None = None
        for what, take in steps:
            try:
                take()
            except errors.StrictError as fault:  # it is in the faults already
                raised = raised or fault
            except BaseException as fault:  # noqa: BLE001  (each gets its turn)
                if not isinstance(fault, Exception):
                    raised = fault
                self.faults.add(
                    "finish",
                    f"finish() could not {what}; the rows are not affected",
                    subject=what,
                    error=fault,
                    in_user_call=False,
                )
        if raised is not None:
            raise raised

    def _report_loss(self) -> None:
        if lost := self._journal.lost + self._journal.waiting:
            self.faults.add(
                "lost",
                f"{lost} records could not be written to {self.dir} and are lost",
                subject="at finish",
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
        import traceback

        told = {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": "".join(traceback.format_exception(kind, error, trace)),
        }
        killed = isinstance(error, KeyboardInterrupt)
        self._finish("killed" if killed else "failed", 255 if killed else 1, told)

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
        return SummaryView(self.following.values, self._change_summary)

    def _change_summary(self, change: dict[str, Any]) -> None:
        self._check_open("summary")
        changes, notes = storable_changes(change, self._put_array, self._keep)
        self._record("summary", {**change, "set": changes})
        for key, note in notes:  # after the value: strict mode raises here
            self._note(f"summary {key}", f"summary[{key!r}] is {note}")

    def _put_array(self, array: NDArray[Any]) -> str | None:
        from nbtrack._store.blobs import put_array

        try:
            return put_array(self._directory, array)
        except OSError as error:
            self._note("summary", f"summary: an array cannot be stored: {error}")
            return None

    def _config_keeper(self) -> Keeper:
        return Keeper(
            changed=self._config_changed,
            check=lambda: self._check_open("config"),
            refuse=self._refuse_change,
            note=self.note_config,
            allowed=self._options.allow_secrets,
        )

    def _refuse_change(self, key: str, old: object, new: object) -> None:
        if self._options.strict and not self._options.allow_val_change:
            raise errors.ConfigError(key, old, new)

    def note_config(self, message: str) -> None:
        """Say that something of the config is kept as text; warns once."""
        self.faults.add("config", message)

    def _config_changed(self, key: str, old: Any, new: Any) -> None:
        self._record("config", {"key": key, "old": old, "new": new})
        self._write("config.json", self._config.as_dict())

    def _record(self, kind: str, payload: dict[str, Any]) -> None:
        row = split(payload)
        self._journal.append(kind, row.plain, row.extended)

    @property
    def step(self) -> int:
        """The step that the next ``log`` writes to."""
        # itertools.count shows its value in its repr only, and is there because
        # taking a number from it is atomic.
        return int(repr(self._steps)[6:-1])

    @property
    def elapsed_s(self) -> float:
        """Run time so far, in seconds; of a finished run, in all."""
        return float(
            self._document.get("runtime_s") or self._journal.elapsed_us() / 1e6
        )

    @property
    def ends_for_all(self) -> bool:
        """Whether the run is over when this writer is, as always with one writer."""
        return True

    @property
    def is_open(self) -> bool:
        """Whether the run still takes records."""
        return self._is_open

    def __reduce__(self) -> Any:
        msg = (
            "A Run cannot be pickled. In another process, open a run of its own, or "
            'go on with this one: nbtrack.init(id=…, resume="allow").'
        )
        raise TypeError(msg)

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
        with self._journal.lock:  # a board edits on a thread of its own
            self._check_open(f"run.{field} =")
            self._save(**{field: value})

    def _save(self, **changes: object) -> None:
        if "finished" in changes:
            changes["runtime_s"] = self._journal.elapsed_us() / 1e6
        self._document |= changes
        self._write("run.json", self._document)

    def _write(self, name: str, document: object) -> None:
        if os.getpid() != self._pid:
            self.faults.add(
                "child",
                f"{name} belongs to the process that started the run; what a forked "
                "child changes in it is not saved. Its rows are",
                subject=name,
            )
            return
        try:
            self._directory.write(name, document)
        except OSError as error:
            self.faults.add(
                "document",
                f"cannot write {name} in {self.dir}. Check space and permissions",
                subject=name,
                error=error,
                in_user_call=self._is_open,  # finish() must come to its end
            )

    def _has_ended(self) -> bool:
        return self._journal.is_closed

    def _check_open(self, call: str) -> None:
        if not self._is_open:
            where = f"{self.project}/{self.id}"
            raise errors.RunFinishedError(call, where, self.project, self.id)


class _Nothing(frozenset[str]):
    """The known keys of a closed run: no row, not even an empty one, is a subset."""

    __slots__ = ()

    def issuperset(self, _: object) -> bool:
        return False
