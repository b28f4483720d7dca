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
    from nbtrack._watch import watch
    from nbtrack.settings import Settings

    run: Run | None
    config: Config
    summary: SummaryView

#: Public name → the module that has it.
_HOMES = {
    "AlertLevel": "nbtrack._alerts",
    "Api": "nbtrack._read.api",
    "Run": "nbtrack._run",
    "Settings": "nbtrack.settings",
    "alert": "nbtrack._session",
    "compare": "nbtrack._read.here",
    "define_metric": "nbtrack._session",
    "errors": "nbtrack.errors",
    "finish": "nbtrack._session",
    "init": "nbtrack._session",
    "log": "nbtrack._session",
    "log_artifact": "nbtrack._session",
    "login": "nbtrack._session",
    "runs": "nbtrack._read.here",
    "save": "nbtrack._session",
    "use_artifact": "nbtrack._session",
    "watch": "nbtrack._watch",
}

_OF_WANDB = frozenset(
    {
        *("Artifact", "Audio", "Histogram", "Html", "Image", "Molecule", "Object3D"),
        *("Plotly", "Table", "Video", "agent", "plot", "sweep", "unwatch"),
    }
)

__all__ = [
    "AlertLevel",
    "Api",
    "Run",
    "Settings",
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
    "runs",
    "save",
    "use_artifact",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = import_module(_HOMES[name])
        value = module if name == "errors" else getattr(module, name)
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
