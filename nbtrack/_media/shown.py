"""How logged objects look: in a board, by themselves, in a page that nobody trusts.

A board asks for ``shown``: content and a few facts, small enough to send; for ``full``
when somebody enlarges a picture; for ``outline`` where contents can wait.
A saved notebook asks for ``static_html``: tables and pictures, no script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import Media, Shown, restored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nbtrack._draw.html import Safe

__all__ = ["Shown", "full", "outline", "shown", "side_by_side", "static_html"]

MOST_ITEMS: Final = 1_000  # of a gallery that are looked at
MOST_STATIC: Final = 24  # of one in a saved notebook
_LEAST_SHARE: Final = 2_000  # bytes of one item


def objects(value: Any, run_path: Path) -> list[Media]:
    """Give the objects of a row's value: one, several of a gallery, or none."""
    found = restored(value, run_path)
    listed = found[:MOST_ITEMS] if isinstance(found, list) else [found]
    return [item for item in listed if isinstance(item, Media)]


def shown(value: Any, run_path: Path) -> list[Shown]:
    """Give what a board shows of a row's value, contents included; never raises."""
    return [_shown(item) for item in objects(value, run_path)]


def outline(value: Any, run_path: Path) -> list[Shown]:
    """Give the same without contents; reads no file."""
    return [item._outline() for item in objects(value, run_path)]  # noqa: SLF001


def full(value: Any, run_path: Path) -> list[Shown]:
    """Give the same with pictures as large as they are stored."""
    return [_shown(item, whole=True) for item in objects(value, run_path)]


def _shown(item: Media, *, whole: bool = False) -> Shown:
    try:
        return item._full() if whole else item._shown()  # noqa: SLF001
    except Exception as error:  # noqa: BLE001  (files of a run may be anything)
        told = {"error": item._why(error)}  # noqa: SLF001  (our own)
        return item._outline()._replace(data=told)  # noqa: SLF001


def static_html(value: Any, run_path: Path, budget_bytes: int) -> Safe:
    """Give what an untrusted notebook keeps of a row's value; never raises."""
    from nbtrack._draw.html import el, hint

    found = objects(value, run_path)
    if not found:
        return hint("nothing that can be shown")
    share = max(budget_bytes // min(len(found), MOST_STATIC), _LEAST_SHARE)
    parts: list[str] = []
    used = 0
    for item in found[:MOST_STATIC]:
        if parts and used + used / len(parts) > budget_bytes:
            break  # another one as large as those before would be too much
        part = _static(item, share)
        used += len(part)
        parts.append(part)
    if len(parts) < len(found):
        parts.append(hint(f"and {len(found) - len(parts):,} more"))
    return el("div", *parts)


def _static(item: Media, budget_bytes: int) -> Safe:
    from nbtrack._draw.html import hint

    try:
        return item._static(budget_bytes)  # noqa: SLF001
    except Exception as error:  # noqa: BLE001  (files of a run may be anything)
        return hint(item._why(error))  # noqa: SLF001


def side_by_side(values: Sequence[tuple[str, Any, Path]], budget_bytes: int) -> Safe:
    """Put one key's values of several runs beside each other.

    Parameters
    ----------
    values
        A label (the run's name), the row's value, the run's directory.
    """
    from nbtrack._draw.html import el, title

    share = budget_bytes // max(len(values), 1)
    cells = [
        el(
            "div",
            title(label),
            static_html(value, run_path, share),
            style="display:inline-block;vertical-align:top;margin:0 10px 12px 0",
        )
        for label, value, run_path in values
    ]
    return el("div", *cells, style="overflow-x:auto;max-width:100%")
