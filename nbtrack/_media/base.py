"""What all logged objects have in common, and how they come back from a row.

An object becomes a typed JSON value in its row: ``{"_type": …, "path": …, …}`` under
W&B's names of the types. The files it names are in the run's directory, named by their
content. ``restored`` turns such a value into an object again, bound to that directory.

Rows may have been written by anybody, so nothing in them is believed: names are checked
before they become paths, and what has not the form of its type stays what it is.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from nbtrack._media.source import Nowhere

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from nbtrack._draw.html import Safe
    from nbtrack._media.source import Source, Store

#: ``_type`` of a row's value → the module that has its class, and the class.
HOMES: Final = {
    "image-file": ("nbtrack._media.image", "Image"),
    "audio-file": ("nbtrack._media.audio", "Audio"),
    "video-file": ("nbtrack._media.video", "Video"),
    "html-file": ("nbtrack._media.pages", "Html"),
    "bokeh-file": ("nbtrack._media.pages", "Bokeh"),
    "plotly-file": ("nbtrack._media.pages", "Plotly"),
    "plot": ("nbtrack._media.plots", "CustomChart"),  # no _type: a figure with a table
    "histogram": ("nbtrack._media.histogram", "Histogram"),
    "object3D-file": ("nbtrack._media.object3d", "Object3D"),
    "molecule-file": ("nbtrack._media.molecule", "Molecule"),
    "table-file": ("nbtrack._media.table", "Table"),
}

_MOST_CAPTION: Final = 1_000  # characters
_OWN_BUDGET: Final = 4 * 2**20  # bytes of an object that is a cell's value


class Shown(NamedTuple):
    """One object as a board has it.

    Attributes
    ----------
    type
        The ``_type`` of the row's value.
    width, height
        Of the whole picture in pixels, where it is one; else 0.
    content
        What is sent; None when there is nothing to send, or it is too large.
    size
        Bytes of the file in the run.
    data
        Facts that JSON can hold. ``{"error": text}`` says why there is no content.
    """

    type: str
    caption: str = ""
    mime: str = ""
    width: int = 0
    height: int = 0
    content: bytes | None = None
    size: int = 0
    data: dict[str, Any] | None = None


class Media:
    """An object that can be logged, and comes back from a history.

    Subclasses give ``_type``, ``_to_row`` and ``_from_row``, and say how they look:
    ``_shown`` for a board, ``_static`` for a page that nobody trusts.

    The members of its row can be had by name, as of W&B's: ``value["path"]``.
    """

    _type: ClassVar[str] = ""

    #: Text under it, or None.
    caption: str | None = None
    _row: dict[str, Any] | None = None  # as its run has it
    _home: Path | None = None  # its directory

    # -- rows --------------------------------------------------------------------

    def to_row(self, store: Store) -> dict[str, Any]:
        """Give the value that a row holds, after putting its files into the store.

        Raises
        ------
        OSError
            The disk refuses.
        MediaError
            The content cannot be had.
        """
        row = {"_type": self._type, **self._to_row(store)}
        if self.caption is not None:
            row["caption"] = self.caption
        return row

    def _to_row(self, store: Store) -> dict[str, Any]:
        """Give the members of the row's value that are this type's own."""
        raise NotImplementedError

    @classmethod
    def from_row(cls, row: dict[str, Any], run_path: Path) -> Self:
        """Make the object that a row's value stands for; reads no file.

        Raises
        ------
        KeyError, TypeError, ValueError
            The value has not the form of its type.
        """
        made = cls.__new__(cls)
        made._row, made._home = row, run_path  # noqa: SLF001  (our own)
        caption = row.get("caption")
        made.caption = None if caption is None else as_caption(caption)
        made._from_row(row, run_path)  # noqa: SLF001  (our own)
        return made

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        raise NotImplementedError

    @property
    def _members(self) -> dict[str, Any]:
        """Give the row's value, of an object that is in none the one it would have."""
        if self._row is None:
            return self.to_row(Nowhere())
        return self._row

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def keys(self) -> Any:
        """List the names of the members of its row."""
        return self._members.keys()

    def get(self, name: str, default: Any = None) -> Any:
        """Give a member of its row."""
        return self._members.get(name, default)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Media):
            return NotImplemented
        return self is other or self._members == other._members

    def __hash__(self) -> int:
        return hash((self._type, self._members.get("sha256")))

    # -- how it looks ------------------------------------------------------------

    def _shown(self) -> Shown:
        """Give what a board shows of it."""
        raise NotImplementedError

    def _full(self) -> Shown:
        """Give the same as large as it is stored."""
        return self._shown()

    def _outline(self) -> Shown:
        """Give the same without its content; reads no file."""
        members = self._row or {}
        size = members.get("size")
        return Shown(
            self._type,
            self.caption or "",
            size=size if isinstance(size, int) else 0,
        )

    def _static(self, budget_bytes: int) -> Safe:
        """Give what an untrusted notebook keeps, in about so many bytes."""
        raise NotImplementedError

    def _own(self) -> str:
        """Give markup for a cell's value, where that is more than ``_static``."""
        return str(self._static(_OWN_BUDGET))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from nbtrack._draw.html import NO_MATH, hint

        try:
            inner = self._own()
        except Exception as error:  # noqa: BLE001  (files of a run may be anything)
            inner = hint(self._why(error))
        page = f'<div class="{NO_MATH}" style="font-size:13px">{inner}</div>'
        return {"text/html": page, "text/plain": repr(self)}

    def _why(self, error: Exception) -> str:
        """Say what went wrong for a page, which may be shown to others.

        Names of files begin at the run there: where it lies is nobody's business.
        """
        text = str(error)
        if self._home is None or not self._home.name:
            return text
        where = str(self._home)
        return text.replace(f"{where}{os.sep}", "").replace(where, "its run")

    def __repr__(self) -> str:
        told = f" {self.caption!r}" if self.caption else ""
        return f"<{type(self).__name__}{told}>"


