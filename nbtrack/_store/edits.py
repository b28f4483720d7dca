"""Changing a run that has ended: what was edited is appended, as everything is.

An edit is a small log of a writer of its own, whose opening says ``"role": "edit"``.
Writers are read in order of their names, that is of time, so an edit wins over what
was recorded, and a later edit over an earlier one. The documents are replaced as well.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nbtrack._record.row import split
from nbtrack._store.documents import replace_file
from nbtrack._store.journal import new_writer_name
from nbtrack._store.lines import encode
from nbtrack._store.process import this_process
from nbtrack._store.rundir import FORMAT
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbtrack._store.rundir import RunDir


def append_edit(run: RunDir, records: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Append records (kind and payload) to a run that nobody is writing.

    Raises
    ------
    StorageError
        The run's directory cannot be written to.
    """
    opening = {"format": FORMAT, "run": run.run_id, "role": "edit"}
    opening |= {**this_process(), "t0": time.time()}
    lines = []
    for seq, (kind, payload) in enumerate([("open", opening), *records]):
        row = split(payload)
        lines.append(encode(seq, 0, kind, row.plain, row.extended))
    path = run.log / f"{new_writer_name()}.jsonl"
    try:
        run.log.mkdir(exist_ok=True)
        replace_file(path, b"".join(lines))
    except OSError as error:
        msg = f"{path} cannot be written, so the run is as it was: {error}"
        raise StorageError(msg) from error


def edit_document(run: RunDir, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Set members of a document as it stands now; give the whole.

    Raises
    ------
    StorageError
        It cannot be read or written.
    """
    document = run.read(name) | changes
    run.write(name, document)
    return document
