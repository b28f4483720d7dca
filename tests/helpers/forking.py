"""Forks."""

from __future__ import annotations

import os


def fork(child):
    """Run a function in a forked child, and give how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            child()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
