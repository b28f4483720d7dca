"""The step rules: which row a call to ``log`` writes to, and what comes next.

There is one current row. A call without ``step`` and ``commit`` completes it; a call
with a larger ``step`` leaves it behind; ``commit=False`` keeps it open. A smaller
``step`` cannot be honoured without rewriting the past, so its keys join the current
row and the caller is told: nothing is dropped.
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


def place(current: int, step: object, commit: bool | None) -> Placement:
    """Apply the step rules to one call.

    Parameters
    ----------
    current
        The step of the open row.
    step, commit
        As given to ``log``.

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
    """
    if step is None:
        commits = commit is None or commit
        return Placement(current, current + commits, is_late=False)
    try:
        wanted = index(step)  # type: ignore[arg-type]  # that it may fail is the point
    except TypeError:
        raise StepError(step) from None
    if wanted >= MAX_STEP:
        raise StepError(step)
    row = max(wanted, current)
    return Placement(row, row + bool(commit), is_late=wanted < current)
