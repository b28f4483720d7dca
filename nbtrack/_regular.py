"""Opening what is found on disk, without trusting that it is a file."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_regular(path: Path) -> FileIO:
    """Open a regular file for reading: no link is followed, no pipe waited for.

    Nor is a directory that is a link: a run's ``log`` may not lead into another run.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file.
    """
    if path.parent.is_symlink():
        raise OSError(errno.ELOOP, "its directory is a link", str(path))
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return FileIO(fd)


def read_regular(path: Path, limit_bytes: int) -> bytes:
    """Read a regular file of sensible size.

    Raises
    ------
    OSError
        It cannot be opened, is no regular file, or is larger.
    """
    with open_regular(path) as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"larger than {limit_bytes >> 20} MiB", str(path))
    return content
