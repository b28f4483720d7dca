"""Where nbtrack meets the notebook: which cells ran, and where a board can be shown.

One recorder per kernel hears of every cell. A run that is attached gets the cells so
far and all that follow while it is open, and a board under the cell that logs.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack._capture.background import background
from nbtrack._config import flatten
from nbtrack._names import shown
from nbtrack._record.steps import expected_steps
from nbtrack._store.documents import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbtrack._capture.cells import Cell, CellRecorder
    from nbtrack._draw.spec import BoardSpec, Card
    from nbtrack._faults import Faults
    from nbtrack._run import Run
    from nbtrack._store.rundir import RunDir
    from nbtrack._view.asks import Reach
    from nbtrack._view.board import Board
    from nbtrack.settings import Settings

_MAX_CONFIG: Final = 40  # entries of the config on a run's card

#: Config keys by which people say how many epochs there will be.
_EPOCHS: Final = ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs")

_END_S: Final = (
    2.0  # for catching up at the end of a cell; finish() takes what it needs
)
_PULL_S: Final = 0.025  # of each tenth of a second, for reading what was logged

_recorder: CellRecorder | None = None


def shell() -> Any:
    """Give the IPython shell that we run in, or None in a plain interpreter."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def load(found: Any) -> CellRecorder:
    """Begin to hear of the shell's cells. Idempotent."""
    global _recorder  # noqa: PLW0603  (one per kernel)
    if _recorder is None:
        from nbtrack._capture.cells import CellRecorder

        _recorder = CellRecorder(found)
    if _recorder.started not in found.events.callbacks["pre_run_cell"]:
        _recorder.rejoin()
        found.events.register("pre_run_cell", _recorder.started)
        found.events.register("post_run_cell", _recorder.ended)
    return _recorder


def unload(found: Any) -> None:
    """Stop hearing of cells; open runs hear of them again after the next ``load``."""
    if _recorder is not None:
        found.events.unregister("pre_run_cell", _recorder.started)
        found.events.unregister("post_run_cell", _recorder.ended)


def attach(run: Run, directory: RunDir, options: Settings) -> str:
    """Record the cells of a run and show its board.

    Returns
    -------
    str
        How the run is shown: "live", "static", "text" or "off".
    """
    run.at_export(lambda: _board_on_disk(run, directory))
    found = shell()
    here = place(found)
    kind = options.view if options.view != "auto" else here
    if here == "text" and kind != "off":
        kind = "text"  # there is nothing that could show more
    recorder = None if found is None else load(found)
    if recorder is not None and options.captures("console"):
        _number_cells(run, recorder)
    if recorder is not None and options.save_code and options.captures("code"):
        _record_cells(run, directory, recorder)
    if kind == "text" and not options.quiet:
        _tell(run, directory, found)
    if recorder is not None and kind in ("live", "static"):
        _show(run, recorder, kind)
    return kind


def _board_on_disk(run: Run, directory: RunDir) -> Board:
    """Give a board of all rows: that on the screen may be off, or not there yet."""
    from nbtrack._read.stored import StoredRun

    run.following.catch_up()  # for the step on the card
    return StoredRun(directory).board(lambda: card(run))


def place(found: Any) -> str:
    """Say what the place we run in can show: "live", "static" or "text"."""
    if found is None:
        return "text"
    from nbtrack._places import find_place

    return find_place(found).view


def _tell(run: Run, directory: RunDir, found: Any) -> None:
    """Say that a run begins, and keep a line about it in a terminal."""
    from nbtrack._view.terminal import ProgressLine, screen_here

    where = sys.stderr if found is None else sys.stdout
    print(f"nbtrack: {run.name} started, in {shown(run.dir)}", file=where)
    screen = screen_here(is_prompting=found is None and hasattr(sys, "ps1"))
    if screen is None:
        return
    line = ProgressLine(
        screen,
        name=lambda: run.name,
        logs=directory.log,
        total=lambda: run.total_steps,
        epochs=lambda: _epochs(run),
        on_fault=reporter(run.faults),
    )
    if found is not None:  # IPython's prompt is none of ours
        heard = (
            ("pre_run_cell", lambda _: line.resume()),
            ("post_run_cell", lambda _: line.pause()),
        )
        for event, hear in heard:
            found.events.register(event, hear)
            run.at_finish(
                "leave IPython's cells", partial(found.events.unregister, event, hear)
            )
        leave = _around_display(found, line.give_way, line.come_back)
        run.at_finish("leave IPython's display", leave)
    line.start()
    run.at_finish("clear the progress line", line.close)


