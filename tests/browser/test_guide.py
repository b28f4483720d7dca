"""The guide in a real JupyterLab: read, run, saved, closed, and opened by a stranger.

What a person sees at each stage is written to ``screenshots/``, to be looked at.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Notebook

    Open = Callable[..., Notebook]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "screenshots"
PICTURES = "[...document.querySelectorAll('.jp-OutputArea img')]"
RUN, COMPARISON = 6, 12  # cells of the guide
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

TRAINING = """
import math, random
run = nbtrack.init(project='board', name='calm-otter-3', tags=['baseline', 'adam'],
                   notes='first try', total_steps=400,
                   config={'lr': 1e-3, 'hidden': 64, 'optimizer': {'name': 'adam'}})
for step in range(400):
    row = {'train/loss': 2.3 * math.exp(-step / 80) + .05 + .08 * random.random(),
           'train/acc': 1 - .9 * math.exp(-step / 90) + .01 * random.random(),
           'lr': 1e-3 * (1 + math.cos(math.pi * step / 400)) / 2}
    if step % 10 == 0:
        row |= {'val/loss': 2.3 * math.exp(-step / 90) + .12,
                'val/acc': .95 - .85 * math.exp(-step / 95)}
    run.log(row)
    time.sleep(.012)
"""


def look(nb: Notebook, name: str, theme: str = LIGHT, at: int = -1) -> None:
    """Write what is to be seen, in a theme, scrolled to a cell's output."""
    nb.command("apputils:change-theme", theme=theme)
    outputs = "window.jupyterapp.shell.currentWidget.content.widgets"
    nb.ask(f"{outputs}.at({at}).outputArea.node.scrollIntoView()")
    dark = theme == DARK
    nb.until(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
    frames = "new Promise(go => { let n = 20; const next = () => n-- ? \
requestAnimationFrame(next) : go(); next(); })"
    nb.ask(frames)  # charts take the new colours one after the other
    SCREENSHOTS.mkdir(exist_ok=True)
    nb.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_the_guide_from_the_first_cell_to_a_stranger(
    open_notebook: Open, lab: Lab
) -> None:
    shutil.copy(ROOT / "notebooks" / "01_first_run.ipynb", lab.root / "guide.ipynb")
    cells = nbformat.read(lab.root / "guide.ipynb", as_version=4).cells
    nb = open_notebook("guide.ipynb", height=1100)
    for number, cell in enumerate(cells):
        if cell.cell_type == "code":
            nb.run(number, 60_000)
    nb.until(f"{PICTURES}.length === 13")
    nb.save()
    nb.command("notebook:shutdown-kernel")
    assert nb.errors == []

    saved = (lab.root / "guide.ipynb").read_text("utf-8")
    assert len(saved) < 300_000
    # Another text than the one that was signed: nobody trusts this one.
    (lab.root / "strange.ipynb").write_text(saved.replace("Your first", "Her first"))
    for theme in (LIGHT, DARK):
        reader = open_notebook("strange.ipynb", has_kernel=False, height=1100)
        trusted = "window.jupyterapp.shell.currentWidget.content.widgets[6].model"
        assert reader.ask(f"{trusted}.trusted") is False
        reader.until(f"{PICTURES}.length === 13")
        reader.until(f"{PICTURES}.every(i => i.complete && i.naturalWidth > 0)")
        shade = theme.split()[-1].lower()
        look(reader, f"guide-run-{shade}", theme, RUN)
        look(reader, f"guide-compared-{shade}", theme, COMPARISON)
        assert reader.errors == []


@pytest.mark.parametrize("width", [400, 1280, 1700])
def test_the_board_while_it_trains(open_notebook: Open, width: int) -> None:
    setup = "%load_ext nbtrack\nimport nbtrack, time"
    cells = [setup, TRAINING, "run.finish()"]
    nb = open_notebook(f"board-{width}", cells, width=width, height=1100)
    if width < 800:
        nb.command("application:toggle-left-area")
    nb.run(0)
    nb.start(1)
    nb.until("document.querySelector('.nbtrack')")
    nb.ask("document.querySelector('.nbtrack').scrollIntoView()")
    nb.until(f"{nb.x_end('lr')} > 120")  # charts out of view are not drawn
    look(nb, f"board-live-{width}-light", LIGHT, 1)
    look(nb, f"board-live-{width}-dark", DARK, 1)
    board = "document.querySelector('.nbtrack')"
    nb.until(f"{board}.scrollWidth <= {board}.clientWidth")  # nothing is cut off
    nb.until(nb.done(1))
    nb.run(2)
    nb.until(f"{PICTURES}.length === 5")
    look(nb, f"board-finished-{width}-dark", DARK, 1)
    look(nb, f"board-finished-{width}-light", LIGHT, 1)
    assert nb.errors == []
