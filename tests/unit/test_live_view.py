"""The live view without a browser: what it sends, shows, reports, and lets go of."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from nbtrack._view import displays, live, widgets
from nbtrack._view.board import Board
from nbtrack._view.live import LiveView
from nbtrack._view.spec import Card


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
        self.board.feed([SimpleNamespace(kind="row", step=s, data=d) for s, d in rows])

    def picture(self, spec: Any) -> dict[str, str]:
        charts = sum(len(section.charts) for section in spec.sections)
        return {"text/html": "", "text/plain": f"{charts} charts, {spec.card.state}"}

    def __post_init__(self) -> None:
        rules = SimpleNamespace(step_metric=lambda _: None, hidden=lambda _: False)
        summary = SimpleNamespace(as_dict=dict)
        self.state = "running"
        facts = lambda: Card("otter", "id", "p", self.state)  # noqa: E731
        self.board = Board(facts, rules, summary)
        self.view = LiveView(
            self.board,
            pull=self.pull,
            on_fault=lambda *fault: self.faults.append(fault),
            picture=self.picture,
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
    monkeypatch.setattr(live, "monotonic", lambda: now_s[0])
    page.view.show()
    keys = []
    for _ in range(14):
        page.view._tick()
        now_s[0] += 1.0
        keys.append(bool(page.sent) and page.sent.pop()["key"])
        page.sent.clear()
    assert [i for i, is_key in enumerate(keys) if is_key] == [0, 1, 4, 13]
    page.hear({"v": 1, "kind": "ready", "n": 3})
    now_s[0] += 1000
    page.view._tick()
    page.hear({"v": 1, "kind": "ready", "n": 0})
    page.view._tick()
    assert [head["key"] for head in page.sent] == [True]
    assert page.plotly == "carrier"


def test_faults_are_reported_and_never_raised(page: Page) -> None:
    page.view.show()
    page.is_broken = True
    page.view.cell_started()
    page.view.cell_ended()
    page.hear({"v": 1, "kind": "error", "message": "plotly failed"})
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
    with pytest.raises(ModuleNotFoundError):
        page.view._tick()
    assert page.plotly == widgets.NO_PLOTLY


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
