"""Media in the live board of a real JupyterLab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Notebook

    Open = Callable[..., Notebook]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SETUP = """%load_ext nbtrack
import nbtrack, time
import numpy as np
run = nbtrack.init(project="m")"""

WATCH = """() => {
  window.nbtLong = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) nbtLong.push(Math.round(duration));
  }).observe({ entryTypes: ["longtask"] });
}"""

GALLERY = "document.querySelector('.nbt-chart[data-key=g]')"
IMAGES = f"[...{GALLERY}?.querySelectorAll('img') ?? []]"


def test_S74_a_gallery_of_100_per_step_does_not_stall_the_board(
    open_notebook: Open,
) -> None:
    loop = """for step in range(30):
    run.log({"g": [nbtrack.Image(np.full((32, 32, 3), (step * 8 + i) % 256, np.uint8))
                   for i in range(100)], "loss": 1 / (step + 1)})
    time.sleep(0.2)"""
    nb = open_notebook("gallery", [SETUP, loop])
    nb.run(0)
    nb.start(1)
    nb.until(f"{IMAGES}.length > 3 && {IMAGES}.every((i) => i.complete)")
    assert nb.ask(f"{IMAGES}.length") <= 24, "two rows"
    nb.page.evaluate(WATCH)
    first = nb.ask(f"{GALLERY}.querySelector('.nbt-value').textContent")
    nb.until(f"{GALLERY}.querySelector('.nbt-value').textContent !== '{first}'")
    nb.page.wait_for_timeout(3_000)
    assert nb.ask(nb.busy(1)), "the cell was already over"
    tasks = nb.ask("nbtLong")
    assert max(tasks, default=0) <= 200, tasks
    assert nb.errors == []


def test_S75_the_slider_goes_back_in_training_and_stays_there(
    open_notebook: Open,
) -> None:
    loop = """for step in range(400):
    if step % 10 == 0:
        run.log({"g": nbtrack.Image(np.full((8, 8), step // 2, np.uint8))}, step=step)
    time.sleep(0.02)"""
    nb = open_notebook("slider", [SETUP, loop])
    nb.run(0)
    nb.start(1)
    value = f"{GALLERY}?.querySelector('.nbt-value').textContent"
    nb.until(f"Number({value}?.slice(5)) > 50")
    nb.page.locator(".nbt-chart[data-key=g] .nbt-media-slider").focus()
    nb.page.keyboard.press("Home")
    nb.until(f"{value} === 'step 0'")
    nb.page.wait_for_timeout(500)
    assert nb.ask(value) == "step 0", "new steps do not take it away"
    nb.page.keyboard.press("End")
    nb.until(f"Number({value}.slice(5)) > 100")
    nb.until(nb.done(1))
    assert nb.errors == []


def test_E_a_page_of_the_users_runs_without_our_origin(open_notebook: Open) -> None:
    log = """page = '''<p>x</p><script>
let told = "origin " + origin;
try { parent.document.title; told += " reached"; } catch { told += " kept out"; }
document.body.append(told);
</script>'''
run.log({"g": nbtrack.Html(page, caption="<img src=x onerror=window.nbtEvil=1>")})
time.sleep(4)"""
    nb = open_notebook("page", [SETUP, log])
    nb.run(0)
    nb.start(1)
    nb.until(f"{GALLERY}?.querySelector('iframe')?.srcdoc")
    frame = nb.page.frame_locator(".nbt-chart[data-key=g] iframe")
    frame.get_by_text("origin null kept out").wait_for(timeout=5_000)
    assert nb.ask("window.nbtEvil") is None
    assert "<img src=x" in nb.ask(f"{GALLERY}.textContent")
