"""nbtrack in Pyodide, the Python of JupyterLite, which has no threads.

A real Pyodide under node, where there is one: the environment's PYODIDE names the
folder of the npm package ``pyodide``. Its wheel of orjson and the widgets' page are not
to be had there; fakes stand for both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import nbtrack

PROJECT = Path(nbtrack.__file__).parents[1]

SCRIPT = '''
import json, sys, types, warnings


class FakeOrjson(types.ModuleType):
    """The few names of orjson that are used, by the standard library."""

    JSONDecodeError = json.JSONDecodeError
    JSONEncodeError = TypeError
    Fragment = type("Fragment", (), {})
    loads = staticmethod(json.loads)

    @staticmethod
    def dumps(value, default=None, option=None):
        text = json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, allow_nan=False,
            default=default,
        )
        return text.encode()

    def __getattr__(self, name):
        if name.startswith("OPT_"):
            return 0
        raise AttributeError(name)


sys.modules["orjson"] = FakeOrjson("orjson")
sys.path.insert(0, "/src")
warnings.simplefilter("ignore")

import nbtrack
from nbtrack._notebook import card
from nbtrack._places import find_place, pumped
from nbtrack._view import displays, widgets
from nbtrack._view.board import Board
from nbtrack._view.live import LiveView
from nbtrack._view.static_bundle import board_bundle, restated

sent, published, faults = [], [], []
fake_widget = types.SimpleNamespace(
    model_id="m", plotly="", send=lambda *m: sent.append(m), close=lambda: None
)
widgets.board_widget = lambda *_: fake_widget
widgets.plotly_widget = lambda: fake_widget


def publish(bundle, **_):
    published.append(bundle)
    return "d0"


displays.publish = publish
run = nbtrack.init(project="lite", view="off", dir="/tmp/runs")
following = run.following
board = Board(lambda: card(run), following.rules, following.summary)
following.follow(board)
view = LiveView(
    board,
    pull=following.catch_up,
    on_fault=lambda *fault: faults.append(str(fault)),
    picture=board_bundle,
    restated=restated,
)
view.show()
vars(run)["log"] = pumped(run.log, view.pump)
for step in range(3000):
    run.log({"loss": 1 / (step + 1)})
run.finish()
view.close()
shell = types.SimpleNamespace(kernel=1, user_ns={})
print(json.dumps({
    "platform": sys.platform,
    "place": find_place(shell),
    "is_pumped": view.is_pumped,
    "frames": len(sent),
    "picture": "<img" in published[-1]["text/html"],
    "faults": faults,
    "state": run.state,
    "summary": run.summary["loss"],
}))
'''


def test_a_run_is_recorded_and_drawn_without_threads(tmp_path):
    folder = os.environ.get("PYODIDE")
    node = shutil.which("node")
    if not (folder and node):
        pytest.skip("needs node and, as PYODIDE, the folder of the npm package pyodide")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    helper = Path(__file__).parents[1] / "helpers" / "in_pyodide.mjs"
    done = subprocess.run(
        [node, str(helper), folder, str(PROJECT), str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("frames") >= 2
    assert told == {
        "platform": "emscripten",
        "place": ["jupyterlite", "live", False],
        "is_pumped": True,
        "picture": True,
        "faults": [],
        "state": "finished",
        "summary": 1 / 3000,
    }
