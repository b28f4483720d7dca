"""How quickly a run goes on."""

from __future__ import annotations

from collections import deque
from typing import Final

_WINDOW_S: Final = 10.0
_SOONEST_S: Final = 0.5  # between the moments that a rate is made of
_IDLE_S: Final = 3.0  # without a step the run stands still,
_MISSED: Final = 3  # unless its steps take about as long as that


class Pace:
    """Steps per second over the last seconds in which there were steps."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()  # when a step was seen first

    def at(self, now_s: float, step: int | None) -> float | None:
        """Note the step and give the rate; None when unknown or nothing moves."""
        if step is None:
            return None
        seen = self._seen
        if not seen or step != seen[-1][1]:
            if len(seen) > 1 and self._is_idle(now_s):
                seen.clear()  # the rest between two cells is nobody's slowness
            seen.append((now_s, step))
        while now_s - seen[0][0] > _WINDOW_S and len(seen) > 2:  # noqa: PLR2004
            seen.popleft()
        since_s, from_step = seen[0]
        until_s, to_step = seen[-1]
        if until_s - since_s < _SOONEST_S or self._is_idle(now_s):
            return None
        return float(f"{(to_step - from_step) / (until_s - since_s):.3g}")

    def _is_idle(self, now_s: float) -> bool:
        until_s = self._seen[-1][0]
        usual_s = (until_s - self._seen[0][0]) / max(len(self._seen) - 1, 1)
        return now_s - until_s > max(_IDLE_S, _MISSED * usual_s)