class FileMedia(Media):
    """An object whose content is one file, of the run's or the user's, or in memory."""

    _source: Source

    @property
    def path(self) -> Path | None:
        """Its file: in the run, or the user's; None where it is in memory."""
        return getattr(self._source, "path", None)


def restored(value: Any, run_path: Path) -> Any:
    """Turn typed values of a row, also in a list, into objects; all else stays.

    Parameters
    ----------
    value
        A JSON value of a row.
    run_path
        The directory of its run. Nothing is read from it before it is used.
    """
    if type(value) is dict:
        return _object(value, run_path)
    if type(value) is list and value and type(value[0]) is dict:
        return [_object(v, run_path) if type(v) is dict else v for v in value]
    return value


def _object(row: dict[str, Any], run_path: Path) -> Any:
    if row.get("_type") == "plotly-file" and "plot" in row:  # a chart of a table
        found = _made(class_of("plot"), row, run_path)
        if found is not row:
            return found
    return _made(class_of(row.get("_type")), row, run_path)


def _made(cls: type[Media] | None, row: dict[str, Any], run_path: Path) -> Any:
    if cls is None:
        return row
    try:
        return cls.from_row(row, run_path)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return row  # of another kind, or damaged: it is there to be looked at


def class_of(kind: object) -> type[Media] | None:
    """Give the class of a ``_type``; None for one that is none of ours."""
    if not isinstance(kind, str) or kind not in HOMES:
        return None
    module, name = HOMES[kind]
    found: type[Media] = getattr(import_module(module), name)
    return found


def as_caption(caption: object) -> str:
    """Give a caption as text of sensible length."""
    text = caption if isinstance(caption, str) else str(caption)
    return text if len(text) <= _MOST_CAPTION else text[: _MOST_CAPTION - 1] + "…"


def caption_of(caption: object) -> str | None:
    """Give what a user passed as a caption."""
    return None if caption is None else as_caption(caption)
