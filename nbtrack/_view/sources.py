"""Where a board of a run directory gets from what does not stand in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbtrack._view.board import Sources

if TYPE_CHECKING:
    from pathlib import Path

    from nbtrack._store.rundir import RunDir


def sources_of(run: RunDir, *, with_machine: bool = True) -> Sources:
    """Give media and, if asked for, console and system metrics of a run."""
    from nbtrack._media import shown as media

    if not with_machine:
        return Sources(run_path=run.path, media=media)
    from nbtrack._capture.console import ConsoleTail
    from nbtrack._capture.system import SystemTail

    return Sources(
        run_path=run.path,
        media=media,
        console=ConsoleTail(run),
        system=SystemTail(run),
    )


def pages(
    value: Any, run_path: Path, ask: dict[str, Any], /
) -> tuple[dict[str, Any], list[bytes]]:
    """Give a page of a logged table; pyarrow is imported when somebody asks."""
    from nbtrack._media.table_page import answer

    return answer(value, run_path, ask)
