"""Where we run, and what is shown there.

Colab, Kaggle, VS Code and JupyterLite cannot be run here: the ``Fake…`` classes and the
variables below stand for what they document or publish, as of 2026:

- Colab: ``google.colab`` is loaded; ``output.enable_custom_widget_manager`` registers
  a hook with ``display_pub.register_hook`` that adds the manager's address to the
  metadata of widgets (colabtools, google/colab/output/_widgets.py).
- Kaggle: ``KAGGLE_KERNEL_RUN_TYPE`` is "Interactive" in the editor, "Batch" when a
  version is saved.
- VS Code: ``__vsc_ipynb_file__`` is in the user's namespace, and the request that
  executes a cell has ``cellId``.
- JupyterLite: ``sys.platform`` is "emscripten"; starting a thread raises RuntimeError.
"""

from __future__ import annotations

import sys
import threading
import types

import IPython
import IPython.display
import pytest

import nbtrack
from nbtrack import _places, errors
from nbtrack._notebook import card
from nbtrack._places import WIDGET, find_place, pumped, widget_metadata
from nbtrack._view import displays, widgets
from nbtrack._view.board import Board
from nbtrack._view.live import LiveView

CELL = {"metadata": {"cellId": "1e9aac6b-cee9-4786-813b-df30c0debc38"}}


class FakeShell:
    """An IPython shell of which only what is looked at is there."""

    def __init__(self, parent=None, kernel="kernel", **names):
        self.kernel = kernel
        self.user_ns = names
        self.parent = parent
        self.display_pub = FakeDisplayPublisher()

    def get_parent(self):
        if isinstance(self.parent, Exception):
            raise self.parent
        return self.parent


class FakeDisplayPublisher:
    """The hooks of ipykernel's ``ZMQDisplayPublisher``."""

    def __init__(self):
        self._hooks = []

    def register_hook(self, hook):
        self._hooks.append(hook)


def found(shell, **here):
    asked = {"environ": {}, "modules": {}, "platform": "linux"} | here
    return find_place(shell, **asked)


@pytest.mark.parametrize(
    ("shell", "here", "name", "view"),
    [
        (None, {}, "terminal", "text"),
        (FakeShell(kernel=None), {}, "terminal", "text"),
        (FakeShell(CELL), {}, "jupyter", "live"),
        (FakeShell({"metadata": {}}), {}, "unseen", "static"),
        (FakeShell({}), {}, "unseen", "static"),
        (FakeShell(None), {}, "unseen", "static"),
        (FakeShell({"metadata": None}), {}, "unseen", "static"),
        (FakeShell("?"), {}, "unseen", "static"),
        (FakeShell(LookupError()), {}, "unseen", "static"),
        (FakeShell({}), {"modules": {"google.colab": 1}}, "colab", "live"),
        (FakeShell({}), {"environ": {"COLAB_RELEASE_TAG": "x"}}, "unseen", "static"),
        (
            FakeShell({}),
            {"environ": {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}},
            "kaggle",
            "live",
        ),
        (
            FakeShell({}),
            {"environ": {"KAGGLE_KERNEL_RUN_TYPE": "Batch"}},
            "kaggle",
            "static",
        ),
        (FakeShell({}, __vsc_ipynb_file__="/a.ipynb"), {}, "vscode", "live"),
        (FakeShell({}), {"platform": "emscripten"}, "jupyterlite", "live"),
        (None, {"environ": {"KAGGLE_KERNEL_RUN_TYPE": "Batch"}}, "terminal", "text"),
    ],
)
def test_a_place_is_known_by_what_it_leaves_in_the_process(shell, here, name, view):
    place = found(shell, **here)
    assert (place.name, place.view) == (name, view)
    assert place.has_threads is (name != "jupyterlite")


def test_a_shell_that_is_older_or_stranger_is_no_error():
    assert found(object()).view == "text"
    assert found(types.SimpleNamespace(kernel=1)).view == "static"


# -- Colab -----------------------------------------------------------------------------


@pytest.fixture
def fake_colab(monkeypatch):
    """What ``google.colab.output`` does, in as few lines as possible; a fake."""
    shell = FakeShell({})
    installed = []
    monkeypatch.setattr(_places, "_metadata_of_widgets", {})

    def hook(message):
        data = message["content"].get("data", {}).get(WIDGET)
        if data:
            metadata = message["content"].setdefault("metadata", {})
            manager = {"custom_widget_manager": {"url": "https://x.example/m.js"}}
            metadata.setdefault(WIDGET, {})["colab"] = manager
        return message

    def enable_custom_widget_manager():
        if not installed:
            shell.display_pub.register_hook(hook)
        installed.append(1)

    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = enable_custom_widget_manager
    colab = types.ModuleType("google.colab")
    colab.output = output
    google = types.ModuleType("google")
    google.colab = colab
    for module in (google, colab, output):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    shell.installed = installed
    return shell


