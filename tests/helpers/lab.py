"""A real JupyterLab, and a notebook in it as a person would use it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page

START_S = 60
WAIT_MS = 30_000

_QUIET = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {
        "autosave": False,
    },
    # Every cell is in the page, also those out of view.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {
        "windowingMode": "none",
    },
}


@dataclass
class Lab:
    """A running server; ``root`` is the folder it shows."""

    root: Path
    url: str
    token: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, home: Path) -> Lab:
        """Start a server that keeps all its files below ``home``."""
        root = home / "notebooks"
        root.mkdir(parents=True)
        for name, settings in _QUIET.items():
            path = home / "settings" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        token = secrets.token_hex(8)
        options = {
            "ServerApp.port": port,
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.root_dir": str(root),
            "IdentityProvider.token": token,
            "LabApp.expose_app_in_browser": True,
            "LabApp.user_settings_dir": str(home / "settings"),
            "LabApp.workspaces_dir": str(home / "workspaces"),
        }
        command = [sys.executable, "-m", "jupyter", "lab"]
        command += [f"--{name}={value}" for name, value in options.items()]
        project = Path(__file__).parents[2]
        env = os.environ | {
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PYTHONPATH": os.pathsep.join(
                [str(project), os.environ.get("PYTHONPATH", "")]
            ),
        }
        with (home / "lab.log").open("wb") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        lab = cls(root, f"http://127.0.0.1:{port}", token, process)
        lab._wait()
        return lab

    def _wait(self) -> None:
        give_up_at = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/api", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > give_up_at or self.process.poll() is not None:
                    raise
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server and its kernels."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells and give its path for `Notebook`."""
        notebook = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell-{number}",
                    "execution_count": None,
                    "metadata": {},
                    "outputs": [],
                    "source": source,
                }
                for number, source in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {
                    "display_name": "Python 3",
                    "language": "python",
                    "name": "python3",
                },
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = self.root / f"{name}.ipynb"
        path.write_text(json.dumps(notebook))
        return path.name


class Notebook:
    """A notebook that is open in a page."""

    def __init__(
        self, page: Page, lab: Lab, path: str, *, has_kernel: bool = True
    ) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{lab.url}/lab/tree/{path}?reset&token={lab.token}")
        self.until(f"{_PANEL}?.context?.isReady")
        if has_kernel:
            self.until(f"{_PANEL}.sessionContext.session?.kernel?.status === 'idle'")

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def until(self, condition: str, timeout_ms: int = WAIT_MS) -> None:
        """Wait for a JavaScript expression to hold."""
        self.page.wait_for_function(
            f"() => !!({condition})", timeout=timeout_ms, polling=50
        )

    def ask(self, expression: str) -> Any:
        """Evaluate a JavaScript expression."""
        return self.page.evaluate(f"() => ({expression})")

    def start(self, cell: int) -> None:
        """Run a cell and do not wait for it."""
        self.ask(
            "void (window.jupyterapp.shell.currentWidget.content.activeCellIndex = "
            f"{cell}, "
            "window.jupyterapp.commands.execute('notebook:run-cell'))"
        )

    def run(self, cell: int, timeout_ms: int = WAIT_MS) -> None:
        """Run a cell to its end."""
        self.start(cell)
        self.until(self.done(cell), timeout_ms)

    def busy(self, cell: int) -> str:
        """Give the expression that says that a cell runs.

        The kernel's own status does not tell: a message that is handled in a subshell
        makes it "idle" while the cell still runs.
        """
        return f"{_cell(cell)}.model.executionState === 'running'"

    def done(self, cell: int) -> str:
        """Give the expression that says that a cell has run."""
        state = f"{_cell(cell)}.model.executionState"
        return f"{_cell(cell)}.model.executionCount && {state} === 'idle'"

    def chart(self, key: str, view: int = 0) -> str:
        """Give the JavaScript expression for the nth plot of a metric."""
        selector = f'.nbt-chart[data-key="{key}"] .nbt-plot'
        return f"document.querySelectorAll({json.dumps(selector)})[{view}]"

    def x_end(self, key: str, view: int = 0) -> str:
        """Give the expression for how far the nth line of a metric is drawn."""
        return f"Number({self.chart(key, view)}?.parentElement.dataset.end ?? -1)"

    def value(self, key: str, view: int = 0) -> str:
        """Give the value in the title line of a metric."""
        line = f"{self.chart(key, view)}.parentElement.querySelector('.nbt-value')"
        return str(self.ask(f"{line}.textContent"))

    def ink(self, key: str, view: int = 0) -> str:
        """Give what is drawn of a metric, as a data URL."""
        return str(self.ask(f"{self.chart(key, view)}.firstChild.toDataURL()"))

    def command(self, name: str, **args: Any) -> None:
        """Execute one of JupyterLab's commands and wait for it."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args)",
            [name, args],
        )

    def save(self) -> None:
        """Save the notebook."""
        self.command("docmanager:save")

    def outputs(self, cell: int) -> str:
        """Give the text that stands under a cell."""
        return str(self.ask(f"{_cell(cell)}.outputArea.node.innerText"))


_PANEL = "window.jupyterapp?.shell.currentWidget"


def _cell(number: int) -> str:
    return f"{_PANEL}.content.widgets[{number}]"
