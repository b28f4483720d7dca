"""What a board makes of a journal's records."""

from __future__ import annotations

import ast
import subprocess
import sys
from array import array
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._draw.spec import Card, format_number
from nbtrack._store.block import BlockBuilder
from nbtrack._store.lines import Record as StoredRecord
from nbtrack._view.board import Board, Sources
from nbtrack._view.wire import Cursor


@dataclass
class Record:
    step: int | None
    data: dict[str, Any]
    kind: str = "row"
    us: int = 0


@dataclass
class Run:
    """The owner of a board: what a session is in the package."""

    card: Card = field(
        default_factory=lambda: Card("calm-otter-3", "id", "p", "running")
    )
    step_metrics: dict[str, str] = field(default_factory=dict)
    hidden_keys: set[str] = field(default_factory=set)
    goals: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    now_s: float = 0.0
    sources: Sources | None = None

    def step_metric(self, key: str) -> str | None:
        return self.step_metrics.get(key)

    def hidden(self, key: str) -> bool:
        return key in self.hidden_keys

    def goal(self, key: str) -> str | None:
        return self.goals.get(key)

    def as_dict(self) -> dict[str, Any]:
        return self.values

    def __post_init__(self) -> None:
        self.board = Board(
            lambda: self.card,
            self,
            self,
            sources=self.sources,
            clock=lambda: self.now_s,
        )

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


def test_a_goal_and_an_axis_are_told_with_the_chart(run: Run) -> None:
    run.goals = {"loss": "minimize", "acc": "maximize"}
    run.step_metrics = {"acc": "epoch"}
    run.rows({"loss": 1.0, "acc": 0.5, "epoch": 1})
    layout, card = full(run)["layout"], full(run)["card"]
    (section,) = layout
    assert [(p["key"], p["goal"], p["x_title"]) for p in section["panels"]] == [
        ("loss", "min", "step"),
        ("epoch", "", "step"),
        ("acc", "max", "epoch"),
    ]
    assert (card["x"], sorted(card["x_axes"])) == ("", ["acc", "epoch", "loss"])


def full(run: Run) -> Any:
    frame = run.board.frame(Cursor(), key=True)
    assert frame is not None
    return frame.head


def test_hidden_metrics_stay_hidden_media_too(run: Run) -> None:
    run.hidden_keys = {"a", "img"}
    run.rows({"a": 1, "b": 2, "img": IMAGE, "shown": IMAGE})
    assert [p["key"] for s in full(run)["layout"] for p in s["panels"]] == [
        "b",
        "shown",
    ]


IMAGE = {"_type": "image-file", "path": "media/x.png", "caption": "<i>"}


def test_tracks_that_no_chart_shows_are_not_sent(run: Run) -> None:
    run.hidden_keys = {"epoch"}
    run.step_metrics = {"loss": "epoch"}
    run.rows({"loss": 1.0, "epoch": 1}, {"loss": 2.0, "epoch": 2})
    frame = run.board.frame(Cursor(), key=True)
    assert frame is not None
    [sent] = frame.head["tracks"]
    [section] = frame.head["layout"]
    assert [place.get("track") for place in section["panels"]] == [sent["id"]]


def test_more_media_than_there_is_room_for_leave_a_picture(tmp_path: Path) -> None:
    run = Run(sources=Sources(run_path=tmp_path))
    large = {"_type": "histogram", "caption": "x" * 1_000_000}
    run.rows(*({f"m{number}": large} for number in range(40)))
    assert 20 < len(run.board.spec().media) < 40


def test_media_are_panels_in_their_section_and_in_the_picture(tmp_path: Path) -> None:
    run = Run(sources=Sources(run_path=tmp_path))
    run.rows({"train/loss": 1, "train/img": IMAGE, "t": [IMAGE] * 3}, {"train/img": {}})
    run.rows((5, {"train/img": {**IMAGE, "caption": "last"}}))
    panels = {s["name"]: s["panels"] for s in full(run)["layout"]}
    assert [(p["kind"], p["title"]) for p in panels["train"]] == [
        ("line", "loss"),
        ("media", "img"),
    ]
    assert panels[""][0]["type"] == "image-file"
    frame = run.board.frame(cursor := Cursor())
    assert frame is not None
    assert [(m["key"], m["step"]) for m in frame.head["media"]] == [
        ("train/img", 0),
        ("t", 0),
        ("train/img", 5),
    ]
    assert run.board.frame(cursor) is None
    spec = {m.key: m for m in run.board.spec().media}
    assert (spec["train/img"].section, spec["train/img"].title) == ("train", "img")
    assert spec["train/img"].first == (0, IMAGE)
    assert spec["train/img"].last == (5, {**IMAGE, "caption": "last"})
    assert spec["t"].first == spec["t"].last


