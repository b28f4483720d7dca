"""Following one's own run: the summary and every view read the journal from here.

Nothing is told to them by ``log()``. Whoever wants to be up to date calls ``catch_up``:
a view's thread a few times a second, or the user's thread when it reads the summary.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbtrack._fork import tell_when_forked
from nbtrack._record.metrics import Rules, Summary
from nbtrack._store.follow import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from nbtrack._faults import Faults
    from nbtrack._store.lines import Record


_BATCH: Final = 2_000  # records; a few milliseconds


class Follower(Protocol):
    """Somebody who wants every record of the run, in batches."""

    def feed(self, records: Sequence[Record]) -> None:
        """Take the records that came since the last call."""

    def restart(self) -> None:
        """Forget what was fed: it comes again, under rules that have changed."""


class Following:
    """Rules, summary and followers of one run, and how far they have read.

    Parameters
    ----------
    log
        The run's ``log`` directory.
    is_ended
        Says that nothing will be appended any more.
    """

    def __init__(self, log: Path, faults: Faults, is_ended: Callable[[], bool]) -> None:
        self.rules = Rules()
        self.summary = Summary(self.rules)
        self.last_step: int | None = None  # of the rows read so far
        self._tail = Tail(log)
        self._faults = faults
        self._is_ended = is_ended
        self._is_drained = False
        self._lock = threading.RLock()
        self._followers: list[Follower] = []
        self._stored: Sequence[Record] = ()  # of a run that is resumed
        tell_when_forked(self)

    def catch_up(self, budget_s: float = math.inf) -> None:
        """Read what the journal has got since the last time, and tell everybody.

        Parameters
        ----------
        budget_s
            Stop after this time and leave the rest for the next call, so that a view
            does not take the interpreter from a loop that logs as fast as it can.
        """
        stop_at = time.monotonic() + budget_s
        with self._lock:
            if self._is_drained:
                return
            # Asked before reading: what comes in between is read the next time.
            is_ended = self._is_ended()
            for batch in _batches(self._tail.poll()):
                self._take(batch)
                if time.monotonic() > stop_at:
                    return
            self._is_drained = is_ended

    def _take(self, records: Sequence[Record]) -> None:
        had_rows = self.last_step is not None
        for record in records:
            self._fold(record)
        if had_rows and any(record.kind == "metric" for record in records):
            for follower in self._followers:
                follower.restart()
            for batch in _batches(chain(self._stored, self._tail.reread())):
                self._feed(batch)
        else:
            self._feed(records)

    def values(self) -> dict[str, Any]:
        """Give the whole summary as a plain mapping, up to date."""
        with self._lock:
            self.catch_up()
            return self.summary.as_dict()

    def follow(self, follower: Follower) -> None:
        """Feed a follower with every record from now on."""
        with self._lock:
            self._followers.append(follower)

    def preload(self, records: Sequence[Record]) -> None:
        """Take all records of a run that is resumed; its old logs are done with."""
        with self._lock:
            deque(self._tail.poll(), maxlen=0)
            self._stored = records
            for record in records:
                self._fold(record)
            self._feed(records)

    def forked(self) -> None:
        """Continue in a child: no other thread is there, and the board is not ours."""
        self._lock = threading.RLock()
        self._followers.clear()

    def _fold(self, record: Record) -> None:
        if record.kind == "row" and record.step is not None:
            before = record.step if self.last_step is None else self.last_step
            self.last_step = max(record.step, before)
        self.summary.feed(record.kind, record.step, record.data)

    def _feed(self, records: Sequence[Record]) -> None:
        for follower in list(self._followers):
            try:
                follower.feed(records)
            except Exception as error:  # noqa: BLE001  (a broken view must not spread)
                self._followers.remove(follower)
                self._faults.add(
                    "view",
                    "the board broke and is not drawn any more; recording and the "
                    "summary are not affected",
                    error=error,
                    in_user_call=False,
                )


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Give records in lists, because a million at once would fill the memory."""
    iterator = iter(records)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
