"""``mode="disabled"``: a run of the same shape that touches neither disk nor screen."""

from __future__ import annotations

import os
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbtrack._faults import Faults
from nbtrack._record.metrics import Rule, make_rule
from nbtrack._record.row import check_mapping
from nbtrack._record.steps import place
from nbtrack._run import Run
from nbtrack._store.rundir import RunDir, new_run_id

if TYPE_CHECKING:
    from collections.abc import Mapping


class _NoJournal:
    """Takes records and keeps none."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._started = time.monotonic()

        self.is_closed = False
        self.lost = self.waiting = 0

    def append_plain_row(self, step: int, row: dict[str, Any]) -> bool:  # noqa: ARG002
        return True

    def append(self, *record: object) -> None: ...

    def elapsed_us(self) -> int:
        return int((time.monotonic() - self._started) * 1e6)

    def close(self) -> None:
        self.is_closed = True


class DisabledRun(Run):
    """Checks its calls and keeps config and summary in memory; that is all."""

    def __init__(
        self, project: str, meant: dict[str, Any], config: dict[str, Any]
    ) -> None:
        run_id = new_run_id()
        document = {
            **meant,
            "name": meant["name"] or f"disabled-{run_id}",
            "project": project,
            "user": "user",
            "state": "running",
            "created": time.time(),
        }
        nowhere = RunDir(Path(os.devnull) / run_id)
        super().__init__(nowhere, document, config, _NoJournal(), Faults())  # type: ignore[arg-type]

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
    ) -> None:
        """Check the call and remember its values for the summary."""
        self._check_open("log")
        check_mapping(data)
        placed = place(self.step, step, commit)
        self._steps = count(placed.next_step)
        self.following.summary.feed_row(placed.step, dict(data))

    def define_metric(self, name: str, *args: Any, **keywords: Any) -> Rule:
        """Check the rule and let the summary follow it."""
        overwrite = keywords.pop("overwrite", False)
        if (objective := keywords.pop("objective", None)) is not None:
            keywords["goal"] = objective
        rule = make_rule(name, *args, **keywords)
        rules = self.following.rules
        rules.check(rule, overwrite=overwrite)
        return rules.define(rule, overwrite=overwrite)

    def _change_summary(self, change: dict[str, Any]) -> None:
        self._check_open("summary")
        self.following.summary.feed_change(change)

    def _write(self, name: str, document: object) -> None:
        """Write nothing."""