def test_the_machine_and_the_console_are_looked_at_beside_the_journal() -> None:
    console, system = Source([(0, "out", "hello")]), Source([(1.5, CPU), (3.0, CPU)])
    run = Run(sources=Sources(console=console, system=system))
    run.board.poll()
    head = full(run)
    assert head["console"] == {"from": 0, "lines": [("out", "hello")]}
    tabs = {(s["tab"], s["name"]): s["panels"] for s in head["layout"]}
    assert [p["title"] for p in tabs["system", "CPU"]] == ["this process, %"]
    assert [p["title"] for p in tabs["system", "GPU 0"]] == ["temperature, °C"]
    assert tabs["system", "CPU"][0]["x_title"] == "seconds"
    frame = run.board.frame(Cursor())
    assert frame is not None
    (part,) = frame.head["tracks"]
    length = part["count"] + part["tail"]
    assert array("d", frame.buffers[0][: 8 * length]).tolist() == [1.5, 3.0]
    for _ in range(5):
        run.board.poll()
    assert (console.polls, system.polls) == (6, 1), "the machine once a second"
    run.now_s += 1
    run.board.poll()
    assert system.polls == 2
    run.board.close()
    assert console.is_closed
    assert system.is_closed
    assert run.board.spec().sections == (), "no part of the run's own charts"


CPU = {"system.cpu": 3.5, "system.gpu.0.temp": 40}


class Source:
    """Gives what it was given, once."""

    def __init__(self, items: list[Any]) -> None:
        self.items, self.polls, self.is_closed = items, 0, False

    def poll(self) -> list[Any]:
        self.polls += 1
        items, self.items = self.items, []
        if "broken" in items:
            raise OSError(5, "no console")
        return items

    def close(self) -> None:
        self.is_closed = True


def test_a_source_that_breaks_is_told_once() -> None:
    run = Run(sources=Sources(console=Source(["broken"])))
    with pytest.raises(OSError, match="no console"):
        run.board.poll()
    run.board.poll()


def test_blocks_and_records_make_one_board(run: Run) -> None:
    records = [
        StoredRecord("w", i, 250_000 * i, "row", i, {"a": i, "img": IMAGE})
        for i in range(20)
    ]
    run.board.feed(records[:5])
    builder = BlockBuilder("w")
    for record in records[5:]:
        builder.add_record(record)
    run.board.feed_block(builder.build())
    assert run.curve("a") == (list(range(20)), list(range(20)))
    assert run.board.rows == 20
    assert len(full(run)["media"]) == 20
    entry = run.board.media_at("img", 10)
    assert entry is not None
    assert entry.seconds == 2.5
    run.board.restart()
    assert run.keys() == []
    assert run.board.media_at("img", 10) == entry, "media do not depend on rules"


def test_what_is_edited_is_told_at_once(run: Run) -> None:
    cursor = Cursor()
    run.board.frame(cursor)
    run.card = replace(run.card, name="other")
    assert run.board.frame(cursor) is None
    run.board.hurry()
    frame = run.board.frame(cursor)
    assert frame is not None
    assert frame.head["card"]["name"] == "other"


@given(st.lists(st.floats() | st.integers(-5, 5), min_size=1, max_size=4000))
def test_the_table_has_the_extremes_of_all_rows(values: list[float]) -> None:
    run, finite = Run(), [v for v in values if isfinite(v)]
    for at in range(0, len(values), 700):
        rows = enumerate(values[at : at + 700], start=at)
        run.board.feed([Record(step, {"a": value}) for step, value in rows])
        run.values = {"a": 1}
        (line,) = run.board.spec().summary
    told = dict(line.values)
    if finite:
        assert told["min"] == format_number(float(min(finite)))
        assert told["max"] == format_number(float(max(finite)))
    else:
        assert told == {"last": "1", "min": "", "max": ""}


def test_listeners_do_not_take_from_one_another(run: Run) -> None:
    run.rows({"a": 1})
    one, other = Cursor(), Cursor()
    first, second = run.board.frame(one), run.board.frame(other)
    assert first == second


LIVE = """
import nbtrack, sys
from pathlib import Path
from nbtrack import _notebook
from nbtrack._store.rundir import RunDir
from nbtrack._view.asks import Desk, Reach
from nbtrack._view.board import Board
from nbtrack._view.sources import pages, sources_of
from nbtrack._view.wire import Cursor, pack

run = nbtrack.init(project="p", view="off", settings={"quiet": True})
directory, following = RunDir(Path(run.dir)), run.following
sources = sources_of(directory)
facts = lambda: _notebook.card(run)
board = Board(facts, following.rules, following.summary, sources=sources)
following.follow(board)
desk = Desk(board, Reach(directory=directory, pages=pages))
for step in range(3000):
    run.log({"a": step, "b/c": -step})
    if step % 500 == 0:
        following.catch_up(0.025)
        board.poll()
        pack(board.frame(Cursor(), key=True))
ask = {"id": 1, "what": "detail", "keys": ["a"], "x": "step", "from": 5, "to": 9}
assert desk.answer(ask).head["ok"]
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_board_loads_nothing_heavy_while_the_training_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIVE], capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "pandas", "pyarrow", "PIL", "plotly", "ipywidgets", "matplotlib"}
    assert not heavy & set(ast.literal_eval(done.stdout.strip()))
