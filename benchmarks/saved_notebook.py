"""Bytes of a notebook that was executed by nbclient and saved, in kB.

"Outputs" are all outputs of all cells, as JSON. nbclient also keeps the state of every
widget it heard of in the notebook's metadata; that is told apart, and is why a board
is static by itself wherever no person looks on. Baseline: outputs and state of a
notebook whose one cell shows one plotly FigureWidget of 2,000 points.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from nbclient import NotebookClient

from benchmarks.processes import environment
from benchmarks.result import Reach, Result

_GUIDE = Path(__file__).parents[1] / "notebooks" / "01_first_run.ipynb"

_CHARTS = """
import math, random
import nbtrack
draw = random.Random(0).gauss
run = nbtrack.init(project="charts", view={view!r})
for step in range(2_000):
    trend = math.exp(-step / 500)
    run.log({{f"train/metric_{{n}}": trend + draw(0, 0.1) for n in range(20)}})
run.finish()
"""

_FIGURE_WIDGET = """
import random
import plotly.graph_objects as go
y = [random.random() for _ in range(2_000)]
go.FigureWidget(go.Scatter(y=y))
"""


def measure() -> list[Result]:
    """Execute the first notebook, one of 20 charts, and plotly's."""
    import nbformat

    guide = _execute(nbformat.read(_GUIDE, as_version=4))
    figure = _execute(_notebook(_FIGURE_WIDGET))
    plotly = _outputs_kb(figure) + _state_kb(figure)
    size_kb = len(nbformat.writes(guide).encode()) / 1e3
    name = _GUIDE.name
    found = [
        Result(f"`{name}` saved, as a whole", size_kb, "kB"),
        Result(f"outputs of `{name}`", _outputs_kb(guide), "kB"),
    ]
    for view in ("static", "live"):
        charts = _execute(_notebook(_CHARTS.format(view=view)))
        what = f"{{}} of 20 charts of 2,000 steps, view {view} ÷ one FigureWidget"
        size = _outputs_kb(charts)
        found.append(Result(what.format("outputs"), size, "kB", plotly, Reach(60)))
        state = _state_kb(charts)
        found.append(Result(what.format("widgets' state"), state, "kB", plotly))
    return found


def _notebook(code: str) -> Any:
    from nbformat import v4

    return v4.new_notebook(cells=[v4.new_code_cell(code)])


def _execute(notebook: Any) -> Any:
    with tempfile.TemporaryDirectory() as place:
        resources = {"metadata": {"path": place}}
        NotebookClient(notebook, timeout=120, resources=resources).execute(
            env=environment(), stderr=subprocess.DEVNULL
        )
    return notebook


def _outputs_kb(notebook: Any) -> float:
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return _size_kb(outputs)


def _state_kb(notebook: Any) -> float:
    state = notebook.metadata.get("widgets")
    return _size_kb(state) if state else 0


def _size_kb(value: object) -> float:
    return len(json.dumps(value, ensure_ascii=False).encode()) / 1e3
