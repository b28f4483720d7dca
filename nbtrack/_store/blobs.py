"""Files that belong to values: named by their content, written once, never changed.

The same array logged a thousand times is one file. A file is complete before it has
its name, so a reader sees it whole or not at all.

Nothing here waits for the disk, because ``log`` does not either: a killed process
loses nothing, and after a power cut a file may be missing or short. One that is short
is written anew when its content comes again.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._regular import open_regular
from nbtrack.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._store.rundir import RunDir

_FOLDER: Final = "media"
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
    path = run.path / _FOLDER / name
    if not _is_there(path, len(content)):
        _write(path, content)
    return f"{_FOLDER}/{name}"


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
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

    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return put(run, file.getvalue(), ".npy")


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
