"""Notebooks are executed in real kernels, by nbclient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Execute cells (or a notebook) in a kernel whose directory is ``tmp_path``."""
    monkeypatch.delenv("NBTRACK_QUIET")

    def run(*sources: str, notebook: Any = None, allow_errors: bool = False) -> Any:
        if notebook is None:
            notebook = v4.new_notebook(cells=[v4.new_code_cell(s) for s in sources])
        client = NotebookClient(
            notebook,
            timeout=240,
            allow_errors=allow_errors,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        client.execute()
        nbformat.validate(notebook)
        return notebook

    return run


def text_of(notebook: Any, cell: int, mime: str = "text/plain") -> str:
    """Join what a cell's outputs hold of one type, streams included."""
    parts = []
    for output in notebook.cells[cell].outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        else:
            parts.append(output.get("data", {}).get(mime, ""))
    return "\n".join(parts)
