"""What a browser asks of the kernel, right and wrong, and what it is answered."""

from __future__ import annotations

import sys
import threading
from array import array
from math import inf, nan, sin
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nbtrack
from nbtrack import _notebook
from nbtrack._store.rundir import RunDir
from nbtrack._view.asks import Answered, Desk, Reach
from nbtrack._view.board import Board, Sources
from nbtrack._view.wire import Cursor


class Reader:
    """Reads media without files."""

    def shown(self, value: Any, _path: Path) -> Any:
        return [self._one(value, b"small")]

    def full(self, value: Any, _path: Path) -> Any:
        return [self._one(value, b"as large as it is")]

    def outline(self, value: Any, _path: Path) -> Any:
        return [self._one(value, None)]

    def _one(self, value: Any, content: bytes | None) -> Any:
        return SimpleNamespace(
            type=value["_type"],
            caption="<b>",
            mime="image/png",
            width=2,
            height=1,
            content=content,
            size=9,
            data=None,
        )


class Page:
    """A run, its board, and the browser that asks."""

    def __init__(self) -> None:
        self.run = nbtrack.init(project="p", view="off", settings={"quiet": True})
        self.directory = RunDir(Path(self.run.dir))
        self.tables: list[dict[str, Any]] = []
        following = self.run.following
        sources = Sources(run_path=self.directory.path, media=Reader())
        self.board = Board(
            lambda: _notebook.card(self.run),
            following.rules,
            following.summary,
            sources=sources,
        )
        following.follow(self.board)
        self.reach: dict[str, Any] = {
            "directory": self.directory,
            "refeed": following.refeed,
            "edit": lambda field, value: setattr(self.run, field, value),
            "stop": self.run.ask_to_stop,
            "pages": self.page,
        }

    def page(self, value: Any, path: Any, ask: dict[str, Any], /) -> Any:
        self.tables.append({"value": value, "path": path, **ask})
        return {"columns": [["a", "number"]], "rows": [[nan]]}, [b"cell"]

    def ask(self, what: Any, **members: Any) -> Answered:
        self.run.following.catch_up()
        message = {"v": 2, "kind": "ask", "id": 7, "what": what, **members}
        return Desk(self.board, Reach(**self.reach)).answer(message)

    def detail(self, *keys: str, x: str = "step", low: float, high: float) -> Any:
        answered = self.ask("detail", keys=list(keys), x=x, to=high, **{"from": low})
        assert answered.head["ok"], answered.head
        (body,) = answered.buffers
        found, at = {}, 0
        for series in answered.head["series"]:  # type: ignore[typeddict-item]
            count = series["count"]
            xs = array("d", body[at : at + 8 * count])
            ys = array("f", body[at + 8 * count : at + 12 * count])
            found[series["key"]] = (xs.tolist(), ys.tolist())
            at += 12 * count + -12 * count % 8
        assert at == len(body)
        return found


@pytest.fixture
def page():
    page = Page()
    yield page
    page.run.finish()


def no(answered: Answered) -> str:
    assert answered.head["ok"] is False
    assert answered.head["id"] == 7
    assert answered.buffers == []
    return answered.head["error"]


# -- detail --------------------------------------------------------------------------


@pytest.mark.parametrize("is_bulk", [False, True])
def test_a_zoomed_range_comes_at_full_resolution(page, monkeypatch, is_bulk):
    for step in range(5_000):
        page.run.log({"a": sin(step / 9), "b": step, "c": 1.0})
    page.run.log({"a": 0.0, "b": 0, "c": 1.0})
    if not is_bulk:
        monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    found = page.detail("b", "a", low=1_000, high=1_100)
    assert found["b"] == (list(range(999, 1_102)), list(range(999, 1_102)))
    assert found["a"][0] == found["b"][0]
    assert found["a"][1] == pytest.approx([sin(x / 9) for x in found["a"][0]])
    assert page.detail("b", low=-9, high=0)["b"] == ([0, 1], [0, 1])
    assert page.detail("b", low=7_000, high=9_000)["b"] == ([], [])


def test_a_wide_range_is_reduced_with_every_spike(page):
    for step in range(30_000):
        page.run.log({"a": {7_777: 9.0, 7_778: -9.0, 20_001: nan}.get(step, 0.5)})
    xs, ys = page.detail("a", low=100, high=29_000)["a"]
    assert len(xs) <= 1_024
    assert (xs[0], xs[-1], xs) == (99, 29_001, sorted(xs))
    assert (dict(zip(xs, ys, strict=True))[7_777], min(ys)) == (9.0, -9.0)


