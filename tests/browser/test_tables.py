"""A table as a cell's value, in a real JupyterLab, as a person uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Notebook

    Open = Callable[..., Notebook]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SMALL = """import nbtrack
table = nbtrack.Table(columns=["name", "score", "kind"])
for n in range(3_000):
    table.add_data(f"row number {n}", (n * 37) % 1_000 / 10, ["cat", "dog"][n % 2])
table"""

WIDE = """import nbtrack, numpy as np, pandas as pd
frame = pd.DataFrame(np.arange(20_000 * 500).reshape(20_000, 500) % 977)
frame.columns = [f"feature_{c}" for c in range(500)]
nbtrack.Table(dataframe=frame)"""

TIMES = "\N{MULTIPLICATION SIGN}"
VIEWER = "document.querySelector('.nbt-viewer')"
BOX = "document.querySelector('.nbt-data-box')"
CELLS = "[...document.querySelectorAll('.nbt-data-cell')].map(c => c.textContent)"
COUNT = "document.querySelector('.nbt-data-count').textContent"
FILTER = ".nbt-data-input[type=text]"
PICTURE = "document.querySelector('[class^=nbt-picture] table')"


def opened(open_notebook: Open, name: str, *cells: str, **options: object) -> Notebook:
    nb = open_notebook(name, list(cells), **options)
    for number in range(len(cells)):
        nb.run(number)
    nb.until(VIEWER)
    nb.until(f"{CELLS}.filter(Boolean).length > 10")
    return nb


def row_texts(nb: Notebook, row: int) -> list[str]:
    rows = "[...document.querySelectorAll('.nbt-data-row')]"
    order = f"{rows}.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
    cells = f"[...{order}[{row}].querySelectorAll('.nbt-data-cell')]"
    return list(nb.ask(f"{cells}.map(c => c.textContent)"))


def test_E1_a_table_is_a_viewer_in_the_page_and_a_picture_in_the_file(
    open_notebook: Open, lab: Lab
) -> None:
    nb = opened(open_notebook, "viewer", SMALL)
    assert nb.ask(f"{PICTURE}.checkVisibility()") is False
    assert nb.ask(COUNT) == f"3,000 rows {TIMES} 3 columns"
    assert row_texts(nb, 0) == ["row number 0", "0", "cat"]
    nb.save()
    saved = (lab.root / "viewer.ipynb").read_text()
    assert "widget" not in saved
    assert len(saved) < 30_000
    nb.command("notebook:shutdown-kernel")
    reader = open_notebook("viewer.ipynb", has_kernel=False)
    reader.until(f"{PICTURE}?.checkVisibility()")
    assert "the first 20 rows are shown" in reader.outputs(0)
    assert nb.errors == []
    assert reader.errors == []


def test_when_the_kernel_is_restarted_the_picture_is_back(open_notebook: Open) -> None:
    nb = opened(open_notebook, "restarted_table", SMALL)
    panel = "window.jupyterapp.shell.currentWidget"
    nb.ask(f"void {panel}.sessionContext.session.kernel.restart()")
    nb.until(f"{PICTURE}.checkVisibility()")
    nb.until(f"!{VIEWER}")


def test_sorting_searching_and_filtering(open_notebook: Open) -> None:
    nb = opened(open_notebook, "asks", SMALL)
    title = nb.page.get_by_role("columnheader", name="score")
    title.click()
    nb.until("document.querySelector('[aria-sort=ascending]')")
    title.click()
    nb.until("document.querySelector('[aria-sort=descending]')")
    nb.until(f"{CELLS}[1] === '99.9'")
    assert row_texts(nb, 0) == ["row number 27", "99.9", "dog"]
    nb.page.get_by_label("Search text").fill("NUMBER 12")
    nb.until(f"{COUNT}.startsWith('111 of')")
    nb.page.locator(FILTER).fill('score < 50 and "cat" in kind')
    nb.until(f"{COUNT}.startsWith('2')")
    assert all(float(row_texts(nb, n)[1]) < 50 for n in range(5))
    nb.page.locator(FILTER).fill("scores < 50")
    nb.until("document.querySelector('.nbt-data-error').textContent.includes('score')")
    assert "Did you mean 'score'?" in nb.ask(
        "document.querySelector('.nbt-data-error').textContent"
    )
    nb.page.locator(FILTER).fill("")
    nb.until("!document.querySelector('.nbt-data-error').textContent")
    assert nb.errors == []


def test_a_wide_table_is_scrolled_both_ways_without_sending_it(
    open_notebook: Open,
) -> None:
    nb = opened(open_notebook, "wide", WIDE)
    assert nb.ask(COUNT) == f"20,000 rows {TIMES} 500 columns"
    nb.ask(f"void ({BOX}.scrollTop = 1e9, {BOX}.scrollLeft = 1e9)")
    last = str((20_000 * 500 - 1) % 977)
    nb.until(f"{CELLS}.at(-1) === '{last}'")
    assert nb.ask(f"{CELLS}.length") < 800, "only what is in view is in the page"
    nb.until("document.querySelector('.nbt-data-number:not(:empty)')")
    assert "19,999" in nb.ask(f"{BOX}.innerText")
    assert nb.errors == []


def test_every_part_can_be_reached_with_the_keyboard(open_notebook: Open) -> None:
    nb = opened(open_notebook, "keys", SMALL)
    cells_before = nb.ask(
        "window.jupyterapp.shell.currentWidget.content.widgets.length"
    )
    nb.page.locator(".nbt-data-box").focus()
    for key in ("ArrowDown", "ArrowRight", "d", "d", "Control+End"):
        nb.page.keyboard.press(key)
    nb.until(f"{CELLS}.includes('row number 2999')")
    active = "document.querySelector('.nbt-is-active')"
    nb.until(f"{active}?.dataset.at === '2999,2'")
    box = nb.page.locator(".nbt-data-box")
    assert box.get_attribute("aria-activedescendant") == nb.ask(f"{active}.id")
    for key in ("Control+Home", "ArrowUp", "ArrowRight", "Enter"):
        nb.page.keyboard.press(key)
    nb.until("document.querySelector('[aria-sort=ascending]')")
    nb.page.keyboard.press("ArrowDown")
    nb.page.keyboard.press("Enter")
    nb.until("!document.querySelector('.nbt-data-detail').hidden")
    nb.page.keyboard.press("Escape")
    nb.until("document.querySelector('.nbt-data-detail').hidden")
    after = nb.ask("window.jupyterapp.shell.currentWidget.content.widgets.length")
    assert after == cells_before, "d d is the notebook's for deleting a cell"
    assert nb.errors == []


def test_what_comes_from_a_table_is_text(open_notebook: Open) -> None:
    hostile = """import nbtrack
