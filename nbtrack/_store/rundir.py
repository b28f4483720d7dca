"""Names and places of one run on disk: ``<root>/<project>/<run id>/``.

Names are data, never paths: a project called ``../x`` becomes a directory called
``%2E.%2Fx`` inside the root, and its true name stands in ``run.json``.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbtrack._store.documents import read_document, write_document
from nbtrack.errors import FormatError, RunExistsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Version of the run directory; FORMAT.md describes it.
FORMAT: Final = 2

_ID_LENGTH: Final = 8
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"  # to load ``string`` takes longer
_ID_ALPHABET: Final = f"{_LETTERS}0123456789"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_SAFE: Final = frozenset(f"{_ID_ALPHABET}{_LETTERS.upper()}_-.~ ()+,@=!".encode())
_MAX_NAME: Final = 100  # bytes of a project's directory name


@dataclass(frozen=True, slots=True)
class RunDir:
    """The directory of one run; making this object touches nothing."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's id, which is the directory's name."""
        return self.path.name

    @property
    def log(self) -> Path:
        """Journals, one per writer."""
        return self.path / "log"

    @property
    def history(self) -> Path:
        """Compacted Parquet parts."""
        return self.path / "history"

    @property
    def code(self) -> Path:
        """Executed cells and the notebook made of them."""
        return self.path / "code"

    def read(self, name: str) -> dict[str, Any]:
        """Read a small document by its file name; see ``read_document``."""
        return read_document(self.path / name)

    def write(self, name: str, document: object) -> None:
        """Replace a small document durably.

        Raises
        ------
        StorageError
            It cannot be written; the old one is still there.
        """
        try:
            write_document(self.path / name, document)
        except OSError as error:
            msg = (
                f"{self.path / name} cannot be written: {error.strerror or error}. "
                "Free some space, or choose another place: nbtrack.init(dir=…)."
            )
            raise StorageError(msg) from error

    def read_run(self) -> dict[str, Any]:
        """Read ``run.json``, refusing what a newer nbtrack wrote.

        Raises
        ------
        FormatError, StorageError
        """
        document = self.read("run.json")
        found = document.get("format")
        if not isinstance(found, int) or found > FORMAT:
            raise FormatError(self.path, found, FORMAT)
        return document


def new_run_id() -> str:
    """Draw a run id: 8 characters, lower-case letters and digits."""
    return "".join(_ID_ALPHABET[byte % 36] for byte in os.urandom(_ID_LENGTH))


def is_run_id(text: str) -> bool:
    """Say whether this may be a run's id."""
    return _ID.fullmatch(text) is not None


def project_directory(root: Path, project: str) -> Path:
    """Give the directory of a project, whatever its name is made of.

    >>> from pathlib import Path
    >>> project_directory(Path("r"), "digits").name
    'digits'
    >>> project_directory(Path("r"), "../a b:c").name
    '%2E.%2Fa b%3Ac'
    >>> project_directory(Path("r"), "NUL").name
    '%4EUL'
    """
    encoded = project.encode("utf-8", "backslashreplace")
    name = "".join(chr(b) if b in _SAFE else f"%{b:02X}" for b in encoded)
    if name.startswith(".") or _RESERVED.fullmatch(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if name.endswith((" ", ".")):
        name = f"{name[:-1]}%{ord(name[-1]):02X}"
    if len(name) > _MAX_NAME:
        name = f"{name[: _MAX_NAME - 9]}-{_digest(project)}"
    return root / (name or "%00")


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def claim(root: Path, project: str, run_id: str) -> RunDir:
    """Make the directory of a new run; exactly one claimant of an id succeeds.

    Raises
    ------
    RunExistsError
        The id is taken.
    StorageError
        The directory cannot be made.
    """
    path = project_directory(root, project) / run_id
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
        for name in ("log", "code"):
            (path / name).mkdir()
    except FileExistsError:
        raise RunExistsError(path) from None
    except OSError as error:
        msg = (
            f"The run directory {path} cannot be made: {error.strerror or error}. "
            "Choose a place you can write to: nbtrack.init(dir=…) or NBTRACK_DIR."
        )
        raise StorageError(msg) from error
    return RunDir(path)


def discard(run: RunDir) -> None:
    """Remove the directory of a run that could not be begun, as far as that goes."""
    with suppress(OSError):  # there is a better error under way
        for path in sorted(run.path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        run.path.rmdir()


def list_projects(root: Path) -> list[Path]:
    """List the project directories under a root, by name.

    One that cannot be looked into is among them: who reads it will say so.
    """
    return sorted(path for path in _directories(root) if _may_have_runs(path))


def _may_have_runs(project: Path) -> bool:
    try:
        return any(True for _ in list_runs(project))
    except StorageError:
        return True


def list_runs(project: Path) -> Iterator[RunDir]:
    """Walk the runs of one project, in no particular order; none if it is not there.

    Raises
    ------
    StorageError
        The directory is there and cannot be listed.
    """
    for path in _directories(project):
        if is_run_id(path.name):
            yield RunDir(path)


def count_runs(project: Path) -> int:
    """Count the runs of a project by name alone: ten thousand cost milliseconds."""
    try:
        with os.scandir(project) as entries:
            return sum(is_run_id(entry.name) for entry in entries)
    except OSError:
        return 0


def _directories(parent: Path) -> Iterator[Path]:
    """Give the directories in a directory; links to others are none."""
    try:
        with os.scandir(parent) as entries:
            found = [entry.name for entry in entries if _is_directory(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        msg = f"{parent} cannot be listed: {error.strerror or error}."
        raise StorageError(msg) from error
    for name in found:
        yield parent / name


def _is_directory(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
