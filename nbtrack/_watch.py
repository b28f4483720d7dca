"""Watching a run that a script, another notebook or another machine is writing.

The same followers read the same journal as in the process that writes it; nothing is
asked of that process, and it never knows.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

from nbtrack import _notebook, _session
from nbtrack._faults import Faults
from nbtrack._following import Following
from nbtrack._read.api import Api
from nbtrack._read.stored import StoredRun
from nbtrack._run import Run
from nbtrack._store.rundir import RunDir
from nbtrack.errors import NbtrackError, RunNotFoundError, UnknownOptionError

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from nbtrack._view.board import Board
    from nbtrack._view.live import LiveView

_LOOK_S: Final = 1.0  # between two looks at run.json and at the writers
_PULL_S: Final = 0.2  # what one look at the rows may take
_WAIT_S: Final = 0.1


class Watch:
    """A run that somebody else writes, as it grows; made by ``nbtrack.watch``.

    As the value of a cell it is a live board, which becomes a picture when the run
    ends.
    """

    def __init__(self, run: StoredRun) -> None:
        #: What could not be shown or read.
        self.faults = Faults()
        self._run = run
        self._looked_at_s = time.monotonic()
        self._directory = RunDir(Path(run.dir))
        self._following = Following(self._directory, self.faults, self._has_ended)
        self._board: Board | None = None
        self._view: LiveView | None = None

    @property
    def run(self) -> StoredRun:
        """The run as it is on disk, at most a second old."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s > _LOOK_S:
            self._looked_at_s = now_s
            try:
                self._run = StoredRun(self._directory)
            except NbtrackError as error:  # removed, perhaps: what we know stays
                self.faults.add(
                    "watch",
                    f"{self._run.dir} cannot be read any more",
                    error=error,
                    in_user_call=False,
                )
        return self._run

    @property
    def state(self) -> str:
        """running, finished, failed, killed or crashed."""
        return self.run.state

    def _has_ended(self) -> bool:
        return self.state != "running"

    @property
    def summary(self) -> dict[str, Any]:
        """One value per metric, as of now."""
        return self._following.values()

    @property
    def last_step(self) -> int | None:
        """The highest step so far; None before the first row."""
        self._following.catch_up()
        return self._following.last_step

    def history(self, **options: Any) -> pd.DataFrame:
        """Give all rows so far; see ``StoredRun.history``."""
        frame: pd.DataFrame = self.run.history(**options)
        return frame

    def wait(self, timeout_s: float | None = None, **others: object) -> bool:
        """Wait until the run has ended; say whether it has.

        Parameters
        ----------
        timeout_s
            Seconds to wait at most; by default there is no end.

        Raises
        ------
        UnknownOptionError
            Another keyword, such as ``timeout``.
        """
        for name in others:
            raise UnknownOptionError("wait()", name, ["timeout_s"])
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._has_ended():
            if until_s is not None and time.monotonic() > until_s:
                return False
            time.sleep(_WAIT_S)
        return True

    # -- view --------------------------------------------------------------------

    def _followed_board(self) -> Board:
        if self._board is None:
            from nbtrack._view.board import Board
            from nbtrack._view.sources import sources_of

            following = self._following
            self._board = Board(
                lambda: self.run.card(following.last_step, map(str, self.faults)),
                following.rules,
                following.summary,
                sources=sources_of(self._directory),
            )
            following.follow(self._board)
        return self._board

    def _bundle(self) -> dict[str, str]:
        from nbtrack._view.static_bundle import board_bundle

        board = self._followed_board()
        self._following.catch_up()
        return board_bundle(board.spec())

    def _ipython_display_(self) -> None:
        kind = _notebook.place(_notebook.shell())
        if kind == "text":
            print(repr(self))  # noqa: T201  (there is no board here)
        elif kind == "live" and self._has_ended():
            _notebook.publish(self.run._repr_mimebundle_())
        elif kind == "static":
            _notebook.publish(self._bundle())
        else:
            self._live_view().show()

    def _live_view(self) -> LiveView:
        if self._view is None:
            from nbtrack._view.asks import Desk, Reach
            from nbtrack._view.live import LiveView
            from nbtrack._view.sources import pages
            from nbtrack._view.static_bundle import board_bundle, restated

            board = self._followed_board()
            reach = Reach(
                directory=self._directory,
                refeed=self._following.refeed,
                pages=pages,
            )
            self._view = LiveView(
                board,
                pull=self._pull,
                on_fault=_notebook.reporter(self.faults),
                picture=board_bundle,
                restated=restated,
                desk=Desk(board, reach),
            )
        return self._view

    def _pull(self) -> None:
        """Read on; when there is no more to come, let the view end as a picture."""
        self._following.catch_up(_PULL_S)
        if self._board is not None:
            self._board.poll()
        if self._following.is_drained and self._view is not None:
            view, self._view = self._view, None

            def close() -> None:
                view.close()
                if self._board is not None:
                    self._board.close()

            # We are on the view's own thread, which cannot wait for itself.
            threading.Thread(target=close, name="nbtrack-close").start()

    def close(self) -> None:
        """Stop watching: what is shown becomes a picture. Idempotent."""
        view, self._view = self._view, None
        if view is not None:
            view.close()
        self._following.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        step = self.last_step
        reached = "no rows yet" if step is None else f"step {step}"
        return f"<Watch {self._run.name} ({self.state}), {reached}, {self._run.dir}>"


@overload
def watch(
    models: str | Run | StoredRun, *, timeout_s: float | None = None
) -> Watch: ...


@overload
def watch(
    models: Any,
    criterion: object = None,
    log: str | None = "gradients",
    log_freq: int = 1000,
    idx: int | None = None,
    log_graph: bool = False,  # noqa: FBT002  (W&B's signature)
) -> None: ...


def watch(models: object, *args: Any, **options: Any) -> Watch | None:
    """Follow a run that is written elsewhere, or a torch model's gradients.

    Parameters
    ----------
    models
        ``"project/id"``, or a run of ``nbtrack.Api()``: a run that a script, another
        notebook or another machine is writing. Else a torch module, or a list of
        them, whose gradients the current run records; see ``Run.watch``.
    timeout_s
        Seconds to wait for a run that has not begun yet.

    Returns
    -------
    Watch or None
        Of a run a live board as the value of a cell; also ``state``, ``summary``,
        ``history()`` and ``wait()``. Nothing of a model.

    Raises
    ------
    RunNotFoundError
        There is no such run.
    WatchError, SettingError, MissingPackageError
        The model cannot be watched; see ``Run.watch``.

    Examples
    --------
    >>> nbtrack.watch("digits/k3x9a1bc")  # doctest: +SKIP
    >>> nbtrack.watch(model, log="all", log_freq=100)  # doctest: +SKIP
    """
    if isinstance(models, str):
        return Watch(_found(models, *args, **options))
    if isinstance(models, Run):
        return Watch(StoredRun(RunDir(Path(models.dir))))
    if isinstance(models, StoredRun):
        return Watch(models)
    _session.require("watch").watch(models, *args, **options)
    return None


def _found(path: str, *, timeout_s: float | None = None) -> StoredRun:
    """Give a run, which may only begin in a while."""
    until_s = time.monotonic() + (timeout_s or 0)
    while True:
        try:
            return Api().run(path)
        except RunNotFoundError:
            if time.monotonic() >= until_s:
                raise
        time.sleep(_WAIT_S)


def unwatch(models: object = None) -> None:
    """Record no more of these models, or of none at all; see ``Run.unwatch``."""
    _session.require("unwatch").unwatch(models)