evil = "<img src=x onerror=alert(1)>"
page = nbtrack.Html("<script>parent.document.title = 'stolen'</script><p>page</p>")
table = nbtrack.Table(columns=[evil, "b", "page"])
for n in range(20):
    table.add_data(evil, "</script><script>alert(1)</script>", page)
table"""
    dialogs: list[str] = []
    nb = open_notebook("hostile_table", [hostile])
    nb.page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    nb.run(0)
    nb.until(f"{CELLS}.filter(Boolean).length > 10")
    viewer = ".nbt-viewer"
    assert nb.ask(f"document.querySelector('{viewer} :is(img, script)')") is None
    nb.page.locator(".nbt-data-item").first.click()
    nb.until("document.querySelector('.nbt-data-detail iframe')")
    frame = nb.page.frame_locator(".nbt-data-detail iframe")
    frame.locator("p").wait_for()
    assert nb.ask("document.title") != "stolen"
    assert dialogs == []


def test_two_tables_and_a_reloaded_page(open_notebook: Open) -> None:
    nb = opened(open_notebook, "two_tables", SMALL, "table")
    nb.until("document.querySelectorAll('.nbt-viewer').length === 2")
    nb.save()
    nb.page.reload()
    nb.until("document.querySelectorAll('.nbt-viewer').length === 2")
    nb.until(f"{CELLS}.filter(Boolean).length > 20")


def test_pictures_in_cells(open_notebook: Open) -> None:
    cell = """import nbtrack, numpy as np
table = nbtrack.Table(columns=["digit", "label"])
for n in range(40):
    pixels = np.full((8, 8), n * 6, dtype=np.uint8)
    table.add_data(nbtrack.Image(pixels, caption=f"digit {n}"), n)
table"""
    nb = opened(open_notebook, "pictures", cell)
    nb.until("document.querySelector('.nbt-data-cell img')?.naturalWidth > 0")
    nb.page.locator(".nbt-data-cell img").first.click()
    nb.until("document.querySelector('.nbt-data-detail img')?.naturalWidth > 0")
    assert nb.errors == []


def test_S71_a_plotly_figure_in_a_cell_is_drawn_when_it_is_opened(
    open_notebook: Open,
) -> None:
    cell = """import nbtrack, plotly.graph_objects as go
figure = go.Figure(go.Bar(x=["a", "b"], y=[1, 3]))
nbtrack.Table(columns=["n", "figure"], data=[[n, figure] for n in range(20)])"""
    nb = opened(open_notebook, "figures", cell)
    nb.page.locator(".nbt-data-item").first.click()
    nb.until("document.querySelector('.nbt-data-detail .main-svg .bars path')")
    assert nb.errors == []
