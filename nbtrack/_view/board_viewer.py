"""A board in the place of a run's picture, of a run that has ended.

As with tables (table_widget.py): the cell's output is the picture, with a mark on it,
and that is what the notebook keeps. A model without a view finds the mark and puts the
board there for as long as the kernel lives; it sends once and then only answers.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from nbtrack._view import table_widget, widgets, wire
from nbtrack._view.asks import Desk
from nbtrack._view.sources import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbtrack._view.asks import Reach
    from nbtrack._view.board import Board


def with_viewer(
    bundle: Mapping[str, str],
    board: Board,
    reach: Reach,
    catch_up: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Give a picture that becomes a board where a person looks at a page.

    Parameters
    ----------
    bundle
        The picture.
    catch_up
        Brings the board up to date, before a frame of it is made.
    """
    if not table_widget.is_live():
        return dict(bundle)
    try:
        mark = _Viewer(board, reach, catch_up).mark
    except Exception:  # noqa: BLE001  (there is the picture, which is what counts)
        return dict(bundle)
    page = f'<div class="{mark}">{bundle["text/html"]}</div>'
    return {**bundle, "text/html": page}


class _Viewer:
    """Sends a board to whoever asks for it, and answers."""

    def __init__(
        self, board: Board, reach: Reach, catch_up: Callable[[], None]
    ) -> None:
        self._board = board
        self._desk = Desk(board, replace(reach, pages=reach.pages or pages))
        self._catch_up = catch_up
        self._cursor = wire.Cursor()
        self._lock = Lock()  # a subshell may hear while another thread sends
        self._model_id, self.mark = table_widget.new_mark()
        self._widget = widgets.board_widget(
            None, self._hear, mark=self.mark, model_id=self._model_id
        )
        table_widget.hold(self.mark, self._widget)

    def _hear(self, content: object) -> None:
        said = content if isinstance(content, dict) else {}
        if said.get("v") != wire.VERSION:
            return
        if said.get("kind") == "ready" and said.get("n") == 0:
            self._send_frame(is_key=True)
            self._bring_plotly()
        elif said.get("kind") == "ask":
            answered = self._desk.answer(said)
            self._widget.send(answered.head, answered.buffers)
            self._send_frame(is_key=False)  # it may have asked for another x axis

    def _send_frame(self, *, is_key: bool) -> None:
        with self._lock:
            self._catch_up()
            frame = self._board.frame(self._cursor, key=is_key)
            if frame is not None:
                self._widget.send(wire.plain(frame.head), frame.buffers)

    def _bring_plotly(self) -> None:
        if not self._board.needs_plotly or self._widget.plotly:
            return
        carrier: Any = widgets.NO_PLOTLY
        with contextlib.suppress(ImportError, OSError):  # the board says what it lacks
            carrier = widgets.plotly_widget().model_id
        self._widget.plotly = carrier
