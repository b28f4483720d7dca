"""What describes a run: the members of its run.json, as properties."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbtrack._store.rundir import RunDir

_MOST_NAMED: Final = 128  # characters


class Described:
    """What a run being recorded and a stored one have in common, over ``run.json``.

    Whoever inherits says what becomes of an edit.
    """

    _directory: RunDir
    _document: dict[str, Any]

    def _edit(self, field: str, value: object) -> None:
        """Set a member of run.json."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """Eight letters and digits, unique; also the directory's name."""
        return self._directory.run_id

    @property
    def name(self) -> str:
        """What people call the run."""
        return str(self._document["name"])

    @name.setter
    def name(self, value: str) -> None:
        self._edit("name", check_name(value))

    @property
    def notes(self) -> str:
        """A text about the run, as long as it needs to be."""
        return str(self._document["notes"] or "")

    @notes.setter
    def notes(self, value: str | None) -> None:
        self._edit("notes", value)

    @property
    def group(self) -> str | None:
        """The group of runs that this one belongs to."""
        group: str | None = self._document.get("group")
        return group

    @group.setter
    def group(self, value: str | None) -> None:
        self._edit("group", value)

    @property
    def job_type(self) -> str | None:
        """What kind of job this is, such as "train"."""
        job_type: str | None = self._document.get("job_type")
        return job_type

    @property
    def project(self) -> str:
        """The project, as it was named."""
        return str(self._document["project"])

    @property
    def entity(self) -> str:
        """The user who started the run."""
        return str(self._document.get("user"))

    @property
    def dir(self) -> str:
        """The run's directory."""
        return str(self._directory.path)

    @property
    def url(self) -> str:
        """The run's directory as a link that a browser opens."""
        return self._directory.path.resolve().as_uri()

    @property
    def total_steps(self) -> int | None:
        """How many steps there will be, if ``init`` was told."""
        return self._document.get("total_steps")


class About(Described):
    """The properties of a run that is being recorded."""

    _is_asked_to_stop = False

    @property
    def tags(self) -> tuple[str, ...]:
        """Short marks to find runs by."""
        return tuple(self._document["tags"])

    @tags.setter
    def tags(self, value: str | Iterable[str] | None) -> None:
        self._edit("tags", as_tags(value))

    @property
    def path(self) -> str:
        """``entity/project/id``."""
        return f"{self.entity}/{self.project}/{self.id}"

    def project_name(self) -> str:
        """Give the project, by W&B's older name."""
        return self.project

    @property
    def state(self) -> str:
        """running, finished, failed or killed."""
        return str(self._document["state"])

    @property
    def start_time(self) -> float:
        """Unix time at which the run began."""
        return float(self._document["created"])

    @property
    def resumed(self) -> bool:
        """Whether this goes on with a run that was there before."""
        return bool(self._document.get("resumed"))

    @property
    def offline(self) -> bool:
        """True: everything is local."""
        return True

    @property
    def disabled(self) -> bool:
        """Whether nothing is recorded: ``mode="disabled"``."""
        return False

    @property
    def should_stop(self) -> bool:
        """Whether the training was asked to stop: on the board, or by ``ask_to_stop``.

        Nothing is stopped by itself. Reading it costs nothing, so look every step.

        Examples
        --------
        >>> for batch in loader:  # doctest: +SKIP
        ...     run.log({"loss": train(batch)})
        ...     if run.should_stop:
        ...         break
        """
        return self._is_asked_to_stop

    def ask_to_stop(self) -> None:
        """Let ``should_stop`` be true from now on, in this process."""
        self._is_asked_to_stop = True


def check_name(name: object) -> str:
    """Give a run's name back, or say why it cannot be one.

    Raises
    ------
    ValueError
        It is empty, over 128 characters, or has control characters.
    """
    if isinstance(name, str) and _is_name(name):
        return name
    msg = f"A run's name has 1 to 128 characters and no control ones, not {name!r}."
    raise ValueError(msg)


def _is_name(text: str) -> bool:
    has_control = any(unicodedata.category(char) == "Cc" for char in text)
    return 0 < len(text) <= _MOST_NAMED and not has_control


def as_tags(tags: str | Iterable[str] | None) -> list[str]:
    """Give tags as a list without repeats; a text is one tag."""
    listed = [tags] if isinstance(tags, str) else list(tags or ())
    return list(dict.fromkeys(str(tag) for tag in listed if tag != ""))