def test_detail_over_seconds_and_over_a_metric(page):
    page.run.define_metric("loss", step_metric="epoch")
    for epoch in range(10):
        page.run.log({"epoch": epoch / 2, "loss": 10 - epoch})
    over_axis = page.detail("loss", x="axis", low=1.0, high=2.0)["loss"]
    assert over_axis == ([0.5, 1.0, 1.5, 2.0, 2.5], [9, 8, 7, 6, 5])
    # Of a metric that is drawn over the step, that is its axis.
    assert page.detail("epoch", x="axis", low=1, high=1)["epoch"][0] == [0, 1, 2]
    xs, ys = page.detail("loss", x="time", low=0, high=1e6)["loss"]
    assert ys == [10 - epoch for epoch in range(10)]
    assert 0 <= xs[0] <= xs[-1] < 60


def test_detail_reads_parts_and_logs_together(page):
    for step in range(3_000):
        page.run.log({"a": step, "other": "text"})
    page.run._journal.rotate()
    from nbtrack._store.compact import compact_log
    from nbtrack._store.segments import list_logs

    compact_log(page.directory, list_logs(page.directory)[0])
    for step in range(3_000, 4_000):
        page.run.log({"a": step})
    xs, ys = page.detail("a", low=2_950, high=3_050)["a"]
    assert xs == ys == list(range(2_949, 3_052))


def test_detail_of_what_was_not_logged_says_so_and_is_no_fault(page):
    page.run.log({"a": 1})
    answered = page.ask("detail", keys=["a", "zz"], x="step", to=1, **{"from": 0})
    assert no(answered) == "no points of 'zz' were logged"
    assert answered.fault is None


# -- media and tables ----------------------------------------------------------------


def log_table(page: Page, step: int = 0) -> None:
    page.board.feed(
        [
            SimpleNamespace(
                kind="row",
                step=step,
                us=5,
                data={
                    "pic": {"_type": "image-file", "path": "x"},
                    "tables": [{"_type": "table-file", "path": str(i)} for i in (0, 1)],
                },
            )
        ]
    )


def test_media_are_answered_with_their_contents(page):
    log_table(page)
    answered = page.ask("media", key="pic", step=0)
    (item,) = answered.head["items"]
    assert (item["caption"], item["width"], item["buffer"]) == ("<b>", 2, 0)
    assert answered.buffers == [b"small"]
    assert page.ask("media", key="pic", step=0, full=True).buffers == [
        b"as large as it is"
    ]
    assert "nothing at step 5" in no(page.ask("media", key="pic", step=5))
    assert "nothing at step 0" in no(page.ask("media", key="../..", step=0))


def test_a_page_of_a_table_is_asked_of_who_reads_tables(page):
    log_table(page)
    answered = page.ask(
        "table", key="tables", step=0, item=1, offset=40, limit=20, sort=[["a", "desc"]]
    )
    assert answered.head["rows"] == [[None]]
    assert answered.buffers == [b"cell"]
    (asked,) = page.tables
    assert asked["value"] == {"_type": "table-file", "path": "1"}
    assert (asked["offset"], asked["limit"]) == (40, 20)
    assert asked["sort"] == [["a", "desc"]]
    assert "no 2" in no(page.ask("table", key="tables", step=0, item=2))


def test_a_table_that_cannot_be_read_is_told_to_who_asked(page):
    def broken(*_: Any, **__: Any) -> Any:
        raise nbtrack.errors.MediaFileError("media/x.parquet", "no Parquet")

    log_table(page)
    page.reach["pages"] = broken
    answered = page.ask("table", key="tables", step=0)
    assert no(answered) == "media/x.parquet cannot be read: no Parquet."
    assert answered.fault is None
    page.reach["pages"] = None
    assert "cannot be read here" in no(page.ask("table", key="tables", step=0))


# -- changing ------------------------------------------------------------------------


def test_name_notes_and_tags_are_edited_and_saved(page):
    for field, value in (("name", "n<1>"), ("notes", "# hi"), ("tags", ["a", "b"])):
        assert page.ask("edit", field=field, value=value).head["ok"]
    stored = nbtrack.Api().run(f"p/{page.run.id}")
    assert (stored.name, stored.notes, list(stored.tags)) == (
        "n<1>",
        "# hi",
        ["a", "b"],
    )
    answered = page.ask("edit", field="name", value="")
    assert "1 to 128 characters" in no(answered)
    assert answered.fault is None


def test_stop_is_seen_by_the_training(page):
    assert page.run.should_stop is False
    assert page.ask("stop").head == {"v": 2, "kind": "answer", "id": 7, "ok": True}
    assert page.run.should_stop is True
    assert page.board.card().is_stopping
    page.run.log({"a": 1})  # nothing else has changed


def test_stop_is_asked_by_code_and_of_a_run_that_records_nothing():
    run = nbtrack.init(project="p", mode="disabled")
    assert run.should_stop is False
    run.ask_to_stop()
    assert run.should_stop is True
    with pytest.raises(AttributeError):
        run.should_stop = False


def test_a_run_of_another_process_is_not_edited_or_stopped(page):
    page.reach["edit"] = page.reach["stop"] = None
    for answered in (page.ask("stop"), page.ask("edit", field="notes", value="")):
        assert "another process" in no(answered)
        assert answered.fault is None


