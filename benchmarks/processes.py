"""Fresh processes and real kernels to measure in, each in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

_TIMEOUT_S = 300


def environment() -> dict[str, str]:
    """Give an environment where this checkout is found, without settings of ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NBTRACK_")}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[1])}


def python(code: str, place: str, **variables: str) -> str:
    """Execute code in a new interpreter and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return done.stdout


class Kernel:
    """An IPython kernel; we are its only front end."""

    def __init__(self, place: str) -> None:
        self.manager = KernelManager()
        # It warns of the transport; what goes wrong in a cell comes as a message.
        self.manager.start_kernel(
            cwd=place, env=environment(), stderr=subprocess.DEVNULL
        )
        self._client = self.manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_TIMEOUT_S)

    def start(self, code: str) -> str:
        """Have a cell executed and do not wait; gives the message's id."""
        # The id of a cell is what a front end sends that a person looks at.
        content = {"code": code, "silent": False, "store_history": True}
        session = self._client.session
        message = session.msg("execute_request", content, metadata={"cellId": "cell"})
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(
        self, code: str, hear: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> str:
        """Execute a cell and give what it printed; ``hear`` gets every message."""
        request, printed = self.start(code), ""
        while True:
            message = self._client.get_iopub_msg(timeout=_TIMEOUT_S)
            kind, content = message["msg_type"], message["content"]
            hear(message)
            if kind == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            if kind == "stream" and content["name"] == "stdout":
                printed += content["text"]
            is_ours = message["parent_header"].get("msg_id") == request
            if is_ours and content.get("execution_state") == "idle":
                return printed

    def stop(self) -> None:
        """Kill it."""
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