def _around_display(
    found: Any, before: Callable[[], None], after: Callable[[], None]
) -> Callable[[], None]:
    """Be told when IPython shows a cell's value; give what ends that."""
    hook = found.displayhook
    begin, end = hook.start_displayhook, hook.finish_displayhook

    def start_displayhook() -> None:
        before()
        begin()

    def finish_displayhook() -> None:
        end()
        after()

    hook.start_displayhook, hook.finish_displayhook = (
        start_displayhook,
        finish_displayhook,
    )

    def leave() -> None:
        # Who was told after us stays; then ours only pass on.
        if hook.start_displayhook is start_displayhook:
            hook.start_displayhook, hook.finish_displayhook = begin, end

    return leave


def _number_cells(run: Run, recorder: CellRecorder) -> None:
    """Have the console know which cell prints."""
    hear = background.hear_cell
    for cell in recorder.cells[-1:]:
        hear(cell)
    recorder.listeners.append(hear)
    run.at_finish("leave the console's cells", lambda: recorder.listeners.remove(hear))


# -- code ----------------------------------------------------------------------------


def _record_cells(run: Run, directory: RunDir, recorder: CellRecorder) -> None:
    from nbtrack._capture.cells import append_cell, read_cells, to_notebook

    path = directory.code / "cells.jsonl"

    def write(cell: Cell) -> None:
        try:
            append_cell(path, cell)
        except OSError as error:
            run.faults.add(
                "cells",
                f"cannot write {path}: the executed cells are not recorded",
                error=error,
                in_user_call=False,
            )

    def let_go() -> None:
        """Keep listening to the end of the cell that ends the run, and no longer."""
        recorder.run_closed(run.id, in_vain=run.step == step_before)
        recorder.listeners.remove(note_step)
        recorder.listeners.remove(write)
        recorder.last_words.append(write)

    def write_notebook() -> None:
        about = {"run": run.id, "name": run.name, "project": run.project}
        text = to_notebook(read_cells(path), run=about)
        replace_file(directory.code / "notebook.ipynb", text.encode())

    recorder.run_opened(run.id)
    for cell in recorder.cells:
        write(cell)
    step_before = -1  # the current cell, which opens the run

    def note_step(cell: Cell) -> None:
        nonlocal step_before
        if cell.ended is None:
            step_before = run.step

    recorder.listeners.append(note_step)
    recorder.listeners.append(write)
    run.at_finish("record the end of this cell", let_go)
    run.at_finish("write code/notebook.ipynb", write_notebook)


# -- view ----------------------------------------------------------------------------


def _show(run: Run, recorder: CellRecorder, kind: str) -> None:
    from nbtrack._store.rundir import RunDir
    from nbtrack._view.asks import Desk, Reach
    from nbtrack._view.board import Board
    from nbtrack._view.sources import pages, sources_of
    from nbtrack._view.static_bundle import board_bundle, restated

    following, directory = run.following, RunDir(Path(run.dir))
    board = Board(
        lambda: card(run),
        following.rules,
        following.summary,
        sources=sources_of(directory, with_machine=kind == "live"),
    )
    following.follow(board)

    picture: Callable[[BoardSpec], dict[str, str]] = board_bundle

    def bundle() -> dict[str, str]:
        following.catch_up()
        return picture(board.spec())

    if kind == "static":
        run.at_display(lambda: publish(bundle()))
        _leave_pictures(run, recorder, board)
        return
    from nbtrack._view.live import LiveView

    def pull() -> None:
        following.catch_up(_PULL_S)
        board.poll()

    reach = Reach(
        directory=directory,
        refeed=following.refeed,
        edit=lambda field, value: setattr(run, field, value),
        stop=run.ask_to_stop,
        pages=pages,
    )
    report = reporter(run.faults)
    picture = partial(_picture, board, reach, following.catch_up)
    view = LiveView(
        board,
        pull=pull,
        on_fault=report,
        picture=picture,
        restated=restated,
        desk=Desk(board, reach),
    )

    def read(budget_s: float) -> None:
        try:
            following.catch_up(budget_s)
        except Exception as error:  # noqa: BLE001  (a disk may fail; the view goes on)
            report("read the rows", error)

    def hear(cell: Cell) -> None:
        if cell.ended is None:
            view.cell_started()
        else:
            read(_END_S)
            view.cell_ended()

    def close() -> None:
        recorder.listeners.remove(hear)
        read(inf)
        view.close()
        board.close()

    run.at_display(lambda: view.show() if run.is_open else publish(bundle()))
    recorder.listeners.append(hear)
    view.show()
    if view.is_pumped:
        from nbtrack._places import pumped

        vars(run)["log"] = pumped(run.log, view.pump)  # found before the class's
    run.at_finish("freeze the board", close)


