"""The board in a real Notebook 7: live while the cell is busy, then a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from notebook7 import Notebook7, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Open = Callable[..., Notebook7]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SETUP = "%load_ext nbtrack\nimport nbtrack, time"
INIT = "run = nbtrack.init(project='t', name='otter', config={'lr': 0.1})"
LOOP = """for step in range({steps}):
    run.log({{"train/loss": 1 / (step + 1), "train/acc": step / {steps}, "lr": 0.1}})
    time.sleep(0.01)"""
FINISH = "run.finish()"

#: The board in the place of the picture that an ended run leaves.
ENDED = "document.querySelector('[class^=nbt-picture] .nbt-state')"
PICTURES = "[...document.querySelectorAll('.jp-OutputArea img')]"
DRAWN = f"{PICTURES}.every(i => i.complete && i.naturalWidth > 0)"
BOARD = "document.querySelector('.nbtrack')"
STEP = "Number(document.querySelector('.nbt-fact-value').textContent.match(/\\d+/))"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a Notebook 7 in a folder of its own."""
    pytest.importorskip("notebook", minversion="7", reason="needs Notebook 7")
    server = Server.start(tmp_path_factory.mktemp("notebook7"))
    yield server
    server.stop()


@pytest.fixture
def open_notebook(server: Server, browser: Any) -> Iterator[Open]:
    contexts = []

    def open_(name: str, cells: list[str] | None = None, **options: Any) -> Notebook7:
        path = name if cells is None else server.write(name, cells)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        contexts.append(context)
        return Notebook7(context.new_page(), server, path, **options)

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def own_errors(server: Server, browser: Any) -> set[str]:
    """What the page says of itself, in a notebook that knows nothing of us."""
    context = browser.new_context()
    plain = Notebook7(context.new_page(), server, server.write("plain", ["1 + 1"]))
    plain.run(0)
    plain.save()
    context.close()
    return set(plain.errors)


def test_the_board_moves_while_the_cell_is_busy_and_then_is_a_picture(
    open_notebook: Open, own_errors: set[str]
) -> None:
    nb = open_notebook("moves", [SETUP, INIT, LOOP.format(steps=800), FINISH])
    nb.run(0)
    nb.run(1)
    nb.start(2)
    nb.until(BOARD)
    nb.until(f"{STEP} > 0")
    first = nb.ask(STEP)
    nb.until(f"{STEP} > {first} + 20")
    assert nb.ask(nb.busy(2)), "the cell was already over"
    nb.until(nb.done(2))
    nb.until(f"{PICTURES}.length === 3 && !{BOARD}")
    nb.run(3)
    nb.until(ENDED)
    nb.until(DRAWN)
    assert "finished" in nb.outputs(2)
    assert set(nb.errors) <= own_errors


def test_a_saved_notebook_shows_its_pictures_to_a_stranger(
    open_notebook: Open, server: Server, own_errors: set[str]
) -> None:
    nb = open_notebook("saved", [SETUP, INIT, LOOP.format(steps=40), FINISH])
    for cell in range(4):
        nb.run(cell)
    nb.until(f"{PICTURES}.length === 3")
    nb.until(ENDED)
    nb.save()
    nb.shut_down()
    saved = (server.root / "saved.ipynb").read_text("utf-8")
    assert "widget-view" not in saved
    assert len(saved) < 60_000

    # Another text than the one that was signed: nobody trusts this one.
    stranger = saved.replace("time.sleep", "time . sleep")
    (server.root / "stranger.ipynb").write_text(stranger, "utf-8")
    reader = open_notebook("stranger.ipynb", has_kernel=False)
    assert not reader.is_trusted(2)
    reader.until(f"{PICTURES}.length === 3")
    reader.until(DRAWN)
    for fact in ("otter", "finished", "step 39", "lr"):
        assert fact in reader.outputs(2)
    assert set(reader.errors) <= own_errors
