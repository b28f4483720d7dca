"""What a run keeps besides its rows, when it is asked to: files and alerts."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbtrack import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from nbtrack._alerts import Alerts
    from nbtrack._faults import Faults
    from nbtrack._saved import SavedFiles
    from nbtrack._store.rundir import RunDir


class Keeping:
    """``save`` and ``alert``, for ``Run`` to inherit."""

    if TYPE_CHECKING:
        faults: Faults
        _directory: RunDir
        _is_open: bool

        def _check_open(self, call: str) -> None: ...
        def _record(self, kind: str, payload: dict[str, Any]) -> None: ...
        def at_finish(self, what: str, close: Callable[[], None]) -> None: ...

    _show_alert: Callable[[str], None] | None = None

    def save(
        self,
        glob_str: str | os.PathLike[str],
        base_path: str | os.PathLike[str] | None = None,
        policy: str = "live",
        glob: bool = True,  # noqa: FBT002  (W&B's signature)
    ) -> list[str]:
        """Keep files of yours with the run, in its ``files`` directory.

        Parameters
        ----------
        glob_str
            A file, a directory, or a pattern such as ``"checkpoints/*.pt"``; what it
            matches now.
        base_path
            What of the paths lies below it is kept; by default the working directory.
        policy
            "now" copies once, "end" when the run ends, "live" both.
        glob
            False takes ``*``, ``?`` and ``[`` as they are.

        Returns
        -------
        list of str
            Where the copies are, or will be.

        Raises
        ------
        SettingError
            A policy that is none of these.
        ValueError
            The files are not below ``base_path``.
        """
        self._check_open("save")
        pattern = os.fsdecode(glob_str)
        base = None if base_path is None else os.fsdecode(base_path)
        return self._files.save(pattern, base, policy, expands=glob)

    def _not_kept(self, message: str, error: OSError | None) -> None:
        self.faults.add(
            "save",
            message,
            subject=message,
            error=error,
            in_user_call=self._is_open,  # finish() must come to its end
        )

    def alert(
        self,
        title: str,
        text: str = "",
        level: str = "INFO",
        wait_duration: float | timedelta | None = 60,
    ) -> None:
        """Record something that people should hear of, and print it as one line.

        Parameters
        ----------
        level
            "INFO", "WARN" or "ERROR".
        wait_duration
            Seconds in which another alert of this title is passed over.

        Raises
        ------
        SettingError
            A level that is none of these.
        """
        self._check_open("alert")
        self._alerts.give(title, text, level, wait_duration)

    @cached_property
    def _alerts(self) -> Alerts:
        from nbtrack._alerts import Alerts

        alerts = Alerts(self._record)
        if self._show_alert is not None:
            alerts.show = self._show_alert
        return alerts

    def at_alert(self, show: Callable[[str], None]) -> None:
        """Say how an alert is shown, which is a line of text."""
        self._show_alert = show

    def log_artifact(self, *_: object, **__: object) -> Any:
        """Say that artifacts are not in this version; ``save`` keeps files."""
        raise errors.NotAvailableError("log_artifact", "run.save(…) keeps files")

    def use_artifact(self, *_: object, **__: object) -> Any:
        """Say that artifacts are not in this version."""
        raise errors.NotAvailableError("use_artifact", "read the files by their path")

    @cached_property
    def _files(self) -> SavedFiles:
        from nbtrack._saved import SavedFiles, copy_whole

        files = SavedFiles(self._directory.path / "files", self._not_kept, copy_whole)
        self.at_finish("copy the saved files", files.finish)
        return files
