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
class Result:
    """A median, and what it is compared with.

    Attributes
    ----------
    what
        What was measured and, after "÷", what the baseline is.
    reach
        What we mean to reach; "" where the number is only for information.
    """

    what: str
    measured: float
    unit: str
    baseline: float | None = None
    reach: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured ÷ baseline."""
        return None if self.baseline is None else self.measured / self.baseline

    def row(self) -> str:
        """Give the line of the table."""
        cells = (
            self.what,
            with_unit(self.measured, self.unit),
            "" if self.baseline is None else with_unit(self.baseline, self.unit),
            "" if self.ratio is None else number(self.ratio),
            self.reach,
        )
        return f"| {' | '.join(cells)} |"


def table(results: Sequence[Result]) -> str:
    """Give a Markdown table."""
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
