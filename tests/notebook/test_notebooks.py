"""The user guide, executed; and what a notebook's kernel adds to recording."""

from __future__ import annotations

import json
import os
import signal
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager

import nbtrack

pytestmark = pytest.mark.kernel

GUIDE = Path(__file__).parents[2] / "notebooks"
#: What JupyterLab's sanitizer leaves of an untrusted notebook's HTML, and we use.
HARMLESS = {
    "div",
    "span",
    "table",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "img",
    "b",
    "br",
}
HARMLESS |= {"code", "pre", "details", "summary", "h4", "p", "a"}


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.images = set(), 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.images += tag == "img" and dict(attrs)["src"].startswith(
            "data:image/svg+xml"
        )
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.parametrize("path", sorted(GUIDE.glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_guide_runs_and_its_saved_form_is_light(execute, path, tmp_path):
    source = nbformat.read(path, as_version=4)
    assert not outputs_of(source), "the guide is committed without outputs"
    notebook = execute(notebook=source)
    size = len(nbformat.writes(notebook))
    assert size < 300_000
    assert "widgets" not in notebook.metadata
    for output in outputs_of(notebook):
        assert not [m for m in output.get("data", {}) if "widget" in m or "plotly" in m]
    runs = nbtrack.Api(tmp_path / "nbruns").runs()
    assert {run.state for run in runs} == {"finished"}


def test_the_first_screen_of_the_readme_runs_as_it_stands(execute):
    readme = (GUIDE.parent / "README.md").read_text("utf-8")
    block = readme.split("```python\n")[1].split("```")[0]
    notebook = execute("def train_one_epoch():\n    return 0.5, 0.9", block)
    frame = notebook.cells[1].outputs[-1]
    assert "train/loss" in frame.data["text/plain"]


def test_the_first_run_shows_its_charts_without_scripts(execute):
    source = nbformat.read(GUIDE / "01_first_run.ipynb", as_version=4)
    notebook = execute(notebook=source)
    pages = [o.data["text/html"] for o in outputs_of(notebook) if "data" in o]
    ours = [Tags(page) for page in pages if "<style" not in page]  # pandas has one
    assert sum(tags.images for tags in ours) == 13, (
        "two boards, a comparison of four, and a watched run"
    )
    assert set().union(*(tags.tags for tags in ours)) <= HARMLESS


def test_executed_cells_are_recorded_in_order_as_they_were(execute, tmp_path):
    execute(
        "x = 1  # before nbtrack is loaded",
        "%load_ext nbtrack\nimport nbtrack",
        "run = nbtrack.init(project='p', id='r')",
        "1 / 0",
        "run.log({'a': x})\n!true",
        "run.finish()",
        "y = 2  # after the run",
        allow_errors=True,
    )
    run = nbtrack.Api(tmp_path / "nbruns").run("p/r")
    cells = run.cells
    assert [cell.source.split("\n")[-1] for cell in cells] == [
        "x = 1  # before nbtrack is loaded",
        "import nbtrack",
        "run = nbtrack.init(project='p', id='r')",
        "1 / 0",
        "!true",
        "run.finish()",
    ]
    assert [cell.count for cell in cells] == [1, 2, 3, 4, 5, 6]
    assert [cell.outcome for cell in cells] == [
        "unknown",
        *["ok"] * 2,
        "error",
        *["ok"] * 2,
    ]
    assert cells[3].error == "ZeroDivisionError: division by zero"
    # The last cell only ended the run.
    assert [cell.runs for cell in cells] == [[], [], *[["r"]] * 3, []]
    assert all(cell.started <= cell.ended for cell in cells[2:])
    notebook = nbformat.read(Path(run.dir, "code", "notebook.ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in cells]


def test_A4_running_the_init_cell_again_finishes_the_run_and_says_so(execute, tmp_path):
    cell = "import nbtrack\nrun = nbtrack.init(project='p')\nrun.log({'a': 1})"
    notebook = execute(cell, cell, "print(run.name, len(nbtrack.Api().runs('p')))")
    assert "to start a new run" in "".join(
        o.text for o in notebook.cells[1].outputs if o.output_type == "stream"
    )
    states = [run.state for run in nbtrack.Api(tmp_path / "nbruns").runs("p")]
    assert states == ["finished", "finished"], "the kernel's exit finished the second"


def test_a_kernel_that_shuts_down_finishes_its_run(execute, tmp_path):
    execute("import nbtrack\nrun = nbtrack.init(project='p')\nrun.log({'a': 1.5})")
    (run,) = nbtrack.Api(tmp_path / "nbruns").runs("p")
    assert run.state == "finished"
    assert run.history()["a"].tolist() == [1.5]


def test_a_kernel_killed_in_a_training_cell_leaves_rows_and_code(tmp_path):
    """kill -9 in the middle of the loop: what a user fears most."""
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute("%load_ext nbtrack\nimport nbtrack, time")
        client.execute("run = nbtrack.init(project='p', id='r', total_steps=10**6)")
        client.execute(
            "i = 0\nwhile True:\n    run.log({'i': i}); print(i, flush=True); i += 1"
        )
        last = _printed_beyond(client, 500)
        os.kill(manager.provisioner.pid, signal.SIGKILL)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    run = nbtrack.Api(tmp_path / "nbruns").run("p/r")
    assert run.state == "crashed"
    assert run.history()["i"].tolist()[: last + 1] == list(range(last + 1))
    assert run.summary["i"] >= last
    assert run.cells[-1].source.startswith("i = 0")
    assert run.cells[-1].outcome == "running"


def _printed_beyond(client, wanted):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "stream":
            printed = message["content"]["text"].split()
            if printed and int(printed[-1]) > wanted:
                return int(printed[-1])
    raise AssertionError


def test_a_run_is_the_value_of_a_cell_and_shows_its_board(execute):
    notebook = execute(
        "import nbtrack\nrun = nbtrack.init(project='p', id='r')\nrun.log({'a': 1.5})",
        "run",
        "run.finish()",
        "run",
        "nbtrack.Api().run('p/r')",
    )
    for cell in (1, 3, 4):
        (output,) = notebook.cells[cell].outputs
        assert Tags(output.data["text/html"]).images == 1, cell


def test_a_rule_that_comes_after_the_rows_redraws_them_all(execute):
    notebook = execute(
        "import nbtrack\nrun = nbtrack.init(project='p', id='r')\n"
        "for i in range(5):\n    run.log({'a': i, 'epoch': 100 + i})",
        "run.define_metric('a', step_metric='epoch')\nrun.log({'a': 5, 'epoch': 105})",
        "run.finish()",
        "board = run.following._followers[0]\n"
        "print(list(board.spec().sections[0].charts[0].curves[0].x))",
    )
    (output,) = notebook.cells[3].outputs
    assert output.text.strip() == "[100.0, 101.0, 102.0, 103.0, 104.0, 105.0]"


def test_an_interrupted_cell_leaves_the_run_open_and_usable(execute, tmp_path):
    notebook = execute(
        "import nbtrack\nrun = nbtrack.init(project='p', id='r')\nrun.log({'a': 1})",
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
        "run.log({'a': 2})\nprint(run.state)\nrun.finish()",
        allow_errors=True,
    )
    assert notebook.cells[1].outputs[0].ename == "KeyboardInterrupt"
    run = nbtrack.Api(tmp_path / "nbruns").run("p/r")
    assert run.state == "finished"
    assert run.history()["a"].tolist() == [1, 2]
    assert run.cells[1].outcome == "interrupted"


def test_a_view_that_is_off_shows_nothing_and_text_shows_a_line(execute):
    notebook = execute(
        "import nbtrack\nrun = nbtrack.init(project='p', view='off')\n"
        "run.log({'a': 1})",
        "run.finish()",
        "run = nbtrack.init(project='p', view='text')\nrun.finish()",
    )
    assert notebook.cells[0].outputs == []
    assert notebook.cells[1].outputs == []
    assert "finished, no rows" in notebook.cells[2].outputs[-1].text


def test_a_name_with_markup_is_text_in_every_output(execute):
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    notebook = execute(
        "import nbtrack\n"
        f"attack = {attack!r}\n"
        "run = nbtrack.init(project='p', name=attack, notes=attack, tags=attack,\n"
        "                   config={attack: attack})\n"
        "run.log({attack: 1.0, 'a': 1})\nrun.log({attack: 2.0})\nrun.finish()",
        "nbtrack.runs('p')",
        "nbtrack.compare('p')",
    )
    for output in outputs_of(notebook):
        page = output.get("data", {}).get("text/html", "")
        assert Tags(page).tags <= HARMLESS
        assert "<script" not in page


def test_the_extension_can_be_unloaded_and_loaded_again(execute):
    execute(
        "%load_ext nbtrack",
        "%unload_ext nbtrack",
        "%load_ext nbtrack\n%reload_ext nbtrack",
        "import nbtrack\nwith nbtrack.init(project='p') as run:\n    run.log({'a': 1})",
        "assert len(nbtrack.Api().runs('p')) == 1",
    )


def test_unfinished_business_of_a_cell_is_valid_json_lines(execute, tmp_path):
    execute("import nbtrack\nrun = nbtrack.init(project='p', id='r')", "run.finish()")
    lines = Path(tmp_path, "nbruns", "p", "r", "code", "cells.jsonl").read_text()
    assert [json.loads(line)["count"] for line in lines.splitlines()] == [1, 1, 2, 2]
