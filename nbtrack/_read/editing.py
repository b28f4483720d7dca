"""Changing what is stored of a run that has ended; see ``_store.edits``."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, cast

from nbtrack._config import flatten, normalise
from nbtrack._faults import warn
from nbtrack._media.base import HOMES, restored
from nbtrack._record.fold import set_nested
from nbtrack._sources import read_config
from nbtrack._store import blobs
from nbtrack._store.alive import state_of
from nbtrack._store.edits import append_edit, edit_document
from nbtrack._summary import child, placed, removal, storable
from nbtrack.errors import RunActiveError, StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from nbtrack._store.rundir import RunDir

_MISSING = object()


class StoredArray(dict[str, Any]):
    """What a summary shows of an array; ``numpy.asarray`` gives the array."""

    def __init__(self, shown: Mapping[str, Any], run: RunDir) -> None:
        super().__init__(shown)
        self._run = run

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        found = load_array(self._run, self)
        return found if dtype is None else found.astype(dtype, copy=bool(copy))

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def load_array(run: RunDir, value: Mapping[str, Any] | str) -> NDArray[Any]:
    """Give the array that a stored value, or a path, stands for.

    Raises
    ------
    StorageError
        It was not stored, or cannot be read.
    """
    path = value if isinstance(value, str) else value.get("path")
    if not isinstance(path, str):
        msg = f"The array itself was not stored in {run.path}: {value!r:.100}"
        raise StorageError(msg)
    return blobs.read_array(run, path)


class StoredSummary(dict[str, Any]):
    """A stored run's summary: a dict whose changes are saved at once.

    A picture, a table and the like is an object when it is asked for by its key. The
    dict itself holds its description, so a summary can be written as JSON.

    Parameters
    ----------
    shown
        The summary, or the part of it that is under ``path``.
    editor
        Saves changes.
    """

    _editor: SummaryEditor
    _path: tuple[str, ...]

    def __init__(
        self,
        shown: Mapping[str, Any],
        editor: SummaryEditor,
        path: tuple[str, ...] = (),
    ) -> None:
        object.__setattr__(self, "_editor", editor)
        object.__setattr__(self, "_path", path)
        self._show(shown)

    def _show(self, shown: Mapping[str, Any]) -> None:
        super().clear()
        for key, value in shown.items():
            super().__setitem__(key, self._wrapped(key, value))

    def _wrapped(self, key: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        if "_type" in value:
            if str(value["_type"]) in HOMES:
                return dict(value)
            return StoredArray(value, self._editor.run)
        return StoredSummary(value, self._editor, (*self._path, key))

    def __getitem__(self, key: str) -> Any:
        if super().__contains__(key) and not self._has_dotted(key):
            found = super().__getitem__(key)
        else:
            found = self._wrapped(key, child(dict(self), key))
        return restored(found, self._editor.run.path)

    def _has_dotted(self, key: str) -> bool:
        return any(name.startswith(f"{key}.") for name in self)

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value})

    def _set(self, values: Mapping[str, Any]) -> None:
        tree = self._editor.shown if self._path else {}  # a key of the whole is itself
        paths = [placed(tree, [*self._path, str(key)]) for key in values]
        changes = [
            [path, value] for path, value in zip(paths, values.values(), strict=True)
        ]
        self._apply({"set": changes})

    def __delitem__(self, key: str) -> None:
        self._apply(removal(self._editor.shown, [*self._path, key]))

    def _apply(self, change: dict[str, Any]) -> None:
        here: Any = self._editor.save(change)
        for key in self._path:
            here = child(here, key)
        self._show(here)

    def __contains__(self, key: object) -> bool:
        try:
            self[cast("str", key)]
        except KeyError:
            return False
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pandas and numpy ask for what they know
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            msg = f"summary has no {name!r}; it has: {', '.join(self) or 'nothing'}"
            raise AttributeError(msg) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __reduce__(self) -> Any:
        return dict, (dict(self),)  # a copy is a plain mapping

    def update(self, *others: object, **values: Any) -> None:
        """Set several values; without any, do nothing: all is saved already."""
        told: dict[str, Any] = {}
        for other in (*others, values):
            told |= read_config(other)
        if told:
            self._set(told)

    def __ior__(self, other: object) -> Self:  # type: ignore[override,misc]
        self.update(other)
        return self

    # A dict's own would pass over what is dotted, or change what nobody saves.
    get = MutableMapping.get  # type: ignore[assignment]
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear
    setdefault = MutableMapping.setdefault


class SummaryEditor:
    """Saves changes of a stored run's summary.

    Attributes
    ----------
    run
        Whose it is.
    shown
        The whole summary as it stands.
    """

    def __init__(self, run: RunDir, shown: dict[str, Any]) -> None:
        self.run = run
        self.shown = shown

    def save(self, change: dict[str, Any]) -> dict[str, Any]:
        """Append a change to the run and give the summary as it then stands.

        Raises
        ------
        RunActiveError
            Somebody is writing the run.
        StorageError
            Its directory cannot be written to.
        """
        from nbtrack._media.keep import keep

        check_ended(self.run)
        stored = dict(change)
        stored["set"] = [
            [path, storable(value, self._put, _warn, lambda v: keep(v, self.run))]
            for path, value in change.get("set", ())
        ]
        append_edit(self.run, [("summary", stored)])
        for path, value in stored["set"]:
            set_nested(self.shown, list(path), value)
        for key in stored.get("del", ()):
            self.shown.pop(key, None)
        if (self.run.path / "summary.json").exists():
            self.run.write("summary.json", self.shown)
        return self.shown

    def _put(self, array: NDArray[Any]) -> str:
        return blobs.put_array(self.run, array)


def _warn(lost: str) -> None:
    warn(f"summary: a value is {lost}")


def check_ended(run: RunDir) -> None:
    """Refuse to edit a run that somebody is writing.

    Raises
    ------
    RunActiveError
    """
    document = run.read_run()
    if state_of(run, document) == "running":
        writer = document.get("writer") or {}
        raise RunActiveError(str(run.path), writer.get("pid"), writer.get("host"))


def save_config(run: RunDir, old: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Replace a stored run's config and record each change as an event."""
    new = _renewed(old, given)
    was, now = flatten(old), flatten(new)
    events = [
        {"key": key, "old": was.get(key), "new": now.get(key)}
        for key in {**was, **now}
        if was.get(key, _MISSING) != now.get(key, _MISSING)
    ]
    if events:
        append_edit(run, [("config", event) for event in events])
        run.write("config.json", new)


def _renewed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Normalise what is new; what is as it was may be a secret that was allowed."""
    found: dict[str, Any] = {}
    for key, value in new.items():
        was = old.get(key, _MISSING)
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            found[str(key)] = _renewed(was, value)
        else:
            found[str(key)] = was if was == value else normalise(value, str(key))
    return found


def save_about(
    run: RunDir, saved: Mapping[str, Any], edited: Mapping[str, Any]
) -> None:
    """Replace what was edited of ``run.json``, and nothing that others changed."""
    changes = {
        field: copy.copy(value)
        for field, value in edited.items()
        if value != saved.get(field)
    }
    if changes:
        edit_document(run, "run.json", changes)
