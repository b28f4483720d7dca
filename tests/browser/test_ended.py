"""The picture of a run that has ended is a board for as long as the kernel lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Notebook

    Open = Callable[..., Notebook]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ENDED = """import nbtrack, numpy as np
run = nbtrack.init(project="ended", id="one", dir="ended_runs")
rows = [[n, f"text {n}"] for n in range(200)]
run.log({"table": nbtrack.Table(columns=["n", "text"], data=rows)}, step=0)
for step in range(4):
    pixels = np.full((8, 8), 60 * step, dtype=np.uint8)
    images = [nbtrack.Image(pixels, caption=f"{step}.{n}") for n in range(3)]
    run.log({"loss": 1 / (step + 1), "samples": images}, step=step)
print("it was said")
run.finish()"""
PAST = "nbtrack.Api('ended_runs').run('ended/one')"
WATCHED = f"nbtrack.watch({PAST})"

CAPTIONS = (
    "[...document.querySelectorAll('[data-key=samples] .nbt-media-caption')]"
    ".map(c => c.textContent)"
)
SLIDER = "document.querySelector('[data-key=samples] .nbt-media-slider')"
PICTURE = "document.querySelector('[class^=nbt-picture]').firstElementChild"
BOARD = "document.querySelector('[class^=nbt-picture] .nbtrack')"


@pytest.mark.parametrize("value", ["run", PAST, WATCHED], ids=["run", "api", "watch"])
def test_an_ended_run_is_a_board_that_can_be_used(
    open_notebook: Open, lab: Lab, value: str, request: pytest.FixtureRequest
) -> None:
    name = f"ended_{request.node.callspec.id}"
    first = ENDED.replace("ended_runs", name)
    value = value.replace("ended_runs", name)
    nb = open_notebook(name, [first, "import nbtrack\n" + value], height=1400)
    nb.run(0)
    nb.until(BOARD)
    nb.run(1)
    nb.until("document.querySelectorAll('[class^=nbt-picture] .nbtrack').length === 2")
    nb.ask("void (document.querySelector('[class^=nbt-picture] .nbtrack').remove())")
    nb.until(f"{CAPTIONS}.join() === '3.0,3.1,3.2'")
    nb.page.locator("[data-key=samples] .nbt-media-slider").fill("1")
    nb.until(f"{CAPTIONS}.join() === '1.0,1.1,1.2'")
    nb.until(f"{BOARD}.querySelector('[data-key=samples] img').naturalWidth > 0")
    nb.ask(f"void ({BOARD}.querySelector('.nbt-data-box').scrollTop = 1e6)")
    nb.until(f"{BOARD}.innerText.includes('text 199')")
    nb.page.get_by_role("tab", name="Console").click()
    nb.until(f"{BOARD}.querySelector('.nbt-console').innerText.includes('it was said')")
    assert nb.ask(f"{PICTURE}.checkVisibility()") is False
    nb.save()
    saved = (lab.root / f"{name}.ipynb").read_text()
    assert "widget" not in saved
    nb.command("notebook:shutdown-kernel")
    nb.until(f"{PICTURE}.checkVisibility()")
    nb.until(f"!{BOARD}")
    reader = open_notebook(f"{name}.ipynb", has_kernel=False)
    reader.until(f"{PICTURE}?.checkVisibility()")
    assert nb.errors == []
    assert reader.errors == []


def test_a_kernel_that_is_restarted_leaves_the_picture(open_notebook: Open) -> None:
    nb = open_notebook("ended_restart", [ENDED.replace("ended_runs", "ended_restart")])
    nb.run(0)
    nb.until(BOARD)
    nb.save()
    nb.page.reload()
    nb.until(f"{CAPTIONS}.join() === '3.0,3.1,3.2'")
    panel = "window.jupyterapp.shell.currentWidget"
    nb.ask(f"void {panel}.sessionContext.session.kernel.restart()")
    nb.until(f"{PICTURE}.checkVisibility()")
    nb.until(f"!{BOARD}")
    assert [e for e in nb.errors if "debugger" not in e] == []  # JupyterLab's own
