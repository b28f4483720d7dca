"""What a browser asks of the kernel, and the answers.

Asks come in on whatever thread hears the browser: the main one between two cells, or
one of a subshell while a cell runs. So nothing here holds the view's lock while it
reads; board, journal and run have locks of their own.

What is asked is input like any other. An ask that nobody could mean is a fault of the
view, and is answered all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeGuard, cast

from nbtrack._view import wire
from nbtrack.errors import NbtrackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nbtrack._store.rundir import RunDir
    from nbtrack._view.board import Board
    from nbtrack._view.media_log import Entry

    Found = tuple[dict[str, Any], list[bytes]]  # members of the answer, buffers

_MOST_KEYS: Final = 256  # of one ask for detail
_MOST_TEXT: Final = 100_000  # characters of an edit
_MOST_TOLD: Final = 500  # characters of an error
_LARGEST: Final = 1e308


class BadAskError(Exception):
    """An ask that cannot be meant."""


class NoSuchThingError(Exception):
    """An ask for something that is not there."""


class TablePages(Protocol):
    """Whoever reads tables; see ``nbtrack._media.table_page``."""

    def __call__(
        self, value: Any, run_path: Path, ask: dict[str, Any], /
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Give some rows of a table as JSON values, and the contents of its cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What asks may reach beside the board; None for what they cannot.

    Attributes
    ----------
    directory
        Where the run's rows and files are.
    refeed
        Lets the board be fed from the beginning again.
    edit
        Sets "name", "notes" or "tags" of the run.
    stop
        Asks the training to stop.
    pages
        Reads a logged table.
    """

    directory: RunDir | None = None
    refeed: Callable[[], None] | None = None
    edit: Callable[[str, Any], None] | None = None
    stop: Callable[[], None] | None = None
    pages: TablePages | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and what the view should know of it."""

    head: wire.Answer
    buffers: list[bytes]
    fault: Exception | None = None


class Desk:
    """Answers the asks of a board's browsers."""

    def __init__(self, board: Board, reach: Reach) -> None:
        self._board = board
        self._reach = reach
        self._ways: dict[str, Callable[[Mapping[str, Any]], Found]] = {
            "detail": self._detail,
            "media": self._media,
            "table": self._table,
            "edit": self._edit,
            "stop": self._stop,
            "axis": self._axis,
        }

    def answer(self, ask: Mapping[str, Any]) -> Answered:
        """Do what is asked, or say why not; never raises."""
        ident = ask.get("id")
        head: wire.Answer = {"v": wire.VERSION, "kind": "answer", "ok": True}
        head["id"] = ident if type(ident) is int else -1
        try:
            if type(ident) is not int:
                _refuse(ask, "id")
            found, buffers = self._way(ask.get("what"))(ask)
        except Exception as error:  # noqa: BLE001  (a view must never stop training)
            head["ok"] = False
            told = str(error) or type(error).__name__
            head["error"] = wire.plain(told[:_MOST_TOLD])
            # A name that cannot be one, or a table that is gone, is told to who asked.
            is_told = isinstance(error, (NbtrackError, NoSuchThingError, ValueError))
            return Answered(head, [], None if is_told else error)
        return Answered(cast("wire.Answer", head | wire.plain(found)), buffers)

    def _way(self, what: object) -> Callable[[Mapping[str, Any]], Found]:
        if isinstance(what, str) and what in self._ways:
            return self._ways[what]
        msg = f"nbtrack does not know the ask {what!r:.80}, but {', '.join(self._ways)}"
        raise BadAskError(msg)

    # -- reading -------------------------------------------------------------------

    def _detail(self, ask: Mapping[str, Any]) -> Found:
        keys, x = ask.get("keys"), ask.get("x")
        if not _are_texts(keys) or not 0 < len(keys) <= _MOST_KEYS:
            _refuse(ask, "keys")
        if x not in ("step", "time", "axis"):
            _refuse(ask, "x")
        low, high = _number(ask, "from"), _number(ask, "to")
        from nbtrack._view.detail import read_range

        found = read_range(self._directory(), keys, x, (low, high), self._board.axis_of)
        for key in keys:
            if key not in found:
                msg = f"no points of {key!r:.80} were logged"
                raise NoSuchThingError(msg)
        series = [{"key": key, "count": len(found[key][0])} for key in keys]
        return {"series": series}, [wire.packed_series(found[k] for k in keys)]

    def _media(self, ask: Mapping[str, Any]) -> Found:
        is_full = ask.get("full") is True
        items, buffers = self._board.sender.whole(self._entry(ask), is_full=is_full)
        return {"items": items}, buffers

    def _table(self, ask: Mapping[str, Any]) -> Found:
        if self._reach.pages is None:
            msg = "tables cannot be read here"
            raise NoSuchThingError(msg)
        sort = ask.get("sort") or []
        if not isinstance(sort, list) or not all(
            _are_texts(one) and len(one) == 2 and one[1] in ("asc", "desc")  # noqa: PLR2004
            for one in sort
        ):
            _refuse(ask, "sort")
        value = self._entry(ask).value
        at = _natural(ask, "item", 0)
        if isinstance(value, list):
            if at >= len(value):
                msg = f"there are {len(value)} items at this step, so no {at}"
                raise NoSuchThingError(msg)
            value = value[at]
        for member in ("offset", "limit", "first_column", "n_columns"):
            _natural(ask, member, 0)
        for member in ("search", "filter"):
            if not isinstance(ask.get(member, ""), str):
                _refuse(ask, member)
        found, buffers = self._reach.pages(value, self._directory().path, dict(ask))
        return found, buffers

    def _entry(self, ask: Mapping[str, Any]) -> Entry:
        key, step = ask.get("key"), ask.get("step")
        if not isinstance(key, str):
            _refuse(ask, "key")
        if isinstance(step, bool) or not isinstance(step, int):
            _refuse(ask, "step")
        entry = self._board.media_at(key, step)
        if entry is None:
            msg = f"{key!r:.80} has nothing at step {step} that is still known here"
            raise NoSuchThingError(msg)
        return entry

    def _directory(self) -> RunDir:
        if self._reach.directory is None:
            msg = "the run's files cannot be read from here"
            raise NoSuchThingError(msg)
        return self._reach.directory

    # -- changing ------------------------------------------------------------------

    def _edit(self, ask: Mapping[str, Any]) -> Found:
        name, value = ask.get("field"), ask.get("value")
        if name == "tags":
            if not _are_texts(value):
                _refuse(ask, "value")
        elif name not in ("name", "notes"):
            _refuse(ask, "field")
        elif not isinstance(value, str) or len(value) > _MOST_TEXT:
            _refuse(ask, "value")
        if self._reach.edit is None:
            raise NoSuchThingError(_ELSEWHERE)
        self._reach.edit(name, value)
        self._board.hurry()
        return {}, []

    def _stop(self, _: Mapping[str, Any]) -> Found:
        if self._reach.stop is None:
            raise NoSuchThingError(_ELSEWHERE)
        self._reach.stop()
        self._board.hurry()
        return {}, []

    def _axis(self, ask: Mapping[str, Any]) -> Found:
        x = ask.get("x")
        if not isinstance(x, str):
            _refuse(ask, "x")
        if self._reach.refeed is None:
            msg = "these charts cannot be drawn over another metric"
            raise NoSuchThingError(msg)
        if x and x not in self._board.axes() and x != self._board.x:
            msg = f"{x!r:.80} is no metric that charts could be drawn over"
            raise NoSuchThingError(msg)
        if x != self._board.x:
            self._board.draw_over(x)
            self._reach.refeed()
        return {}, []


_ELSEWHERE: Final = (
    "this run is written by another process, or has ended: it can be stopped there "
    "only, and edited by nbtrack.Api()"
)


def _refuse(ask: Mapping[str, Any], member: str) -> NoReturn:
    value = ask.get(member)
    msg = f"{ask.get('what')!r:.80} cannot be asked with {member}={value!r:.80}"
    raise BadAskError(msg)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _number(ask: Mapping[str, Any], member: str) -> float:
    value = ask.get(member)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(ask, member)
    if not abs(value) < _LARGEST:  # NaN, too
        _refuse(ask, member)
    return float(value)


def _natural(ask: Mapping[str, Any], member: str, default: int) -> int:
    value = ask.get(member, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _refuse(ask, member)
    return value
