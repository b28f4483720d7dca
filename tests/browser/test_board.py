"""Every control of a board, against a kernel that is played in the page.

What a real JupyterLab does with a board stands in ``test_live.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from board_page import STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable

    from board_page import BoardPage

    Open = Callable[..., BoardPage]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_the_header_says_who_the_run_is_and_how_far(open_board: Open) -> None:
    board = open_board()
    header = board.page.locator("header")
    for text in (
        "calm-otter-3", "running", "digits · sweep-2", "baseline", "399 / 1,000",
        "3:14", "2.06", "4:51", "first try",
    ):  # fmt: skip
        assert text in header.inner_text(), text
    assert board.ask("document.querySelector('.nbt-bar').ariaValueNow") == "40"
    board.frame("{card: {state: 'finished', elapsed_s: 200}}")
    assert "finished" in header.inner_text()
    assert "Left" not in header.inner_text()


def test_before_the_first_row_it_says_what_to_do(open_board: Open) -> None:
    board = open_board(
        "{key: true, card: {...CARD, config: [], step: null}, layout: []}"
    )
    assert "run.log(" in board.page.locator(".nbt-empty").inner_text()
    assert board.page.get_by_label("Smoothing", exact=True).is_hidden()
    board.frame("{...picture({train: ['loss']}), key: false}")
    board.until("!document.querySelector('.nbt-empty').checkVisibility()")
    board.frame("{key: true, card: {...CARD, state: 'finished'}, layout: []}")
    assert "logged nothing" in board.page.locator(".nbt-empty").inner_text()


def test_charts_have_the_latest_and_the_best_value(open_board: Open) -> None:
    board = open_board(
        "{key: true, card: CARD, tracks: [{id: 0, step: [0, 1, 2], seconds: [0, 1, 2],"
        " ys: [[3, 1, 2]]}], layout: [{name: '', tab: 'charts', panels: [{kind: 'line',"
        " key: 'loss', title: 'loss', x_title: 'step', color: '#3d8fd1', track: 0,"
        " series: 0, goal: 'min'}]}]}"
    )
    assert board.value("loss") == "2"
    best = board.chart("loss").locator(".nbt-best")
    assert best.text_content() == "best 1"
    assert "at step 1" in best.get_attribute("title")
    assert "latest value 2, best 1" in board.plot("loss").get_attribute("aria-label")


@pytest.mark.parametrize("filter_", ["ema", "gauss", "mean"])
def test_smoothing_leaves_the_raw_line_faint(open_board: Open, filter_: str) -> None:
    board = open_board()
    before = board.ink("train/loss")
    board.page.get_by_label("Smoothing", exact=True).fill("0.9")
    board.menu()
    board.page.get_by_label("Smoothing by").select_option(filter_)
    assert board.ink("train/loss") != before
    board.hover("train/loss", 0.5)
    assert "(" in board.value("train/loss"), "the smoothed value, and the raw one"


def test_a_log_axis_says_what_it_cannot_show(open_board: Open) -> None:
    board = open_board()
    before = board.ink("train/grad_norm")
    board.page.get_by_label("Log y").check()
    assert board.ink("train/grad_norm") != before
    note = board.chart("train/grad_norm").locator(".nbt-note")
    assert "≤ 0 not on a log axis" in note.inner_text()
    assert board.chart("train/loss").locator(".nbt-note").inner_text() == ""
    board.menu()
    board.page.get_by_label("Log x").check()
    board.settle()
    assert "1 point ≤ 0" in board.chart("train/loss").locator(".nbt-note").inner_text()


def test_a_chart_with_nothing_for_a_log_axis_says_so(open_board: Open) -> None:
    board = open_board("picture({a: ['x']}, {steps: 50})")
    board.frame("{tracks: [{id: 0, step: [0, 1], seconds: [0, 1], ys: [[-1, -2]]}]}")
    board.page.get_by_label("Log y").check()
    board.settle()
    assert "nothing" in board.chart("a/x").locator(".nbt-note").inner_text()


def test_outliers_can_be_left_out(open_board: Open) -> None:
    board = open_board(
        "(() => { const p = picture({train: ['loss']});"
        " p.tracks[0].ys[0][7] = 1e6; return p; })()"
    )
    before = board.ink("train/loss")
    board.menu()
    board.page.get_by_label("Ignore outliers").check()
    assert board.ink("train/loss") != before
    assert "out of range" in board.chart("train/loss").locator(".nbt-note").inner_text()


def test_the_x_axis_is_step_or_time_without_the_kernel(open_board: Open) -> None:
    board = open_board()
    drawn = {board.ink("train/loss")}
    for choice in ("time", "wall"):
        board.page.get_by_label("X axis").select_option(choice)
        board.settle()
        drawn.add(board.ink("train/loss"))
        board.hover("train/loss", 0.5)
        board.page.mouse.move(0, 0)
    assert len(drawn) == 3
    assert board.sent("axis") == []


def test_the_x_axis_can_be_a_metric_which_the_kernel_is_asked_for(
    open_board: Open,
) -> None:
    board = open_board()
    board.page.get_by_label("X axis").select_option(":epoch")
    assert [ask["x"] for ask in board.sent("axis")] == ["epoch"]
    waiting = board.page.locator(".nbt-waiting")
    waiting.get_by_text("when the cell is free").wait_for()
    board.ask("void model.answer('axis')")
    board.until("!document.querySelector('.nbt-waiting').textContent")
    board.frame("{card: {x: 'epoch'}}")
    assert board.page.get_by_label("X axis").input_value() == ":epoch"
    board.page.get_by_label("X axis").select_option("")
    assert [ask["x"] for ask in board.sent("axis")] == ["epoch", ""]


def test_an_ask_that_fails_is_shown(open_board: Open) -> None:
    board = open_board()
    board.ask(
        "void (model.answers.axis = () => ({head: {ok: false, error: 'no such key'}}))"
    )
    board.page.get_by_label("X axis").select_option(":epoch")
    board.page.get_by_text("no such key").wait_for()


def test_hovering_shows_one_x_in_every_chart(open_board: Open) -> None:
    board = open_board()
    latest = board.value("val/acc")
    board.hover("train/loss", 0.4)
    assert board.chart("train/loss").locator(".nbt-at").inner_text().startswith("step ")
    for key in ("train/loss", "val/acc", "lr"):
        assert board.chart(key).locator(".nbt-cross").is_visible(), key
    assert board.value("val/acc") != latest
    assert board.chart("val/acc").locator(".nbt-at").is_hidden(), "once is enough"
    board.page.mouse.move(2, 2)
    board.settle()
    assert board.value("val/acc") == latest
    assert board.chart("val/acc").locator(".nbt-cross").is_hidden()


def test_dragging_zooms_and_a_double_click_goes_back(open_board: Open) -> None:
    board = open_board()
    whole, other = board.ink("train/loss"), board.ink("val/loss")
    board.drag("train/loss", 0.3, 0.6)
    assert board.ink("train/loss") != whole
    assert board.ink("val/loss") == other, "the others stay, unless asked"
    board.chart("train/loss").get_by_label("Reset zoom").click()
    board.page.mouse.move(2, 2)
    assert board.ink("train/loss") == whole
    board.drag("train/loss", 0.3, 0.6, height=0.5)
    board.plot("train/loss").dblclick()
    board.page.mouse.move(2, 2)
    assert board.ink("train/loss") == whole


def test_zooming_all_charts_together(open_board: Open) -> None:
    board = open_board()
    other = board.ink("val/loss")
    board.menu()
    board.page.get_by_label("Zoom all charts together").check()
    board.page.keyboard.press("Escape")
    board.drag("train/loss", 0.3, 0.6)
    assert board.ink("val/loss") != other
    board.plot("train/loss").dblclick()
    assert board.ink("val/loss") == other


REDUCED = """(() => { const p = picture({train: ['loss']});
    Object.assign(p.tracks[0], {epoch: 3}); return p; })()"""


def test_a_zoom_into_reduced_points_asks_for_detail(open_board: Open) -> None:
    board = open_board(REDUCED)
    board.drag("train/loss", 0.3, 0.6)
    coarse = board.ink("train/loss")
    (ask,) = board.sent("detail")
    assert ask["keys"] == ["train/loss"]
    assert ask["x"] == "step"
    assert 80 < ask["from"] < ask["to"] < 300
    board.page.locator(".nbt-waiting").get_by_text("when the cell is free").wait_for()
    # The odd count tells whether the padding is understood.
    board.ask(
        "void (() => { const x = new Float64Array(901).map((_, i) => 99 + i / 9),"
        " y = Float32Array.from(x, Math.sin), all = new Uint8Array(901 * 12 + 4);"
        " all.set(new Uint8Array(x.buffer)); all.set(new Uint8Array(y.buffer), 7208);"
        " const series = [{key: 'train/loss', count: 901}];"
        " model.answer('detail', {series}, [all]); })()"
    )
    assert board.ink("train/loss") != coarse
    assert "in detail" in board.chart("train/loss").locator(".nbt-note").inner_text()
    fine = board.ink("train/loss")
    board.frame(
        "{tracks: [{id: 0, epoch: 3, from: 9, step: [900], seconds: [900], ys: [[9]]}]}"
    )
    assert board.ink("train/loss") == fine, "drawn until it is reset"
    board.plot("train/loss").dblclick()
    board.page.mouse.move(2, 2)
    assert "in detail" not in board.chart("train/loss").inner_text()
    assert len(board.sent("detail")) == 1


def test_charts_that_are_zoomed_together_ask_together(open_board: Open) -> None:
    board = open_board(
        "(() => { const p = picture({a: ['x', 'y'], b: ['z']}, {system: ['cpu']});"
        " for (const track of p.tracks) track.epoch = 3; return p; })()"
    )
    board.menu()
    board.page.get_by_label("Zoom all charts together").check()
    board.page.keyboard.press("Escape")
    board.drag("a/x", 0.3, 0.6)
    board.settle()
    (ask,) = board.sent("detail")
    assert sorted(ask["keys"]) == ["a/x", "a/y", "b/z"]


def test_of_the_machine_there_is_no_more_detail_to_ask_for(open_board: Open) -> None:
    board = open_board(
        "(() => { const p = picture({}, {system: ['system.cpu']});"
        " p.tracks[0].epoch = 3; return p; })()"
    )
    board.page.get_by_role("tab", name="System").click()
    board.settle()
    whole = board.ink("system.cpu")
    board.drag("system.cpu", 0.3, 0.6)
    assert board.ink("system.cpu") != whole
    assert board.sent("detail") == []


def test_a_zoom_over_a_metric_called_step_means_the_metric(open_board: Open) -> None:
    board = open_board(
        "(() => { const p = picture({train: ['loss']}); p.tracks[0].epoch = 3;"
        " p.tracks[0].axis = p.tracks[0].step.map((s) => 100 * s);"
        " p.layout[0].panels[0].x_title = 'step'; return p; })()"
    )
    assert board.chart("train/loss").locator(".nbt-foot").inner_text() == "over step"
    board.drag("train/loss", 0.3, 0.6)
    (ask,) = board.sent("detail")
    assert ask["x"] == "axis"
    assert ask["from"] > 8_000


def test_between_two_points_the_line_goes_on(open_board: Open) -> None:
    board = open_board("picture({train: ['loss']}, {steps: 2})")
    board.drag("train/loss", 0.4, 0.6)
    note = board.chart("train/loss").locator(".nbt-note")
    assert note.inner_text() == ""
    board.hover("train/loss", 0.5)
    assert board.chart("train/loss").locator(".nbt-at").inner_text()[:5] == "step "


def test_the_keyboard_zooms_out_of_a_detail(open_board: Open) -> None:
    board = open_board(REDUCED)
    board.ask(
        "void (model.answers.detail = ({from, to}) => ({head: {series:"
        " [{key: 'train/loss', count: 2}]}, buffers: [new Uint8Array("
        " new Float64Array([from, to, 0]).buffer)]}))"
    )
    board.plot("train/loss").focus()
    board.page.keyboard.press("+")
    board.page.get_by_text("in detail").wait_for()
    reset = board.chart("train/loss").get_by_label("Reset zoom")
    for _ in range(4):
        board.page.keyboard.press("-")
        board.settle()
    assert reset.is_hidden()


def test_numbers_and_pictures_of_one_name_are_two_panels(open_board: Open) -> None:
    board = open_board(
        "(() => { const p = picture({train: ['loss']}); p.layout[0].panels.push({kind:"
        " 'media', key: 'train/loss', title: 'loss', type: 'constructor-file'});"
        " return p; })()"
    )
    board.chart("train/loss").first.hover()
    board.chart("train/loss").first.get_by_label("Pin to the top").click()
    board.page.get_by_label("Log y").check()
    board.settle()
    assert board.page.locator(".nbt-grid .nbt-chart").count() == 2
    grid = "document.querySelector('.nbt-grid')"
    assert board.ask(f"{grid}.style.getPropertyValue('--nbt-across')") == "2"


def test_an_answer_that_comes_after_the_reset_is_not_drawn(open_board: Open) -> None:
    board = open_board(REDUCED)
    board.drag("train/loss", 0.3, 0.6)
    board.plot("train/loss").dblclick()
    board.page.mouse.move(2, 2)
    whole = board.ink("train/loss")
    board.ask(
        "void model.answer('detail', {series: [{key: 'train/loss', count: 1}]},"
        " [new Uint8Array(16)])"
    )
    assert board.ink("train/loss") == whole


def test_a_plot_is_read_and_zoomed_with_the_keyboard(open_board: Open) -> None:
    board = open_board()
    whole = board.ink("train/loss")
    board.plot("train/loss").focus()
    board.page.keyboard.press("ArrowLeft")
    board.page.keyboard.press("Shift+ArrowLeft")
    board.settle()
    assert "step 389" in board.page.locator(".nbt-said").inner_text()
    assert board.chart("val/loss").locator(".nbt-cross").is_visible()
    board.page.keyboard.press("+")
    board.page.keyboard.press("+")
    board.settle()
    assert board.chart("train/loss").get_by_label("Reset zoom").is_visible()
    board.page.keyboard.press("Escape")
    board.page.keyboard.press("Tab")
    board.page.mouse.move(2, 2)
    assert board.ink("train/loss") == whole


@pytest.mark.parametrize(
    ("text", "found", "hint"),
    [
        ("loss", {"train/loss", "val/loss"}, "2 of 7"),
        ("^train/.*m$", {"train/grad_norm"}, "1 of 7"),
        ("LOSS|lr", {"train/loss", "val/loss", "lr"}, "3 of 7"),
        ("loss(", set(), "not a pattern"),
        ("nothing", set(), "0 of 7"),
        ("", {"lr", "time/step"}, ""),
    ],
)
def test_metrics_are_searched(
    open_board: Open, text: str, found: set[str], hint: str
) -> None:
    board = open_board()
    board.page.get_by_label("Search metrics").fill(text)
    shown = board.ask(
        "[...document.querySelectorAll('.nbt-chart')].filter(c => c.checkVisibility())"
        ".map(c => c.dataset.key)"
    )
    assert found <= set(shown)
    if text:
        assert len(shown) == len(found)
    assert hint in board.page.locator(".nbt-hint").inner_text()


def test_searching_opens_a_folded_section(open_board: Open) -> None:
    board = open_board()
    board.page.locator(".nbt-section-name", has_text="train").click()
    assert board.chart("train/loss").is_hidden()
    board.page.get_by_label("Search metrics").fill("grad")
    assert board.chart("train/grad_norm").is_visible()
    board.page.get_by_label("Search metrics").fill("")
    assert board.chart("train/loss").is_hidden()


def test_sections_can_follow_all_parts_of_a_name(open_board: Open) -> None:
    board = open_board("picture({enc: ['l1/w', 'l1/b', 'l2/w', 'l2/b']})")
    names = board.page.locator(".nbt-sections .nbt-section-name")
    assert names.all_inner_texts() == ["enc"]
    board.menu()
    board.page.get_by_label("Group by all parts").check()
    assert names.all_inner_texts() == ["enc/l1", "enc/l2"]
    assert board.chart("enc/l1/w").locator(".nbt-title").inner_text() == "w"


def test_sections_of_one_chart_stand_side_by_side(open_board: Open) -> None:
    names = ", ".join(f"layer{i}: ['weight']" for i in range(8))
    board = open_board(f"picture({{{names}}}, {{steps: 20}})")
    rows = board.ask(
        "new Set([...document.querySelectorAll('.nbt-chart')]"
        ".map(c => c.getBoundingClientRect().top)).size"
    )
    assert rows == 2


def test_a_pinned_chart_is_on_top_in_all_views_and_in_the_next_run(
    open_board: Open,
) -> None:
    board = open_board()
    board.page.evaluate("() => addView()")
    board.settle()
    board.chart("val/acc").first.hover()
    board.chart("val/acc").first.get_by_label("Pin to the top").click()
    first = "document.querySelectorAll('.nbtrack')[{}].querySelector('.nbt-chart')"
    for view in (0, 1):
        board.until(f"{first.format(view)}.dataset.key === 'val/acc'")
    title = board.chart("val/acc").first.locator(".nbt-title")
    assert title.inner_text() == "val/acc", "its section is another now"
    board.another()  # a new run's board
    board.frame(STANDARD)
    board.until(f"{first.format(2)}?.dataset.key === 'val/acc'")
    board.frame("{card: {project: 'other'}}")


def test_storage_that_is_denied_is_done_without(open_board: Open) -> None:
    board = open_board("")
    board.ask(
        "void Object.defineProperty(window, 'localStorage',"
        " {get() { throw new DOMException('denied', 'SecurityError'); }})"
    )
    board.frame(STANDARD)
    board.page.get_by_label("Log y").check()
    board.settle()
    assert board.page.locator(".nbt-error").is_hidden()


def test_a_chart_is_resized_with_mouse_and_keyboard(open_board: Open) -> None:
    board = open_board()
    before = board.chart("train/loss").bounding_box()
    board.chart("train/loss").hover()
    grip = board.chart("train/loss").locator(".nbt-grip")
    box = grip.bounding_box()
    board.page.mouse.move(box["x"] + 9, box["y"] + 9)
    board.page.mouse.down()
    board.page.mouse.move(box["x"] + before["width"], box["y"] + 109, steps=4)
    board.page.mouse.up()
    after = board.chart("train/loss").bounding_box()
    assert after["width"] > 1.8 * before["width"]
    assert abs(after["height"] - before["height"] - 100) < 3
    grip.focus()
    board.page.keyboard.press("ArrowLeft")
    board.page.keyboard.press("ArrowUp")
    smaller = board.chart("train/loss").bounding_box()
    assert smaller["width"] < after["width"]
    assert smaller["height"] == after["height"] - 24
    board.menu()
    board.page.get_by_text("Reset order, sizes and pins").click()
    assert board.chart("train/loss").bounding_box()["height"] == before["height"]


def test_one_chart_fills_the_screen_and_goes_back_to_its_place(
    open_board: Open,
) -> None:
    board = open_board()
    keys = (
        "[...document.querySelectorAll('.nbt-grid .nbt-chart')].map(c => c.dataset.key)"
    )
    before = board.ask(keys)
    board.chart("train/acc").hover()
    board.chart("train/acc").get_by_label("Full screen").click()
    board.settle()
    assert board.plot("train/acc").bounding_box()["height"] > 700
    board.frame(
        "{tracks: [{id: 1, step: [400], from: 399, seconds: [9], ys: [[1], [2], [3]]}]}"
    )
    board.settle()
    assert board.value("train/acc") == "2"
    board.page.keyboard.press("Escape")
    board.until("!document.querySelector('dialog').open")
    board.settle()
    assert board.ask(keys) == before


def test_name_tags_and_notes_are_edited(open_board: Open) -> None:
    board = open_board()
    board.page.get_by_label("Edit name, tags and notes").click()
    board.page.get_by_label("Name", exact=True).fill("brave-heron")
    board.page.get_by_label("Tags", exact=True).fill("a, b,, ")
    board.page.keyboard.press("Enter")
    asks = {ask["field"]: ask["value"] for ask in board.sent("edit")}
    assert asks == {"name": "brave-heron", "tags": ["a", "b"]}
    waiting = board.page.locator(".nbt-waiting")
    waiting.get_by_text("Your change: when the cell is free").wait_for()
    board.frame("{card: {can_edit: false}}")
    assert board.page.get_by_label("Edit name, tags and notes").is_hidden()
    assert board.page.get_by_text("Stop after this step").is_hidden()


def test_a_stop_is_asked_for_once(open_board: Open) -> None:
    board = open_board()
    board.ask(
        "void (model.answers.stop = () =>"
        " setTimeout(() => model.frame({card: {stop: true}})))"
    )
    board.page.get_by_role("button", name="Stop after this step").click()
    board.page.get_by_role("button", name="Stop asked for").wait_for()
    assert board.page.get_by_role("button", name="Stop asked for").is_disabled()
    assert len(board.sent("stop")) == 1


def test_the_console_follows_its_end_unless_somebody_reads(open_board: Open) -> None:
    board = open_board()
    assert board.page.get_by_role("tab", name="Console").is_hidden()
    lines = "Array.from({length: 60}, (_, i) => [i % 9 ? 'out' : 'err', 'line ' + i])"
    board.frame(f"{{console: {{from: 0, lines: {lines}}}}}")
    board.page.get_by_role("tab", name="Console").click()
    box = "document.querySelector('.nbt-console')"
    board.until(f"{box}.scrollTop + {box}.clientHeight >= {box}.scrollHeight - 2")
    board.frame(
        "{console: {from: 59, lines: [['out', 'line 59 \\x1b[31mred\\x1b[0m']]}}"
    )
    assert board.page.locator(".nbt-line").last.inner_text() == "line 59 red"
    assert board.page.locator(".nbt-line.nbt-is-err").count() == 7
    board.ask(f"void ({box}.scrollTop = 40)")
    board.frame("{console: {from: 60, lines: [['out', 'line 60']]}}")
    assert board.ask(f"{box}.scrollTop") == 40
    assert board.page.locator(".nbt-line").count() == 61


def test_tabs_are_walked_with_arrows(open_board: Open) -> None:
    board = open_board()
    board.page.get_by_role("tab", name="Charts").focus()
    board.page.keyboard.press("ArrowRight")
    assert (
        board.page.get_by_role("tab", name="System").get_attribute("aria-selected")
        == "true"
    )
    assert board.chart("system.cpu").is_visible()
    assert board.chart("train/loss").is_hidden()
    board.page.keyboard.press("ArrowRight")
    overview = board.page.get_by_role("tab", name="Overview")
    assert overview.get_attribute("aria-selected") == "true"
    assert board.page.locator(".nbt-table").first.is_visible()
    board.page.keyboard.press("ArrowRight")
    assert board.chart("train/loss").is_visible()


def test_a_page_with_a_view_says_so_with_each_key_frame(open_board: Open) -> None:
    board = open_board()
    board.ask("void (model.sent.length = 0)")
    board.frame("{card: {step: 400}}")
    assert board.ask("model.sent") == []
    board.frame(STANDARD)
    assert board.ask("model.sent") == [{"v": 2, "kind": "seen", "views": 1}]
    board.ask("void (window.undo.pop()(), model.sent.length = 0)")
    board.frame(STANDARD)
    assert board.ask("model.sent") == []
