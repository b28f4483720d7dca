"""What a board makes of a journal's records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import nan
from typing import Any

import pytest

from nbtrack._view.board import Board
from nbtrack._view.spec import Card
from nbtrack._view.wire import Cursor


@dataclass
class Record:
    step: int | None
    data: dict[str, Any]
    kind: str = "row"


@dataclass
class Run:
    """The owner of a board: what a session is in the package."""

    card: Card = field(
        default_factory=lambda: Card("calm-otter-3", "id", "p", "running")
    )
    step_metrics: dict[str, str] = field(default_factory=dict)
    hidden_keys: set[str] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)
    now_s: float = 0.0

    def step_metric(self, key: str) -> str | None:
        return self.step_metrics.get(key)

    def hidden(self, key: str) -> bool:
        return key in self.hidden_keys

    def as_dict(self) -> dict[str, Any]:
        return self.values

    def __post_init__(self) -> None:
        self.board = Board(lambda: self.card, self, self, clock=lambda: self.now_s)

    def rows(self, *rows: dict[str, Any] | tuple[int, dict[str, Any]]) -> Board:
        for step, row in enumerate(rows):
            at, data = row if isinstance(row, tuple) else (step, row)
            self.board.feed([Record(at, data)])
        return self.board

    def curve(self, key: str) -> tuple[list[float], list[float]]:
        charts = [c for s in self.board.spec().sections for c in s.charts]
        [curve] = next(c for c in charts if c.key == key).curves
        return list(curve.x), list(curve.y)

    def keys(self) -> list[str]:
        return [c.key for s in self.board.spec().sections for c in s.charts]


@pytest.fixture
def run() -> Run:
    return Run()


def test_sections_hold_numbers_in_order_of_appearance(run: Run) -> None:
    run.hidden_keys = {"train/secret"}
    run.rows(
        {"train/loss": 1.0, "note": "text", "train/secret": 1, "_runtime": 3.0},
        {"lr": 0.1, "train/ok": True, "val/acc": 1, "bad": None},
    )
    sections = [
        (s.name, [c.title for c in s.charts]) for s in run.board.spec().sections
    ]
    assert sections == [("", ["lr"]), ("train", ["loss", "ok"]), ("val", ["acc"])]


def test_metrics_of_different_rows_go_apart(run: Run) -> None:
    run.rows({"a": 1, "b": 10}, {"a": 2}, {"a": 3, "b": 30}, {"b": 40})
    assert run.curve("a") == ([0, 1, 2], [1, 2, 3])
    assert run.curve("b") == ([0, 2, 3], [10, 30, 40])


def test_parts_of_one_row_are_one_sample(run: Run) -> None:
    run.rows((0, {"a": 1, "b": 1}), (0, {"a": 5}), (0, {"c": 7}), (1, {"a": 2, "b": 2}))
    assert run.curve("a") == ([0, 1], [5, 2])
    assert run.curve("b") == ([0, 1], [1, 2])
    assert run.curve("c") == ([0], [7])


def test_a_step_metric_is_the_x_axis(run: Run) -> None:
    run.step_metrics = {"loss": "epoch"}
    run.rows({"loss": 9.0}, {"loss": 1.0, "epoch": 1}, {"loss": 2.0}, {"epoch": 2})
    run.board.feed([Record(9, {"loss": 3.0})])
    # No epoch was ever known for the first row; later ones take the latest.
    assert run.curve("loss") == ([1, 1, 2], [1, 2, 3])


def test_an_axis_of_everything_is_itself_drawn_over_the_step(run: Run) -> None:
    run.step_metrics = {"loss": "epoch", "epoch": "epoch"}
    run.rows((3, {"loss": 1.0, "epoch": 10}), (4, {"loss": 2.0, "epoch": 20}))
    assert run.curve("loss") == ([10, 20], [1, 2])
    assert run.curve("epoch") == ([3, 4], [10, 20])


def test_the_axis_may_come_in_a_later_part_of_the_row(run: Run) -> None:
    run.step_metrics = {"loss": "epoch"}
    run.rows((0, {"loss": 1.0, "epoch": 1}), (5, {"loss": 2.0}), (5, {"epoch": 2}))
    assert run.curve("loss") == ([1, 2], [1, 2])


def test_fed_again_under_a_new_rule_the_whole_curve_has_the_new_axis(run: Run) -> None:
    rows = [Record(i, {"loss": 3.0 - i, "acc": i / 10, "epoch": 7 + i}) for i in (0, 1)]
    run.board.feed(rows)
    ids = {track.id for track in run.board._tracks.tracks()}
    run.step_metrics = {"loss": "epoch"}
    run.board.restart()
    run.board.feed([*rows, Record(None, {"rule": {}}, kind="metric")])
    run.board.feed([Record(2, {"loss": 1.0, "acc": 0.2, "epoch": 9})])
    assert run.curve("loss") == ([7, 8, 9], [3, 2, 1])
    assert run.curve("acc") == ([0, 1, 2], [0.0, 0.1, 0.2])
    assert run.board.rows == 3
    assert not ids & {track.id for track in run.board._tracks.tracks()}


def test_numbers_no_double_holds_are_gaps(run: Run) -> None:
    run.rows({"a": 1}, {"a": 10**400}, {"a": float("inf")}, {"a": 2})
    x, y = run.curve("a")
    assert x == [0, 1, 2, 3]
    assert y[0] == 1
    assert y[3] == 2
    assert y[1] != y[1]
    assert y[2] != y[2]


def test_the_summary_shows_last_min_max_or_what_the_rules_ask_for(run: Run) -> None:
    run.rows({"a": 3.0, "b": 1}, {"a": 1.0, "b": 2}, {"a": 2.0, "b": nan})
    run.values = {
        "a": 2.0,
        "b": {"mean": 1.5, "best": 2},
        "note": "<b>x</b>",
        "img": {"_type": "image", "path": "x"},
        "_step": 2,
        "big": 10**400,
    }
    rows = {row.key: dict(row.values) for row in run.board.spec().summary}
    assert rows == {
        "a": {"last": "2", "min": "1", "max": "3"},
        "b": {"mean": "1.5", "best": "2"},
        "note": {"last": "<b>x</b>"},
        "img": {"last": "image"},
        "big": {"last": "nan"},
    }


def test_an_idle_board_has_nothing_to_say(run: Run) -> None:
    run.rows({"a": 1})
    cursor = Cursor()
    assert run.board.frame(cursor) is not None
    for _ in range(30):
        run.now_s += 1
        run.card = replace(run.card, elapsed_s=run.now_s)
        frame = run.board.frame(cursor)
    assert frame is None


def test_card_and_summary_come_once_a_second_and_only_when_changed(run: Run) -> None:
    cursor = Cursor()
    run.board.frame(cursor)
    run.card = replace(run.card, state="finished", elapsed_s=2.0)
    assert run.board.frame(cursor) is None
    run.now_s = 1.0
    frame = run.board.frame(cursor)
    assert frame is not None
    assert frame[0]["card"] == {"state": "finished", "elapsed_s": 2.0}
    assert "layout" not in frame[0]


def test_listeners_do_not_take_from_one_another(run: Run) -> None:
    run.rows({"a": 1})
    one, other = Cursor(), Cursor()
    first, second = run.board.frame(one), run.board.frame(other)
    assert first == second
