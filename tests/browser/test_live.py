"""The live board in a real JupyterLab, as a person sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Notebook

    Open = Callable[..., Notebook]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SETUP = "%load_ext nbtrack\nimport nbtrack, time"
INIT = "run = nbtrack.init(project='t', name={name!r}, config={{'lr': 0.1}})"
LOOP = """for step in range({steps}):
    run.log({{"train/loss": 1 / (step + 1), "train/acc": step / {steps}, "lr": 0.1}})
    time.sleep(0.01)"""
FINISH = "run.finish()"

PICTURES = "[...document.querySelectorAll('.jp-OutputArea img')]"
#: The board in the place of the picture that an ended run leaves.
ENDED = "document.querySelector('[class^=nbt-picture] .nbt-state')"
DRAWN = "document.querySelector('.nbt-chart[data-end]')"


def cells(name: str = "otter", steps: int = 100, *more: str) -> list[str]:
    return [SETUP, INIT.format(name=name), LOOP.format(steps=steps), *more]


def scroll_to_board(nb: Notebook) -> None:
    """Bring a live board into view: charts out of it are not drawn."""
    nb.until("document.querySelector('.nbtrack .nbt-plot')")
    nb.ask("document.querySelector('.nbtrack').scrollIntoView()")


def test_charts_move_while_the_cell_is_busy(open_notebook: Open) -> None:
    nb = open_notebook("moves", cells("otter", 600, FINISH))
    nb.run(0)
    nb.run(1)
    nb.start(2)
    nb.until(DRAWN)
    first = nb.ask(nb.x_end("train/loss"))
    nb.until(f"{nb.x_end('train/loss')} > {first + 20}")
    assert nb.ask(nb.busy(2)), "the cell was already over"
    nb.until(nb.done(2))
    nb.until(f"{PICTURES}.length === 3")  # live, then static
    assert "charts are under the cell that logs" in nb.outputs(1)
    nb.run(3)
    assert nb.errors == []


def test_running_the_cell_again_gives_a_board_under_it_again(
    open_notebook: Open,
) -> None:
    nb = open_notebook("again", cells("otter", 30, LOOP.format(steps=30), FINISH))
    for cell in (0, 1, 2, 3, 2):
        nb.run(cell)
    nb.until(f"{PICTURES}.length === 6")  # one board each
    assert "train" in nb.outputs(2)
    assert "train" in nb.outputs(3)
    assert "step 89" in nb.outputs(2), "it was run last"
    assert "step 59" in nb.outputs(3)
    nb.run(4)
    nb.until(ENDED)
    assert "finished" in nb.outputs(2)
    assert "finished" in nb.outputs(3)
    assert nb.errors == []


def test_a_quick_cell_has_its_board_too(open_notebook: Open) -> None:
    nb = open_notebook("quick", [*cells()[:2], "run.log({'a': 1}); run.log({'a': 2})"])
    for cell in range(3):
        nb.run(cell)
    nb.until(f"{PICTURES}.length === 1")
    assert "step 1" in nb.outputs(2)


def test_two_views_show_the_same(open_notebook: Open) -> None:
    nb = open_notebook("twice", cells("otter", 50, "run", "run", FINISH))
    for cell in range(5):
        nb.run(cell)
    nb.until("document.querySelectorAll('.nbtrack').length === 2")
    inks = set()
    for view in (1, 0):  # what is out of sight is not drawn
        nb.ask(f"{nb.chart('train/loss', view)}.scrollIntoView()")
        nb.until(f"{nb.x_end('train/loss', view)} === 49")
        nb.until(f"{nb.chart('train/loss', view)}.firstChild.width")
        assert nb.value("train/loss", view) == "0.02"
        inks.add(nb.ink("train/loss", view))
    assert len(inks) == 1
    nb.run(5)
    ended = "document.querySelectorAll('[class^=nbt-picture] .nbtrack')"
    nb.until(f"{ended}.length === 3")  # and the one under the loop


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>"]
)
def test_what_comes_from_a_run_is_text(open_notebook: Open, name: str) -> None:
    dialogs: list[str] = []
    hostile = f"print({name!r}); run.log({{'<b>x/' + {name!r}: 1, 'note': {name!r}}})"
    nb = open_notebook("hostile", [*cells(name)[:2], hostile, "run", FINISH])
    nb.page.on(
        "dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss())
    )
    for cell in range(4):
        nb.run(cell)
    scroll_to_board(nb)
    nb.until(DRAWN)
    assert nb.ask("document.querySelector('.nbt-name').textContent") == name
    assert nb.ask("document.querySelector('.nbt-title').textContent") == name
    nb.page.get_by_role("tab", name="Console").click()
    nb.until("document.querySelector('.nbt-line')")
    assert name in nb.page.locator(".nbt-console").inner_text()
    assert nb.ask("document.querySelector('.nbtrack :is(img, script, b)')") is None
    nb.run(4)
    nb.until(ENDED)
    assert nb.ask("document.querySelector('.jp-OutputArea script')") is None
    assert dialogs == []


def test_a_reloaded_page_has_the_full_picture(open_notebook: Open) -> None:
    nb = open_notebook("reloaded", cells("otter", 60, "run", FINISH))
    for cell in range(4):
        nb.run(cell)
    scroll_to_board(nb)
    nb.until(f"{nb.x_end('train/loss')} === 59")
    before = nb.ink("train/loss")
    nb.save()
    nb.page.reload()
    scroll_to_board(nb)
    nb.until(f"{nb.x_end('train/loss')} === 59")
    assert nb.ink("train/loss") == before


def test_a_run_that_nobody_finished_has_its_pictures_in_the_saved_notebook(
    open_notebook: Open, lab: Lab
) -> None:
    nb = open_notebook("forgotten", cells("otter", 40))
    for cell in range(3):
        nb.run(cell)
    nb.until(f"{PICTURES}.length === 3")
    nb.save()
    nb.command("notebook:shutdown-kernel")
    assert "widget-view" not in (lab.root / "forgotten.ipynb").read_text()
    reader = open_notebook("forgotten.ipynb", has_kernel=False)
    reader.until(f"{PICTURES}.length === 3")
    reader.until(f"{PICTURES}.every(i => i.complete && i.naturalWidth > 0)")


def test_after_the_run_the_pictures_stay(open_notebook: Open, lab: Lab) -> None:
    nb = open_notebook("stays", cells("otter", 40, FINISH))
    for cell in range(4):
        nb.run(cell)
    nb.until(ENDED)
    nb.save()
    nb.command("notebook:shutdown-kernel")
    saved = (lab.root / "stays.ipynb").read_text()
    assert "widget-view" not in saved
    assert len(saved) < 60_000

    # Another text than the one that was signed: nobody trusts this one.
    (lab.root / "stranger.ipynb").write_text(
        saved.replace("time.sleep", "time . sleep")
    )
    reader = open_notebook("stranger.ipynb", has_kernel=False)
    panel = "window.jupyterapp.shell.currentWidget"
    assert reader.ask(f"{panel}.content.widgets[2].model.trusted") is False
    pictures = "[...document.querySelectorAll('.jp-OutputArea img')]"
    reader.until(f"{pictures}.length >= 3")
    reader.until(f"{pictures}.every(i => i.complete && i.naturalWidth > 0)")
    assert reader.errors == []


def test_controls_work_while_the_kernel_is_busy(open_notebook: Open) -> None:
    nb = open_notebook("controls", cells("otter", 500, FINISH))
    for cell in range(2):
        nb.run(cell)
    nb.start(2)
    nb.until(DRAWN)
    before = nb.ink("train/loss")
    nb.page.get_by_label("Log y").check()
    nb.until(f"{nb.chart('train/loss')}.firstChild.toDataURL() !== {before!r}")
    nb.page.get_by_label("Smoothing", exact=True).fill("0.8")
    nb.until("document.querySelector('output.nbt-output').textContent === '0.8'")
    nb.page.get_by_text("train", exact=True).click()
    nb.until(f"!{nb.chart('train/loss')}.checkVisibility()")
    assert nb.ask(nb.busy(2)), "the cell was already over"
    nb.until(nb.done(2))
    nb.run(3)
    assert nb.errors == []


def test_nothing_is_left_behind(open_notebook: Open) -> None:
    left = """import threading, ipywidgets
