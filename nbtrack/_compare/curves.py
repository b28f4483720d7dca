"""The same metric of several runs, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    XY = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class RunCurve:
    """One run's line; ``run`` is its place in the comparison."""

    run: int
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Overlay:
    """One metric, of all runs that have it."""

    key: str
    curves: tuple[RunCurve, ...]


def overlay(runs: Sequence[Mapping[str, XY]]) -> list[Overlay]:
    """Give one overlay for each metric, in the order in which metrics first appear."""
    keys = dict.fromkeys(key for curves in runs for key in curves)
    return [
        Overlay(
            key,
            tuple(
                RunCurve(i, *curves[key])
                for i, curves in enumerate(runs)
                if key in curves
            ),
        )
        for key in keys
    ]