def test_an_ended_run_says_so(page):
    page.run.finish()
    assert "finished" in no(page.ask("edit", field="notes", value="late"))


def test_all_charts_are_drawn_over_a_metric_by_request(page):
    for step in range(5):
        page.run.log({"loss": 5 - step, "time": 10 * step, "word": "x"})
    assert page.ask("axis", x="time").head["ok"]
    page.run.following.catch_up()
    charts = {c.key: c for s in page.board.spec().sections for c in s.charts}
    assert charts["loss"].x_title == "time"
    assert list(charts["loss"].curves[0].x) == [0, 10, 20, 30, 40]
    assert charts["time"].x_title == "step"
    assert page.board.axes() == ["loss", "time"]
    assert "no metric" in no(page.ask("axis", x="word"))
    page.ask("axis", x="")
    page.run.following.catch_up()
    assert page.board.spec().sections[0].charts[0].x_title == "step"


def test_asks_of_many_threads_while_training_goes_on(page):
    """Rows come, charts are refed, frames are made, names change: nothing waits."""
    cursor, wrong = Cursor(), []
    is_over = threading.Event()

    def ask_on(number: int) -> None:
        asks = [
            ("axis", {"x": "b"}),
            ("detail", {"keys": ["a"], "x": "step", "from": 0, "to": 200}),
            ("axis", {"x": ""}),
            ("edit", {"field": "name", "value": f"n{number}"}),
        ]
        while not is_over.is_set():
            for what, members in asks:
                answered = page.ask(what, **members)
                # In the midst of a refeed there may be no such metric yet.
                if not answered.head["ok"] and "no metric" not in str(answered.head):
                    wrong.append(answered)

    page.run.log({"a": 0, "b": 0.0})
    page.run.following.catch_up()
    threads = [threading.Thread(target=ask_on, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 400):
        page.run.log({"a": step, "b": step / 2})
        if step % 50 == 0:
            page.board.frame(cursor)
    is_over.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []
    page.ask("axis", x="")
    page.run.following.catch_up()
    assert page.run.summary["a"] == 399
    charts = {c.key: c for s in page.board.spec().sections for c in s.charts}
    assert list(charts["a"].curves[0].y)[-1] == 399
    assert page.board.rows == 400


# -- what nobody could mean ----------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        {"what": "detail"},
        {"what": "detail", "keys": [], "x": "step", "from": 0, "to": 1},
        {"what": "detail", "keys": "a", "x": "step", "from": 0, "to": 1},
        {"what": "detail", "keys": ["a"], "x": "miles", "from": 0, "to": 1},
        {"what": "detail", "keys": ["a"], "x": "step", "from": nan, "to": 1},
        {"what": "detail", "keys": ["a"], "x": "step", "from": 0, "to": inf},
        {"what": "detail", "keys": ["a"], "x": "step", "from": 0, "to": 10**400},
        {"what": "detail", "keys": ["a"] * 1000, "x": "step", "from": 0, "to": 1},
        {"what": "media", "key": 3, "step": 0},
        {"what": "media", "key": "pic", "step": True},
        {"what": "table", "key": "tables", "step": 0, "offset": -1},
        {"what": "table", "key": "tables", "step": 0, "sort": ["a"]},
        {"what": "table", "key": "tables", "step": 0, "sort": [["a", "up"]]},
        {"what": "table", "key": "tables", "step": 0, "search": ["x"]},
        {"what": "edit", "field": "dir", "value": "/"},
        {"what": "edit", "field": "tags", "value": "ab"},
        {"what": "edit", "field": "notes", "value": None},
        {"what": "axis"},
        {"what": "reboot"},
        {"what": ["stop"]},
        {"what": None},
    ],
)
def test_an_ask_that_cannot_be_meant_is_answered_and_is_a_fault(page, ask):
    page.run.log({"a": 1})
    log_table(page)
    answered = page.ask(**ask)
    assert no(answered)
    assert answered.fault is not None
    assert len(answered.head["error"]) <= 500


def test_an_ask_without_a_number_is_answered_too(page):
    answered = page.ask("stop", id="<script>")
    assert answered.head["ok"] is False
    assert answered.head["id"] == -1
    assert answered.fault is not None
    assert not page.run.should_stop


def test_another_axis_can_be_chosen_before_all_rows_are_fed_again(page: Page) -> None:
    page.run.log({"loss": 1.0, "epoch": 1, "tokens": 5})
    page.ask("axis", x="epoch")
    assert page.board.axes() == ["loss", "epoch", "tokens"]
    message = {"v": 2, "kind": "ask", "id": 8, "what": "axis", "x": "tokens"}
    assert Desk(page.board, Reach(**page.reach)).answer(message).head["ok"]
    page.run.following.catch_up()
    assert page.board.x == "tokens"
