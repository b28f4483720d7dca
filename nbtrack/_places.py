"""Where we run, and what can be shown there.

Nothing is asked over the network and nothing is imported: a place is known by what it
leaves in the process. A front end that a person looks at names the cell it executes
(``cellId``: JupyterLab, Notebook 7, VS Code, JupyterLite); what executes notebooks
unseen (nbclient, papermill, nbconvert, Kaggle's "Save & Run All") does not, and there a
widget would be left behind in the file.
"""

from __future__ import annotations

import os
import sys
import time
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

WIDGET: Final = "application/vnd.jupyter.widget-view+json"
_PUMP_S: Final = 0.1  # between two frames that log() sends
_PUMP_SHARE: Final = 10  # a frame that took long is followed by so many times its rest
_metadata_of_widgets: dict[str, Any] = {}  # as first answered, in the main thread


class Place(NamedTuple):
    """A kind of place."""

    name: str
    view: str  # what is shown in it: "live", "static" or "text"
    has_threads: bool = True


def find_place(
    shell: Any,
    *,
    environ: Mapping[str, str] = os.environ,
    modules: Container[str] = sys.modules,
    platform: str = sys.platform,
) -> Place:
    """Say where we are.

    Parameters
    ----------
    shell
        The IPython shell, or None in a plain interpreter.
    """
    if shell is None or getattr(shell, "kernel", None) is None:
        return Place("terminal", "text")
    if platform == "emscripten":  # there is no place for it but a page
        return Place("jupyterlite", "live", has_threads=False)
    # Not by COLAB_RELEASE_TAG, which nbconvert started in Colab inherits.
    if "google.colab" in modules:
        return Place("colab", "live")
    # "Interactive" while somebody edits, "Batch" when a version is saved.
    if kind := environ.get("KAGGLE_KERNEL_RUN_TYPE"):
        is_watched = kind == "Interactive"
        return Place("kaggle", "live" if is_watched else "static")
    if "__vsc_ipynb_file__" in getattr(shell, "user_ns", {}):
        return Place("vscode", "live")
    names_cells = "cellId" in _metadata(shell)
    return Place("jupyter", "live") if names_cells else Place("unseen", "static")


def _metadata(shell: Any) -> Mapping[str, Any]:
    """Give what the front end said along with the cell that runs."""
    try:
        parent = shell.get_parent()
    except (AttributeError, LookupError):  # an older IPython; no cell runs
        return {}
    found = parent.get("metadata") if isinstance(parent, dict) else None
    return found if isinstance(found, dict) else {}


def widget_metadata(shell: Any) -> dict[str, Any]:
    """Make ready for widgets, and give what a display of one has to say.

    Colab draws a widget that is not its own only if the display names a manager. Its
    ``enable_custom_widget_manager`` adds that by a hook; hooks belong to a thread, and
    boards are displayed from another, so the hook is asked here and its answer kept.
    """
    if "google.colab" not in sys.modules or shell is None or _metadata_of_widgets:
        return dict(_metadata_of_widgets)
    output = import_module("google.colab.output")
    output.enable_custom_widget_manager()
    probe: Any = {"content": {"data": {WIDGET: {"model_id": ""}}, "metadata": {}}}
    for hook in getattr(shell.display_pub, "_hooks", ()):
        answer = hook(probe)
        probe = probe if answer is None else answer
    metadata = probe.get("content", {}).get("metadata")
    if isinstance(metadata, dict):
        _metadata_of_widgets.update(metadata)
    return dict(_metadata_of_widgets)


def pumped(
    log: Callable[..., None],
    draw: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> Callable[..., None]:
    """Give a ``log`` that also draws, now and then: there are no threads here.

    Drawing takes at most a tenth of the time, however slow it is.
    """
    due_s = clock()

    @wraps(log)
    def log_and_draw(*args: Any, **keywords: Any) -> None:
        nonlocal due_s
        log(*args, **keywords)
        began_s = clock()
        if began_s >= due_s:
            draw()
            ended_s = clock()
            due_s = ended_s + max(_PUMP_S, _PUMP_SHARE * (ended_s - began_s))

    return log_and_draw