def test_in_colab_the_widget_manager_is_enabled_and_told_with_each_display(fake_colab):
    metadata = widget_metadata(fake_colab)
    assert fake_colab.installed == [1]
    url = metadata[WIDGET]["colab"]["custom_widget_manager"]["url"]
    assert url == "https://x.example/m.js"
    fake_colab.display_pub._hooks.clear()  # as it looks in another thread
    assert widget_metadata(fake_colab) == metadata


def test_in_colab_every_live_display_names_the_manager(fake_colab, monkeypatch):
    shown = []
    monkeypatch.setattr(
        IPython.display, "display", lambda _, **told: shown.append(told["metadata"])
    )
    monkeypatch.setattr(IPython, "get_ipython", lambda: fake_colab)
    displays.publish(displays.live_bundle("m", "otter"))
    displays.publish({"text/html": "picture"})
    assert "custom_widget_manager" in shown[0][WIDGET]["colab"]
    assert shown[1] == {}


def test_elsewhere_a_display_says_nothing_more():
    assert widget_metadata(FakeShell(CELL)) == {}
    assert widget_metadata(None) == {}


def test_a_colab_without_hooks_to_ask_is_no_error(fake_colab):
    del fake_colab.display_pub._hooks
    fake_colab.display_pub.register_hook = lambda _: None
    assert widget_metadata(fake_colab) == {}


# -- JupyterLite -----------------------------------------------------------------------


def test_without_threads_log_draws_at_most_ten_times_a_second_and_a_tenth_of_the_time():
    now, drawn, logged = [0.0], [], []

    def draw():
        drawn.append(now[0])
        now[0] += took[0]

    took = [0.0]
    log = pumped(lambda *args, **_: logged.append(args), draw, lambda: now[0])
    for step in range(1000):
        log({"a": step}, step=step)
        now[0] += 0.001
    assert len(logged) == 1000
    assert 9 <= len(drawn) <= 11
    took[0], now[0] = 0.5, 100.0
    drawn.clear()
    while now[0] < 200:
        log({"a": 1})
        now[0] += 0.01
    assert len(drawn) <= 20


@pytest.fixture
def no_threads(monkeypatch):
    """Pyodide, as far as threads go; a fake."""

    def refuse(_):
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_threads")
def test_without_threads_a_live_view_lets_itself_be_pumped(monkeypatch):
    published, sent = [], []

    def publish(bundle, **_):
        published.append(bundle)
        return "d0"

    monkeypatch.setattr(displays, "publish", publish)
    widget = types.SimpleNamespace(
        model_id="m", plotly="", send=lambda *m: sent.append(m), close=lambda: None
    )
    monkeypatch.setattr(widgets, "board_widget", lambda *_: widget)
    monkeypatch.setattr(widgets, "plotly_widget", lambda: widget)
    run = nbtrack.init(project="p", view="off")
    following = run.following
    board = Board(lambda: card(run), following.rules, following.summary)
    following.follow(board)
    faults = []
    view = LiveView(
        board,
        pull=following.catch_up,
        on_fault=lambda *fault: faults.append(fault),
        picture=lambda _: {"text/html": "picture"},
        restated=lambda bundle, *_: bundle,
    )
    view.show()
    assert view.is_pumped
    run.log({"a": 1.0})
    view.pump()
    run.log({"a": 2.0})
    view.pump()
    assert len(sent) >= 2
    run.finish()
    view.close()
    assert published[-1] == {"text/html": "picture"}
    assert not faults


def test_a_row_that_is_refused_is_not_drawn():
    drawn = []

    def refuse(_):
        raise errors.DataTypeError

    with pytest.raises(errors.DataTypeError):
        pumped(refuse, lambda: drawn.append(1))({})
    assert not drawn


# -- what was asked for ----------------------------------------------------------------


@pytest.mark.parametrize("view", ["board", "", "LIVE", "none", 3, True])
def test_a_view_that_is_none_names_those_there_are(view):
    choices = "'auto', 'live', 'static', 'text', 'off'"
    with pytest.raises(errors.SettingError, match=choices):
        nbtrack.init(project="p", view=view)


def test_a_view_of_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("NBTRACK_VIEW", "bord")
    with pytest.raises(errors.SettingError, match="view='bord'"):
        nbtrack.init(project="p")


def test_off_and_quiet_say_nothing_in_a_script(monkeypatch, capfd):
    for name, value in (("NBTRACK_VIEW", "off"), ("NBTRACK_QUIET", "1")):
        monkeypatch.setenv("NBTRACK_QUIET", "0")
        monkeypatch.setenv(name, value)
        run = nbtrack.init(project="p")
        run.log({"a": 1})
        run.finish()
        monkeypatch.delenv("NBTRACK_VIEW", raising=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("view", ["auto", "live", "static", "text"])
def test_a_script_can_show_lines_only(monkeypatch, capfd, view):
    monkeypatch.setenv("NBTRACK_QUIET", "0")
    run = nbtrack.init(project="p", view=view)
    run.log({"a": 1})
    run.finish()
    out, err = capfd.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert first.startswith(f"nbtrack: {run.name} started, in nbruns")
    assert last.startswith(f"nbtrack: {run.name} finished, last step 0, in nbruns")
    assert not [m for m in _places.__dict__ if m == "IPython"]
