"""What to draw, as plain values: no disk, no widget, no HTML.

A board is a card (who is this run), sections of charts, and a summary table.
The live view and the static bundle draw the same spec, so they cannot disagree
about which charts exist, what they are called, or in which order they come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

#: Colours that colour-blind readers can tell apart and that read on a light and
#: on a dark ground alike (Okabe and Ito's set, the yellow and black replaced).
PALETTE = (
    "#3d8fd1",
    "#e07b39",
    "#2aa876",
    "#c264b4",
    "#8a8f98",
    "#b89b2c",
    "#5b6fd6",
    "#d1495b",
)


@dataclass(frozen=True, slots=True)
class Card:
    """The facts in a board's header. Every string is text, never markup."""

    name: str
    run_id: str
    project: str
    state: str
    tags: tuple[str, ...] = ()
    notes: str = ""
    started_at: float = 0.0  # Unix seconds
    elapsed_s: float = 0.0
    step: int | None = None  # of the last row; None before the first
    total_steps: int | None = None
    directory: str = ""
    config: tuple[tuple[str, str], ...] = ()  # flattened key, value as text
    faults: tuple[str, ...] = ()  # one line each: what was lost or damaged
    group: str | None = None
    job_type: str | None = None
    can_edit: bool = False  # this process writes the run
    is_stopping: bool = False  # it was asked to stop


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart. ``x`` and ``y`` have the same length; NaN is a gap."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = PALETTE[0]


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric, of one run or of several runs overlaid."""

    key: str
    title: str  # the key without its section
    x_title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Charts that share the part before the first ``/``; "" when there is none."""

    name: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One line of the summary table: a key and its statistics as text."""

    key: str
    values: tuple[tuple[str, str], ...]  # ("last", "0.031"), ("min", "0.029"), …


@dataclass(frozen=True, slots=True)
class MediaPanel:
    """The first and the latest of what was logged under one key: images, say."""

    key: str
    title: str  # the key without its section
    section: str
    first: tuple[int, Any]  # the step, and what its row says
    last: tuple[int, Any]
    run_path: Path  # where the files are


@dataclass(frozen=True, slots=True)
class BoardSpec:
    """All that a board shows at one moment."""

    card: Card
    sections: tuple[Section, ...] = ()
    summary: tuple[SummaryRow, ...] = field(default=())
    media: tuple[MediaPanel, ...] = ()


_DOUBLE_BITS = 1023  # integers beyond are larger than every double


def split_key(key: str) -> tuple[str, str]:
    """Give the section and the title of a metric's key.

    >>> split_key("train/loss"), split_key("lr"), split_key("/odd"), split_key("a/b/c")
    (('train', 'loss'), ('', 'lr'), ('', '/odd'), ('a', 'b/c'))
    """
    section, slash, title = key.partition("/")
    return (section, title) if slash and section and title else ("", key)


def group_keys(keys: Iterable[str]) -> dict[str, list[str]]:
    """Group keys by section, both in order of first appearance.

    Keys without a section come first, whatever order they were logged in.
    """
    groups: dict[str, list[str]] = {"": []}
    for key in keys:
        groups.setdefault(split_key(key)[0], []).append(key)
    return {name: members for name, members in groups.items() if members}


def progress_text(step: int, total: int | None) -> str:
    """Say how far a run is; one whose rows count from 0 ends at ``total - 1``.

    >>> progress_text(12, 60), progress_text(59, 60), progress_text(60, 60)
    ('step 12 of 60', '60 of 60 steps', '60 of 60 steps')
    >>> progress_text(12, None), progress_text(75, 60)
    ('step 12', 'step 75')
    """
    if not total or step > total:  # a total that was too small says nothing
        return f"step {step:,}"
    if step + 1 >= total:
        return f"{total:,} of {total:,} steps"
    return f"step {step:,} of {total:,}"


def format_number(value: float) -> str:
    """Write a number as a person reads it: about five digits, no noise.

    >>> [format_number(v) for v in (0.1 + 0.2, 12345678, 1e-9, 3.0, float("nan"))]
    ['0.3', '12345678', '1e-09', '3', 'nan']
    """
    if isinstance(value, int) and abs(value) < 10**15:
        return str(value)
    if isinstance(value, int) and value.bit_length() > _DOUBLE_BITS:
        return f"about {'-' * (value < 0)}2^{value.bit_length()}"
    return f"{value:.5g}"
