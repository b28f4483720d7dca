"""A run's segments, seen from outside: how large, and how many are compacted.

A log is cut into segments, and a thread of the run's process moves each that is full
into a Parquet part. It is made to be unhurried: it looks once a second, waits a while,
and rests nine times as long as it works. What is measured must not depend on whether
that happens to fall into the time of measuring, so here it is forced or prevented.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep

from nbtrack import _ticker
from nbtrack._store import journal

#: No segment gets so large: nothing is compacted before ``finish()``.
ENDLESS = 2**60

_TIMEOUT_S = 120
_POLL_S = 0.02
_SHORT_POLL_S = 0.001


def cut_at(size_bytes: int) -> None:
    """Cut the logs of this process into segments of this size from now on."""
    journal.SEGMENT_BYTES = size_bytes


def hurry() -> None:
    """Let this process look more often for full segments, and compact without rest.

    A run that logs flat out is then compacted nearly all the time.
    """
    _ticker._INTERVAL_S = 0.1
    _ticker._REST = 0


def parts(run_dir: str | Path) -> list[Path]:
    """List the Parquet parts of a run."""
    return sorted(Path(run_dir, "history").glob("[!.]*.parquet"))


def wait_for_part(run_dir: str | Path) -> None:
    """Wait until the first segment has been compacted.

    Raises
    ------
    TimeoutError
    """
    until_s = monotonic() + _TIMEOUT_S
    while not parts(run_dir):
        _sleep_until(until_s, run_dir)


def wait_for_work(run_dir: str | Path) -> None:
    """Wait until the next part, or its temporary file, appears.

    Raises
    ------
    TimeoutError
    """
    until_s = monotonic() + _TIMEOUT_S
    history = Path(run_dir, "history")
    known = set(history.iterdir())
    while known.issuperset(history.iterdir()):
        _sleep_until(until_s, run_dir, _SHORT_POLL_S)


def wait_until_compacted(run_dir: str | Path) -> int:
    """Wait until no full segment is left, and give how many parts there are.

    To be called in the process that logs.

    Raises
    ------
    TimeoutError
    """
    until_s = monotonic() + _TIMEOUT_S
    while _full(run_dir):
        _sleep_until(until_s, run_dir)
    return len(parts(run_dir))


def _full(run_dir: str | Path) -> list[Path]:
    """List the logs that are to be compacted, or will be at the next look."""
    logs = Path(run_dir, "log").glob("*.jsonl")
    return [log for log in logs if log.stat().st_size >= journal.SEGMENT_BYTES]


def _sleep_until(until_s: float, run_dir: str | Path, poll_s: float = _POLL_S) -> None:
    if monotonic() > until_s:
        msg = f"{run_dir} is not compacted in {_TIMEOUT_S} s"
        raise TimeoutError(msg)
    sleep(poll_s)