from ipywidgets.widgets import widget
print("threads", [t.name for t in threading.enumerate() if t.name == "nbtrack-view"])
live = [w for w in widget._instances.values() if getattr(w, "mark", None) == ""]
print("boards", live)"""
    nb = open_notebook("left", cells("otter", 20, FINISH, left))
    for cell in range(5):
        nb.run(cell)
    assert "threads []" in nb.outputs(4)
    assert "boards []" in nb.outputs(4)


STATE = "document.querySelector('.nbtrack .nbt-state').textContent"
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"


@pytest.mark.parametrize("how", ["restart", "shutdown", "kill"])
def test_a_kernel_that_has_gone_is_said(open_notebook: Open, how: str) -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    nb = open_notebook(f"gone-{how}", cells("otter", 20, "run", kill))
    for cell in range(4):
        nb.run(cell)
    scroll_to_board(nb)
    nb.until(f"{STATE} === 'running'")
    if how == "kill":
        nb.start(4)
    else:
        nb.ask(f"void {KERNEL}.{how}()")
    if how == "shutdown":  # it had the time to leave a picture
        nb.until("document.querySelector('.jp-OutputArea img')")
        return
    nb.until(f"{STATE} === 'kernel gone'")
    elapsed = "document.querySelectorAll('.nbt-fact-value')[1].textContent"
    before = nb.ask(elapsed)
    nb.page.wait_for_timeout(1500)
    assert nb.ask(elapsed) == before
    if how == "kill":  # JupyterLab says so, too
        nb.page.locator(".jp-Dialog").get_by_text("Ok").click()
    nb.page.get_by_label("Log y").check()  # what needs no kernel goes on
    assert nb.page.locator(".nbtrack .nbt-error").is_hidden()


def test_what_is_edited_in_the_board_is_the_runs(open_notebook: Open) -> None:
    told = "print(run.name, run.tags, run.notes)"
    nb = open_notebook("edited", cells("otter", 20, "run", told, FINISH))
    for cell in range(4):
        nb.run(cell)
    scroll_to_board(nb)
    nb.page.get_by_label("Edit name, tags and notes").click()
    nb.page.get_by_label("Name", exact=True).fill("<b>heron</b>")
    nb.page.get_by_label("Tags", exact=True).fill("a, b")
    nb.page.get_by_label("Notes", exact=True).fill("one\ntwo")
    nb.page.get_by_role("button", name="Save", exact=True).click()
    nb.until("document.querySelector('.nbt-name').textContent === '<b>heron</b>'")
    nb.until("document.querySelector('.nbt-notes').textContent === 'one\\ntwo'")
    nb.run(4)
    assert "<b>heron</b>" in nb.outputs(4)
    assert "'a', 'b'" in nb.outputs(4)
    nb.run(5)
    assert nb.errors == []


def test_a_loop_is_asked_to_stop_while_it_runs(open_notebook: Open) -> None:
    loop = """for step in range(3000):
    run.log({"loss": 1 / (step + 1)})
    if run.should_stop:
        break
    time.sleep(0.01)
