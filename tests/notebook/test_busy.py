"""Asks of a board while its cell runs: heard at once, in a subshell of the kernel."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.kernel

WAIT_S = 60

TRAINING = """
import time, nbtrack
run = nbtrack.init(project="p", view="live", settings={"quiet": True})
step = 0
began = time.monotonic()
while not run.should_stop and time.monotonic() - began < 50:
    run.log({"loss": step % 7, "epoch": step / 10})
    step += 1
    time.sleep(0.002)
print(json.dumps([run.should_stop, run.name, list(map(str, run.faults))]))
"""


class FrontEnd:
    """A page that talks to a kernel while a cell runs."""

    def __init__(self, folder: Path) -> None:
        env = {k: v for k, v in os.environ.items() if k[:8] != "NBTRACK_"}
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)
        self.board = ""
        self.frames: list[dict[str, Any]] = []
        self.answers: dict[int, tuple[dict[str, Any], list[bytes]]] = {}
        self.printed = ""

    def start(self, code: str) -> None:
        content = {"code": code, "silent": False, "store_history": True}
        message = self.client.session.msg(
            "execute_request", content, metadata={"cellId": "cell"}
        )
        self.client.shell_channel.send(message)

    def open_subshell(self) -> str:
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        reply = self.client.control_channel.get_msg(timeout=WAIT_S)
        return str(reply["content"]["subshell_id"])

    def tell(self, subshell: str, data: dict[str, Any]) -> None:
        content = {
            "comm_id": self.board,
            "data": {"method": "custom", "content": data},
        }
        message = self.client.session.msg("comm_msg", content)
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def wait(self, until: Callable[[], object]) -> None:
        end = time.monotonic() + WAIT_S
        while not until():
            assert time.monotonic() < end, (self.answers, self.printed)
            message = self.client.get_iopub_msg(timeout=WAIT_S)
            content = message["content"]
            if message["msg_type"] == "stream":
                self.printed += content["text"] if content["name"] == "stdout" else ""
            elif message["msg_type"] == "display_data" and not self.board:
                view = content["data"]["application/vnd.jupyter.widget-view+json"]
                self.board = view["model_id"]
            elif message["msg_type"] == "comm_msg":
                head = content["data"].get("content") or {}
                if head.get("kind") == "frame":
                    self.frames.append(head)
                elif head.get("kind") == "answer":
                    buffers = [bytes(b) for b in message["buffers"]]
                    self.answers[head["id"]] = (head, buffers)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[FrontEnd]:
    page = FrontEnd(tmp_path)
    yield page
    page.client.stop_channels()
    page.manager.shutdown_kernel(now=True)


def test_asks_are_answered_while_the_cell_runs(page):
    page.start(f"import json\n{TRAINING}")
    page.wait(lambda: any(f.get("card", {}).get("step", 0) for f in page.frames))
    subshell = page.open_subshell()

    def ask(ident: int, what: str, **members: Any) -> None:
        data = {"v": 2, "kind": "ask", "id": ident, "what": what, **members}
        page.tell(subshell, data)

    page.tell(subshell, {"v": 2, "kind": "ready", "n": page.frames[-1]["n"]})
    ask(1, "edit", field="name", value="renamed while busy")
    ask(2, "detail", keys=["loss"], x="step", to=100, **{"from": 50})
    ask(3, "axis", x="epoch")
    ask(4, "nonsense")
    page.wait(lambda: page.answers.keys() >= {1, 2, 3, 4})
    assert page.printed == "", "the cell still runs"
    heads = {ident: head for ident, (head, _) in page.answers.items()}
    assert [heads[i]["ok"] for i in (1, 2, 3, 4)] == [True, True, True, False]
    assert heads[2]["series"] == [{"key": "loss", "count": 53}]
    assert len(page.answers[2][1][0]) == 53 * 12 + 4

    def seen(name: str, value: object) -> bool:
        return any(f.get("card", {}).get(name) == value for f in page.frames)

    page.wait(lambda: seen("name", "renamed while busy") and seen("x", "epoch"))
    ask(5, "stop")
    page.wait(lambda: page.printed.endswith("\n"))
    stopped, name, faults = json.loads(page.printed)
    assert (stopped, name) == (True, "renamed while busy")
    (fault,) = faults
    assert "hear the browser" in fault
    assert "nonsense" in fault
