"""What was recorded of a run without being asked, as the run's own properties."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from nbtrack._capture.background import background
from nbtrack.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from nbtrack._store.rundir import RunDir

_STREAMS: Final = {"out": "out", "err": "err", "stdout": "out", "stderr": "err"}


class Captured:
    """The machine and the console of a run; whoever inherits has a directory."""

    _directory: RunDir

    @property
    def system_metrics(self) -> dict[str, Any]:
        """The last of each system metric; empty where none was recorded."""
        from nbtrack._capture.system import SystemTail

        found: dict[str, Any] = {}
        for _, values in SystemTail(self._directory).poll():
            found |= values
        return found

    @overload
    def console(
        self,
        stream: str | None = ...,
        tail: int | None = ...,
        *,
        as_frame: Literal[False] = ...,
    ) -> str: ...
    @overload
    def console(
        self,
        stream: str | None = ...,
        tail: int | None = ...,
        *,
        as_frame: Literal[True],
    ) -> pd.DataFrame: ...
    def console(
        self,
        stream: str | None = None,
        tail: int | None = None,
        *,
        as_frame: bool = False,
    ) -> str | pd.DataFrame:
        """Give what was printed while the run was open.

        Progress bars are in their last state, colours are left out, and of very much
        text the beginning and the end are there, and a line that says what is not.

        Parameters
        ----------
        stream
            "out" or "err" (also "stdout", "stderr"); by default both, as they came.
        tail
            Only so many last lines.
        as_frame
            Give a frame with columns ``_runtime`` (s), ``_timestamp`` (Unix s),
            ``cell`` (execution count), ``stream`` and ``text``, instead of text.

        Raises
        ------
        SettingError
            A stream that is none of these.
        TypeError, ValueError
            ``tail`` is no number of lines.
        """
        from nbtrack._capture.console import read_console

        if stream is not None and stream not in _STREAMS:
            raise SettingError("stream", stream, _STREAMS)
        if tail is not None:
            tail = _number_of_lines(tail)
        background.take()  # this process may have printed something just now
        lines = [
            line
            for line in read_console(self._directory)
            # Of the marks, only those of missing lines are part of the text.
            if (line.stream != "cell" or not line.text.startswith("["))
            and (stream is None or line.stream in (_STREAMS[stream], "cell"))
        ]
        if tail is not None:
            lines = lines[len(lines) - min(tail, len(lines)) :]
        if not as_frame:
            return "\n".join(line.text for line in lines)
        import pandas as pd

        frame = pd.DataFrame(
            [
                (line.seconds, line.timestamp, line.cell, line.stream, line.text)
                for line in lines
            ],
            columns=["_runtime", "_timestamp", "cell", "stream", "text"],
        )
        return frame.astype({"cell": "Int64", "_runtime": float, "_timestamp": float})


def _number_of_lines(tail: Any) -> int:
    advice = f"console(tail={tail!r}): give a number of lines, 0 or more."
    if isinstance(tail, bool) or not hasattr(tail, "__index__"):
        raise TypeError(advice)
    number = index(tail)
    if number < 0:
        raise ValueError(advice)
    return number


class ReadsItself:
    """``history`` of a run that is being written, as any other reader gives it."""

    _reader: Callable[[], Any] | None = None

    def reads_by(self, reader: Callable[[], Any]) -> None:
        """Say who reads what is stored; only the uppermost layer knows it."""
        self._reader = reader

    def history(
        self,
        samples: int | None = None,
        keys: Sequence[str] | None = None,
        x_axis: str = "_step",
        pandas: bool = True,  # noqa: FBT002  (W&B's signature)
        stream: str = "default",
    ) -> Any:
        """Give everything that was logged until now; see ``StoredRun.history``.

        With ``stream="system"``, what was measured of the machine.
        """
        if self._reader is None:  # mode="disabled" records nothing
            return _nothing(pandas=pandas)
        background.take()
        return self._reader().history(samples, keys, x_axis, pandas, stream)


def _nothing(*, pandas: bool) -> Any:
    if not pandas:
        return []
    import pandas as pd

    return pd.DataFrame(columns=["_step", "_runtime", "_timestamp"])
