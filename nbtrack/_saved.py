"""``run.save``: the user's own files, copied beside the run as they were called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbtrack.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POLICIES: Final = ("live", "now", "end")
_REMOTE: Final = ("s3://", "gs://")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file to be kept, and where."""

    source: Path
    target: Path


class SavedFiles:
    """Copies files into a run's ``files`` directory, now and at its end.

    Parameters
    ----------
    folder
        The directory; nothing is ever written outside it.
    note
        Told of a file that is not kept, with the error behind it if there is one.
    copy
        Copies one file to its target.
    """

    def __init__(
        self,
        folder: Path,
        note: Callable[[str, OSError | None], None],
        copy: Callable[[Path, Path], None],
    ) -> None:
        self._folder = folder
        self._note = note
        self._copy = copy
        self._at_end: dict[Path, Kept] = {}

    def save(
        self, pattern: str, base: str | None, policy: str, *, expands: bool
    ) -> list[str]:
        """Keep the files that match; give where they are, or will be.

        Raises
        ------
        SettingError
            A policy that is none.
        ValueError
            The pattern leads out of its base.
        """
        if policy not in _POLICIES:
            raise SettingError("policy", policy, _POLICIES)
        if pattern.startswith(_REMOTE):
            self._note(f"save({pattern!r}): only local files are kept", None)
            return []
        root = self._root(pattern, base)
        sources = list(_matches(pattern, root, expands=expands))
        if not sources:
            self._note(f"save({pattern!r}) matches no file", None)
        found = list(self._inside(sources, root))
        for kept in found:
            if policy != "end":
                self._keep(kept)
            if policy != "now":
                self._at_end[kept.target] = kept
        return [str(kept.target) for kept in found]

    def finish(self) -> None:
        """Copy what is to be kept as it is at the end."""
        for kept in self._at_end.values():
            self._keep(kept)
        self._at_end.clear()

    def _keep(self, kept: Kept) -> None:
        try:
            self._copy(kept.source, kept.target)
        except OSError as error:
            self._note(f"cannot keep {kept.source} in {kept.target.parent}", error)

    def _inside(self, sources: list[Path], root: Path) -> Iterator[Kept]:
        for source in sources:
            real = source.resolve()
            if real.is_relative_to(self._folder.parent.resolve()):
                continue  # the run's own files, which "**" would copy for ever
            if real.is_relative_to(root.resolve()):
                yield Kept(source, self._folder / source.relative_to(root))
            else:
                self._note(f"{source} leads out of {root} and is not kept", None)

    def _root(self, pattern: str, base: str | None) -> Path:
        if base is not None:
            return _absolute(base)
        if not Path(pattern).is_absolute():
            return Path.cwd()
        self._note(
            f"save({pattern!r}): of an absolute path, one directory is kept; pass "
            "base_path=… to keep more or less",
            None,
        )
        return _absolute(pattern).parent.parent


def _matches(pattern: str, root: Path, *, expands: bool) -> Iterator[Path]:
    """Give the files that a pattern means.

    Raises
    ------
    ValueError
        It leads out of ``root``.
    """
    whole = _absolute(pattern)
    if not whole.is_relative_to(root):
        msg = (
            f"save({pattern!r}) leads out of {root}. Pass base_path=…: what of the "
            "path lies below it is kept."
        )
        raise ValueError(msg)
    is_literal = not expands or os.path.lexists(whole)
    names = [whole] if is_literal else sorted(map(Path, _expanded(whole)))
    for name in names:
        yield from _files(name)


def _absolute(path: str) -> Path:
    """Give a path from the root, ``..`` taken out, links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)


def _expanded(pattern: Path) -> list[str]:
    from glob import glob

    return glob(str(pattern), recursive=True)  # noqa: PTH207  (absolute)


def _files(path: Path) -> Iterator[Path]:
    """Give a file, or all files below a directory; no link to a directory is taken."""
    if path.is_file():
        yield path
    elif path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            yield from _files(inner)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that the target is the old one or the new one, never half.

    Raises
    ------
    OSError
        It cannot be read, or its place cannot be written to.
    """
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
