"""The clock of a run: microseconds that never go back and go on through sleep.

Wall time jumps (NTP, a laptop in another time zone, a VM restored), so it is read
once when a writer opens its log, and every row carries only the distance from there.
``time.monotonic`` stands still on Linux while the machine sleeps, which would date the
rows after it hours too early; CLOCK_BOOTTIME does not.
"""

from __future__ import annotations

import contextlib
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _steady_clock() -> Callable[[], int]:
    if hasattr(time, "CLOCK_BOOTTIME"):
        with contextlib.suppress(OSError):  # Pyodide names it and has none
            time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            return partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # counts sleep there, unlike time.monotonic
        return partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
    return time.monotonic_ns


#: Nanoseconds since an arbitrary moment.
steady_ns: Callable[[], int] = _steady_clock()
