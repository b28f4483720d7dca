"""A kernel that a test talks to as a front end does, cell by cell."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 60


class Session:
    """A kernel whose directory is ``folder``, without settings of nbtrack's."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        # A kernel that knows of pytest does not watch its descriptors.
        kept = {
            name: value
            for name, value in os.environ.items()
            if name[:8] != "NBTRACK_" and name != "PYTEST_CURRENT_TEST"
        }
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), env=kept | variables)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)
        self.run("import json, os, sys, threading, time\nimport nbtrack")

    def run(self, source: str, *, may_fail: bool = False) -> str:
        """Execute a cell and give what it printed."""
        cell = self.client.execute(source)
        printed, failed = "", ""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_S)
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                printed += content["text"]
            elif message["msg_type"] == "error":
                failed = "\n".join(content["traceback"])
            elif content.get("execution_state") == "idle":
                assert may_fail or not failed, failed
                return printed

    def ask(self, expression: str) -> Any:
        """Evaluate an expression whose value is JSON."""
        printed = self.run(f"print(json.dumps({expression}))")
        return json.loads(printed.strip().splitlines()[-1])

    def kill(self) -> None:
        """Kill it, as the system does when memory is short."""
        self.manager.provisioner.process.kill()
        self.manager.provisioner.process.wait()

    def stop(self) -> None:
        """End it, whatever state it is in."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
