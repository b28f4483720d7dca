"""Whether the process that writes a run still lives: how a crash is found out.

``run.json`` names the writer's host, process id and a token that changes when the
process id is used again. On another host only the heartbeat can tell: the writer
touches its log every few seconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from nbtrack._store.process import hostname
from nbtrack._store.process import token as token_of

if TYPE_CHECKING:
    from nbtrack._store.rundir import RunDir

#: The heartbeat's interval, and after how long without one a far writer is gone.
HEARTBEAT_S: Final = 10.0
_SILENCE_S: Final = 60.0


def is_alive(run: RunDir, writer: dict[str, Any]) -> bool:
    """Say whether the process that a run names as its writer is there."""
    if writer.get("host") != hostname():
        return time.time() - _last_touch(run) < _SILENCE_S
    pid = writer.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    token = writer.get("token")
    return _exists(pid) and (not token or token == token_of(pid))


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
