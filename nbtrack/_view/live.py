"""The live board: one thread that draws what the journal has, while cells run."""

from __future__ import annotations

import contextvars
from threading import Event, RLock, Thread, current_thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from nbtrack._view import displays, widgets, wire
from nbtrack._view.past import Past

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbtrack._draw.spec import BoardSpec, Card
    from nbtrack._view.asks import Desk
    from nbtrack._view.board import Board
    from nbtrack._view.past import Bundle, Restated

_FASTEST_S = 0.1  # between two frames, of a board that has just begun
_STEADY_S = 0.2  # the same, once it has been there for a few seconds
_SLOWEST_S = 1.0
_YOUNG_PARTS = 20
#: A chart of a long run hardly moves in a tenth of a second, so frames become
#: rarer as the run grows older: one in 300 parts of its time.
_AGE_PARTS = 300
#: Key frames follow the first one until the browser is heard: after 1 s, 3 s, 9 s, …
_FIRST_KEY_FRAME_S = 1.0
_KEY_FRAME_GROWTH = 3
_LONGEST_REST_S = 30.0  # after faults
_JOIN_S = 2.0
_MAX_MESSAGE = 500


class BrowserFaultError(Exception):
    """Something went wrong in the browser half of a board."""


class Frozen(NamedTuple):
    """What a display shows since its cell ended."""

    card: Card
    bundle: Bundle
    is_bare: bool  # nothing but the card


