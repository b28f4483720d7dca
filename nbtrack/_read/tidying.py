"""Moving the rows of a dead run to Parquet after somebody had to read them as text.

A killed run leaves its last rows in its log, and all of them when it died young. They
are read many times as fast from Parquet, so the first reading pays and leaves the run
tidy for those that follow. What is still being written is left alone.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from nbtrack._faults import warn
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from nbtrack._store.rundir import RunDir

_LEAST_BYTES: Final = 2**22  # of log; less is read in some 20 ms
_under_way = threading.Lock()


def tidy_later(run: RunDir) -> threading.Thread | None:
    """Compact the logs of a run that nobody writes, on a thread, if they are long.

    One run at a time: who reads a thousand of them wants his processor for that.

    Returns
    -------
    threading.Thread or None
        None when there is nothing to do, or somebody does it already. The interpreter
        waits for it at its end.
    """
    if not _is_worth_it(run) or not _under_way.acquire(blocking=False):
        return None
    thread = threading.Thread(target=_tidy, args=(run,), name="nbtrack-compact")
    thread.start()
    return thread


def _is_worth_it(run: RunDir) -> bool:
    try:
        with os.scandir(run.log) as entries:
            size = sum(entry.stat().st_size for entry in entries)
    except OSError:
        return False
    return size >= _LEAST_BYTES and os.access(run.path, os.W_OK)


def _tidy(run: RunDir) -> None:
    from nbtrack._store.compact import compact

    try:
        compact(run)
    except (OSError, StorageError) as error:
        warn(
            f"the log of {run.path} could not be moved to Parquet, so reading it stays "
            f"slow; nothing is lost: {error}"
        )
    finally:
        _under_way.release()
