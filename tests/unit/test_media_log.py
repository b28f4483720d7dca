"""Media in a board: what is kept, what of it is sent, and how much at a time."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nbtrack._draw.spec import Card
from nbtrack._store.block import BlockBuilder
from nbtrack._store.lines import Record
from nbtrack._view import media_log
from nbtrack._view.board import Board, Sources
from nbtrack._view.media_log import MediaLog, MediaSender
from nbtrack._view.wire import Cursor


class Reader:
    """Knows images; of some nobody can tell anything."""

    def __init__(self) -> None:
        self.reads = 0

    def shown(self, value: Any, _path: Path) -> list[Any]:
        self.reads += 1
        return [self.one(v, b"x" * v.get("size", 1)) for v in self.listed(value)]

    full = shown

    def outline(self, value: Any, _path: Path) -> list[Any]:
        return [self.one(v, None) for v in self.listed(value)]

    def listed(self, value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    def one(self, value: Any, content: bytes | None) -> Any:
        if value.get("is_bad"):
            raise OSError(5, "no such disk")
        return SimpleNamespace(
            type=value["_type"],
            caption=value.get("caption", ""),
            mime="image/png",
            width=1,
            height=2,
            content=content,
            size=value.get("size", 1),
            data={"odd": float("nan")},
        )


def image(**facts: Any) -> dict[str, Any]:
    return {"_type": "image-file", "path": "media/x.png", **facts}


def part(sender: MediaSender, log: MediaLog, since: int = 0, **how: Any) -> Any:
    buffers = [b"body"]
    steps, _ = sender.part(log.since(since), buffers, **({"is_key": False} | how))
    json.dumps(steps, allow_nan=False)
    return steps, buffers


@pytest.fixture
def sender():
    return MediaSender(Reader(), Path())


def test_media_are_found_in_rows_and_in_blocks():
    row = {
        "a": 1.0,
        "img": image(),
        "many": [image(caption="1"), image(caption="2")],
        "dict": {"no": "type"},
        "list": [1, 2],
        "empty": [],
        "type": {"_type": 3},
        "_own": image(),
    }
    by_row, by_block = MediaLog(), MediaLog()
    by_row.add_row(3, 0.5, row)
    builder = BlockBuilder("w")
    builder.add_record(Record("w", 0, 500_000, "row", 3, row))
    by_block.add_block(builder.build())
    for log in (by_row, by_block):
        assert log.keys() == {"img": "image-file", "many": "image-file"}
        entry = log.entry("many", 3)
        assert entry is not None
        assert (entry.step, entry.seconds, len(entry.value)) == (3, 0.5, 2)


def test_memory_is_bounded_by_the_latest_steps_and_by_keys(monkeypatch):
    log = MediaLog()
    for step in range(media_log.MOST_STEPS + 20):
        log.add_row(step, 0.0, {"img": image(caption=str(step))})
    assert log.steps("img") == list(range(20, media_log.MOST_STEPS + 20))
    log.add_row(9, 0.0, {f"k{i}": image() for i in range(2 * media_log.MOST_KEYS)})
    assert len(log.keys()) == media_log.MOST_KEYS
    log.add_row(9, 0.0, {"img": image(caption="x" * media_log._LARGEST)})
    assert log.entry("img", 9) is None
    monkeypatch.setattr(media_log, "_MOST_BYTES", 30_000)
    log.add_row(10_000, 0.0, {"img": image(caption="x" * 1000)})
    assert log._bytes <= 30_000
    assert log.steps("img")[-1] == 10_000


def test_rows_that_are_fed_again_are_no_news():
    log = MediaLog()
    log.add_row(1, 0.0, {"img": image()})
    changes = log.changes
    log.add_row(1, 0.0, {"img": image()})
    assert log.since(changes) == []
    log.add_row(1, 0.0, {"img": image(caption="other")})
    assert [entry.value["caption"] for entry in log.since(changes)] == ["other"]
    assert log.steps("img") == [1]


def test_new_steps_are_sent_with_contents_the_newest_first(sender, monkeypatch):
    monkeypatch.setattr(media_log, "SENT_BYTES", 250)
    log = MediaLog()
    for step in range(5):
        log.add_row(step, step / 2, {"img": [image(size=60), image(size=40)]})
    steps, buffers = part(sender, log)
    assert [s["step"] for s in steps] == [0, 1, 2, 3, 4]
    sent = [[item["buffer"] >= 0 for item in s["items"]] for s in steps]
    assert sent == [[False] * 2] * 2 + [[False, True], [True, True], [True, True]]
    for step in steps:
        for item in step["items"]:
            if item["buffer"] >= 0:
                assert len(buffers[item["buffer"]]) == item["size"]
            assert item["data"] == {"odd": None}


def test_a_key_frame_has_all_steps_and_contents_of_the_first_and_the_last(sender):
    log = MediaLog()
    for step in range(6):
        log.add_row(step, 0.0, {"a": image(), "b/c": image()})
    log.add_row(6, 0.0, {"once": image()})
    steps, _ = part(sender, log, is_key=True)
    sent = [(s["key"], s["step"]) for s in steps if s["items"][0]["buffer"] > 0]
    assert sent == [("a", 0), ("b/c", 0), ("a", 5), ("b/c", 5), ("once", 6)]
    assert len(steps) == 13


def test_very_many_items_have_to_be_asked_for(sender, monkeypatch):
    monkeypatch.setattr(media_log, "_DESCRIBED", 10)
    monkeypatch.setattr(media_log, "SENT_BYTES", 0)
    log = MediaLog()
    for step in range(9):
        log.add_row(step, 0.0, {"img": [image()] * 4})
    steps, _ = part(sender, log)
    assert [len(s["items"]) for s in steps] == [0] * 6 + [4] * 3


def test_what_was_read_a_moment_ago_is_not_read_again():
    reader = Reader()
    sender, log = MediaSender(reader, Path()), MediaLog()
    log.add_row(0, 0.0, {"img": image()})
    part(sender, log)
    part(sender, log, is_key=True)
    assert reader.reads == 1


def test_an_object_that_cannot_be_read_says_why_and_spoils_nothing(sender):
    log = MediaLog()
    log.add_row(0, 0.0, {"bad": image(is_bad=True, caption="<b>"), "good": image()})
    (bad, good), _ = part(sender, log)
    assert bad["items"][0]["data"] == {"error": "[Errno 5] no such disk"}
    assert (bad["items"][0]["caption"], bad["items"][0]["buffer"]) == ("<b>", -1)
    assert good["items"][0]["buffer"] == 1


def test_without_a_reader_the_browser_sees_what_the_rows_say():
    log = MediaLog()
    log.add_row(0, 0.0, {"img": image(caption="c", width=7, height=True, size="x")})
    ((step,), buffers) = part(MediaSender(None, None), log, is_key=True)
    assert buffers == [b"body"]
    (item,) = step["items"]
    assert (item["caption"], item["width"], item["height"]) == ("c", 7, 0)
    assert (item["size"], item["buffer"]) == (0, -1)


def test_contents_for_which_there_was_no_time_come_with_the_next_frame(monkeypatch):
    monkeypatch.setattr(media_log, "_SENT_S", -1.0)
    sources = Sources(run_path=Path(), media=Reader())
    rules = SimpleNamespace(
        step_metric=lambda _: None, hidden=lambda _: False, goal=lambda _: None
    )
    card = Card("otter", "id", "p", "running")
    board = Board(lambda: card, rules, SimpleNamespace(as_dict=dict), sources=sources)
    cursor, contents = Cursor(), []
    for step in range(2):
        data = {key: image(caption=f"{key}{step}") for key in "abc"}
        board.feed([Record("w", step, 0, "row", step, data)])
    frame = board.frame(cursor)
    assert frame is not None
    assert len(frame.buffers) == 1, "no time at all"
    monkeypatch.setattr(media_log, "_SENT_S", 60.0)
    frame = board.frame(cursor)
    assert frame is not None
    for step in frame.head["media"]:
        contents += [item["caption"] for item in step["items"] if item["buffer"] > 0]
    assert contents == ["a1", "b1", "c1"]
    assert board.frame(cursor) is None
