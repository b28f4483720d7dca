"""Small JSON documents that are replaced whole: run.json, config.json, summary.json.

A reader sees the old one or the new one, never half of either, also after a power cut:
temporary file, fsync, rename, fsync of the directory. (Without the fsyncs, half of the
power cuts we tried left a zero-filled file.)
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from io import FileIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

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


def open_regular(path: Path) -> FileIO:
    """Open a regular file for reading: no link is followed, no pipe waited for.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return FileIO(fd)


def _read_small(path: Path) -> bytes:
    with open_regular(path) as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(errno.EFBIG, f"larger than {_MAX_BYTES >> 20} MiB", str(path))
    return content


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object from a regular file of sensible size.

    Raises
    ------
    StorageError
        It is missing, damaged, no regular file, or no object; the message says which.
    """
    try:
        document = json.loads(_read_small(path))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read: {type(error).__name__}: {error}"
        raise StorageError(msg) from error
    if not isinstance(document, dict):
        msg = f"{path} holds a {type(document).__name__}, not an object."
        raise StorageError(msg)
    return document
