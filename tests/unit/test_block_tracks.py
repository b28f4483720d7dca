"""Blocks into tracks: the same picture as row by row, however the rows are split."""

from __future__ import annotations

from math import inf, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbtrack
from nbtrack._draw.spec import Card
from nbtrack._following import Following
from nbtrack._store.block import BlockBuilder
from nbtrack._store.lines import Record
from nbtrack._store.rundir import RunDir
from nbtrack._view import block_tracks, points
from nbtrack._view.board import Board
from nbtrack._view.tracks import Tracks

if TYPE_CHECKING:
    from nbtrack._view.points import Track

numbers = (
    st.floats(width=32)
    | st.sampled_from([nan, inf, -inf, 0.0, 1.0, 2**53 + 1, 10**400, -(10**400), True])
    | st.integers(-3, 3)
)
odd = st.sampled_from(["text", None, [1, 2], {"_type": "image-file"}])
rows = st.fixed_dictionaries(
    {}, optional={"a": numbers, "b": numbers, "c": numbers | odd, "x": numbers}
)
#: Most rows are alike, as in real runs; then come others.
stretches = st.lists(st.tuples(rows, st.integers(1, 40)), max_size=12)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small limits reach every branch with short lists."""
    monkeypatch.setattr(points, "CAPACITY", 16)
    monkeypatch.setattr(points, "CHUNK", 8)


def block_of(records: list[Record]) -> Any:
    builder = BlockBuilder("w")
    for record in records:
        builder.add_record(record)
    return builder.build()


def picture(track: Track, key: str) -> Any:
    places, y = track.placed_points(key)
    tail_at, tail = track.tail()
    columns = [*places, y, *tail_at, tail[track.keys.index(key)]]
    return [
        ["gap" if isnan(v) else v for v in column] for column in columns
    ], track.epoch


def pictures(tracks: Tracks) -> dict[str, Any]:
    return {key: picture(track, key) for key, track in tracks.by_key.items()}


def records_of(
    stretches: list[tuple[dict[str, Any], int]], jumps: list[int]
) -> list[Record]:
    records, step = [], 0
    for number, (row, times) in enumerate(stretches):
        for again in range(times):
            step += jumps[(number + again) % len(jumps)] if jumps else 1
            # The same keys with other numbers: the property is about places, too.
            data = {
                k: v + again if isinstance(v, int) and abs(v) < 4 else v
                for k, v in row.items()
            }
            records.append(Record("w", len(records), 1000 * step, "row", step, data))
    return records


@settings(max_examples=200)
@given(
    stretches,
    st.lists(st.integers(-1, 2), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=8),
    st.sampled_from([{}, {"a": "x"}, {"a": "x", "b": "x", "x": "x"}]),
)
def test_any_split_into_records_and_blocks_gives_the_same_picture(
    stretches: list[tuple[dict[str, Any], int]],
    jumps: list[int],
    pieces: list[tuple[int, bool]],
    axes: dict[str, str],
) -> None:
    records = records_of(stretches, jumps)
    one_by_one, mixed = Tracks(axes.get), Tracks(axes.get)
    for record in records:
        one_by_one.add(record.step or 0, record.data, record.us / 1e6)
    at, turn = 0, 0
    while at < len(records):
        size, in_bulk = pieces[turn % len(pieces)]
        piece = records[at : at + size]
        if in_bulk:
            mixed.add_block(block_of(piece))
        else:
            for record in piece:
                mixed.add(record.step or 0, record.data, record.us / 1e6)
        at, turn = at + size, turn + 1
    assert pictures(mixed) == pictures(one_by_one)
    assert mixed.axis_values.keys() == one_by_one.axis_values.keys()


@given(
    st.lists(numbers.map(lambda v: v if abs(v) < 1e30 else nan), max_size=700),
    st.lists(st.integers(1, 300), min_size=1, max_size=6),
)
def test_long_series_are_reduced_alike(values: list[Any], sizes: list[int]) -> None:
    records = [
        Record("w", i, i, "row", i, {"a": v, "b": -v}) for i, v in enumerate(values)
    ]
    one_by_one, in_bulk = Tracks(lambda _: None), Tracks(lambda _: None)
    for record in records:
        one_by_one.add(record.step or 0, record.data, record.us / 1e6)
    at, turn = 0, 0
    while at < len(records):
        size = sizes[turn % len(sizes)]
        in_bulk.add_block(block_of(records[at : at + size]))
        at, turn = at + size, turn + 1
    assert pictures(in_bulk) == pictures(one_by_one)


def test_a_block_in_which_nothing_repeats_goes_row_by_row() -> None:
    count = 3 * block_tracks._MOST_SPECIAL
    records = [Record("w", i, i, "row", i, {f"k{i}": 1.0}) for i in range(count)]
    tracks = Tracks(lambda _: None)
    tracks.add_block(block_of(records))
    assert list(tracks.by_key) == [f"k{i}" for i in range(count)]
    assert all(list(t.points(k)[1]) == [1.0] for k, t in tracks.by_key.items())


def test_an_empty_block_and_one_of_text_draw_nothing() -> None:
    tracks = Tracks(lambda _: None)
    tracks.add_block(block_of([]))
    tracks.add_block(block_of([Record("w", 0, 0, "row", 0, {"a": "text"})]))
    assert tracks.by_key == {}


def test_a_board_of_a_long_log_shows_what_its_rows_say() -> None:
    run = nbtrack.init(project="p", view="off")
    rows, by_row = [], Tracks(lambda _: None)
    for step in range(12_000):
        row: dict[str, Any] = {"train/loss": 1 / (step + 1), "lr": 0.1 * (step % 7)}
        if step % 50 == 0:
            row["val/acc"] = nan if step % 1000 == 0 else step
        if step == 7_000:
            row["late"] = 10**400
        rows.append(row)
        run.log(row)
        by_row.add(step, row)
    following = Following(RunDir(Path(run.dir)), run.faults, lambda: False)
    board = Board(
        lambda: Card("n", "id", "p", "running"), following.rules, following.summary
    )
    following.follow(board)
    following.catch_up()
    run.finish()
    shown = {c.key: c.curves[0] for s in board.spec().sections for c in s.charts}
    assert shown.keys() == by_row.by_key.keys()
    for key, track in by_row.by_key.items():
        x, y = track.points(key)
        assert list(shown[key].x) == list(x)
        assert repr(list(shown[key].y)) == repr(list(y))
