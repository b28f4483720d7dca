"""Alerts: what somebody who does not look should hear of."""

from __future__ import annotations

import time
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from nbtrack.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable


class AlertLevel(str, Enum):
    """How urgent an alert is; its text will do as well."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Alerts:
    """Records alerts and has each shown, those that repeat too soon aside."""

    def __init__(self, record: Callable[[str, dict[str, Any]], None]) -> None:
        self.show: Callable[[str], None] = lambda _: None
        self._record = record
        self._last: dict[str, float] = {}  # title → when it was given, monotonic

    def give(
        self, title: object, text: object, level: object, wait: float | timedelta | None
    ) -> None:
        """Give an alert, unless one of this title was given less than ``wait`` ago.

        Raises
        ------
        SettingError
            A level that is none.
        """
        word = str(level.value if isinstance(level, Enum) else level).upper()
        if word not in AlertLevel.__members__:
            raise SettingError("level", level, AlertLevel.__members__)
        wait_s = wait.total_seconds() if isinstance(wait, timedelta) else (wait or 0)
        title, now = str(title), time.monotonic()
        if title in self._last and now - self._last[title] < wait_s:
            return
        self._last[title] = now
        text = str(text)
        self._record("alert", {"title": title, "text": text, "level": word})
        self.show(f"{word} {title}" + (f": {text}" if text else ""))
