"""One measured number, and the table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = """\
| what | measured | baseline | ratio | reach |
| --- | ---: | ---: | ---: | :--- |"""


@dataclass(frozen=True, slots=True)
class Reach:
    """What we mean to reach: at most so much.

    Attributes
    ----------
    of_ratio
        The limit is one of measured ÷ baseline, not of what was measured.
    """

    limit: float
    of_ratio: bool = False

    def __str__(self) -> str:
        if self.limit == 0:
            return "0"
        return f"ratio ≤ {self.limit:g}" if self.of_ratio else f"≤ {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured (a median, if nothing else is said), and against what.

    Attributes
    ----------
    what
        What was measured and, after "÷", what the baseline is.
    reach
        None where the number is only for information.
    """

    what: str
    measured: float
    unit: str
    baseline: float | None = None
    reach: Reach | None = None

    @property
    def ratio(self) -> float | None:
        """Measured ÷ baseline."""
        return None if self.baseline is None else self.measured / self.baseline

    @property
    def is_missed(self) -> bool:
        """Whether it is more than we mean to reach; what cannot be told is missed.

        >>> Result("", 3, "ms", 1, Reach(2, of_ratio=True)).is_missed
        True
        >>> Result("", 2, "ms", reach=Reach(2)).is_missed
        False
        """
        if self.reach is None:
            return False
        told = self.ratio if self.reach.of_ratio else self.measured
        return told is None or not told <= self.reach.limit

    def row(self) -> str:
        """Give the line of the table."""
        reach = "" if self.reach is None else str(self.reach)
        cells = (
            self.what,
            with_unit(self.measured, self.unit),
            "" if self.baseline is None else with_unit(self.baseline, self.unit),
            "" if self.ratio is None else number(self.ratio),
            f"**✗ {reach}**" if self.is_missed else reach,
        )
        return f"| {' | '.join(cells)} |"


def table(results: Sequence[Result]) -> str:
    """Give a Markdown table; what misses its reach is marked with ✗."""
    return "\n".join([_HEAD, *(result.row() for result in results)])


def with_unit(value: float, unit: str) -> str:
    """Write a number with its unit.

    >>> with_unit(1234.5, "kB"), with_unit(0, "")
    ('1,234 kB', '0')
    """
    return f"{number(value)} {unit}".strip()


def number(value: float) -> str:
    """Write a number with three digits at least, and no more behind the point.

    >>> number(0.01234), number(7.0), number(98765.4)
    ('0.0123', '7', '98,765')
    """
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
