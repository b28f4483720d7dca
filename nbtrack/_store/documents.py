"""Small JSON documents that are replaced whole: run.json, config.json, summary.json.

A reader sees the old one or the new one, never half of either, also after a power cut:
temporary file, fsync, rename, fsync of the directory. (Without the fsyncs, half of the
power cuts we tried left a zero-filled file.)
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

from nbtrack._regular import open_regular, read_regular
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "open_regular",
    "read_document",
    "replace_file",
    "sync_directory",
    "write_document",
]

#: A larger document is damage or an attack; refusing it beats reading it.
_MAX_BYTES: Final = 16 * 2**20
_RENAME_TRIES: Final = 5  # Windows refuses while a reader holds the target


def write_document(path: Path, document: object) -> None:
    """Replace a JSON document durably.

    Values JSON does not know become text; NaN and infinities stay readable by Python.
    """
    replace_file(path, json.dumps(document, indent=1, default=str).encode() + b"\n")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file durably."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _rename(source: Path, target: Path) -> None:
    for attempt in range(_RENAME_TRIES):
        try:
            source.replace(target)
        except PermissionError:
            if attempt == _RENAME_TRIES - 1:
                raise
            time.sleep(0.02 * 2**attempt)
        else:
            return


def sync_directory(path: Path) -> None:
    """Make a rename in this directory durable, where the system has a way to."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError:
        pass  # some network mounts cannot; the rename itself has happened
    finally:
        os.close(fd)


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object from a regular file of sensible size.

    Raises
    ------
    StorageError
        It is missing, damaged, no regular file, or no object; the message says which.
    """
    try:
        document = json.loads(read_regular(path, _MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read: {type(error).__name__}: {error}"
        raise StorageError(msg) from error
    if not isinstance(document, dict):
        msg = f"{path} holds a {type(document).__name__}, not an object."
        raise StorageError(msg)
    return document
