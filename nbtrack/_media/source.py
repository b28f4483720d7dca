"""Where the content of a logged object is, until somebody wants it.

An object that the user makes holds bytes, a function that encodes its array, or the
path of a file of the user's. An object of a stored run holds a name inside the run's
directory. Nothing is read before it is used, so a history of a thousand images costs
nothing until one is looked at; and what cannot be read says which file that is.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from nbtrack._regular import open_regular
from nbtrack.errors import MediaError, MediaFileError, MediaSizeError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of a file that is taken into a run, or of one that is read from it.
MOST_BYTES: Final = 2**31

_PLACE: Final = "media/"
_DIGITS: Final = 20  # of the SHA-256 in a file's name


class Store(Protocol):
    """Takes content; blobs.py's is the one that writes files."""

    def put(self, content: bytes, suffix: str) -> str:
        """Store content; give its path relative to the run's directory."""


class Source(Protocol):
    """Some content that can be read, again and again."""

    @property
    def suffix(self) -> str:
        """How the name of a file with it ends."""

    def read(self) -> bytes:
        """Give all of it. May raise MediaFileError."""


class Stored(NamedTuple):
    """What a row says of a file of its run."""

    path: str
    sha256: str
    size: int

    def to_row(self) -> dict[str, Any]:
        """Give it as members of a row's value."""
        return self._asdict()


class Held:
    """Content in memory, made when it is first wanted."""

    def __init__(self, content: bytes | Callable[[], bytes], suffix: str) -> None:
        self._content = content
        self.suffix = suffix

    def read(self) -> bytes:
        """Give all of it."""
        if callable(self._content):
            self._content = self._content()
        return self._content


class UserFile:
    """A file of the user's: any path that leads to a regular file."""

    def __init__(self, path: str | os.PathLike[str], most: int = MOST_BYTES) -> None:
        self.path = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100  (links stay)
        self.suffix = self.path.suffix.lower()  # of "a.tar.gz" the last
        self._most = most
        with self.open():
            pass

    def open(self) -> FileIO:
        """Open it.

        Raises
        ------
        MediaFileError
            There is none, it cannot be read, or it is no regular file.
        MediaSizeError
            It is larger than what is stored.
        """
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        flags |= getattr(os, "O_CLOEXEC", 0)
        try:
            fd = os.open(self.path, flags)
        except (OSError, ValueError) as error:
            raise MediaFileError.of(self.path, error) from error
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise MediaFileError(self.path, "it is no regular file")
        if found.st_size > self._most:
            os.close(fd)
            raise MediaSizeError(f"The file {self.path}", found.st_size, self._most)
        return FileIO(fd)

    def read(self) -> bytes:
        """Give all of it."""
        with self.open() as file:
            return file.read()


class RunFile:
    """A file in the directory of a run, which may say anything of it.

    Its name is None where the file could not be written when it was logged.
    """

    def __init__(
        self, run_path: Path, name: str | None, size: int = 0, lost: str = ""
    ) -> None:
        self._run_path = run_path
        self._name = name
        self._lost = lost
        self.size = size

    @classmethod
    def of(cls, row: dict[str, Any], run_path: Path) -> RunFile:
        """Make it of the members that ``Stored`` gave a row.

        Raises
        ------
        KeyError, TypeError
        """
        name, size = row["path"], row.get("size", 0)
        if not (name is None or isinstance(name, str)) or not isinstance(size, int):
            msg = "path is no text, or size no number"
            raise TypeError(msg)
        return cls(run_path, name, size, str(row.get("lost", "")))

    @property
    def suffix(self) -> str:
        """How its name ends."""
        _, dot, rest = (self._name or "").rpartition("/")[2].partition(".")
        return (dot + rest).lower()

    @property
    def path(self) -> Path:
        """Where it is.

        Raises
        ------
        MediaFileError
            Its name leads out of the run.
        """
        if self._name is None:
            why = f"it could not be stored when it was logged ({self._lost})"
            raise MediaFileError(f"A file of {self._run_path}", why)
        if not is_inside(self._name):
            raise MediaFileError(self._name, f"that is no file inside {self._run_path}")
        return self._run_path / self._name

    def read(self, most: int = MOST_BYTES) -> bytes:
        """Give all of it; no link is followed.

        Raises
        ------
        MediaFileError
            It is not there, or is no regular file.
        MediaSizeError
            It is larger than ``most``.
        """
        path = self.path
        try:
            with open_regular(path) as file:
                size = os.fstat(file.fileno()).st_size
                if size > most:
                    raise MediaSizeError(f"The file {path}", size, most)
                content = file.read()
        except MediaError:
            raise
        except (OSError, ValueError) as error:
            raise MediaFileError.of(path, error) from error
        if self.size and size < self.size:
            what = f"it is cut short: {size} of {self.size} bytes are there"
            raise MediaFileError(path, what)
        return content


def is_inside(name: object) -> bool:
    r"""Say whether this is the name of a file among a run's own.

    >>> is_inside("media/ab.png"), is_inside("media/../x"), is_inside("media\\x")
    (True, False, False)
    """
    if not isinstance(name, str) or not name.startswith(_PLACE):
        return False
    rest = name[len(_PLACE) :]
    bad = not rest or rest.startswith(".") or not rest.isprintable()
    return not bad and not any(c in rest for c in '/\\:*?"<>|')


def stored(source: Source, store: Store) -> Stored:
    """Put content into a store, once however often it comes."""
    content = source.read()
    digest = sha256(content).hexdigest()
    return Stored(store.put(content, source.suffix), digest, len(content))


class Nowhere:
    """A store that keeps nothing: for comparing objects that are not logged yet."""

    def put(self, content: bytes, suffix: str) -> str:
        """Give the path that a run would give."""
        return f"{_PLACE}{sha256(content).hexdigest()[:_DIGITS]}{suffix}"
