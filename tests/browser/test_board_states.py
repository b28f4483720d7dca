"""A board in states that a real kernel cannot be brought into at will.

The kernel is played in the page, as in ``test_board.py``.
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


@pytest.mark.parametrize(
    "how",
    [
        "model.kernel.statusChanged.emit('restarting')",
        "model.kernel.statusChanged.emit('dead')",
        "model.emit('comm:close')",
        "(model.widget_manager.kernel = null)",
        "(model.kernel.isDisposed = true)",
        "(model.isDead = true, document.querySelector('.nbt-actions button').click())",
    ],
)
def test_a_kernel_that_has_gone_stops_the_clock(open_board: Open, how: str) -> None:
    board = open_board()
    board.ask(f"void {how}")
    board.page.locator(".nbt-state").get_by_text("kernel gone").wait_for()
    assert "on disk" in board.page.locator(".nbt-waiting").inner_text()
    elapsed = "document.querySelectorAll('.nbt-fact-value')[1].textContent"
    before = board.ask(elapsed)
    board.page.wait_for_timeout(2100)  # two ticks of the clock
    assert board.ask(elapsed) == before
    assert board.page.get_by_role("button", name="Stop after this step").is_hidden()
    board.drag("train/loss", 0.3, 0.6)  # what needs no kernel goes on


def test_an_ask_does_not_wait_for_a_kernel_that_went(open_board: Open) -> None:
    board = open_board()
    board.page.get_by_label("X axis").select_option(":epoch")
    board.ask("void model.kernel.statusChanged.emit('restarting')")
    board.page.locator(".nbt-error").get_by_text("before it answered").wait_for()


def test_a_lost_connection_comes_back(open_board: Open) -> None:
    board = open_board()
    board.ask("void model.kernel.connectionStatusChanged.emit('connecting')")
    assert board.page.locator(".nbt-state").inner_text() == "not connected"
    board.ask("void model.kernel.connectionStatusChanged.emit('connected')")
    assert board.page.locator(".nbt-state").inner_text() == "running"


def test_an_unknown_message_is_shown_and_told(open_board: Open) -> None:
    board = open_board()
    board.ask("void model.hear({v: 7, kind: 'novelty', n: 1})")
    board.page.get_by_text("a message this board does not know: novelty v7").wait_for()
    told = board.ask("model.sent.filter(m => m.kind === 'error')")
    assert len(told) == 1


def test_nothing_from_a_run_is_markup(open_board: Open) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    board = open_board("")
    board.page.on("dialog", lambda dialog: board.errors.append(dialog.message))
    board.page.evaluate(
        """evil => { const p = picture({[evil]: [evil, evil + 2]});
        const card = {...CARD, name: evil, project: evil, notes: evil, group: evil,
            tags: [evil], state: evil, faults: [evil], config: [[evil, evil]],
            x_axes: [evil]};
        model.frame({...p, card, summary: {rows: [{key: evil, values: [[evil, evil]]}],
            gone: []}, console: {from: 0, lines: [['out', evil], [evil, evil]]}}); }""",
        evil,
    )
    board.settle()
    for tab in ("Overview", "Console", "Charts"):
        board.page.get_by_role("tab", name=tab).click()
        board.settle()
    assert board.ask("document.querySelector('.nbtrack :is(img, script)')") is None
    assert board.page.locator(".nbt-name").inner_text() == evil


def test_closing_leaves_nothing_behind(open_board: Open) -> None:
    board = open_board("")
    board.ask("void watchLeaks()")
    board.another()
    board.frame(STANDARD)
    board.frame(
        "{media: [{key: 'train/loss', step: 1, seconds: 1, items: [{type: 'image-file',"
        " mime: 'image/png', size: 8, buffer: 1}]}], buffers: [new Uint8Array(8)]}"
    )
    board.page.get_by_label("X axis").last.select_option(":epoch")  # still waits
    board.settle()
    alive = (
        "({timers: alive.timers.size, observers: alive.observers.size,"
        " urls: alive.urls.size, listeners: alive.listeners, model: model.listening,"
        " slots: model.kernel.statusChanged.slots.size})"
    )
    assert board.ask(alive)["urls"] == 1
    board.ask("void window.undo.reverse().forEach((undo) => undo())")
    board.settle()
    left = board.ask(alive)
    # Of the empty page's board, which was there before, nothing is counted.
    assert left == dict.fromkeys(left, 0)
    assert board.ask("document.querySelectorAll('.nbtrack').length") == 1


def test_two_hundred_metrics_are_smooth(open_board: Open) -> None:
    board = open_board("")
    board.ask(
        "void (window.long = [], new PerformanceObserver((list) => long.push("
        "...list.getEntries().map((e) => e.duration))).observe({type: 'longtask'}))"
    )
    board.ask(
        "void (window.many = picture(Object.fromEntries("
        "Array.from({length: 20}, (_, s) =>"
        " ['part' + s, Array.from({length: 10}, (_, i) => 'm' + i)])), {steps: 1000}))"
    )
    board.frame("many")
    board.page.wait_for_timeout(1500)  # the first paint, and what is told of it late
    first = len(board.ask("window.long"))
    drawn = board.ask(
        "[...document.querySelectorAll('.nbt-chart canvas')]"
        ".filter(c => c.width !== 300 && c.width > 0).length"
    )
    assert 0 < drawn < 60, "only what is seen is drawn"
    for turn in range(25):
        board.frame(
            "{tracks: many.tracks.map(({id, ys}) => ({id, from: 999, tail: 1,"
            f" step: [{1000 + turn}], seconds: [{turn}], ys: ys.map(() => [1])}}))}}"
        )
        board.page.wait_for_timeout(40)
    later = board.ask("window.long")[first:]
    assert max(later, default=0) < 100, later


def test_moving_goes_on_and_every_spike_stays(open_board: Open) -> None:
    board = open_board("picture({train: ['loss']}, {steps: 100})")
    for step in range(100, 104):
        board.frame(
            f"{{tracks: [{{id: 0, from: {step - 1}, tail: 1,"
            f" step: [{step - 1}, {step}], seconds: [1, 2], ys: [[7, {step}]]}}]}}"
        )
    board.settle()
    assert board.value("train/loss") == "103"
    assert board.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 800, 1280, 1600])
def test_nothing_is_cut_off(open_board: Open, width: int, theme: str) -> None:
    board = open_board(theme=theme, width=width)
    for tab in ("Charts", "System", "Overview"):
        board.page.get_by_role("tab", name=tab).click()
        board.settle()
        box = "document.querySelector('.nbtrack')"
        assert board.ask(f"{box}.scrollWidth <= {box}.clientWidth")
        assert board.ask("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name_and_can_be_reached(open_board: Open) -> None:
    board = open_board()
    board.menu()
    nameless = board.ask(
        "[...document.querySelectorAll('.nbtrack :is(button, input, select, textarea,"
        " summary, [tabindex])')].filter(e => !(e.ariaLabel || e.textContent.trim() ||"
        " e.labels?.length || e.title)).map(e => e.outerHTML)"
    )
    assert nameless == []
    reached: set[str] = set()
    board.page.locator(".nbt-i-edit").focus()
    for _ in range(40):
        board.page.keyboard.press("Tab")
        reached |= set(board.ask("document.activeElement.className.split(' ')"))
    wanted = {"nbt-tab", "nbt-plot", "nbt-i-pin", "nbt-i-full", "nbt-grip"}
    assert wanted <= reached


def test_reduced_motion_is_respected(open_board: Open) -> None:
    board = open_board(reduced_motion="reduce")
    dot = "getComputedStyle(document.querySelector('.nbt-dot')).animationName"
    assert board.ask(dot) == "none"
