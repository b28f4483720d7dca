"""Naming a process so that another one, now or later, can ask whether it lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def hostname() -> str:
    """Name this machine."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform  # asks the same, but loads far more

    return platform.node()


def this_process() -> dict[str, Any]:
    """Name this process: host, process id, and a token of this use of the id."""
    pid = os.getpid()
    return {"host": hostname(), "pid": pid, "token": token(pid)}


def token(pid: int) -> str:
    """Give what tells a process from a later one of the same id, if we can."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # The command's name is in parentheses and may hold spaces and parentheses.
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2]
        return f"{boot}:{after_name.split()[19]}"
    except (OSError, IndexError, UnicodeDecodeError):
        return ""
