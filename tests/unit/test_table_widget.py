"""A table's viewer in the kernel: where there is one, and what it answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import nbtrack
from nbtrack._view import table_widget


@pytest.fixture
def in_lab(monkeypatch):
    """Pretend that a person's front end executes a cell."""
    shell = SimpleNamespace(
        kernel=object(), get_parent=lambda: {"metadata": {"cellId": "1"}}, user_ns={}
    )
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(table_widget.sys.modules, "IPython", ipython)
    return shell


class Viewer:
    """Stands for the widget: hears what the page says, keeps what it is sent."""

    def __init__(self, **state):
        self.state, self.sent, self.is_closed = state, [], False

    def on_msg(self, hear):
        self.hear = lambda content: hear(self, content, [])

    def send(self, content, buffers=None):
        self.sent.append((content, buffers))

    def close(self):
        self.is_closed = True


@pytest.fixture
def viewers(in_lab, monkeypatch):  # noqa: ARG001  (it is where they are)
    made = []

    def make(**state):
        made.append(Viewer(**state))
        return made[-1]

    monkeypatch.setattr(table_widget, "_viewer_class", lambda: make)
    monkeypatch.setattr(table_widget, "_open", type(table_widget._open)())
    return made


def table(rows=3):
    return nbtrack.Table(columns=["n"], data=[[n] for n in range(rows)])


def test_without_a_notebook_there_is_a_picture_only():
    assert not table_widget.is_live()
    bundle = table()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert "nbt-picture" not in bundle["text/html"]


@pytest.mark.parametrize(
    ("name", "value"), [("NBTRACK_VIEW", "static"), ("NBTRACK_VIEW", "off")]
)
@pytest.mark.usefixtures("in_lab")
def test_a_view_that_was_switched_off_stays_off(monkeypatch, name, value):
    assert table_widget.is_live()
    monkeypatch.setenv(name, value)
    assert not table_widget.is_live()


def test_nbclient_gets_no_viewer(in_lab):
    in_lab.get_parent = lambda: {"metadata": {}}
    assert not table_widget.is_live()


def test_the_picture_carries_the_mark_by_which_it_is_found(viewers):
    bundle = table()._repr_mimebundle_()
    mark = viewers[0].state["mark"]
    assert f'class="{mark}"' in bundle["text/html"]
    assert mark.endswith(viewers[0].state["model_id"])


def test_a_page_is_answered_and_a_bad_ask_is_told(viewers):
    table()._repr_mimebundle_()
    (viewer,) = viewers
    ask = {"v": 2, "kind": "ask", "id": 7, "what": "table"}
    viewer.hear({**ask, "filter": "n > 0", "limit": 5})
    head, buffers = viewer.sent.pop()
    assert (head["id"], head["ok"], head["rows"]) == (7, True, [[1], [2]])
    assert buffers == []
    viewer.hear({**ask, "filter": "m > 0"})
    head, _ = viewer.sent.pop()
    assert head["ok"] is False
    assert "no column 'm'" in head["error"]
    for content in (None, 3, [], {}, {"v": 1, "kind": "ask"}, {"v": 2, "kind": "x"}):
        viewer.hear(content)
    assert viewer.sent == []


def test_old_viewers_become_pictures_again(viewers, monkeypatch):
    monkeypatch.setattr(table_widget, "MOST_VIEWERS", 3)
    for _ in range(5):
        table()._repr_mimebundle_()
    assert [viewer.is_closed for viewer in viewers] == [True, True, *[False] * 3]
