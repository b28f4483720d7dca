"""Starting over in a forked child: locks that another thread held are held for ever."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that has to be made anew in a child process."""

    def forked(self) -> None:
        """Continue in the child; no other thread is there."""


_alive: weakref.WeakSet[Forkable] = weakref.WeakSet()


def tell_when_forked(one: Forkable) -> None:
    """Have ``one.forked()`` called in every child while ``one`` lives."""
    _alive.add(one)


def _in_child() -> None:
    for one in list(_alive):
        one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
