"""A run's board as a file: a page, a drawing, a picture. For open and stored runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from nbtrack._view.board import Board


class Exports:
    """What ``Run`` and ``StoredRun`` share: whoever inherits gives a board."""

    _board_of: Callable[[], Board] | None = None

    @property
    def disabled(self) -> bool:
        """Whether nothing is recorded, and nothing written."""
        return False

    def at_export(self, board: Callable[[], Board]) -> None:
        """Say where the board comes from that is written."""
        self._board_of = board

    def _board(self) -> Board:
        if self._board_of is None:
            msg = "this run has no board: it was not made by nbtrack.init()"
            raise RuntimeError(msg)
        return self._board_of()

    def to_html(
        self, path: str | os.PathLike[str], *, plotly: str | os.PathLike[str] = "inline"
    ) -> Path:
        """Write the board as one page that needs no kernel and no network.

        All its controls work. It has the points that the board has: about a thousand
        per metric, every spike among them.

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        plotly
            Where the page gets plotly.js from, which draws plotly's figures, clouds of
            points and molecules: "inline" is a part of the file (2 MB) if there are
            any, "link" a file that is written beside it and may be shared by many
            pages; else the URL or the path of a plotly.js of yours.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ExportError
            The file cannot be written.
        SettingError
            ``plotly`` is none of these.

        Examples
        --------
        >>> run.to_html("otter.html")  # doctest: +SKIP
        """
        from nbtrack._view.export import checked, write
        from nbtrack._view.export_html import linked, page, source_of

        target = checked(path, "page", ".html")
        source = source_of(plotly)
        if self.disabled:
            return target
        source = linked(source, target)
        return write(target, page(self._board(), source).encode())

    def to_svg(
        self,
        path: str | os.PathLike[str],
        *,
        width: int = 1200,
        theme: str = "light",
    ) -> Path:
        """Write the board as one drawing; neither browser nor library is needed.

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        width
            In pixels, 320 to 4,000. The height follows.
        theme
            "light" or "dark".

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ExportError
            The file cannot be written.
        SettingError
            A theme or a width that is none of these.
        """
        from nbtrack._view.export import checked, write
        from nbtrack._view.export_svg import board_svg, check_look

        target = checked(path, "drawing", ".svg")
        look = check_look(width, theme)
        if self.disabled:
            return target
        return write(target, board_svg(self._board().spec(), look).encode())

    def to_png(
        self,
        path: str | os.PathLike[str],
        *,
        width: int = 1200,
        theme: str = "light",
        scale: float = 2.0,
    ) -> Path:
        """Write the board as a picture; needs resvg-py: ``pip install "nbtrack[png]"``.

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        width
            As of ``to_svg``: what is on it is laid out for so many pixels.
        theme
            "light" or "dark".
        scale
            The picture's pixels for each of these, 0.1 to 8; 2 is sharp on a fine
            screen.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ExportError
            The file cannot be written.
        MissingPackageError
            resvg-py is not installed.
        SettingError
            A theme, a width or a scale that is none of these.
        """
        from nbtrack._view.export import checked, write
        from nbtrack._view.export_svg import (
            board_svg,
            check_look,
            check_scale,
            rendered,
        )

        target = checked(path, "picture", ".png")
        look = check_look(width, theme)
        zoom = check_scale(scale)
        if self.disabled:
            return target
        return write(target, rendered(board_svg(self._board().spec(), look), zoom))