class LiveView:
    """Shows a board and keeps it moving. Nothing here raises into the user's code.

    Parameters
    ----------
    board
        What to show.
    pull
        Reads what is new in the journal and feeds it to the board (and, before it,
        to the rules and the summary). Called from the view's thread, and at the end
        of a cell from the main thread, never from two at once.
    on_fault
        Told what was being done and what was raised.
    picture
        Gives the lasting output that a board leaves behind.
    restated
        Gives such an output, made with a card, with another state of the run.
    desk
        Answers what the browser asks; without one it is not answered.
    """

    def __init__(
        self,
        board: Board,
        *,
        pull: Callable[[], None],
        on_fault: Callable[[str, BaseException], None],
        picture: Callable[[BoardSpec], Bundle],
        restated: Restated,
        desk: Desk | None = None,
    ) -> None:
        self._board = board
        self._desk = desk
        self._pull = pull
        self._on_fault = on_fault
        self._picture = picture
        self._cursor = wire.Cursor()
        # Held while something is pulled, sent or displayed: those keep their order.
        self._lock = RLock()
        self._wake = Event()
        self._thread: Thread | None = None
        self.is_pumped = False  # there are no threads: somebody has to call `pump`
        self._closed = False
        self._began_s = monotonic()
        self._rest_s = 0.0
        self._widget: Any = None
        self._cell: contextvars.Context | None = None  # of the cell that runs now
        self._is_shown_here = False  # under that cell
        self._moves_here = False  # and it is the one that moves
        self._rows_before = 0  # that cell
        self._pinned: list[str] = []  # displays that were asked for
        self._moving: str | None = None  # the display that follows the logging cell
        self._frozen: Frozen | None = None  # what it shows since its cell ended
        self._past = Past(restated)
        self._is_heard = False  # the browser has said that it listens
        self._is_seen = True  # so far as we know, there is a view on a page
        self._is_asking = False  # whether there is one on another page
        self._key_due_s = 0.0
        self._key_wait_s = _FIRST_KEY_FRAME_S
        self._has_plotly = False

    def show(self) -> None:
        """Put a board under the current cell.

        The first one moves along with the logging; further ones stay where they are.
        """
        self._guard("show the board", self._show)

    def cell_started(self) -> None:
        """Note that a cell begins; to be called in it."""
        self._guard("follow the cell", self._start_cell)

    def cell_ended(self) -> None:
        """Show what the cell logged, should the thread not have come to it."""
        self._guard("show the cell's rows", self._end_cell)

    def close(self) -> None:
        """Put a lasting picture in the place of the live boards and let go of all."""
        self._wake.set()
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join(_JOIN_S)
        self._guard("send the last points", self._tick)
        self._guard("leave the final picture", self._replace)
        self._guard("close the widget", self._close_widget)

    def _show(self) -> None:
        with self._lock:
            if self._closed:
                return
            # ``init()`` as a cell's value shows its board once, not twice.
            if not (self._is_shown_here and self._is_live()):
                display_id = self._publish_live()
                if self._moving is None:
                    self._moving, self._moves_here = display_id, True
                else:
                    self._settle()
                    self._pinned.append(display_id)
                self._is_shown_here = True
        self._start()

    def _start_cell(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._cell = contextvars.copy_context()
            self._is_shown_here = self._moves_here = False
            self._pull()  # what came before the cell is not the cell's
            self._rows_before = self._board.rows
        self._start()
        self._wake.set()

    def _end_cell(self) -> None:
        with self._lock:
            if not self._closed:
                self._pull()
                if self._moving is not None and self._moves_here:
                    self._freeze(self._moving)
                elif not self._is_shown_here and self._has_logged():
                    frozen = self._pictured()
                    display_id = displays.publish(dict(frozen.bundle))
                    self._leave_behind()
                    self._moving, self._frozen = display_id, frozen
            self._cell = None
        self._wake.set()

    def _freeze(self, display_id: str) -> None:
        """Leave a picture: the notebook may be saved now, and its kernel be gone."""
        self._frozen = self._pictured()
        displays.publish(dict(self._frozen.bundle), replacing=display_id)

    def _pictured(self) -> Frozen:
        spec = self._board.spec()
        is_bare = not (spec.sections or spec.media)
        return Frozen(spec.card, self._picture(spec), is_bare)

    def _settle(self) -> None:
        """Turn a live board of another cell into its picture: one is enough."""
        if self._moving is not None and self._frozen is None:
            self._freeze(self._moving)

    def _start(self) -> None:
        if self._thread is not None or self.is_pumped:
            return
        context = contextvars.copy_context()
        thread = Thread(
            target=context.run, args=(self._run,), name="nbtrack-view", daemon=True
        )
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:  # Pyodide has no threads
            self.is_pumped = True

    def pump(self) -> None:
        """Draw what is new from the caller's thread, where there is no other."""
        self._guard("draw the board", self._tick)

    def _run(self) -> None:
        self._guard("draw the board", self._tick)
        self._guard("prepare the charts", widgets.prepare)
        while not self._closed:
            began_s = monotonic()
            self._guard("draw the board", self._tick)
            # Woken early, for a key frame or a new cell, it still keeps its pace.
            self._wake.wait(self._rest_s or self._pace_s())
            self._wake.clear()
            if not self._closed:
                sleep(max(0.0, began_s + _FASTEST_S - monotonic()))

    def _pace_s(self) -> float:
        if not self._is_live() and self._cell is None:
            return _SLOWEST_S  # nobody looks, and a cell that begins wakes us
        age_s = monotonic() - self._began_s
        steady_s = min(max(_FASTEST_S, age_s / _YOUNG_PARTS), _STEADY_S)
        return min(max(steady_s, age_s / _AGE_PARTS), _SLOWEST_S)

    def _is_live(self) -> bool:
        """Whether a widget is where somebody may look at it."""
        there = self._pinned or (self._moving and self._frozen is None)
        return bool(there and self._is_seen)

    def _tick(self) -> None:
        with self._lock:
            self._pull()
            if self._cell is not None and not self._closed:
                self._follow(self._cell)
            is_asking, self._is_asking = self._is_asking, False
            if self._widget is None or not (self._is_live() or is_asking):
                return  # nobody looks
            is_key = self._is_key_due() or is_asking
            frame = self._board.frame(self._cursor, key=is_key)
            if frame is not None:
                self._send(frame)
        if self._board.needs_plotly and not self._has_plotly and not self._closed:
            # After the lock: the main thread must not wait for the compression.
            self._has_plotly = True
            self._bring_plotly()

    def _send(self, frame: wire.Frame) -> None:
        try:
            self._widget.send(frame.head, frame.buffers)
        except UnicodeEncodeError:  # a lone surrogate, in a name or the config
            self._widget.send(wire.plain(frame.head), frame.buffers)

    def _bring_plotly(self) -> None:
        try:
            self._widget.plotly = widgets.plotly_widget().model_id
        except Exception:
            self._widget.plotly = widgets.NO_PLOTLY  # the board says so, too
            raise

    def _is_key_due(self) -> bool:
        """Whether to send everything: asked for, or perhaps nobody listened yet."""
        if self._key_due_s == 0 or monotonic() < self._key_due_s:
            return False
        if self._is_heard:
            self._key_due_s = 0.0
        else:
            # A busy kernel hears nothing: so it repeats itself, ever more rarely.
            self._key_due_s = monotonic() + self._key_wait_s
            self._key_wait_s *= _KEY_FRAME_GROWTH
        return True

    def _follow(self, context: contextvars.Context) -> None:
        """Bring the board under the cell that logs, if it is not there yet."""
        if self._is_shown_here or not self._has_logged():
            return
        if self._pinned and self._is_live():
            return  # one live board is enough; the cell gets its picture at the end
        display_id = context.run(self._publish_live)
        self._is_shown_here = self._moves_here = True
        self._leave_behind()
        self._moving, self._frozen = display_id, None

    def _has_logged(self) -> bool:
        """Whether rows came since the cell began."""
        return self._board.rows != self._rows_before

    def _leave_behind(self) -> None:
        """Keep the picture under the cell that logged before, or point to the new."""
        if self._moving is None:
            return
        if self._frozen is not None and not self._frozen.is_bare:
            self._past.keep(self._moving, self._frozen.card, self._frozen.bundle)
        else:
            moved = displays.moved_bundle(self._board.card().name)
            displays.publish(moved, replacing=self._moving)

    def _publish_live(self) -> str:
        if self._widget is None:
            self._widget = widgets.board_widget(self._snapshot, self._hear)
            self._key_due_s = monotonic()
        self._is_seen = True
        name = self._board.card().name
        return displays.publish(displays.live_bundle(self._widget.model_id, name))

    def _replace(self) -> None:
        with self._lock:
            spec = self._board.spec()
            bundle: displays.Bundle = dict(self._picture(spec))
            ids = [*self._pinned, *([self._moving] if self._moving else [])]
            is_new = self._cell is not None and not self._is_shown_here
            if is_new and self._has_logged():
                # Too quick for the thread: the picture goes under this cell.
                self._leave_behind()
                ids = list(self._pinned)
                displays.publish(bundle)
            for display_id in ids:
                displays.publish(bundle, replacing=display_id)
            for display_id, ended in self._past.ended(spec.card.state):
                displays.publish(dict(ended), replacing=display_id)
            self._pinned, self._moving = [], None
            self._past.clear()

    def _close_widget(self) -> None:
        widget, self._widget = self._widget, None
        if widget is not None:
            widget.take_snapshot = None
            widget.close()

    def _snapshot(self) -> bytes:
        """Give everything, numbered as the latest frame: the next one follows it."""
        packed: list[bytes] = []
        self._guard("give a reloaded page its data", lambda: self._pack_into(packed))
        return b"".join(packed)

    def _pack_into(self, packed: list[bytes]) -> None:
        with self._lock:
            frame = self._board.frame(wire.Cursor(n=self._cursor.n - 1), key=True)
            if frame and self._cursor.n:
                packed.append(wire.pack(frame))

    def _hear(self, content: object) -> None:
        """Take a message, on the main thread or, while a cell runs, on a subshell's."""
        # Our thread may hold the lock for a while: nothing here waits for it.
        try:
            self._take_in(content)
        except Exception as error:  # noqa: BLE001  (a view must never stop training)
            self._on_fault("hear the browser", error)

    def _take_in(self, content: object) -> None:
        said = content if isinstance(content, dict) else {}
        kind = said.get("kind") if said.get("v") == wire.VERSION else None
        if kind == "ready":
            self._is_heard = self._is_seen = True
            is_asked = said.get("n") == 0
            self._key_due_s = monotonic() if is_asked else 0.0
            self._wake.set()
        elif kind == "seen":
            self._is_heard, self._is_seen = True, said.get("views") != 0
            # Perhaps on another page: who has a view says so with each key frame.
            self._is_asking = not self._is_seen
            self._wake.set()
        elif kind == "ask" and self._desk is not None:
            self._reply(self._desk, said)
        elif said.get("kind") == "error":  # whatever its version
            raise BrowserFaultError(str(said.get("message"))[:_MAX_MESSAGE])
        else:
            message = f"a message that nbtrack does not know: {content!r}"
            raise BrowserFaultError(message[:_MAX_MESSAGE])

    def _reply(self, desk: Desk, ask: Mapping[str, Any]) -> None:
        answered = desk.answer(ask)
        widget = self._widget
        if widget is not None:  # else the board is a picture by now
            widget.send(answered.head, answered.buffers)
        self._wake.set()  # the card may have changed
        if answered.fault is not None:
            raise answered.fault

    def _guard(self, what: str, action: Callable[[], None]) -> None:
        """Run it; what it raises is reported, and the view rests a while."""
        try:
            action()
        except Exception as error:  # noqa: BLE001  (a view must never stop training)
            self._rest_s = min(max(1.0, self._rest_s * 2), _LONGEST_REST_S)
            self._on_fault(what, error)
        else:
            self._rest_s = 0.0
