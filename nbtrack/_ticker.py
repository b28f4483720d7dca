"""What must happen about once a second, on one quiet thread per run.

Rows reach the disk for good, refused ones are tried again, a vanished file is noticed,
and the log is touched so that other hosts see that the writer lives. A log that is
full is closed, and compacted by a second thread that lives only as long as that takes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from nbtrack._store import journal as journals
from nbtrack._store.alive import HEARTBEAT_S

if TYPE_CHECKING:
    from nbtrack._faults import Faults
    from nbtrack._store.journal import Journal
    from nbtrack._store.logfile import LogFile
    from nbtrack._store.rundir import RunDir
    from nbtrack._store.segments import Segment

_INTERVAL_S: Final = 1.0
#: Ticks that a full log is left alone: a ``write`` may still be on its way into it.
_GRACE_TICKS: Final = 2
#: Ticks after which no ``write`` can be on its way any more.
_PATIENCE_TICKS: Final = 60
#: Compaction rests so many times as long as it took, to leave the processor to others.
_REST: Final = 9


class Ticker:
    """The thread; it ends by ``stop`` and never outlives the interpreter."""

    def __init__(
        self, run: RunDir, journal: Journal, faults: Faults, *, syncs: bool
    ) -> None:
        self._journal = journal
        self._faults = faults
        self._syncs = syncs
        self._compaction = Compaction(run, journal, faults)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._tick_on, name="nbtrack-sync", daemon=True
        )

    def start(self) -> None:
        """Begin; does nothing where there are no threads (Pyodide)."""
        try:
            self._thread.start()
        except RuntimeError as error:
            if sys.platform == "emscripten":  # always so, and no power cut to survive
                return
            self._faults.add(
                "no-thread",
                "no background thread can be started here, so rows survive a killed "
                "kernel, but perhaps not a power cut",
                error=error,
            )

    def _tick_on(self) -> None:
        ticks = 0
        while not self._stop.wait(_INTERVAL_S):
            ticks += 1
            try:
                self._tick(touch=ticks % int(HEARTBEAT_S / _INTERVAL_S) == 0)
            except Exception as error:  # noqa: BLE001  (the next tick must come)
                self._faults.add(
                    "sync",
                    "a background tick failed; recording goes on",
                    error=error,
                    in_user_call=False,
                )

    def _tick(self, *, touch: bool) -> None:
        self._journal.sync(durably=self._syncs)
        if touch:
            os.utime(self._journal.path)
        if self._journal.size >= journals.SEGMENT_BYTES:
            full = self._journal.rotate(durably=self._syncs)
            if full is not None:
                self._compaction.add(full)
        self._compaction.tick()

    def stop(self) -> None:
        """End the threads. Idempotent."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5 * _INTERVAL_S)
        self._compaction.join()


class Compaction:
    """Moves full logs to Parquet, one at a time, beside the run's own work.

    What it does not come to, ``finish`` does.
    """

    def __init__(self, run: RunDir, journal: Journal, faults: Faults) -> None:
        self._run = run
        self._journal = journal
        self._faults = faults
        self._full: deque[tuple[Segment, int]] = deque()  # and ticks since then
        self._ticks = 0
        self._rests_until_s = 0.0
        self._thread: threading.Thread | None = None
        self._replaced: deque[tuple[LogFile, int]] = deque()  # and ticks since then

    def add(self, segment: Segment) -> None:
        """Take on a segment that nobody appends to any more."""
        self._full.append((segment, self._ticks))

    def tick(self) -> None:
        """Begin with the oldest one if it is time."""
        self._ticks += 1
        self._bring_latecomers()
        is_busy = self._thread is not None and self._thread.is_alive()
        if is_busy or not self._full or time.monotonic() < self._rests_until_s:
            return
        segment, since = self._full[0]
        if self._ticks - since > _GRACE_TICKS:
            self._full.popleft()
            self._thread = threading.Thread(
                target=self._compact, args=(segment,), name="nbtrack-compact"
            )
            self._thread.start()

    def _bring_latecomers(self) -> None:
        """Save what came into a log after it was replaced.

        A ``write`` that the disk held up for seconds may have begun before the log was
        closed, and end when its rows are long in Parquet.
        """
        for file, _ in list(self._replaced):
            for lines in file.chunks():
                self._journal.append_lines(lines)
        while self._replaced and self._ticks - self._replaced[0][1] > _PATIENCE_TICKS:
            self._replaced.popleft()

    def _compact(self, segment: Segment) -> None:
        began_s = time.monotonic()
        try:
            from nbtrack._store.compact import compact_log  # loads pyarrow

            replaced = compact_log(self._run, segment)
            if replaced is not None:
                self._replaced.append((replaced, self._ticks))
        except Exception as error:  # noqa: BLE001  (nobody is there to catch it)
            self._faults.add(
                "compact",
                "rows could not be moved to Parquet. They are safe in the log; "
                "finish() tries again, and readers do without",
                error=error,
                in_user_call=False,
            )
        took_s = time.monotonic() - began_s
        self._rests_until_s = time.monotonic() + _REST * took_s

    def join(self) -> None:
        """Wait for what was begun."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._replaced.clear()
