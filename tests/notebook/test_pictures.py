"""What is left in the outputs of a notebook that ran, by whatever way a cell ended.

In real kernels: one that a front end names its cells to, as JupyterLab does (a board is
live there), and one that is executed unseen, as by nbclient.
"""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbformat import v4

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kernel

WAIT_S = 60
WIDGET = "application/vnd.jupyter.widget-view+json"

INIT = "import nbtrack, time, os, signal\nrun = nbtrack.init(project='p', name='otter')"
LOOP = "for step in range(40):\n    run.log({'loss': 1 / (step + 1), 'x/acc': step})\n"
INTERRUPT = "    if step == 20: os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
ERROR = "    if step == 20: 1 / 0\n"


class Notebook:
    """Cells and their outputs, as a front end keeps them; displays can be replaced."""

    def __init__(self, folder: Any, *, names_cells: bool) -> None:
        env = {k: v for k, v in os.environ.items() if k[:8] != "NBTRACK_"}
        self.names_cells = names_cells
        self.cells: list[list[dict[str, Any]]] = []
        self.errors: list[str] = []
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)

    def run(self, source: str) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = []
        self.cells.append(outputs)
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        if self.names_cells:
            message["metadata"]["cellId"] = f"cell-{len(self.cells)}"
        self.client.shell_channel.send(message)
        while True:
            heard = self.client.get_iopub_msg(timeout=WAIT_S)
            self._replace(heard)
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if heard["msg_type"] == "display_data":
                outputs.append(heard["content"])
            elif heard["msg_type"] == "error":
                self.errors.append(heard["content"]["ename"])
            elif heard["content"].get("execution_state") == "idle":
                return outputs

    def _replace(self, heard: dict[str, Any]) -> None:
        if heard["msg_type"] != "update_display_data":
            return
        wanted = heard["content"]["transient"]["display_id"]
        for outputs in self.cells:
            for output in outputs:
                if output["transient"].get("display_id") == wanted:
                    output["data"] = heard["content"]["data"]

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Pictures(HTMLParser):
    """How many images a page has, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.count, self.said = 0, ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        assert tag not in ("script", "style", "svg", "iframe")
        self.count += tag == "img"

    def handle_data(self, data):
        self.said += data


def pictures(outputs: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Of each output that is a picture: its charts, and the state it tells."""
    assert all(WIDGET not in output["data"] for output in outputs), "a widget stayed"
    pages = [Pictures(o["data"]["text/html"]) for o in outputs]
    states = ("running", "finished", "failed", "killed")
    return [
        (page.count, next(s for s in states if f" {s}" in page.said))
        for page in pages
        if "charts are under" not in page.said
    ]


@pytest.fixture(params=[True, False], ids=["live", "unseen"])
def notebook(request, tmp_path) -> Iterator[Notebook]:
    made = Notebook(tmp_path, names_cells=request.param)
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("stumble", "error"),
    [(INTERRUPT, "KeyboardInterrupt"), (ERROR, "ZeroDivisionError")],
)
def test_a_cell_that_is_interrupted_or_fails_leaves_its_picture(
    notebook: Notebook, stumble: str, error: str
) -> None:
    notebook.run(INIT)
    cell = notebook.run(LOOP + stumble)
    assert notebook.errors == [error]
    assert pictures(cell) == [(2, "running")]
    assert "step 20" in Pictures(cell[-1]["data"]["text/html"]).said
    notebook.run("run.finish()")
    assert pictures(cell) == [(2, "finished")]
    assert pictures(notebook.cells[-1]) == []


def test_within_with_the_picture_tells_how_it_ended(notebook: Notebook) -> None:
    loop = "".join(f"    {line}\n" for line in (LOOP + ERROR).splitlines())
    cell = notebook.run(f"{INIT}\nwith run:\n{loop}")
    assert notebook.errors == ["ZeroDivisionError"]
    assert pictures(cell) == [(2, "failed")]


def test_each_cell_that_logs_keeps_its_picture(notebook: Notebook) -> None:
    notebook.run(INIT)
    first = notebook.run(LOOP)
    notebook.run("1 + 1")
    second = notebook.run("run.log({'late': 1})")
    notebook.run("run.finish()")
    assert pictures(first) == [(2, "finished")]
    assert pictures(second) == [(3, "finished")]
    assert pictures(notebook.cells[-1]) == []


def test_all_in_one_cell_is_one_picture(notebook: Notebook) -> None:
    cell = notebook.run(f"{INIT}\n{LOOP}\nrun.finish()")
    assert pictures(cell) == [(2, "finished")]


def test_a_run_without_rows_has_its_card(notebook: Notebook) -> None:
    notebook.run(INIT)
    notebook.run("run.finish()")
    shown = [picture for cell in notebook.cells for picture in pictures(cell)]
    assert shown == [(0, "finished")]


def test_the_next_run_leaves_the_pictures_of_the_last_where_they_are(
    notebook: Notebook,
) -> None:
    notebook.run(INIT)
    first = notebook.run(LOOP)
    notebook.run("run = nbtrack.init(project='p', name='heron')")
    second = notebook.run(LOOP)
    assert pictures(first) == [(2, "finished")]
    assert pictures(second) == [(2, "running")]


def test_nbconvert_shows_everything_of_a_notebook_that_nobody_finished(tmp_path):
    cells = [v4.new_code_cell(source) for source in (INIT, LOOP)]
    path = tmp_path / "forgotten.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    env = {k: v for k, v in os.environ.items() if k[:8] != "NBTRACK_"}
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", path.name],
        cwd=tmp_path,
        env=env,
        check=True,
        capture_output=True,
    )
    page = (tmp_path / "forgotten.html").read_text("utf-8")
    assert page.count(" over step, latest ") == 2  # the pictures, in words
    assert "otter" in page
    assert "step 39" in page
    assert WIDGET not in page
