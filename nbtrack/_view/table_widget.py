"""The kernel's half of a table's viewer: it answers a page's questions, and no more.

A viewer has no output of its own. The cell's value is the table's static picture, with
a mark on it, and that is what the notebook keeps; the model in the page finds the mark
and puts the viewer there (static/viewer.js says why). So a saved notebook, one that is
not trusted, and one whose kernel is gone all show the picture; nothing has to be
replaced when the kernel goes, which nobody may be there to do.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nbtrack._media.table import Table

MOST_VIEWERS: Final = 32  # older ones become pictures again: each holds its table
_VERSION: Final = 2
_MARK: Final = "nbt-picture-"

#: By mark: the widget, the cell under which it is, and the execution.
_open: OrderedDict[str, tuple[Any, str, str]] = OrderedDict()


def open_viewer(table: Table) -> str:
    """Open a viewer of a table, where a person looks at a page that can have one.

    Returns
    -------
    str
        The class that the table's picture must have; "" where there is no viewer.
    """
    if not is_live():
        return ""
    model_id, mark = new_mark()
    widget = _viewer_class()(mark=mark, model_id=model_id)
    rows = _rows(table)
    widget.on_msg(lambda one, content, _buffers: _hear(one, rows, content))
    hold(mark, widget)
    return mark


def new_mark() -> tuple[str, str]:
    """Give a model's id, and the class of the picture in whose place it puts itself."""
    model_id = secrets.token_hex(16)
    return model_id, _MARK + model_id  # so that the page finds the model itself, too


def hold(mark: str, widget: Any) -> None:
    """Keep a viewer open until there are too many, or its cell shows another output."""
    cell, execution = _this_cell()
    for old, (_, *shown) in list(_open.items()):
        if cell and shown[0] == cell and shown[1] != execution:
            _open.pop(old)[0].close()
    _open[mark] = (widget, cell, execution)
    while len(_open) > MOST_VIEWERS:
        _, (oldest, *_) = _open.popitem(last=False)
        oldest.close()


def _this_cell() -> tuple[str, str]:
    """Give the cell that runs, and which of its executions it is."""
    try:
        parent = sys.modules["IPython"].get_ipython().get_parent() or {}
    except (AttributeError, LookupError):  # an older IPython; a thread of its own
        parent = {}
    cell = (parent.get("metadata") or {}).get("cellId", "")
    return str(cell), str((parent.get("header") or {}).get("msg_id", ""))


def is_live() -> bool:
    """Say whether a person looks at what this cell shows, in a page that runs models.

    Front ends that people use name the cell that they execute; nbclient and papermill
    do not, and would keep the widget's state in the file.
    """
    from nbtrack.settings import load

    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    if load().view not in ("auto", "live"):
        return False
    if "COLAB_RELEASE_TAG" in os.environ:
        return False  # each output is in a frame of its own, which no model reaches
    return bool(_this_cell()[0])


def _rows(table: Table) -> Any:
    """Take the table as it is now; of a run's only the pages asked for are read."""
    from nbtrack._media.table_page import rows_of

    return rows_of(table)


def _hear(widget: Any, rows: Any, content: object) -> None:
    from nbtrack._media.table_page import answer

    said = content if isinstance(content, dict) else {}
    if said.get("v") != _VERSION or said.get("kind") != "ask":
        return
    head: dict[str, Any] = {"v": _VERSION, "kind": "answer", "id": said.get("id")}
    try:
        found, buffers = answer(rows, None, said)
    except Exception as error:  # noqa: BLE001  (the page shows it, the kernel goes on)
        widget.send({**head, "ok": False, "error": str(error) or repr(error)})
    else:
        if said.get("full") and _has_figure(found):
            _bring_plotly(widget)
        widget.send({**head, "ok": True, **found}, buffers)


def _has_figure(found: dict[str, Any]) -> bool:
    cells = (cell for row in found["rows"] for cell in row if isinstance(cell, dict))
    return any(cell.get("type") == "plotly-file" for cell in cells)


def _bring_plotly(widget: Any) -> None:
    """Send plotly.js to the page; where that fails, the page says what it lacks."""
    from nbtrack._view import widgets

    if not widget.plotly:
        with contextlib.suppress(ImportError, OSError):
            widget.plotly = widgets.plotly_widget().model_id


@cache
def _viewer_class() -> Any:
    import traitlets
    from anywidget import AnyWidget

    from nbtrack._view import assets

    class TableViewer(AnyWidget):  # type: ignore[misc]
        _esm = assets.esm("viewer.js")
        _css = assets.css()
        mark = traitlets.Unicode("").tag(sync=True)
        plotly = traitlets.Unicode("").tag(sync=True)  # the model id of its carrier

    return TableViewer
