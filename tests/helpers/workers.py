"""What runs in worker processes that multiprocessing starts; it must be importable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


def record_own_run(root: str, run_id: str, rows: int) -> None:
    """Open a run, log some rows, finish."""
    import nbtrack

    run = nbtrack.init(project="p", id=run_id, dir=root, view="off")
    for number in range(rows):
        run.log({"i": number})
    run.finish()


def load_batches(wanted: Queue[Any], loaded: Queue[Any]) -> None:
    """Do what a worker of a data loader does: take indices, give samples, log nothing.

    The last thing it gives is the names of its threads.
    """
    while (index := wanted.get()) is not None:
        loaded.put((index, [index] * 10))
    loaded.put(sorted(thread.name for thread in threading.enumerate()))
