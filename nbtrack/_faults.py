"""The ledger of what went wrong without stopping the training.

No fault is swallowed: the first of its kind warns at once, every one is counted,
and ``finish()`` says what was lost. In strict mode a fault raises instead.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbtrack._fork import tell_when_forked
from nbtrack.errors import NbtrackWarning, StrictError

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Files whose lines no warning quotes: ours, and that which runs our threads.
_OURS: Final = os.path.dirname(__file__) + os.sep  # noqa: PTH120  (as frames have it)
_THREADS: Final = threading.__file__


def warn(text: str) -> None:
    """Warn so that the user's own line is quoted: the nearest that is none of ours."""
    level, frame = 1, sys._getframe()  # noqa: SLF001
    while frame is not None and _is_ours(frame.f_code.co_filename):
        # Past the last one there is no line to quote, as on a thread of ours.
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    try:
        warnings.warn(text, NbtrackWarning, stacklevel=level)
    except NbtrackWarning:  # a filter turns warnings into errors; not for us
        print(f"nbtrack: {text}", file=sys.stderr)  # noqa: T201


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) or file == _THREADS


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, and how often it happened.

    Attributes
    ----------
    kind
        Short stable name, such as ``"write"`` or ``"late-step"``.
    message
        What happened and what to do next, of the first occurrence.
    count
        Occurrences so far.
    """

    kind: str
    message: str
    count: int = 1

    def __str__(self) -> str:
        times = f" (x{self.count})" if self.count > 1 else ""
        return f"{self.kind}: {self.message}{times}"


class Faults:
    """Thread-safe list of faults, one entry per kind and subject."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Fault] = {}
        tell_when_forked(self)

    def forked(self) -> None:
        """Continue in a child with a lock of its own."""
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        message: str,
        *,
        subject: str = "",
        error: BaseException | None = None,
        in_user_call: bool = True,
    ) -> None:
        """Count a fault; warn when it is the first of its kind and subject.

        Parameters
        ----------
        kind, subject
            Identify the fault: one warning for each pair, then only counting.
        error
            The exception behind it; its text is appended to the message.
        in_user_call
            False on a background thread, where raising would help nobody: strict
            mode then only warns.

        Raises
        ------
        StrictError
            In strict mode, when the fault happens inside the user's own call.
        """
        text = f"{message} [{type(error).__name__}: {error}]" if error else message
        with self._lock:
            known = self._entries.get((kind, subject))
            self._entries[kind, subject] = (
                replace(known, count=known.count + 1) if known else Fault(kind, text)
            )
        if self._strict and in_user_call:
            raise StrictError(text) from error
        if known is None:
            warn(text)

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "no faults"
