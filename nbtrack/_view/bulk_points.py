"""The reduction of `points`, of thousands of samples at once.

numpy is imported here, and this module only where blocks of rows come, which numpy
made. Arrays hold one column per sample: (series, samples) or (places, samples).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nbtrack._view.points import Pair

    Columns = NDArray[np.float64]


def distinct(
    steps: NDArray[Any], at: Columns, values: Columns
) -> tuple[NDArray[Any], Columns, Columns]:
    """Leave out samples that the next one replaces, and what cannot be drawn."""
    if not np.isfinite(values).all():
        values = np.where(np.isfinite(values), values, np.nan)
    is_final = np.append(steps[1:] != steps[:-1], True)[: len(steps)]
    if is_final.all():
        return steps, at, values
    return steps[is_final], at[:, is_final], values[:, is_final]


def pair_places(at: Columns, span: int) -> Columns:
    """Give the places of the first and of the middle sample of every pair."""
    return np.ascontiguousarray(at[:, :: span // 2])


def pairs(values: Columns, span: int) -> Columns:
    """Reduce every ``span`` samples to two: (series, 2 * samples / span)."""
    if span == 2:  # noqa: PLR2004
        return np.ascontiguousarray(values)
    series = len(values)
    parts = values.reshape(series, -1, span)
    low_at, high_at, gaps = _extremes_at(parts)
    low = np.take_along_axis(parts, low_at[..., None], -1)[..., 0]
    high = np.take_along_axis(parts, high_at[..., None], -1)[..., 0]
    low_is_first = low_at < high_at
    joined = np.empty((*low.shape, 2))
    joined[..., 0] = np.where(low_is_first, low, high)
    joined[..., 1] = np.where(low_is_first, high, low)
    if gaps is not None:
        is_gap = gaps.reshape(series, -1, 2, span // 2).all(-1)
        # A half that is all gap stays one where this costs no number.
        joined[is_gap & (low == high)[..., None]] = np.nan
    return joined.reshape(series, -1)


def extremes(values: Columns) -> list[Pair]:
    """Reduce all samples to two for each series, none of them a gap if one is not."""
    low_at, high_at, _ = _extremes_at(values)
    first, second = np.minimum(low_at, high_at), np.maximum(low_at, high_at)
    rows = np.arange(len(values))
    ends = zip(values[rows, first].tolist(), values[rows, second].tolist(), strict=True)
    return list(ends)


def halve(points: array[float]) -> array[float]:
    """Do what ``points.halve`` does."""
    whole = np.frombuffer(points)[: len(points) // 4 * 4]
    return array("d", pairs(whole[None], 4).tobytes())


def _extremes_at(
    parts: Columns,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_] | None]:
    """Find the first least and the first greatest number along the last axis.

    Where all is gap both are at the beginning. The gaps are None if there is none.
    """
    gaps = np.isnan(parts)
    if not gaps.any():
        return parts.argmin(-1), parts.argmax(-1), None
    low_at = np.where(gaps, np.inf, parts).argmin(-1)
    return low_at, np.where(gaps, -np.inf, parts).argmax(-1), gaps
