"""The live view without a browser: what it sends, shows, reports, and lets go of."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from nbtrack._draw.spec import Card
from nbtrack._view import displays, widgets
from nbtrack._view import live as live_module
from nbtrack._view.asks import Desk, Reach
from nbtrack._view.board import Board
from nbtrack._view.live import LiveView


@dataclass
class Page:
    """Stands for the notebook: what is published and what is sent."""

    shown: dict[str, str] = field(default_factory=dict)  # display id -> what is there
    sent: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[str, BaseException]] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    hear: Any = None
    is_open: bool = True
    is_broken: bool = False
    model_id = "model"
    plotly = ""

    def publish(self, bundle: Any, *, replacing: str | None = None) -> str:
        kinds = {"application/vnd.jupyter.widget-view+json": "live"}
        kind = next((kinds[k] for k in bundle if k in kinds), bundle["text/plain"])
        display_id = replacing or f"d{len(self.shown)}"
        self.shown[display_id] = kind
        return display_id

    def send(self, head: Any, _buffers: Any) -> None:
        self.sent.append(head)

    def close(self) -> None:
        self.is_open = False

    def pull(self) -> None:
        if self.is_broken:
            raise OSError(5, "the disk is gone")
        rows, self.rows = self.rows, []
        self.board.feed(
            [SimpleNamespace(kind="row", step=s, us=0, data=d) for s, d in rows]
        )

    def picture(self, spec: Any) -> dict[str, str]:
        charts = sum(len(section.charts) for section in spec.sections)
        return {"text/html": "", "text/plain": f"{charts} charts, {spec.card.state}"}

    def __post_init__(self) -> None:
        rules = SimpleNamespace(
            step_metric=lambda _: None, hidden=lambda _: False, goal=lambda _: None
        )
        summary = SimpleNamespace(as_dict=dict)
        self.state = "running"
        facts = lambda: Card("otter", "id", "p", self.state)  # noqa: E731
        self.board = Board(facts, rules, summary)
        self.view = LiveView(
            self.board,
            pull=self.pull,
            on_fault=lambda *fault: self.faults.append(fault),
            picture=self.picture,
            restated=lambda bundle, card, state: {
                kind: text.replace(card.state, state) for kind, text in bundle.items()
            },
            desk=Desk(self.board, Reach(refeed=self.board.restart)),
        )


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()

    def board_widget(_snapshot: Any, on_message: Any) -> Page:
        page.hear = on_message
        return page

    carrier = SimpleNamespace(model_id="carrier")
    monkeypatch.setattr(displays, "publish", page.publish)
    monkeypatch.setattr(widgets, "board_widget", board_widget)
    monkeypatch.setattr(widgets, "plotly_widget", lambda: carrier)
    monkeypatch.setattr(widgets, "prepare", lambda: None)
    # The tests turn the crank themselves.
    monkeypatch.setattr(LiveView, "_start", lambda _: None)
    return page


def test_the_board_follows_the_cell_that_logs(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    assert page.shown == {"d0": "live"}
    page.view.cell_ended()
    assert page.shown == {"d0": "0 charts, running"}, "a saved notebook has no widget"
    page.view.cell_started()
    page.rows = [(0, {"a": 1})]
    page.view._tick()
    moved = "otter · charts are under the cell that logs"
    assert page.shown == {"d0": moved, "d1": "live"}
    page.view.cell_ended()
    assert page.shown == {"d0": moved, "d1": "1 charts, running"}
    page.view.cell_started()
    page.rows = [(1, {"a": 1, "b": 2})]
    page.view.cell_ended()
    page.view.cell_started()
    page.view.cell_ended()
    page.state = "finished"
    page.view.close()
    assert page.shown == {
        "d0": moved,
        "d1": "1 charts, finished",
        "d2": "2 charts, finished",
    }
    assert page.faults == []


def test_a_board_that_was_asked_for_stays_live_until_the_run_ends(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.view.cell_ended()
    page.view.cell_started()
    page.view.show()
    page.rows = [(0, {"a": 1})]
    page.view.cell_ended()
    assert page.shown["d1"] == "live"
    page.view._tick()
    assert page.sent, "its frames go on"
    page.view.close()
    page.view.close()
    assert page.shown["d1"] == "1 charts, running"
    assert not page.is_open


def test_a_name_that_is_no_unicode_does_not_stop_the_board(page: Page) -> None:
    def send(head: Any, _buffers: Any) -> None:
        json.dumps(head, ensure_ascii=False).encode()  # as the kernel packs it
        page.sent.append(head)

    page.send = send  # type: ignore[method-assign]
    page.view.cell_started()
    page.view.show()
    page.rows = [(0, {"\ud800": 1.0, "loss": 2.0})]
    page.view._tick()
    [section] = page.sent[-1]["layout"]
    assert [place["key"] for place in section["panels"]] == ["?", "loss"]
    assert page.faults == []


def test_a_page_that_is_closed_does_not_stop_the_board_on_another(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.view._tick()
    page.hear({"v": 2, "kind": "seen", "views": 1})
    page.hear({"v": 2, "kind": "seen", "views": 0})  # says the other one
    page.sent.clear()
    page.rows = [(0, {"a": 1})]
    page.view._tick()
    page.rows = [(1, {"a": 1})]
    page.view._tick()
    assert [frame["key"] for frame in page.sent] == [True], "is anybody there?"
    page.hear({"v": 2, "kind": "seen", "views": 1})
    page.rows = [(2, {"a": 1})]
    page.view._tick()
    assert [frame["key"] for frame in page.sent] == [True, False]


def test_nothing_is_sent_to_a_board_that_is_a_picture(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.rows = [(0, {"a": 1})]
    page.view.cell_ended()
    page.sent.clear()
    page.rows = [(1, {"a": 1})]
    page.view._tick()
    assert page.sent == []


def test_key_frames_are_repeated_until_the_browser_is_heard(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(live_module, "monotonic", lambda: now_s[0])
    page.view.show()
    keys = []
    for _ in range(14):
        page.view._tick()
        now_s[0] += 1.0
        keys.append(bool(page.sent) and page.sent.pop()["key"])
        page.sent.clear()
    assert [i for i, is_key in enumerate(keys) if is_key] == [0, 1, 4, 13]
    page.hear({"v": 2, "kind": "ready", "n": 3})
    now_s[0] += 1000
    page.view._tick()
    page.hear({"v": 2, "kind": "ready", "n": 0})
    page.view._tick()
    assert [head["key"] for head in page.sent] == [True]


FIGURE = {"_type": "plotly-file", "path": "media/x.plotly.json", "size": 2}


def test_plotly_travels_only_when_something_is_drawn_by_it(page: Page) -> None:
    page.view.show()
    page.rows = [(0, {"loss": 1})]
    page.view._tick()
    assert page.plotly == ""
    page.rows = [(1, {"roc": FIGURE})]
    page.view._tick()
    assert page.plotly == "carrier"


def test_faults_are_reported_and_never_raised(page: Page) -> None:
    page.view.show()
    page.is_broken = True
    page.view.cell_started()
    page.view.cell_ended()
    page.hear({"v": 2, "kind": "error", "message": "plotly failed"})
    page.hear("nonsense")
    page.view.close()
    said = [f"{what}: {error}" for what, error in page.faults]
    assert said == [
        "follow the cell: [Errno 5] the disk is gone",
        "show the cell's rows: [Errno 5] the disk is gone",
        "hear the browser: plotly failed",
        "hear the browser: a message that nbtrack does not know: 'nonsense'",
        "send the last points: [Errno 5] the disk is gone",
    ]
    assert page.shown == {"d0": "0 charts, running"}


def test_without_plotly_the_board_says_so(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError(name="plotly")

    monkeypatch.setattr(widgets, "plotly_widget", missing)
    page.view.show()
    page.rows = [(0, {"roc": FIGURE})]
    with pytest.raises(ModuleNotFoundError):
        page.view._tick()
    assert page.plotly == widgets.NO_PLOTLY


def test_init_as_a_cells_value_shows_one_board_not_two(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.view.show()
    assert page.shown == {"d0": "live"}
    page.view.cell_ended()
    page.view.cell_started()
    page.rows = [(0, {"a": 1})]
    page.view._tick()
    assert page.shown["d1"] == "live", "it moves on"


def live(page: Page) -> list[str]:
    return [display for display, kind in page.shown.items() if kind == "live"]


def test_a_board_opened_in_mid_training_is_the_only_live_one(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.rows = [(0, {"a": 1})]
    page.view._tick()
    page.view.cell_ended()
    page.view.cell_started()
    page.view.show()
    page.view.cell_ended()
    assert live(page) == ["d1"]
    page.view.cell_started()
    page.rows = [(1, {"a": 1, "b": 1})]
    page.view._tick()
    assert live(page) == ["d1"], "none comes under the cell that logs"
    page.view.cell_ended()
    assert live(page) == ["d1"]
    assert page.shown["d2"] == "2 charts, running", "but a picture when it has ended"
    page.state = "finished"
    page.view.close()
    assert page.shown == {
        "d0": "1 charts, finished",
        "d1": "2 charts, finished",
        "d2": "2 charts, finished",
    }


def test_when_its_view_is_gone_the_board_moves_on_again(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.view.cell_ended()
    page.view.cell_started()
    page.view.show()
    page.view.cell_ended()
    page.hear({"v": 2, "kind": "seen", "views": 0})
    page.sent.clear()
    page.view.cell_started()
    page.rows = [(0, {"a": 1})]
    page.view._tick()
    assert page.shown["d2"] == "live"
    assert page.sent
    assert page.faults == []


def test_nothing_is_sent_to_a_page_that_shows_no_view(page: Page) -> None:
    page.view.cell_started()
    page.view.show()
    page.view._tick()
    page.hear({"v": 2, "kind": "seen", "views": 0})
    page.sent.clear()
    page.rows = [(0, {"a": 1})]
    page.view._tick()  # asks whether there is one on another page
    page.sent.clear()
    page.rows = [(1, {"a": 1})]
    page.view._tick()
    assert page.sent == []
    page.hear({"v": 2, "kind": "seen", "views": 2})
    page.view._tick()
    assert [head["key"] for head in page.sent] == [False], "and what was missed comes"


def test_asks_are_answered_and_bad_ones_are_faults_on_both_sides(page: Page) -> None:
    page.view.show()
    page.view._tick()
    page.sent.clear()
    page.hear({"v": 2, "kind": "ask", "id": 1, "what": "axis", "x": ""})
    page.hear({"v": 2, "kind": "ask", "id": 2, "what": "dance"})
    page.hear({"v": 1, "kind": "ask", "id": 3, "what": "axis", "x": ""})
    page.hear({"v": 2, "kind": "frame", "id": 3})
    assert [(head["id"], head["ok"]) for head in page.sent] == [(1, True), (2, False)]
    said = [str(error) for _, error in page.faults]
    assert "does not know the ask 'dance'" in said[0]
    assert len(said) == 3
    page.view.close()
    page.hear({"v": 2, "kind": "ask", "id": 4, "what": "axis", "x": ""})
    assert len(page.faults) == 3


def test_what_the_browser_does_wrong_does_not_slow_the_board(page: Page) -> None:
    page.view.show()
    page.hear({"v": 2, "kind": "error", "message": "x" * 10_000})
    assert page.view._rest_s == 0
    ((_, error),) = page.faults
    assert len(str(error)) <= 500


def test_the_thread_ends_with_the_run(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(displays, "publish", page.publish)
    monkeypatch.setattr(widgets, "prepare", lambda: None)
    page.view.cell_started()
    names = [thread.name for thread in threading.enumerate()]
    page.view.close()
    assert "nbtrack-view" in names
    assert "nbtrack-view" not in [thread.name for thread in threading.enumerate()]