print("ended at", step)"""
    nb = open_notebook("stopped", [*cells()[:2], loop, FINISH])
    for cell in range(2):
        nb.run(cell)
    nb.start(2)
    nb.until(DRAWN)
    nb.page.get_by_role("button", name="Stop after this step").click()
    # JupyterLab and ipykernel from 7 on talk while a cell runs.
    nb.until(nb.done(2), 40_000)
    assert "ended at 2999" not in nb.outputs(2)
    nb.run(3)
    assert nb.errors == []


def test_zooming_into_a_long_run_brings_its_detail(open_notebook: Open) -> None:
    long = """import math
for step in range(60_000):
    run.log({"loss": math.sin(step / 7)})"""
    nb = open_notebook("detail", [*cells()[:2], long, "run", FINISH])
    for cell in range(4):
        nb.run(cell, 60_000)
    scroll_to_board(nb)
    nb.until(f"{nb.x_end('loss')} === 59999")
    box = nb.page.locator('.nbtrack [data-key="loss"] .nbt-plot').bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    nb.page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    nb.page.mouse.down()
    nb.page.mouse.move(box["x"] + box["width"] * 0.54, middle, steps=3)
    nb.page.mouse.up()
    nb.page.locator(".nbt-note").get_by_text("in detail").wait_for()
    nb.run(4)
    assert nb.errors == []


def test_a_million_steps_are_drawn_whole(open_notebook: Open) -> None:
    million = """for step in range(1_000_000):
    run.log({"a": step, "b": -step, "spike": step == 654_321})"""
    nb = open_notebook("million", [*cells()[:2], million, "run", FINISH])
    for cell in range(2):
        nb.run(cell)
    nb.run(2, 120_000)
    nb.run(3, 60_000)
    scroll_to_board(nb)
    nb.until(f"{nb.x_end('a')} === 999999", 60_000)
    assert nb.value("a") == "999999"
    nb.run(4, 60_000)
    assert nb.errors == []


def test_choices_are_those_of_all_views(open_notebook: Open) -> None:
    nb = open_notebook("alike", cells("otter", 20, "run", "run", FINISH))
    for cell in range(5):
        nb.run(cell)
    nb.until("document.querySelectorAll('.nbtrack').length === 2")
    nb.page.get_by_label("Log y").first.check()
    assert nb.page.get_by_label("Log y").last.is_checked()
    nb.page.get_by_label("Smoothing", exact=True).last.fill("0.5")
    assert nb.page.get_by_label("Smoothing", exact=True).first.input_value() == "0.5"
    nb.run(5)
    assert nb.errors == []


def test_arrows_in_the_board_do_not_move_the_notebook(open_notebook: Open) -> None:
    nb = open_notebook("arrows", cells("otter", 20, "run", FINISH))
    for cell in range(4):
        nb.run(cell)
    scroll_to_board(nb)
    nb.until(DRAWN)
    nb.page.locator('[data-key="train/loss"] .nbt-plot').focus()
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    before = nb.ask(active)
    for key in ("ArrowLeft", "ArrowDown", "a", "x"):
        nb.page.keyboard.press(key)
    assert nb.ask(active) == before
    n_cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    assert nb.ask(n_cells) == 5
    nb.run(4)
