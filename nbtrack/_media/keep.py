"""Where what is logged and is no plain value becomes a row's value and files.

A fault of the disk costs the file, not the row: the row then says what there was, and
that it could not be stored. So does a file of the user's that is gone, or a figure
that cannot be drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import Media
from nbtrack._media.source import Nowhere
from nbtrack._media.wrap import is_figure, may_wrap, wrap
from nbtrack._record import arrays
from nbtrack._record.row import PLAIN_TYPES, coerce
from nbtrack._store.blobs import Blobs, put_array
from nbtrack.errors import MediaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nbtrack._store.rundir import RunDir

MOST_IN_GALLERY: Final = 1_000


def keep(value: Any, run: RunDir) -> tuple[Any, str] | None:
    """Store a value's files; give what its row holds, and what was lost.

    None for what a row takes as it is.
    """
    if isinstance(value, Media):
        return _media(value, run)
    if isinstance(value, (list, tuple)):
        looked_at = value[:MOST_IN_GALLERY]
        is_plain = PLAIN_TYPES.issuperset(map(type, looked_at))
        if not is_plain and any(map(_is_object, looked_at)):
            return _gallery(value, run)
    elif may_wrap(value) and (kept := _wrapped(value, run)):
        return kept
    array = arrays.as_large(value)
    return None if array is None else _array(array, run)


def outlined(value: Any) -> tuple[Any, str] | None:
    """Give something of the form of what ``keep`` gives, and keep nothing."""
    if isinstance(value, Media):
        return {"_type": value._type, "path": None}, ""  # noqa: SLF001  (our own)
    if isinstance(value, (list, tuple)) and any(map(_is_object, value)):
        return [(outlined(item) or coerce(item))[0] for item in value], ""
    array = arrays.as_large(value)
    if array is not None:
        return arrays.outline(array), ""
    return ({"_type": "", "path": None}, "") if is_figure(value) else None


def _is_object(item: Any) -> bool:
    if type(item) in PLAIN_TYPES:
        return False
    return isinstance(item, Media) or may_wrap(item)


def _gallery(values: list[Any] | tuple[Any, ...], run: RunDir) -> tuple[Any, str]:
    """Keep a list item by item; what is no object in it is what it would be alone."""
    rows, lost = [], ""
    for item in values[:MOST_IN_GALLERY]:
        kept = keep(item, run) if _is_object(item) else None
        row, why = kept or coerce(item)
        rows.append(row)
        lost = lost or why
    if len(values) > MOST_IN_GALLERY:
        what = f"a gallery of {len(values):,}; the first {MOST_IN_GALLERY:,} are kept"
        return rows, what
    if not lost and len({type(item) for item in values}) > 1 and not _all_typed(rows):
        lost = "a list of objects and other things; it is kept item by item"
    return rows, lost


def _all_typed(rows: list[Any]) -> bool:
    return all(isinstance(row, dict) and "_type" in row for row in rows)


def _wrapped(value: Any, run: RunDir) -> tuple[Any, str] | None:
    try:
        media = wrap(value)
    except MediaError as error:
        text, _ = coerce(str(error))
        return text, f"of type {type(value).__name__}, which cannot be kept: {error}"
    return None if media is None else _media(media, run)


def _media(media: Media, run: RunDir) -> tuple[Any, str]:
    note: str = getattr(media, "note", "")
    try:
        return media.to_row(Blobs(run)), note
    except (OSError, MediaError) as error:
        told = str(error)
    what = type(media).__name__
    lost = f"of type {what}, which cannot be stored, so only its name is kept: {told}"
    return _remains(media, told), lost


def _remains(media: Media, told: str) -> dict[str, Any]:
    """Give the row's value of an object whose file is not there."""
    try:
        row = media.to_row(Nowhere())
    except (OSError, MediaError):
        row = {"_type": media._type}  # noqa: SLF001  (our own)
    return _without_files(row) | {"path": None, "lost": told[:500]}


def _without_files(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in ("boxes", "masks", "poster")}


def _array(array: NDArray[Any], run: RunDir) -> tuple[Any, str]:
    try:
        return arrays.histogram(array, put_array(run, array)), ""
    except OSError as error:
        shown = arrays.histogram(array, path=None)
        return shown, f"an array that cannot be stored, only its histogram: {error}"
