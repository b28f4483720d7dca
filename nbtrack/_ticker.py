"""What must happen about once a second, on one quiet thread per run.

Rows reach the disk for good, refused ones are tried again, a vanished file is noticed,
and the log is touched so that other hosts see that the writer lives.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from nbtrack._store.alive import HEARTBEAT_S

if TYPE_CHECKING:
    from nbtrack._faults import Faults
    from nbtrack._store.journal import Journal

_INTERVAL_S = 1.0


class Ticker:
    """The thread; it ends by ``stop`` and never outlives the interpreter."""

    def __init__(self, journal: Journal, faults: Faults, *, syncs: bool) -> None:
        self._journal = journal
        self._faults = faults
        self._syncs = syncs
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._tick_on, name="nbtrack-sync", daemon=True
        )

    def start(self) -> None:
        """Begin; does nothing where there are no threads (Pyodide)."""
        try:
            self._thread.start()
        except RuntimeError as error:
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

    def stop(self) -> None:
        """End the thread. Idempotent."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5 * _INTERVAL_S)
