"""``make demo``: run the first notebook for real and show what it left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

import nbtrack

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "demo-output"
NOTEBOOK = OUTPUT / "01_first_run.ipynb"


def main() -> None:
    """Execute, convert, report, and open JupyterLab where there is a desktop."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    print("Training two runs in notebooks/01_first_run.ipynb …", flush=True)
    notebook = nbformat.read(HERE / NOTEBOOK.name, as_version=4)
    NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(OUTPUT)}}
    ).execute()
    nbformat.write(notebook, NOTEBOOK)
    page = NOTEBOOK.with_suffix(".html")
    body, _ = HTMLExporter().from_notebook_node(notebook)
    page.write_text(body, "utf-8")
    print(nbtrack.runs("digits", root=OUTPUT / "nbruns"))
    print("\nnotebook ", _shown(NOTEBOOK), f"({NOTEBOOK.stat().st_size / 1000:.0f} kB)")
    print("as a page", _shown(page))
    for run in nbtrack.Api(OUTPUT / "nbruns").runs("digits"):
        print("run      ", _shown(Path(run.dir)))
    _open()


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _open() -> None:
    has_screen = (
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or sys.platform in {"darwin", "win32"}
    )
    command = [sys.executable, "-m", "jupyterlab", str(NOTEBOOK)]
    if has_screen and sys.stdout.isatty() and "CI" not in os.environ:
        print("\nOpening JupyterLab; stop it with Ctrl-C.")
        subprocess.run(command, check=False)
    else:
        print(f"\nTo look at it: {VENV_JUPYTER} lab {_shown(NOTEBOOK)}")


VENV_JUPYTER = os.path.relpath(Path(sys.executable).with_name("jupyter"))

if __name__ == "__main__":
    main()
