"""Following a run: its summary and every view of it read the journal from here.

Nothing is told to them by ``log()``. Whoever wants to be up to date calls ``catch_up``:
a view's thread a few times a second, or the user's thread when it reads the summary.
The run may be one's own, or that of another process.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbtrack._fold_rows import feed_records
from nbtrack._fork import tell_when_forked
from nbtrack._record.fold import Summary
from nbtrack._record.metrics import Rules
from nbtrack._store.follow import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbtrack._faults import Faults
    from nbtrack._store.block import Block
    from nbtrack._store.follow import Batch
    from nbtrack._store.lines import Record
    from nbtrack._store.rundir import RunDir


_BATCH: Final = 2_000  # records; a few milliseconds
_VALUES: Final = 300_000  # of a block; likewise


class Follower(Protocol):
    """Somebody who wants every record of the run, in batches."""

    def feed(self, records: Sequence[Record]) -> None:
        """Take the records that came since the last call."""

    def feed_block(self, block: Block) -> None:
        """Take rows that came since the last call, where they are very many."""

    def restart(self) -> None:
        """Forget what was fed: it comes again, under rules that have changed."""


class Following:
    """Rules, summary and followers of one run, and how far they have read.

    Parameters
    ----------
    is_ended
        Says that nothing will be appended any more.
    """

    def __init__(
        self, run: RunDir, faults: Faults, is_ended: Callable[[], bool]
    ) -> None:
        self.rules = Rules()
        self.summary = Summary(self.rules)
        self.last_step: int | None = None  # of the rows read so far
        #: Set when a row of the past was written to, whose old values were folded.
        self.is_rewritten = False
        self._run = run
        self._faults = faults
        self._is_amiss = False
        self._is_ended = is_ended
        self._lock = threading.RLock()
        self._followers: list[Follower] = []
        self._known_rules: set[tuple[str, int]] = set()  # writer, sequence number
        self._begin()
        tell_when_forked(self)

    def _begin(self) -> None:
        """Read from the start."""
        self._is_drained = self._has_read = False
        self._tail = Tail(self._run)
        self._batches: Iterator[Batch] | None = None  # of a poll that is under way

    def catch_up(self, budget_s: float = math.inf) -> None:
        """Read what the journal has got since the last time, and tell everybody.

        Parameters
        ----------
        budget_s
            Stop after this time and leave the rest for the next call, so that a view
            does not take the interpreter from a loop that logs as fast as it can.
        """
        with self._lock:
            if self._is_amiss:
                self._restart()
            # Until the end: an interrupt in between leaves things half done.
            self._is_amiss = True
            self._catch_up(time.monotonic() + budget_s)
            self._is_amiss = False

    def _catch_up(self, stop_at: float) -> None:
        while not self._is_drained:
            is_fresh = self._batches is None
            # Asked before reading: what comes in between is read the next time.
            is_ended = self._is_ended()
            if not self._take_all(stop_at):
                return
            self.summary.restarted()
            if is_fresh:
                self._is_drained = is_ended
                break
        if self._is_drained:
            self._tail.close()

    def _take_all(self, stop_at: float) -> bool:
        """Take what there is; say whether there was time for all of it."""
        while True:
            if self._batches is None:
                # Nobody imports pyarrow for a board while the training runs.
                in_bulk = stop_at == math.inf or "pyarrow" in sys.modules
                self._batches = self._split(self._tail.poll(in_bulk=in_bulk))
            for batch in self._batches:
                if not self._take(batch):
                    break  # from the start again
                if time.monotonic() > stop_at:
                    return False
            else:
                self._batches = None
                return True

    def _split(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Give large batches in pieces, so that a budget can be kept."""
        for batch in batches:
            if isinstance(batch, list):
                for first in range(0, len(batch), _BATCH):
                    yield batch[first : first + _BATCH]
            elif not self._followers:
                yield batch
            else:
                size = max(_BATCH, _VALUES // (len(batch.columns) + 1))
                for first in range(0, len(batch), size):
                    yield batch.part(first, first + size)

    def _take(self, batch: Batch) -> bool:
        """Fold a batch and pass it on; False when all is to be read once more."""
        self._has_read = True
        if not isinstance(batch, list):
            self._take_rows(batch)
            return True
        had_rows = self.last_step is not None
        if self._learn_rules(batch) and had_rows and self._followers:
            self._restart()
            return False
        for record in batch:
            if record.kind == "row" and record.step is not None:
                self._reach(record.step)
        feed_records(self.summary, batch)
        self._tell(lambda follower: follower.feed(batch))
        return True

    def _restart(self) -> None:
        """Give everybody everything again, from the start."""
        self.summary.restart()
        for follower in self._followers:
            follower.restart()
        self._begin()

    def _take_rows(self, block: Block) -> None:
        from nbtrack._fold_blocks import feed_block

        if len(block):
            self._reach(int(block.steps.max()))
            feed_block(self.summary, block)
            self._tell(lambda follower: follower.feed_block(block))

    def _reach(self, step: int) -> None:
        if self.last_step is None or step > self.last_step:
            self.last_step = step

    def _learn_rules(self, records: Sequence[Record]) -> bool:
        """Take the rules among records; say whether there were new ones."""
        found = False
        for record in records:
            place = (record.writer, record.seq)
            if record.kind == "metric" and place not in self._known_rules:
                self._known_rules.add(place)
                self.rules.feed(record.data)
                found = True
        return found

    def values(self) -> dict[str, Any]:
        """Give the whole summary as a plain mapping, up to date."""
        with self._lock:
            if self.is_rewritten:
                from nbtrack._fold_blocks import folded
                from nbtrack._store.parts import read_history

                return folded(read_history(self._run)).as_dict()
            self.catch_up()
            return self.summary.as_dict()

    def follow(self, follower: Follower) -> None:
        """Feed a follower with every record, those that were read already too."""
        with self._lock:
            self._followers.append(follower)
            if self._has_read:
                self._restart()

    def refeed(self) -> None:
        """Give everybody everything again at the next catch-up."""
        with self._lock:
            self._restart()

    def close(self) -> None:
        """Let go of all files; the next catch-up opens them again."""
        with self._lock:
            if self._batches is not None:  # some of what was read is not passed on yet
                self._batches, self._is_amiss = None, True
            self._tail.close()

    @property
    def is_drained(self) -> bool:
        """Whether the run has ended and everything was read."""
        return self._is_drained

    def forked(self) -> None:
        """Continue in a child: no other thread is there, and the board is not ours."""
        self._lock = threading.RLock()
        self._followers.clear()
        self.summary.restart()  # another thread may have been in the middle of it
        self.summary.restarted()
        self._is_amiss = False
        self._begin()

    def _tell(self, feed: Callable[[Follower], None]) -> None:
        for follower in list(self._followers):
            try:
                feed(follower)
            except Exception as error:  # noqa: BLE001  (a broken view must not spread)
                self._followers.remove(follower)
                self._faults.add(
                    "view",
                    "the board broke and is not drawn any more; recording and the "
                    "summary are not affected",
                    error=error,
                    in_user_call=False,
                )
