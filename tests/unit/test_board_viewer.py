"""The board of a run that has ended: what the kernel sends and answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import nbtrack
from nbtrack._view import table_widget, widgets


class Widget:
    """Stands for the widget: keeps what it is sent."""

    def __init__(self, state):
        self.state, self.sent, self.is_closed, self.plotly = state, [], False, ""

    def send(self, head, buffers=()):
        self.sent.append((head, buffers))

    def close(self):
        self.is_closed = True


@pytest.fixture
def parent(monkeypatch):
    """Pretend that a person's front end executes a cell."""
    parent = {"metadata": {"cellId": "1"}, "header": {"msg_id": "a"}}
    shell = SimpleNamespace(kernel=object(), get_parent=lambda: parent, user_ns={})
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(table_widget.sys.modules, "IPython", ipython)
    return parent


@pytest.fixture
def opened(parent, monkeypatch):  # noqa: ARG001  (it is where they are)
    made = []

    def make(snapshot, hear, **state):
        assert snapshot is None, "nothing is sent unasked"
        made.append(Widget(state))
        made[-1].hear = hear
        return made[-1]

    monkeypatch.setattr(widgets, "board_widget", make)
    monkeypatch.setattr(table_widget, "_open", type(table_widget._open)())
    return made


@pytest.fixture
def ended(tmp_path):
    with nbtrack.init(project="p", id="one", dir=tmp_path, view="off") as run:
        run.define_metric("epoch")
        for step in range(5):
            run.log({"loss": 1 / (step + 1), "epoch": step // 2})
    return nbtrack.Api(tmp_path).run("p/one")


def ask(**more):
    return {"v": 2, "kind": "ask", "id": 7, **more}


def test_without_a_page_there_is_the_picture_only(ended):
    assert "nbt-picture" not in ended._repr_mimebundle_()["text/html"]


def test_the_picture_carries_the_mark_and_the_page_gets_a_key_frame(ended, opened):
    page = ended._repr_mimebundle_()["text/html"]
    (widget,) = opened
    assert page.startswith(f'<div class="{widget.state["mark"]}">')
    assert widget.sent == []
    widget.hear({"v": 2, "kind": "ready", "n": 0})
    ((head, buffers),) = widget.sent
    assert head["key"] is True
    assert head["card"]["state"] == "finished"
    assert head["card"]["can_edit"] is False
    assert len(buffers[0]) > 5 * 8
    widget.hear({"v": 2, "kind": "ready", "n": 1})
    assert len(widget.sent) == 1


def test_asks_are_answered_and_bad_ones_are_told(ended, opened):
    ended._repr_mimebundle_()
    (widget,) = opened
    widget.hear({"v": 2, "kind": "ready", "n": 0})
    widget.sent.clear()
    wide = {"keys": ["loss"], "x": "step", "from": 1, "to": 3}
    widget.hear(ask(what="detail", **wide))
    head, _ = widget.sent.pop(0)
    assert head["ok"] is True
    assert head["series"] == [{"key": "loss", "count": 5}], "and one beyond each end"
    widget.hear(ask(what="edit", field="name", value="x"))
    assert widget.sent.pop(0)[0]["ok"] is False
    for content in (None, 3, [], {}, {"v": 1, "kind": "ask"}, {"v": 2, "kind": "x"}):
        widget.hear(content)
    assert [head for head, _ in widget.sent if head["kind"] == "answer"] == []


def test_another_x_axis_comes_with_a_frame(ended, opened):
    ended._repr_mimebundle_()
    (widget,) = opened
    widget.hear({"v": 2, "kind": "ready", "n": 0})
    widget.sent.clear()
    widget.hear(ask(what="axis", x="epoch"))
    (answer, _), (frame, _) = widget.sent
    assert answer["ok"] is True
    assert frame["card"]["x"] == "epoch"
    assert any(track["axis"] for track in frame["tracks"])


@pytest.fixture
def running(tmp_path):
    with nbtrack.init(project="p", id="two", dir=tmp_path, view="off") as run:
        run.log({"loss": 1})
        yield nbtrack.Api(tmp_path).run("p/two")


def test_a_run_that_is_written_is_a_picture(running, opened):
    page = running._repr_mimebundle_()["text/html"]
    assert "nbt-picture" not in page
    assert opened == []


def test_a_cell_that_is_run_again_closes_what_it_showed(ended, opened, parent):
    ended._repr_mimebundle_()
    ended._repr_mimebundle_()
    assert [widget.is_closed for widget in opened] == [False, False]
    parent["header"] = {"msg_id": "b"}
    ended._repr_mimebundle_()
    assert [widget.is_closed for widget in opened] == [True, True, False]
    parent["metadata"] = {"cellId": "2"}
    ended._repr_mimebundle_()
    assert [widget.is_closed for widget in opened[2:]] == [False, False]
