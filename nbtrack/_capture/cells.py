"""The very cells that were executed, in order, as they were when they ran.

A cell is written when it starts and again when it ends, so that a kernel killed in the
middle of a training cell still leaves that cell's source behind. ``cells.jsonl`` is
plain JSON lines; ``notebook.ipynb`` is made of it at finish.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbtrack._regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

#: More than people type in a life; a larger file is damage or an attack.
_MAX_BYTES: Final = 256 * 2**20


@dataclass(slots=True)
class Cell:
    """One execution of one cell.

    Attributes
    ----------
    count
        IPython's execution count.
    cell_id
        The front end's id of the cell, where it gives one; the same for every
        execution of that cell.
    started, ended
        Unix seconds; None where not known, as for cells run before nbtrack was loaded.
    outcome
        "ok", "error", "interrupted", or "running" while it has not ended; "unknown"
        of cells run before nbtrack was loaded.
    runs
        Ids of the runs that were open at some time during the cell.
    session
        Tells cells of one kernel from those of another with the same count.
    """

    count: int
    source: str
    cell_id: str | None = None
    started: float | None = None
    ended: float | None = None
    outcome: str = "running"
    error: str | None = None
    runs: list[str] = field(default_factory=list)
    session: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give what ``cells.jsonl`` holds of the cell, unknown things left out."""
        members = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in members.items() if value is not None}


class Shell(Protocol):
    """What of IPython's InteractiveShell is used here."""

    events: Any
    history_manager: Any


class CellRecorder:
    """Hears of every cell from the shell and tells whoever listens.

    One per kernel. Cells that ran before it was made are taken from IPython's own
    history, which knows their source but not their times.
    """

    def __init__(self, shell: Shell) -> None:
        self.cells: list[Cell] = list(_earlier(shell))
        self.listeners: list[Callable[[Cell], None]] = []
        #: Told once more, at the end of the cell that runs now.
        self.last_words: list[Callable[[Cell], None]] = []
        self._open_runs: list[str] = []
        self._session = os.urandom(4).hex()
        self._shell = shell
        for cell in self.cells:
            cell.session = self._session
        # Cells may run cells; None stands for one that is not recorded.
        running = [cell for cell in self.cells if cell.outcome == "running"]
        self._running: list[Cell | None] = [*running]

    def rejoin(self) -> None:
        """Forget cells whose end was not heard; the one that runs now goes on."""
        count = len(_inputs(self._shell)) - 1
        self._running = [c for c in self._running if c is not None and c.count == count]

    def run_opened(self, run_id: str) -> None:
        """Note that a run is open from the current cell on."""
        self._open_runs.append(run_id)
        for cell in self._running:
            if cell is not None:
                cell.runs.append(run_id)

    def run_closed(self, run_id: str, *, in_vain: bool) -> None:
        """Note that later cells are not this run's.

        Nor is the current one, when nothing was logged in it (``in_vain``): it only
        ended the run, for instance by starting the next.
        """
        self._open_runs.remove(run_id)
        for cell in self._running:
            if cell is not None and in_vain and run_id in cell.runs:
                cell.runs.remove(run_id)

    def started(self, info: Any) -> None:
        """Take IPython's pre_run_cell."""
        if getattr(info, "store_history", True):
            self._begin(info.raw_cell or "", getattr(info, "cell_id", None))
        else:  # a front end, or code, asking for something of its own
            self._running.append(None)

    def _begin(self, source: str, cell_id: str | None) -> None:
        cell = Cell(
            len(_inputs(self._shell)),
            source,
            cell_id,
            started=time.time(),
            runs=list(self._open_runs),
            session=self._session,
        )
        self._running.append(cell)
        self.cells.append(cell)
        self._tell(cell)

    def ended(self, result: Any) -> None:
        """Take IPython's post_run_cell."""
        cell = self._running.pop() if self._running else None
        if cell is None:
            return
        cell.ended = time.time()
        error = result.error_in_exec
        error = result.error_before_exec if error is None else error
        cell.outcome = "ok" if error is None else "error"
        if error is not None:
            cell.error = f"{type(error).__name__}: {_text(error)}"[:1000]
            if isinstance(error, KeyboardInterrupt):
                cell.outcome = "interrupted"
        self._tell(cell)
        for listener in self.last_words:
            listener(cell)
        self.last_words.clear()

    def _tell(self, cell: Cell) -> None:
        for listener in list(self.listeners):
            listener(cell)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  a user's exception may raise anything
        return "<its text cannot be had>"


def _inputs(shell: Shell) -> list[str]:
    """Give the sources of this session by execution count; the first is empty.

    Its length is the count of a cell that is about to run. ``execution_count`` is not
    asked, because newer versions of IPython raise it before the cell and older after.
    """
    return list(getattr(shell.history_manager, "input_hist_raw", ()))


def _earlier(shell: Shell) -> Iterable[Cell]:
    """Give the cells of this session so far; the last is the one that runs now."""
    inputs = _inputs(shell)
    for count, source in enumerate(inputs[1:], start=1):
        is_last = count == len(inputs) - 1
        yield Cell(count, source, outcome="running" if is_last else "unknown")


def append_cell(path: Path, cell: Cell) -> None:
    """Add what is known of a cell; a later line of the same count adds to it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(cell.to_json()) + "\n")


def read_cells(path: Path) -> list[Cell]:
    """Read the executions back, in order; torn or foreign lines are passed over."""
    try:
        text = read_regular(path, _MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    cells: dict[tuple[str, int], Cell] = {}
    for line in text.splitlines():
        try:
            members = json.loads(line)
            cell = Cell(**members)
            if isinstance(cell.source, str) and isinstance(cell.runs, list):
                cells[cell.session, cell.count] = cell
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return list(cells.values())


def to_notebook(cells: Iterable[Cell], *, run: dict[str, Any]) -> str:
    """Give what ran as a notebook file's text, in order of execution.

    Parameters
    ----------
    run
        What the notebook's metadata says of the run.
    """
    from nbformat import v4, writes

    notebook = v4.new_notebook(
        metadata={
            "kernelspec": {
                "name": "python3",
                "display_name": "Python 3",
                "language": "python",
            },
            "language_info": {"name": "python"},
            "nbtrack": run,
        },
        cells=[
            v4.new_code_cell(
                cell.source,
                execution_count=cell.count,
                metadata={"nbtrack": _without_source(cell)},
            )
            for cell in cells
        ],
    )
    return str(writes(notebook))


def _without_source(cell: Cell) -> dict[str, Any]:
    return {k: v for k, v in cell.to_json().items() if k != "source"}
