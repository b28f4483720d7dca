"""What a board says to who reads it: steps, numbers, marks, what was not found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from board_page import BoardPage

    Open = Callable[..., BoardPage]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

SYSTEM = """(() => { const p = picture({train: ["loss"]}, {system: ["sent", "cpu"]});
    const places = p.layout[1].panels; places[0].title = "sent, bytes";
    p.tracks[1].ys[0] = p.tracks[1].ys[0].map((_, i) => i * 340000);
    return p; })()"""
TABLE = """({key: true, card: CARD, layout: [{name: "", tab: "charts", panels: [
    {kind: "media", key: "t", title: "t", type: "table-file"}]}], tracks: [],
    media: [{key: "t", step: 3, seconds: 1, items: [{type: "table-file", caption: "",
      mime: "", width: 0, height: 0, size: 9, buffer: -1, data: {columns: [["n",
      "number"]], rows: [[1], [2]], n_rows: 2, n_columns: 1}}]}]})"""


def test_the_step_is_that_of_the_curves_where_the_card_lags(open_board: Open) -> None:
    board = open_board("picture({train: ['loss']}, {steps: 460, system: ['cpu']})")
    fact = board.page.locator(".nbt-fact-value").first
    assert fact.inner_text() == "459 / 1,000"
    board.frame(
        "{tracks: [{id: 0, from: 459, step: [459, 460], seconds: [1, 2],"
        " ys: [[1, 2]]}]}"
    )
    board.settle()
    assert fact.inner_text() == "460 / 1,000"


def test_a_zoom_and_another_x_axis_take_the_mark_away(open_board: Open) -> None:
    board = open_board()
    cross = board.chart("val/acc").locator(".nbt-cross")
    board.hover("train/loss", 0.5)
    assert cross.is_visible()
    board.drag("train/loss", 0.3, 0.6)
    board.settle()
    assert cross.is_hidden()
    board.hover("train/loss", 0.5)
    assert cross.is_visible()
    board.page.keyboard.press("Tab")
    board.ask("void (document.querySelector('.nbt-controls select').value = 'time')")
    board.page.locator(".nbt-controls select").first.dispatch_event("change")
    board.settle()
    assert cross.is_hidden()


def test_a_low_drag_zooms_x_only(open_board: Open) -> None:
    board = open_board()
    board.drag("train/loss", 0.3, 0.6)
    flat = board.ink("train/loss")
    board.chart("train/loss").get_by_label("Reset zoom").click()
    board.drag("train/loss", 0.3, 0.6, height=0.25)
    assert board.ink("train/loss") == flat
    board.chart("train/loss").get_by_label("Reset zoom").click()
    board.drag("train/loss", 0.3, 0.6, height=0.5)
    assert board.ink("train/loss") != flat


def test_a_search_in_vain_says_so(open_board: Open) -> None:
    board = open_board()
    search = board.page.get_by_label("Search metrics")
    search.fill("zzz")
    board.page.get_by_text("No metric matches 'zzz'").wait_for()
    board.frame("{card: {step: 401}}")
    assert board.page.locator(".nbt-empty").is_visible()
    search.fill("")
    board.settle()
    assert board.page.locator(".nbt-empty").is_hidden()


def test_of_the_machine_bytes_are_read_and_nothing_is_smoothed(
    open_board: Open,
) -> None:
    board = open_board(SYSTEM)
    board.page.get_by_role("tab", name="System").click()
    board.settle()
    assert board.value("sent") == "135.66 MB"
    raw = board.ink("cpu")
    board.page.get_by_role("tab", name="Charts").click()
    board.page.get_by_label("Smoothing", exact=True).fill("0.9")
    board.page.get_by_role("tab", name="System").click()
    board.settle()
    assert board.ink("cpu") == raw
    assert board.page.get_by_label("Smoothing", exact=True).is_hidden()


def test_a_failed_filter_is_told_in_the_table_and_taken_back(open_board: Open) -> None:
    board = open_board(TABLE)
    board.ask(
        "void (model.answers.table = ({filter}) => ({head: filter ? {ok: false,"
        " error: 'no column m'} : {columns: [['n', 'number']], rows: [[1], [2]],"
        " numbers: [0, 1], n_rows: 2, n_match: 2, n_columns: 1}}))"
    )
    field = board.page.locator(".nbt-data-input[type=text]")
    field.fill("m > 1")
    board.page.locator(".nbt-data-error").get_by_text("no column m").wait_for()
    assert board.page.locator(".nbt-error").is_hidden()
    field.fill("")
    board.until("!document.querySelector('.nbt-data-error').textContent")
    assert board.page.locator(".nbt-data-box").bounding_box()["height"] < 110


def test_the_overview_says_where_the_run_is(open_board: Open) -> None:
    board = open_board()
    board.page.get_by_role("tab", name="Overview").click()
    box = board.page.locator(".nbt-tables .nbt-section").first
    assert 'nbtrack.Api().run("digits/x1")' in box.inner_text()
    assert "nbruns/digits/x1" in box.inner_text()


def test_a_board_whose_kernel_is_gone_says_how_to_go_on(open_board: Open) -> None:
    board = open_board()
    board.ask("void model.kernel.statusChanged.emit('dead')")
    told = board.page.locator(".nbt-waiting").inner_text()
    assert 'nbtrack.Api().run("digits/x1")' in told
    assert 'nbtrack.init(id="x1", resume="auto")' in told


@pytest.mark.parametrize("width", [230, 300])
def test_in_a_narrow_cell_everything_can_be_reached(
    open_board: Open, width: int
) -> None:
    board = open_board(width=width)
    for name in ("System", "Overview"):
        board.page.get_by_role("tab", name=name).click()
        board.settle()
        assert board.ask("document.documentElement.scrollWidth") <= width


def test_five_charts_stand_as_three_and_two(open_board: Open) -> None:
    board = open_board("picture({a: ['p', 'q', 'r', 's', 't']})")
    tops = board.ask(
        "[...document.querySelectorAll('.nbt-chart')]"
        ".map(c => Math.round(c.getBoundingClientRect().top))"
    )
    assert [tops.count(top) for top in sorted(set(tops))] == [3, 2]
