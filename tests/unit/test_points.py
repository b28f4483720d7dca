"""The reduction: bounded, deterministic, and no extreme lost."""

from __future__ import annotations

from array import array
from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbtrack._view import points
from nbtrack._view.points import Track, halve, halved, join

values = st.floats(allow_infinity=False, width=32) | st.sampled_from([nan, 0.0, 1.0])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small limits reach every branch with short lists."""
    monkeypatch.setattr(points, "CAPACITY", 16)
    monkeypatch.setattr(points, "CHUNK", 8)


def track_of(*columns: list[float]) -> Track:
    track = Track(0, "", tuple(f"k{i}" for i in range(len(columns))))
    for step, row in enumerate(zip(*columns, strict=True)):
        track.push(step, (float(step), step / 10), list(row))
    return track


def numbers(series: array[float]) -> list[float]:
    return [v for v in series if not isnan(v)]


def same(a: float, b: float) -> bool:
    return a == b or (isnan(a) and isnan(b))


def reduced(samples: list[float], span: int) -> list[float]:
    """Say plainly what closed pairs are: the joins of a binary tree."""

    def pair(part: list[float]) -> tuple[float, ...]:
        if len(part) == 2:
            return tuple(part)
        half = len(part) // 2
        return join(pair(part[:half]), pair(part[half:]))

    pairs = range(0, len(samples) - span + 1, span)
    return [v for at in pairs for v in pair(samples[at : at + span])]


@given(st.lists(values, min_size=1, max_size=600))
def test_closed_points_are_a_function_of_the_samples_alone(
    samples: list[float],
) -> None:
    track = track_of(samples)
    # The last sample is kept apart until the next one comes.
    expected = reduced(samples[:-1], track.span)
    assert len(track.ys["k0"]) == len(expected)
    assert all(map(same, track.ys["k0"], expected))
    firsts = range(0, len(expected) // 2 * track.span, track.span // 2)
    assert list(track.x) == [float(at) for at in firsts]
    assert list(track.at[-1]) == [at / 10 for at in firsts]


@given(st.lists(values, min_size=1, max_size=600))
def test_every_extreme_is_kept_and_the_size_is_bounded(samples: list[float]) -> None:
    x, y = track_of(samples).points("k0")
    kept, there = numbers(y), numbers(array("d", samples))
    assert len(x) == len(y) <= 16 + 3
    assert bool(kept) == bool(there)
    if there:
        assert (min(kept), max(kept)) == (min(there), max(there))
    assert same(y[-1], samples[-1])
    assert x[-1] == len(samples) - 1


@given(st.lists(values, min_size=1, max_size=15))
def test_below_the_capacity_the_points_are_the_samples(samples: list[float]) -> None:
    x, y = track_of(samples).points("k0")
    assert list(x) == [float(step) for step in range(len(samples))]
    assert all(map(same, y, samples))


@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=200))
def test_a_part_goes_on_as_if_it_had_always_been_alone(
    rows: list[tuple[float, float, float]],
) -> None:
    half = len(rows) // 2
    track = Track(0, "", ("a", "b", "c"))
    alone = Track(1, "", ("c", "a"))
    for step, (a, b, c) in enumerate(rows):
        if step == half:
            track = track.part(2, ("c", "a"))
        at = (float(step), step / 10)
        track.push(step, at, [a, b, c] if step < half else [c, a])
        alone.push(step, at, [c, a])
    for key in ("a", "c"):
        assert all(
            map(same, track.points(key)[1], alone.points(key)[1]),
        )
    assert track.epoch == alone.epoch


@given(st.lists(values, min_size=1, max_size=200), st.integers(0, 199), values)
def test_a_later_value_of_a_step_replaces_the_earlier(
    samples: list[float], at: int, value: float
) -> None:
    at %= len(samples)
    track = Track(0, "", ("a", "b"))
    for step, sample in enumerate(samples):
        track.push(step, (step, step / 10), [sample, sample])
        if step == at:
            track.replace("b", value)
    corrected = track_of([*samples[:at], value, *samples[at + 1 :]])
    assert all(map(same, track.points("b")[1], corrected.points("k0")[1]))
    assert all(map(same, track.points("a")[1], track_of(samples).points("k0")[1]))


@settings(max_examples=20)
@given(st.lists(values, max_size=64))
def test_halving_is_predictable(samples: list[float]) -> None:
    assert len(halve(array("d", samples))) == halved(len(samples))


def test_an_infinity_is_a_gap_and_a_spike_beside_a_gap_stays() -> None:
    samples = [1.0] * 40
    samples[20:24] = [inf, nan, 99.0, -inf]
    y = track_of(samples).points("k0")[1]
    assert max(numbers(y)) == 99.0


def test_a_long_gap_stays_a_gap() -> None:
    y = track_of([1.0] * 32 + [nan] * 32 + [1.0] * 32).points("k0")[1]
    assert any(map(isnan, y))
