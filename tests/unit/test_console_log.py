"""The console in a board: the last lines, and those that changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbtrack._view import console_log
from nbtrack._view.console_log import MOST_LINES, ConsoleLog


def test_new_lines_and_lines_that_change():
    log = ConsoleLog()
    assert log.since(0) is None
    log.take([(0, "cell", "[1]"), (1, "out", "a"), (2, "err", "<b>10 %")])
    assert log.since(0) == {
        "from": 0,
        "lines": [("cell", "[1]"), ("out", "a"), ("err", "<b>10 %")],
    }
    seen = log.changes
    assert log.since(seen) is None
    log.take([(2, "err", "20 %"), (3, "odd", "\ud800")])
    assert log.since(seen) == {"from": 2, "lines": [("err", "20 %"), ("out", "?")]}


def test_numbers_with_holes_are_lines_without():
    log = ConsoleLog()
    log.take([(10, "out", "a"), (99, "out", "b"), (50, "out", "c"), (10, "out", "A")])
    assert log.texts() == [("out", "A"), ("out", "b"), ("out", "c")]


def test_very_much_text_is_cut_to_its_end(monkeypatch):
    log = ConsoleLog()
    log.take((i, "out", "x" * 10_000) for i in range(MOST_LINES))
    monkeypatch.setattr(console_log, "_MOST_SENT", 9_000)
    part = log.since(0)
    assert part is not None
    assert part["from"] + len(part["lines"]) == MOST_LINES
    assert sum(len(text) for _, text in part["lines"]) <= 9_000
    assert part["lines"][-1][1].endswith("…")


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2_000), st.text(max_size=3)), max_size=900),
        max_size=5,
    )
)
def test_a_browser_that_hears_everything_has_the_last_lines(batches):
    log, held, first, seen = ConsoleLog(), [], 0, 0
    for batch in batches:
        log.take([(number, "out", text) for number, text in batch])
        part = log.since(seen)
        seen = log.changes
        if part:
            if part["from"] > first + len(held):
                first, held = part["from"], []
            del held[part["from"] - first :]
            held += part["lines"]
            first, held = first + max(0, len(held) - MOST_LINES), held[-MOST_LINES:]
    assert held == log.texts()
    assert len(log._places) <= 2 * MOST_LINES
