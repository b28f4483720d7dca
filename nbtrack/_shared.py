"""``mode="shared"``: several processes write one run, each into a log of its own.

Who makes the directory begins the run; the others find it there and join. Nobody waits
for anybody after that: rows are merged by whoever reads. Whoever ends last, judged by
whose writer still lives, gives the run its state and its summary.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nbtrack._run import Run
from nbtrack._store.alive import others_alive, reopened, state_of, writers
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from nbtrack._store.rundir import RunDir

_PATIENCE_S: Final = 30.0  # for the maker of a directory to write its documents
_LOOK_S: Final = 0.02
_TURN_S: Final = 2.0  # longer than any write of a small document
#: How a run ended if its writers ended differently: the last of these.
_WORSE: Final = ("finished", "killed", "failed")


class SharedRun(Run):
    """A run that other processes write as well."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # Others may have moved rows to Parquet when this interpreter exits, and what
        # reads it cannot be loaded then.
        import_module("nbtrack._store.parts")

    @cached_property
    def ends_for_all(self) -> bool:
        """Whether nobody else is left; asked when this writer has ended."""
        return not others_alive(self._directory, self._journal.writer)

    def _save(self, **changes: object) -> None:
        if "finished" in changes:
            if not self.ends_for_all:
                self._document |= changes
                return
            changes |= worst_ending([changes, *self._others_endings()])
        with _turn(self._directory):
            # Others may have changed something. What was removed, writing will tell.
            with suppress(StorageError):
                self._document |= self._directory.read_run()
            super()._save(**changes)

    def _others_endings(self) -> Iterator[dict[str, Any]]:
        """Give how the last writer of each label ended."""
        last = {
            str(writer.opening.get("label") or writer.name): writer
            for writer in writers(self._directory)
            if not writer.is_editor and writer.name != self._journal.writer
        }
        last.pop(self._options.label, None)
        return (writer.end for writer in last.values() if writer.end is not None)

    def _config_changed(self, key: str, old: Any, new: Any) -> None:
        self._record("config", {"key": key, "old": old, "new": new})
        with _turn(self._directory):
            self._write("config.json", self._merged_config(key))

    def _merged_config(self, key: str) -> dict[str, Any]:
        """Give the stored config with our value of what a dotted key is part of."""
        own = self._config.as_dict()
        try:
            stored = self._directory.read("config.json")
        except StorageError:
            stored = own
        for name in stored.keys() | own.keys():
            if key == name or key.startswith(f"{name}."):
                stored.pop(name, None)
                stored |= {name: own[name]} if name in own else {}
        return stored

    def take_config(self, config: dict[str, Any]) -> None:
        """Add what this process was given and the run does not have yet."""
        known = self._config.as_dict()
        self._config.update({k: v for k, v in config.items() if k not in known})
        other = [key for key, value in config.items() if known.get(key, value) != value]
        if other:
            self.note_config(
                f"{self.name} is shared and has another value of {', '.join(other)} in "
                "its config already, which stays"
            )


@contextmanager
def _turn(run: RunDir) -> Iterator[None]:
    """Wait for one's turn to change a document, but not for ever.

    A directory is made as the sign; one that a killed process left is taken over. Who
    cannot get it goes on without: what is at stake is one of two edits of one moment.
    """
    sign = run.path / ".turn"
    is_mine = _take(sign)
    try:
        yield
    finally:
        if is_mine:
            with suppress(OSError):
                sign.rmdir()


def _take(sign: Path) -> bool:
    stop_at = time.monotonic() + _TURN_S
    while time.monotonic() < stop_at:
        try:
            sign.mkdir()
        except FileExistsError:
            time.sleep(_LOOK_S)
        except OSError:
            return False  # writing the document will say what is wrong
        else:
            return True
    with suppress(OSError):
        sign.rmdir()
    return False


def worst_ending(endings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the state, exit code and error of whoever ended worst.

    >>> worst_ending([{"state": "failed", "exit_code": 2}, {"state": "finished"}])
    {'state': 'failed', 'exit_code': 2, 'error': None}
    """
    known = [one for one in endings if one.get("state") in _WORSE]
    found = max(known, key=lambda one: _WORSE.index(one["state"]))
    return {name: found.get(name) for name in ("state", "exit_code", "error")}


def joined(run: RunDir) -> dict[str, Any]:
    """Give ``run.json`` of a run to join, as soon as it is there.

    A run that has ended goes on.

    Raises
    ------
    StorageError
        Whoever made the directory has not written it.
    """
    document = _wait_for(run)
    if state_of(run, document) == "running":
        return document
    document = reopened(document)
    run.write("run.json", document)
    return document


def _wait_for(run: RunDir) -> dict[str, Any]:
    stop_at = time.monotonic() + _PATIENCE_S
    while not (run.path / "run.json").exists() and time.monotonic() < stop_at:
        time.sleep(_LOOK_S)
    return run.read_run()


def next_step(run: RunDir, label: str) -> int:
    """Give the step after the last that writers of a label have written."""
    from nbtrack._store.parts import read_history  # loads pyarrow

    return read_history(run, ()).reached(label)[0] + 1
