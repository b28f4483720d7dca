"""``mode="disabled"``: a run of the same shape that touches neither disk nor screen."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbtrack._faults import Faults
from nbtrack._run import Run
from nbtrack._saved import SavedFiles
from nbtrack._store.lines import Record
from nbtrack._store.rundir import RunDir, new_run_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nbtrack._record.fold import Summary
    from nbtrack.settings import Settings


class _NoJournal:
    """Takes records, folds them into the summary, and keeps none."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.summary: Summary | None = None
        self.is_closed = False
        self.lost = self.waiting = 0
        self._started = time.monotonic()

    def append_plain_row(self, step: int, row: dict[str, Any]) -> bool:
        self.append(step, row)
        return True

    def append(
        self,
        place: int | str,
        data: dict[str, Any],
        extended: dict[str, str] | None = None,
    ) -> None:
        if extended:
            data = data | {key: json.loads(text) for key, text in extended.items()}
        if self.summary is None:
            return
        if isinstance(place, int):
            self.summary.feed_row(place, data)
        else:
            self.summary.feed(Record("", 0, 0, place, None, data))

    def elapsed_us(self) -> int:
        return int((time.monotonic() - self._started) * 1e6)

    def close(self) -> None:
        self.is_closed = True


class DisabledRun(Run):
    """Checks its calls and keeps config and summary in memory; that is all."""

    def __init__(
        self, options: Settings, meant: dict[str, Any], config: dict[str, Any]
    ) -> None:
        run_id = new_run_id()
        document = {
            **meant,
            "name": meant["name"] or f"disabled-{run_id}",
            "project": options.project,
            "user": "user",
            "state": "running",
            "created": time.time(),
        }
        nowhere = RunDir(Path(os.devnull) / run_id)
        journal, faults = _NoJournal(), Faults(strict=options.strict)
        super().__init__(nowhere, document, config, journal, faults, options=options)  # type: ignore[arg-type]
        journal.summary = self.following.summary
        folder = nowhere.path / "files"
        self._files = SavedFiles(folder, self._not_kept, lambda _, __: None)

    @property
    def disabled(self) -> bool:
        """True: nothing is recorded."""
        return True

    def _keep(self, value: Any) -> tuple[Any, str] | None:
        from nbtrack._media.keep import outlined

        return outlined(value)

    def _put_array(self, array: NDArray[Any]) -> str | None:
        """Store nothing."""

    def _rewrite_past(self) -> None:
        """There are no rows to be read again."""

    def _write(self, name: str, document: object) -> None:
        """Write nothing."""
