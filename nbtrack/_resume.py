"""Going on with a run that is already on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbtrack._store.alive import reopened, state_of
from nbtrack._store.compact import compact
from nbtrack._store.parts import read_history
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from nbtrack._store.rundir import RunDir


def resumed(
    run: RunDir, meant: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    """Give what ``_assemble`` needs to continue a run after its last step.

    Raises
    ------
    StorageError
        Another living process is writing it.
    """
    document = run.read_run()
    writer = document.get("writer") or {}
    if state_of(run, document) == "running":
        msg = (
            f"Run {run.path} is being written by process {writer.get('pid')} on "
            f"{writer.get('host')}. Finish it there, or start a run with another id."
        )
        raise StorageError(msg)
    compact(run)  # a run that was killed left its rows in the log
    last_step, last_us = read_history(run, keys=()).reached()
    given = {key: value for key, value in meant.items() if value}
    document = reopened(document | given)
    merged = run.read("config.json") | config
    run.write("config.json", merged)
    run.write("run.json", document)
    return {
        "document": document,
        "config": merged,
        "first_step": last_step + 1,
        "offset_us": last_us,
    }
