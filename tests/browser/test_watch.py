"""Watching, in a notebook, a run that a script is writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Notebook

    Open = Callable[..., Notebook]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
SCRIPT = """
import sys, nbtrack
config = {"lr": 0.1}
run = nbtrack.init(project="far", id="away", name="heron", config=config, view="off")
for line in sys.stdin:
    for step in range(int(line)):
        run.log({"train/loss": 1 / (run.step + 1), "train/acc": run.step / 400})
    print(run.step, flush=True)
run.finish()
"""


def test_a_script_is_watched_live_and_its_end_leaves_a_picture(
    lab: Lab, open_notebook: Open
) -> None:
    project = str(Path(__file__).parents[2])
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=lab.root,
        env=os.environ | {"PYTHONPATH": project, "NBTRACK_QUIET": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def log(rows: int) -> None:
        script.stdin.write(f"{rows}\n")
        script.stdin.flush()
        script.stdout.readline()

    log(100)
    nb = open_notebook("watch", ["import nbtrack", "nbtrack.watch('far/away')"])
    nb.run(0)
    nb.run(1)
    nb.until(f"{nb.x_end('train/loss')} === 99")
    log(150)  # no cell runs, and the board moves
    nb.until(f"{nb.x_end('train/loss')} === 249")
    nb.page.screenshot(path=SCREENSHOTS / "watch-live.png")
    script.communicate()
    nb.until("document.querySelectorAll('.jp-OutputArea img').length === 2")
    assert "finished" in nb.outputs(1)
    assert "nbtrack" not in nb.ask(
        "document.querySelector('.nbtrack')?.className ?? ''"
    )
    nb.page.screenshot(path=SCREENSHOTS / "watch-ended.png")
    assert nb.errors == []
