"""The step rules: which row a call to ``log`` writes to, and what comes next.

There is one current row. A call without ``step`` and ``commit`` completes it; a call
with a larger ``step`` leaves it behind; ``commit=False`` keeps it open. A smaller
``step`` would change a row that is complete, so its keys join the current row and the
caller is told: nothing is dropped. Who asks to keep late steps gets them: readers merge
all that was ever written to one step.
"""

from __future__ import annotations

from operator import index
from typing import NamedTuple

from nbtrack.errors import StepError

#: Steps are stored as int64 and drawn as float64: beyond 2**53 they would collide.
MAX_STEP = 2**53


class Placement(NamedTuple):
    """Where one call's keys go."""

    step: int  # the row they are written to
    next_step: int  # the current step after the call
    is_late: bool  # the step asked for had already passed


def place(
    current: int, step: object, commit: bool | None, *, keeps_late: bool = False
) -> Placement:
    """Apply the step rules to one call.

    Parameters
    ----------
    current
        The step of the open row.
    step, commit
        As given to ``log``.
    keeps_late
        A step that has passed is written to, and the current one stays.

    Raises
    ------
    StepError
        ``step`` is not a whole number below 2**53.

    >>> place(4, None, None)
    Placement(step=4, next_step=5, is_late=False)
    >>> place(4, 9, None)
    Placement(step=9, next_step=9, is_late=False)
    >>> place(4, 2, True)
    Placement(step=4, next_step=5, is_late=True)
    >>> place(4, 2, True, keeps_late=True)
    Placement(step=2, next_step=4, is_late=False)
    """
    if step is None:
        commits = commit is None or commit
        return Placement(current, current + commits, is_late=False)
    try:
        wanted = index(step)  # type: ignore[arg-type]  # that it may fail is the point
    except TypeError:
        raise StepError(step) from None
    if abs(wanted) >= MAX_STEP:
        raise StepError(step)
    if keeps_late and wanted < current:
        return Placement(wanted, current, is_late=False)
    row = max(wanted, current)
    return Placement(row, row + bool(commit), is_late=wanted < current)


def expected_steps(
    first: tuple[float, int], latest: tuple[float, int], epochs: object
) -> int | None:
    """Guess how many steps there will be from how far apart two epochs are.

    Parameters
    ----------
    first, latest
        An epoch and the step at which it was first logged.
    epochs
        How many there will be, as the config says.

    >>> expected_steps((0, 0), (3, 300), epochs=10)
    1000
    >>> expected_steps((1, 0), (1, 0), epochs=10), expected_steps((0, 0), (1, 9), "x")
    (None, None)
    """
    rise = latest[0] - first[0]
    if not isinstance(epochs, (int, float)) or not 0 < rise < epochs < MAX_STEP:
        return None
    total = first[1] + round((latest[1] - first[1]) / rise * epochs)
    return total if total > latest[1] else None
