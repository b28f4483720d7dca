"""Files that people ask for by name: where they go, and what if they cannot."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from nbtrack.errors import ExportError

if TYPE_CHECKING:
    from typing import Any


def checked(path: Any, what: str, suffix: str) -> Path:
    """Give the path if a file can be meant by it.

    Raises
    ------
    ExportError
        It is no path, an empty one, a directory, or in a directory that is not there.
    """
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise ExportError(what, path, "it is no path", 'Pass text: "…"') from error
    example = f"run{suffix}"
    if not text.strip() or "\0" in text:
        raise ExportError(what, text, "no file has such a name", f"Try {example!r}.")
    target = Path(text).expanduser()
    with _told(what, target):
        if target.is_dir() or text.endswith(("/", os.sep)):
            inside = str(target / example)
            raise ExportError(
                what, text, "it is a directory", f"Name a file in it: {inside!r}."
            )
        if not target.parent.is_dir():
            folder = str(target.parent)
            raise ExportError(
                what,
                text,
                f"there is no directory {folder!r}",
                f"Make it first: os.makedirs({folder!r}).",
            )
    return target


def write(target: Path, content: bytes, what: str = "file") -> Path:
    """Write a file whole or not at all, and give its path.

    Raises
    ------
    ExportError
        The disk or its permissions do not allow it.
    """
    with _told(what, target):
        # Where a link points to, so that the link stays one.
        place = target.resolve() if target.is_symlink() else target
        draft = place.with_name(f".nbtrack-{uuid4().hex}")
        try:
            draft.write_bytes(content)
            draft.replace(place)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
    return target


class _told(contextlib.AbstractContextManager["_told"]):  # noqa: N801  (reads as a verb)
    """Tell of a failure of the system with the file's name and what to do."""

    def __init__(self, what: str, target: Path) -> None:
        self._what, self._target = what, target

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, ExportError):
            why = (error.strerror or str(error) or type(error).__name__).lower()
            raise ExportError(
                self._what,
                str(self._target),
                why,
                "Check space and permissions, or name another place.",
            ) from error
