"""Pictures under the cells that logged, where nobody looks on: no live board at all.

What executes a notebook unseen may stop at any cell, by an error, an interrupt or its
end, and nobody may ever call ``finish``. So each cell that logged leaves a picture when
it ends, however it ends; ``finish`` brings the last state into all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbtrack._view import displays
from nbtrack._view.past import Past

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbtrack._draw.spec import BoardSpec
    from nbtrack._view.board import Board
    from nbtrack._view.past import Bundle, Restated


class Pictures:
    """The pictures of one run in a notebook.

    Parameters
    ----------
    catch_up
        Feeds the board with all that was logged.
    picture
        Gives the lasting output of a board.
    restated
        Gives such an output, made with a card, with another state of the run.
    on_fault
        Told what was being done and what was raised: a cell must not fail for it.
    """

    def __init__(
        self,
        board: Board,
        *,
        catch_up: Callable[[], None],
        picture: Callable[[BoardSpec], Bundle],
        restated: Restated,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        self._board = board
        self._catch_up = catch_up
        self._picture = picture
        self._on_fault = on_fault
        self._shown = Past(restated)
        self._rows_before = 0  # the cell that runs

    def cell_started(self) -> None:
        """Note that a cell begins."""
        self._guard("follow the cell", self._begin_cell)

    def cell_ended(self) -> None:
        """Leave a picture under a cell that logged."""
        self._guard("show the cell's rows", self._end_cell)

    def finish(self) -> None:
        """Bring the last state into all pictures; make one if there is none."""
        self._guard("leave the final picture", self._finish)

    def _begin_cell(self) -> None:
        self._catch_up()
        self._rows_before = self._board.rows

    def _end_cell(self) -> None:
        self._catch_up()
        if self._board.rows != self._rows_before:
            spec = self._board.spec()
            bundle = self._picture(spec)
            self._shown.keep(displays.publish(dict(bundle)), spec.card, bundle)

    def _finish(self) -> None:
        self._catch_up()
        final = self._board.spec()
        is_new = self._board.rows != self._rows_before
        last = None if is_new else self._shown.latest  # what is brought up
        displays.publish(dict(self._picture(final)), replacing=last)
        if last is not None:
            self._shown.drop(last)
        for display_id, ended in self._shown.ended(final.card.state):
            displays.publish(dict(ended), replacing=display_id)

    def _guard(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001  (a view must never stop training)
            self._on_fault(what, error)
