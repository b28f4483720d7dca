"""System metrics as a history: one row per sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbtrack._capture.files import Followed
from nbtrack._capture.system import SYSTEM, numbers
from nbtrack._store.block import BlockBuilder
from nbtrack._store.parts import History
from nbtrack.errors import SettingError

if TYPE_CHECKING:
    from nbtrack._store.rundir import RunDir


def system_history(run: RunDir, stream: str) -> History:
    """Read what was measured of the machine; ``_step`` counts the samples.

    Raises
    ------
    SettingError
        The stream is none of those that there are.
    """
    if stream != SYSTEM:
        raise SettingError("stream", stream, ("default", SYSTEM))
    followed = Followed(run.path / SYSTEM)
    builders: dict[str, BlockBuilder] = {}
    for number, record in enumerate(r for r in followed.poll() if r.kind == SYSTEM):
        builder = builders.setdefault(record.writer, BlockBuilder(record.writer))
        builder.add_record(
            record._replace(kind="row", step=number, data=numbers(record.data))
        )
    history = History(openings=followed.openings)
    for writer, builder in builders.items():
        history.pieces[writer] = [builder.build()]
    return history
