"""Whether the process that writes a run still lives: how a crash is found out.

``run.json`` names the writer's host, process id and a token that changes when the
process id is used again. On another host only the heartbeat can tell: the writer
touches its log every few seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack._store.journal import hostname

if TYPE_CHECKING:
    from nbtrack._store.rundir import RunDir

#: The heartbeat's interval, and after how long without one a far writer is gone.
HEARTBEAT_S: Final = 10.0
_SILENCE_S: Final = 60.0


def this_process() -> dict[str, Any]:
    """Name this process so that another one can ask whether it lives."""
    pid = os.getpid()
    return {"host": hostname(), "pid": pid, "token": _token(pid)}


def _token(pid: int) -> str:
    """Give what tells this process from a later one of the same id, if we can."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # The command's name is in parentheses and may hold spaces and parentheses.
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2]
        return f"{boot}:{after_name.split()[19]}"
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


def is_alive(run: RunDir, writer: dict[str, Any]) -> bool:
    """Say whether the process that a run names as its writer is there."""
    if writer.get("host") != hostname():
        return time.time() - _last_touch(run) < _SILENCE_S
    pid = writer.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    token = writer.get("token")
    return _exists(pid) and (not token or token == _token(pid))


def _exists(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # it is there, but somebody else's


def _last_touch(run: RunDir) -> float:
    try:
        return max((p.stat().st_mtime for p in run.log.iterdir()), default=0.0)
    except OSError:
        return 0.0


def state_of(run: RunDir, document: dict[str, Any]) -> str:
    """Give a run's state; one that says "running" without a writer has crashed."""
    state = str(document.get("state", "crashed"))
    if state == "running" and not is_alive(run, document.get("writer") or {}):
        return "crashed"
    return state
