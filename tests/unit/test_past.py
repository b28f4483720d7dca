"""Pictures under earlier cells, and how they are told that the run has ended."""

from __future__ import annotations

import time
from array import array
from dataclasses import replace

import pytest

from nbtrack._draw.spec import BoardSpec, Card, Chart, Curve, Section
from nbtrack._view import past
from nbtrack._view.past import Past
from nbtrack._view.static_bundle import board_bundle, restated


@pytest.fixture
def spec() -> BoardSpec:
    x = array("d", range(50))
    charts = tuple(
        Chart(f"m{n}", f"m{n}", "step", (Curve(label=f"m{n}", x=x, y=x),))
        for n in range(20)
    )
    card = Card(
        "running <b>", "running", "running", "running", ("running",), "it is running"
    )
    return BoardSpec(card=card, sections=(Section("", charts),), summary=())


@pytest.mark.parametrize("state", ["finished", "failed", "crashed"])
def test_only_the_state_of_a_picture_changes(spec: BoardSpec, state: str) -> None:
    ended = replace(spec, card=replace(spec.card, state=state))
    bundle = board_bundle(spec)
    assert restated(bundle, spec.card, state) == board_bundle(ended)


def test_a_thousand_pictures_are_told_in_no_time(spec: BoardSpec) -> None:
    kept, bundle = Past(restated), board_bundle(spec)
    for number in range(1_000):
        kept.keep(f"d{number}", spec.card, bundle)
    began_s = time.perf_counter()
    told = [bundle["text/plain"] for _, bundle in kept.ended("finished")]
    assert time.perf_counter() - began_s < 10  # drawing them takes a minute
    assert len(told) == 1_000
    assert all("finished" in text for text in told)


def test_the_oldest_pictures_are_let_go_of_when_there_are_too_many(
    spec: BoardSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "_MOST_BYTES", 200_000)
    kept, bundle = Past(restated), board_bundle(spec)
    for number in range(200):
        kept.keep(f"d{number}", spec.card, bundle)
    displays = [display for display, _ in kept.ended("finished")]
    assert 1 < len(displays) < 200
    assert displays[-1] == kept.latest == "d199"
    kept.drop("d199")
    kept.drop("nothing")
    assert kept.latest == "d198"
    kept.clear()
    assert kept.latest is None
