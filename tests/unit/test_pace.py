"""Steps per second: of the last seconds, and none when nothing moves."""

from __future__ import annotations

from nbtrack._view.pace import Pace


def test_a_steady_run_has_its_rate():
    pace = Pace()
    rates = [pace.at(second / 2, 50 * second) for second in range(40)]
    assert rates[0] is None
    assert set(rates[1:]) == {100.0}


def test_it_follows_a_change_within_seconds():
    pace = Pace()
    for second in range(20):
        pace.at(second, 100 * second)
    step = 1900
    for second in range(20, 32):
        step += 10
        rate = pace.at(second, step)
    assert rate == 10.0


def test_a_run_that_stands_still_has_none_and_starts_afresh():
    pace = Pace()
    for second in range(5):
        pace.at(second, 10 * second)
    assert pace.at(5, 40) == 10.0, "a breath is no standstill"
    assert pace.at(9, 40) is None
    assert pace.at(100, 41) is None
    assert pace.at(101, 51) == 10.0, "the rest between two cells is not counted"


def test_slow_steps_have_a_rate_too():
    pace = Pace()
    rates = [pace.at(second, second // 20) for second in range(100)]
    assert rates[45] == 0.05
    assert rates[99] == 0.05


def test_no_steps_no_rate():
    assert Pace().at(3.0, None) is None
