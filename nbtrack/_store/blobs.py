"""Files that belong to values: named by their content, written once, never changed.

The same array logged a thousand times is one file. A file is complete before it has
its name, so a reader sees it whole or not at all.

Nothing here waits for the disk, because ``log`` does not either: a killed process
loses nothing, and after a power cut a file may be missing or short. One that is short
is written anew when its content comes again.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._regular import open_regular
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from io import BufferedWriter
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._store.rundir import RunDir

_FOLDER: Final = "media"
_MOST_IN_MEMORY: Final = 2**26  # bytes of an array that is copied to be hashed
_DIGITS: Final = 20  # of the SHA-256, as in W&B's names


def put(run: RunDir, content: bytes, suffix: str) -> str:
    """Store content under its hash; give the path relative to the run's directory.

    Raises
    ------
    OSError
        The disk refuses.
    """
    from hashlib import sha256

    name = f"{sha256(content).hexdigest()[:_DIGITS]}{suffix}"
    path = _folder(run) / name
    if not _is_there(path, len(content)):
        _write(path, content)
    return f"{_FOLDER}/{name}"


class Blobs:
    """The files of one run, as what is logged sees them."""

    __slots__ = ("_run",)

    def __init__(self, run: RunDir) -> None:
        self._run = run

    def put(self, content: bytes, suffix: str) -> str:
        """Store content under its hash; give the path relative to the run's directory.

        Raises
        ------
        OSError
            The disk refuses.
        """
        return put(self._run, content, suffix)


def _folder(run: RunDir) -> Path:
    """Give where the files are. A link leads elsewhere, and is never read from."""
    folder = run.path / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(folder))
    return folder


def _is_there(path: Path, size: int) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put_array(run: RunDir, array: NDArray[Any]) -> str:
    """Store an array of numbers as ``.npy``; give its path.

    Raises
    ------
    OSError
        The disk refuses.
    """
    import numpy as np

    if array.nbytes > _MOST_IN_MEMORY:
        return _put_large_array(run, array)
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return put(run, file.getvalue(), ".npy")


def _put_large_array(run: RunDir, array: NDArray[Any]) -> str:
    """Store an array without a copy of it in memory; its name is known at the end."""
    import numpy as np

    folder = _folder(run)
    temporary = folder / f".array.{os.urandom(4).hex()}.tmp"
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            np.save(hashing, array, allow_pickle=False)
        path = folder / f"{hashing.digest.hexdigest()[:_DIGITS]}.npy"
        if _is_there(path, temporary.stat().st_size):
            temporary.unlink()
        else:
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return f"{_FOLDER}/{path.name}"


class _Hashing:
    """A file that is written to, and the hash of what was written."""

    def __init__(self, file: BufferedWriter) -> None:
        from hashlib import sha256

        self._file = file
        self.digest = sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self._file.write(content)


def read_array(run: RunDir, path: str) -> NDArray[Any]:
    """Give a stored array; nothing is unpickled and no link is followed.

    Raises
    ------
    StorageError
        The path leads out of the run's directory, or to no array.
    """
    import numpy as np

    inside = run.path.resolve()
    found = inside / path
    if found.resolve() != found or not found.is_relative_to(inside):
        msg = f"{path!r} is no file inside {run.path}."
        raise StorageError(msg)
    try:
        with open_regular(found) as file:
            array: NDArray[Any] = np.load(BytesIO(file.read()), allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        msg = f"{found} cannot be read as an array: {type(error).__name__}: {error}"
        raise StorageError(msg) from error
    return array
