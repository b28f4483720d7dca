"""Frames: what a listener reads is what the board holds."""

from __future__ import annotations

import json
import struct
from array import array
from math import exp
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nbtrack._view.tracks import Tracks
from nbtrack._view.wire import (
    Cursor,
    Frame,
    changed_tracks,
    pack,
    packed_series,
    plain,
)

if TYPE_CHECKING:
    from nbtrack._view import wire


def decode(parts: list[wire.TrackPart], body: bytes) -> list[list[array[Any]]]:
    """Read a body by the words of the module's docstring."""
    at, tracks = 0, []
    for part in parts:
        length = part["count"] + part["tail"]
        columns = []
        for _ in range(1 + part["axis"]):
            columns.append(array("d", body[at : at + 8 * length]))
            at += 8 * length
        for _ in range(1 + part["series"]):
            columns.append(array("f", body[at : at + 4 * length]))
            at += 4 * length
        at += -at % 8
        tracks.append(columns)
    assert at == len(body)
    return tracks


class Listener:
    """A browser in miniature; it asks for whole tracks when an epoch rises."""

    def __init__(self) -> None:
        self.cursor = Cursor()
        self.columns: dict[int, list[list[float]]] = {}

    def hear(self, tracks: Tracks) -> int:
        for track in tracks.tracks():
            seen = self.cursor.tracks.get(track.id)
            if seen and seen[0] != track.epoch:
                del self.cursor.tracks[track.id]
        parts, body = changed_tracks(tracks.tracks(), self.cursor)
        for part, columns in zip(parts, decode(parts, body), strict=True):
            kept = self.columns.get(part["id"], [[] for _ in columns])
            self.columns[part["id"]] = [
                old[: part["from"]] + list(new)
                for old, new in zip(kept, columns, strict=True)
            ]
        return len(body)


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.lists(st.dictionaries(st.sampled_from("abcd"), numbers), max_size=60)


@given(rows, st.integers(1, 7))
def test_a_listener_sees_what_the_board_holds(
    rows: list[dict[str, float]], every: int
) -> None:
    tracks, listener = Tracks({"b": "a"}.get), Listener()
    for step, row in enumerate(rows):
        tracks.add(step, row, step / 4)
        if step % every == 0:
            listener.hear(tracks)
    listener.hear(tracks)
    for key, track in tracks.by_key.items():
        places, y = track.placed_points(key)
        heard = listener.columns[track.id]
        own = len(places) + track.keys.index(key)
        assert heard[: len(places)] == [list(column) for column in places]
        assert heard[own] == [float(v) for v in array("f", y)]


@settings(max_examples=10)
@given(st.integers(0, 5000))
def test_a_kept_place_is_the_one_a_halving_listener_has(count: int) -> None:
    tracks, cursor = Tracks(lambda _: None), Cursor()
    for step in range(6000):
        tracks.add(step, {"a": 1.0})
        if step == count:
            changed_tracks(tracks.tracks(), cursor)
            [track] = tracks.tracks()
            had, epoch = len(track.steps), track.epoch
    [part], _ = changed_tracks(tracks.tracks(), cursor)
    for _ in range(part["epoch"] - epoch):
        had = had // 4 * 2
    assert part["from"] == had


def test_a_packed_frame_keeps_its_buffers_aligned() -> None:
    head: wire.FrameHead = {"v": 2, "kind": "frame", "n": 1, "key": True, "tracks": []}
    packed = pack(Frame(head, [b"12345678", b"abc", b"", b"defghijk"]))
    (size,) = struct.unpack_from("<I", packed)
    assert (size + 4) % 8 == 0
    assert json.loads(packed[4 : 4 + size]) == head | {"sizes": [8, 3, 0, 8]}
    assert packed[4 + size :] == b"12345678" + b"abc" + bytes(5) + b"defghijk"


def test_series_of_an_answer_are_aligned() -> None:
    x, y = array("d", [1.0, 2.0, 3.0]), array("d", [4.0, 5.0, 6.0])
    body = packed_series([(x, y), (x, y)])
    assert len(body) == 2 * (3 * 8 + 3 * 4 + 4)
    assert array("f", body[24:36]) == array("f", [4.0, 5.0, 6.0])
    assert array("d", body[40:64]) == x


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary(), st.lists))
def test_what_a_run_says_can_be_sent(value: Any) -> None:
    text = json.dumps(plain({"a": value}), allow_nan=False, ensure_ascii=False)
    assert text.encode()


def sent_bytes(steps: int, frames: int, metrics: int = 20) -> int:
    """Run so many steps in so many frames and count what the tracks cost."""
    random, tracks, cursor, total = Random(1), Tracks(lambda _: None), Cursor(), 0
    noise = [random.random() for _ in range(997)]
    for step in range(steps):
        value = exp(-step / steps) + noise[step % 997]
        tracks.add(step, {f"m{i}": value for i in range(metrics)}, step / 200)
        if step % (steps // frames) == 0:
            parts, body = changed_tracks(tracks.tracks(), cursor)
            total += len(body) + len(json.dumps(parts))
    return total


def test_the_wire_budget_of_two_thousand_steps() -> None:
    assert sent_bytes(2000, 100) < 300_000


def test_a_long_run_costs_about_what_a_short_one_costs() -> None:
    # A tenth of a million is the same argument in a tenth of the time.
    assert sent_bytes(100_000, 200, 4) < 3 * sent_bytes(1_000, 200, 4)
