"""A browser and a JupyterLab, started once for all tests that need them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from board_page import STANDARD, BoardPage
from lab import Lab, Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",  # CI runs as root
    "--disable-dev-shm-usage",
    # No network is needed, and none may be there.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start a JupyterLab in a folder of its own."""
    pytest.importorskip("jupyterlab", reason="needs JupyterLab: pip install jupyterlab")
    server = Lab.start(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start a headless Chromium."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install playwright"
    )
    if not Path(CHROMIUM).exists():
        pytest.skip("browser tests were skipped: there is no chromium here")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(lab: Lab, browser: Any) -> Iterator[Callable[..., Notebook]]:
    """Write a notebook, or take one that is there, and open it in a fresh page."""
    contexts = []

    def open_(name: str, cells: list[str] | None = None, **options: Any) -> Notebook:
        path = name if cells is None else lab.write(name, cells)
        has_kernel = options.pop("has_kernel", True)
        viewport = {
            "width": options.pop("width", 1280),
            "height": options.pop("height", 900),
        }
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        return Notebook(context.new_page(), lab, path, has_kernel=has_kernel)

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def open_board(browser: Any) -> Iterator[Callable[..., BoardPage]]:
    """Open a board in a page of its own; an error in its console fails the test."""
    opened: list[tuple[Any, BoardPage]] = []

    def open_(
        frame: str = STANDARD, *, theme: str = "light", **options: Any
    ) -> BoardPage:
        viewport = {
            "width": options.pop("width", 1280),
            "height": options.pop("height", 1000),
        }
        context = browser.new_context(viewport=viewport, **options)
        board = BoardPage(context.new_page())
        opened.append((context, board))
        board.open(frame, theme)
        return board

    yield open_
    for context, board in opened:
        assert board.errors == []
        context.close()
