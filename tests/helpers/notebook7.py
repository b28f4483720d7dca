"""A real Notebook 7, and a notebook in it as a person would use it.

Notebook 7 is made of JupyterLab's parts, so the page is asked as JupyterLab's is: by
``window.jupyterapp``, which ``JupyterNotebookApp.expose_app_in_browser`` leaves there.
"""

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
WAIT_MS = 60_000

_QUIET = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
    # Every cell is in the page, also those out of view.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {
        "windowingMode": "none",
    },
}


@dataclass
class Server:
    """A running server; ``root`` is the folder it shows."""

    root: Path
    url: str
    token: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, home: Path) -> Server:
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
            "JupyterNotebookApp.expose_app_in_browser": True,
            "JupyterNotebookApp.user_settings_dir": str(home / "settings"),
            "JupyterNotebookApp.workspaces_dir": str(home / "workspaces"),
        }
        command = [sys.executable, "-m", "notebook"]
        command += [f"--{name}={value}" for name, value in options.items()]
        project = str(Path(__file__).parents[2])
        env = {k: v for k, v in os.environ.items() if k[:8] != "NBTRACK_"} | {
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PYTHONPATH": os.pathsep.join([project, os.environ.get("PYTHONPATH", "")]),
        }
        with (home / "notebook.log").open("wb") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        server = cls(root, f"http://127.0.0.1:{port}", token, process)
        server._wait()
        return server

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
            self.process.wait()

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells and give its path."""
        import nbformat
        from nbformat import v4

        kernel = {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
        notebook = v4.new_notebook(
            cells=[v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": kernel},
        )
        path = self.root / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path.name


class Notebook7:
    """A notebook that is open in a page of Notebook 7."""

    def __init__(
        self, page: Page, server: Server, path: str, *, has_kernel: bool = True
    ) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{server.url}/notebooks/{path}?token={server.token}")
        self.until(f"{_PANEL}?.context?.isReady")
        if has_kernel:
            self.until(f"{_PANEL}.sessionContext.session?.kernel?.status === 'idle'")

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def until(self, condition: str) -> None:
        """Wait for a JavaScript expression to hold."""
        self.page.wait_for_function(
            f"() => !!({condition})", timeout=WAIT_MS, polling=50
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

    def run(self, cell: int) -> None:
        """Run a cell to its end."""
        self.start(cell)
        self.until(self.done(cell))

    def busy(self, cell: int) -> str:
        """Give the expression that says that a cell runs."""
        return f"{_cell(cell)}.model.executionState === 'running'"

    def done(self, cell: int) -> str:
        """Give the expression that says that a cell has run."""
        state = f"{_cell(cell)}.model.executionState"
        return f"{_cell(cell)}.model.executionCount && {state} === 'idle'"

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate(
            "() => window.jupyterapp.commands.execute('docmanager:save')"
        )

    def shut_down(self) -> None:
        """End the kernel."""
        self.page.evaluate(f"() => {_PANEL}.sessionContext.shutdown()")

    def outputs(self, cell: int) -> str:
        """Give the text that stands under a cell."""
        return str(self.ask(f"{_cell(cell)}.outputArea.node.innerText"))

    def is_trusted(self, cell: int) -> bool:
        """Say whether the page trusts a cell's outputs."""
        return bool(self.ask(f"{_cell(cell)}.model.trusted"))


_PANEL = "window.jupyterapp?.shell.currentWidget"


def _cell(number: int) -> str:
    return f"{_PANEL}.content.widgets[{number}]"
