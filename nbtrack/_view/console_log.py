"""The last lines of a run's console, and which of them a listener has not seen."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbtrack._view.wire import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbtrack._view.wire import ConsolePart

MOST_LINES: Final = 500
_LONGEST: Final = 2_000  # characters of a line
_MOST_SENT: Final = 200_000  # characters of a frame; the latest lines count

Stream = Literal["out", "err", "cell"]
_STREAMS: Final[dict[str, Stream]] = {"out": "out", "err": "err", "cell": "cell"}


class ConsoleSource(Protocol):
    """Gives the lines that came since the last call."""

    def poll(self) -> Iterable[tuple[int, str, str]]:
        """Give number, stream and text; a number that was there is replaced."""

    def close(self) -> None:
        """Let go of all files."""


class SystemSource(Protocol):
    """Gives the measurements that came since the last call."""

    def poll(self) -> Iterable[tuple[float, Mapping[str, float]]]:
        """Give seconds since the run's start, and values by name."""

    def close(self) -> None:
        """Let go of all files."""


class ConsoleLog:
    """Lines in order of appearance; a progress bar's line is one that changes."""

    def __init__(self) -> None:
        self.changes = 0
        self._first = 0  # place of the oldest line that is held
        self._lines: deque[tuple[int, Stream, str]] = deque()  # change, stream, text
        self._places: dict[int, int] = {}  # the source's number → place
        self._forgotten = -1  # the highest number whose place is not known any more

    def take(self, lines: Iterable[tuple[int, str, str]]) -> None:
        """Take new lines, and new texts of old ones."""
        for number, stream, text in lines:
            self.changes += 1
            short = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
            line = self.changes, _STREAMS.get(stream, "out"), plain(short)
            place = self._places.get(number)
            if place is None and number <= self._forgotten:
                continue  # a bar that began long ago, and is out of sight
            if place is None:
                self._places[number] = self._first + len(self._lines)
                self._lines.append(line)
                if len(self._lines) > MOST_LINES:
                    self._lines.popleft()
                    self._first += 1
            elif place >= self._first:
                self._lines[place - self._first] = line
        if len(self._places) > 2 * MOST_LINES:
            known = sorted(self._places.items(), key=lambda item: item[1])
            gone, kept = known[:-MOST_LINES], known[-MOST_LINES:]
            self._forgotten = max(self._forgotten, *(number for number, _ in gone))
            self._places = dict(kept)

    def since(self, change: int) -> ConsolePart | None:
        """Give the lines from the first one that changed after a change."""
        if change >= self.changes:
            return None
        lines = list(self._lines)
        at = next((i for i, line in enumerate(lines) if line[0] > change), len(lines))
        if at == len(lines):
            return None
        sent = lines[at:]
        while len(sent) > 1 and _length(sent) > _MOST_SENT:
            sent = sent[len(sent) // 2 :]
        first = self._first + len(lines) - len(sent)
        return {"from": first, "lines": [(s, t) for _, s, t in sent]}

    def texts(self) -> list[tuple[Stream, str]]:
        """Give stream and text of all lines that are held."""
        return [(stream, text) for _, stream, text in self._lines]


def _length(lines: Sequence[tuple[int, Stream, str]]) -> int:
    return sum(len(text) for _, _, text in lines)