def _picture(
    board: Board, reach: Reach, catch_up: Callable[[], None], spec: BoardSpec
) -> dict[str, str]:
    """Give a board's picture; of a run that has ended, one that can be used."""
    from nbtrack._view.board_viewer import with_viewer
    from nbtrack._view.static_bundle import board_bundle

    made = board_bundle(spec)
    if spec.card.state == "running":
        return made
    ended = replace(reach, edit=None, stop=None)
    return with_viewer(made, board, ended, catch_up)


def _leave_pictures(run: Run, recorder: CellRecorder, board: Board) -> None:
    """Leave pictures of a run under the cells that log; nothing moves."""
    from nbtrack._view.pictures import Pictures
    from nbtrack._view.static_bundle import board_bundle, restated

    pictures = Pictures(
        board,
        catch_up=run.following.catch_up,
        picture=board_bundle,
        restated=restated,
        on_fault=reporter(run.faults),
    )

    def hear(cell: Cell) -> None:
        if cell.ended is None:
            pictures.cell_started()
        else:
            pictures.cell_ended()

    def finish() -> None:
        recorder.listeners.remove(hear)
        pictures.finish()

    recorder.listeners.append(hear)
    run.at_finish("show the board", finish)


def publish(bundle: dict[str, str]) -> None:
    """Display a MIME bundle under the current cell."""
    from IPython.display import display

    display(bundle, raw=True)


def reporter(faults: Faults) -> Callable[[str, BaseException], None]:
    """Give what a live view tells of its troubles."""

    def report(doing: str, error: BaseException) -> None:
        faults.add(
            "view",
            f"the board could not {doing}; recording is not affected",
            subject=doing,
            error=error,
            in_user_call=False,
        )

    return report


def card(run: Run) -> Card:
    """Give the facts of a run's header."""
    from nbtrack._draw.spec import Card

    config = list(flatten(run.config.as_dict()).items())[:_MAX_CONFIG]
    return Card(
        name=run.name,
        run_id=run.id,
        project=run.project,
        state=run.state,
        tags=run.tags,
        notes=run.notes,
        started_at=run.start_time,
        elapsed_s=run.elapsed_s,
        step=run.following.last_step,
        total_steps=run.total_steps or _steps_by_epochs(run),
        directory=shown(run.dir),
        config=tuple((key, str(value)) for key, value in config),
        faults=tuple(map(str, run.faults)),
        group=run.group,
        job_type=run.job_type,
        can_edit=run.is_open,
        is_stopping=run.should_stop,
    )


def _steps_by_epochs(run: Run) -> int | None:
    """Guess the steps in all, where epochs are logged and the config says how many."""
    found = run.following.summary.span("epoch")
    epochs = _epochs(run)
    if found is None or epochs is None:
        return None
    first, latest = found
    return expected_steps(
        (first.value, first.step or 0), (latest.value, latest.step or 0), epochs
    )


def _epochs(run: Run) -> object:
    """Give how many epochs there will be, if the config says so."""
    return next((run.config[key] for key in _EPOCHS if key in run.config), None)
