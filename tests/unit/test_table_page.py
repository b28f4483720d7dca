"""Pages of a table: what a browser gets, whatever it asks for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack._compare.tables import diff_tables
from nbtrack._media.table_page import answer, page, rows_of
from nbtrack._store.blobs import Blobs
from nbtrack._store.rundir import RunDir
from nbtrack.errors import MediaError, TableColumnError


def stored(table: nbtrack.Table, directory: Path) -> tuple[dict, Path]:
    run = RunDir(directory)
    return table.to_row(Blobs(run)), run.path


def numbers(found) -> list[int]:
    return found.head["numbers"]


@pytest.fixture
def table() -> nbtrack.Table:
    return nbtrack.Table(
        columns=["n", "text", "gap", "odd"],
        data=[
            [3, "Cat", 1.0, [1]],
            [1, "dog", None, {"a": 1}],
            [2, "concatenate", float("nan"), None],
            [1, None, -1.0, [0]],
        ],
        allow_mixed_types=True,
    )


@pytest.mark.parametrize("is_stored", [True, False])
class TestWhatAPageHas:
    @pytest.fixture
    def ask(self, table, tmp_path, is_stored):
        source = stored(table, tmp_path) if is_stored else (table, None)
        return lambda **asked: page(*source, **asked)

    def test_a_page_has_the_cells_asked_for_and_the_counts(self, ask):
        found = ask(offset=1, limit=2, first_column=1, n_columns=2).head
        assert found["columns"] == [["text", "string"], ["gap", "number"]]
        assert found["rows"] == [["dog", None], ["concatenate", {"text": "NaN"}]]
        assert (found["n_rows"], found["n_match"], found["n_columns"]) == (4, 4, 4)
        assert found["numbers"] == [1, 2]
        assert "all" not in found
        assert len(ask(names=True).head["all"]) == 4

    def test_sorting_is_stable_and_puts_what_is_missing_last(self, ask):
        assert numbers(ask(sort=[("n", "asc")])) == [1, 3, 2, 0]
        assert numbers(ask(sort=[("n", "desc")])) == [0, 2, 1, 3]
        assert numbers(ask(sort=[("gap", "asc")]))[:2] == [3, 0]
        assert numbers(ask(sort=[("gap", "desc")]))[:2] == [0, 3]
        assert numbers(ask(sort=[("text", "desc")])) == [1, 2, 0, 3]
        assert numbers(ask(sort=[("n", "asc"), ("text", "asc")])) == [1, 3, 2, 0]
        assert numbers(ask(sort=[("odd", "asc")]))[-1] == 2

    def test_search_looks_into_text_whatever_the_case(self, ask):
        assert numbers(ask(search="CAT")) == [0, 2]
        assert numbers(ask(search=" dog ")) == [1]
        assert numbers(ask(search="no such text")) == []
        assert numbers(ask(search="a.*e")) == [], "text, not a pattern"

    def test_filter_search_and_sort_together(self, ask):
        found = ask(filter="n <= 2", search="o", sort=[("n", "desc")])
        assert numbers(found) == [2, 1]
        assert found.head["n_match"] == 2
        assert found.head["n_rows"] == 4

    def test_an_unknown_column_is_named(self, ask):
        with pytest.raises(TableColumnError, match="'missing'"):
            ask(sort=[("missing", "asc")])

    def test_a_page_beyond_the_end_is_empty(self, ask):
        assert ask(offset=10**9).head["rows"] == []
        assert ask(first_column=99).head["rows"] == [[], [], [], []]


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    ask=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            [
                *("offset", "limit", "sort", "search", "filter", "full", "names"),
                *("first_column", "n_columns"),
            ],
            anything,
        ),
    )
)
def test_a_browser_may_ask_for_anything(ask):
    table = nbtrack.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])
    try:
        head, buffers = answer(table, None, ask)
    except MediaError:
        pass  # with a message for the reader; anything else fails the test
    else:
        json.dumps(head, allow_nan=False)
        assert buffers == []


cells = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-5, 5))


@given(
    rows=st.lists(st.tuples(cells, st.sampled_from(["a", "B", "ab", None]))),
    is_rising=st.booleans(),
    search=st.sampled_from(["", "a", "b"]),
    bound=st.integers(-4, 4),
)
def test_pandas_agrees_on_what_is_found_and_in_which_order(
    rows, is_rising, search, bound
):
    table = nbtrack.Table(columns=["x", "t"])
    for row in rows:
        table.add_data(*row)
    found = page(
        table,
        sort=[("x", "asc" if is_rising else "desc")],
        search=search,
        filter=f"x < {bound}",
        limit=500,
    )
    frame = pd.DataFrame(rows, columns=["x", "t"]).astype({"x": float})
    has = frame["t"].fillna("").astype(str).str.contains(search, case=False)
    wanted = frame[(frame["x"] < bound) & (has | (search == ""))]
    wanted = wanted.sort_values("x", ascending=is_rising, kind="stable")
    assert numbers(found) == wanted.index.tolist()


def test_media_come_as_small_pictures_and_whole_when_asked_for(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (600, 400, 3), dtype=np.uint8)
    picture = nbtrack.Image(pixels, caption="noise")
    table = nbtrack.Table(columns=["image", "page"])
    table.add_data(picture, nbtrack.Html("<p>long</p>"))
    for source in ((table, None), stored(table, tmp_path)):
        found = page(*source)
        image, html = found.head["rows"][0]
        assert image["type"] == "image-file"
        assert image["caption"] == "noise"
        assert len(found.buffers[image["buffer"]]) < 80_000
        assert html["buffer"] == -1
        whole = page(*source, full=True)
        assert len(whole.buffers[0]) > 400_000
        assert b"long" in whole.buffers[1]


def test_long_texts_are_cut_and_whole_when_asked_for():
    table = nbtrack.Table(columns=["t"], data=[["x" * 5_000]])
    assert page(table).head["rows"][0][0] == {"text": "x" * 200, "length": 5_000}
    assert page(table, full=True).head["rows"][0][0] == "x" * 5_000


def test_a_table_goes_on_growing_while_it_is_looked_at():
    table = nbtrack.Table(columns=["n"], data=[[1]])
    rows = rows_of(table)
    table.add_data(0)
    assert page(rows, sort=[("n", "asc")]).head["rows"] == [[1]]
    assert page(table, sort=[("n", "asc")]).head["rows"] == [[0], [1]]


def test_what_is_no_table_is_named():
    with pytest.raises(MediaError, match="'image-file' is no table"):
        rows_of({"_type": "image-file", "path": "media/x.png"}, Path())
    with pytest.raises(MediaError):
        answer({"_type": "table-file"}, Path(), {})


def test_a_page_of_a_large_table_reads_little(tmp_path):
    frame = pd.DataFrame(np.arange(200_000 * 60).reshape(200_000, 60))
    frame["text"] = "label"
    source = stored(nbtrack.Table(dataframe=frame), tmp_path)
    page(*source)  # the modules, once
    begun = time.perf_counter()
    found = page(*source, offset=150_000, first_column=40, n_columns=12)
    sorted_ = page(*source, sort=[("7", "desc")], n_columns=12)
    assert time.perf_counter() - begun < 5, "it takes about a tenth of a second"
    assert found.head["rows"][0][0] == 150_000 * 60 + 40
    assert numbers(sorted_)[0] == 199_999


def test_the_first_rows_that_differ_between_two_tables(tmp_path):
    rows = [[n, f"t{n}", None if n % 2 else float("nan")] for n in range(100)]
    one = nbtrack.Table(columns=["n", "t", "gap"], data=rows)
    rows[40] = [40, "other", None]
    two = nbtrack.Table(columns=["n", "t", "gap"], data=rows[:90])
    two.add_column("new", range(90))
    diff = diff_tables(rows_of(one), rows_of(two))
    assert (diff.gone, diff.new, diff.rows) == ((), ("new",), (100, 90))
    assert diff.differing == 1
    assert diff.first == ((40, "t", "t40", "other"),)
    again = rows_of(*stored(one, tmp_path))
    assert diff_tables(rows_of(one), again).is_same
    assert not diff.is_same


@given(
    place=st.floats(0, 1, exclude_max=True),
    change=st.one_of(st.just(None), st.integers(1, 255)),
)
def test_a_damaged_file_is_told_or_read_and_never_worse(
    place, change, tmp_path_factory
):
    rows = [[n, f"t{n}", [n], n / 7] for n in range(50)]
    table = nbtrack.Table(columns=["n", "t", "l", "f"], data=rows)
    value, run_path = stored(table, tmp_path_factory.mktemp("run"))
    path = run_path / value["path"]
    content = bytearray(path.read_bytes())
    at = int(place * len(content))
    if change is None:
        content = content[:at]
    else:
        content[at] ^= change
    path.write_bytes(content)
    try:
        found = page(value, run_path, sort=[("n", "desc")], search="1")
    except MediaError as error:
        assert path.name in str(error), "it names the file"  # noqa: PT017
    else:
        json.dumps(found.head, allow_nan=False)
