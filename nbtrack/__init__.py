"""nbtrack: an experiment tracker that lives in the notebook.

>>> import nbtrack
>>> run = nbtrack.init(project="digits", config={"lr": 1e-3})  # doctest: +SKIP
>>> run.log({"train/loss": 0.25})  # doctest: +SKIP
>>> run.finish()  # doctest: +SKIP

Every name is loaded on first use, so that importing nbtrack costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbtrack._version import __version__

if TYPE_CHECKING:
    from nbtrack._alerts import AlertLevel
    from nbtrack._config import Config
    from nbtrack._media import plots as plot
    from nbtrack._media.audio import Audio
    from nbtrack._media.histogram import Histogram
    from nbtrack._media.image import Image
    from nbtrack._media.molecule import Molecule
    from nbtrack._media.object3d import Object3D
    from nbtrack._media.pages import Bokeh, Html, Plotly
    from nbtrack._media.table import Table
    from nbtrack._media.video import Video
    from nbtrack._read.api import Api
    from nbtrack._read.here import compare, runs
    from nbtrack._run import Run
    from nbtrack._session import (
        alert,
        define_metric,
        finish,
        init,
        log,
        log_artifact,
        login,
        save,
        use_artifact,
    )
    from nbtrack._summary import SummaryView
    from nbtrack._watch import unwatch, watch
    from nbtrack.settings import Settings

    run: Run | None
    config: Config
    summary: SummaryView

#: Public name → the module that has it.
_HOMES = {
    "AlertLevel": "nbtrack._alerts",
    "Api": "nbtrack._read.api",
    "Audio": "nbtrack._media.audio",
    "Bokeh": "nbtrack._media.pages",
    "Histogram": "nbtrack._media.histogram",
    "Html": "nbtrack._media.pages",
    "Image": "nbtrack._media.image",
    "Molecule": "nbtrack._media.molecule",
    "Object3D": "nbtrack._media.object3d",
    "Plotly": "nbtrack._media.pages",
    "Run": "nbtrack._run",
    "Settings": "nbtrack.settings",
    "Table": "nbtrack._media.table",
    "Video": "nbtrack._media.video",
    "alert": "nbtrack._session",
    "compare": "nbtrack._read.here",
    "define_metric": "nbtrack._session",
    "errors": "nbtrack.errors",
    "finish": "nbtrack._session",
    "init": "nbtrack._session",
    "log": "nbtrack._session",
    "log_artifact": "nbtrack._session",
    "login": "nbtrack._session",
    "plot": "nbtrack._media.plots",
    "runs": "nbtrack._read.here",
    "save": "nbtrack._session",
    "unwatch": "nbtrack._watch",
    "use_artifact": "nbtrack._session",
    "watch": "nbtrack._watch",
}

_MODULES = ("errors", "plot")

_OF_WANDB = frozenset(("Artifact", "agent", "sweep"))

__all__ = [
    "AlertLevel",
    "Api",
    "Audio",
    "Bokeh",
    "Histogram",
    "Html",
    "Image",
    "Molecule",
    "Object3D",
    "Plotly",
    "Run",
    "Settings",
    "Table",
    "Video",
    "__version__",
    "alert",
    "compare",
    "define_metric",
    "errors",
    "finish",
    "init",
    "log",
    "log_artifact",
    "login",
    "plot",
    "runs",
    "save",
    "unwatch",
    "use_artifact",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = import_module(_HOMES[name])
        value = module if name in _MODULES else getattr(module, name)
        globals()[name] = value
        return value
    if name in ("run", "config", "summary"):  # these change, so they are not kept
        from nbtrack import _session

        if name == "run":
            return _session.current()
        return getattr(_session.require(name), name)
    msg = f"module 'nbtrack' has no attribute {name!r}"
    if name in _OF_WANDB:
        msg += ": this part of W&B is not in this version of nbtrack"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*__all__, "config", "run", "summary"})


def load_ipython_extension(shell: Any) -> None:
    """Do what ``%load_ext nbtrack`` asks for: hear of every cell from now on."""
    from nbtrack import _notebook

    _notebook.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Undo ``%load_ext nbtrack``."""
    from nbtrack import _notebook

    _notebook.unload(shell)
