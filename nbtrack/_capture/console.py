r"""What was printed: writing it down as lines, and reading it back.

A record is a run of lines of one stream, printed in one cell::

    [5, 2504113, "out", {"n": 12, "text": "epoch 3\nloss 0.25", "cell": 7}, "5d1f03a"]

``n`` is the number of its first line; streams share the numbers. A line that changes,
such as a progress bar's, comes again under its number. How often depends on how long it
has been changing, so that a bar of ten hours leaves kilobytes.

A run keeps the beginning of its console and the end. Where something is missing, a line
says how much.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbtrack._capture.burst import bounded
from nbtrack._capture.files import Appender, Bounds, Followed, json_text
from nbtrack._capture.keys import MARK, Keys
from nbtrack._capture.screen import Screen, without_controls
from nbtrack._record.secrets import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbtrack._capture.files import Told
    from nbtrack._store.lines import Record
    from nbtrack._store.rundir import RunDir

#: The directory in the run's.
CONSOLE: Final = "console"
STREAMS: Final = ("out", "err")

#: The first 2 MiB are kept and the last 8; or so many lines of that.
BOUNDS: Final = Bounds(2 * 2**20, 50_000, 4)

#: A line that changes comes again after this share of the time it has been changing.
_REDRAW_SHARE: Final = 0.02
_REDRAW_LEAST_US: Final = 400_000
_REDRAW_MOST_US: Final = 10_000_000
_MOST_NUMBER: Final = 2**53


class ConsoleWriter:
    """Turns what was printed into records of one run; used under the owner's lock."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        numbers = count()
        self._number: Callable[[], int] = numbers.__next__
        self._screens = {stream: Screen(self._number) for stream in STREAMS}
        self._drawn_us: dict[int, tuple[int, int]] = {}  # number → first, last time
        self._keys = {stream: Keys() for stream in STREAMS}
        self._cell: int | None = None

    def take(self, printed: Iterable[tuple[str, str | int]], now_us: int) -> None:
        """Write down what was printed.

        Parameters
        ----------
        printed
            Stream and text, in order; or "cell" and the count of one that began.
        """
        records: list[Told] = []
        lines = 0
        for stream, text in bounded(printed):
            if stream == "cell":
                self._settle(records, now_us, all_of_it=True)
                self._cell = int(text)
            elif isinstance(text, int):
                kept = {"n": self._number(), "lines": text, "cell": self._cell}
                records.append((now_us, "cut", kept))
            else:
                for number, run in self._screens[stream].feed(text):
                    lines += len(run)
                    records.append(self._told(now_us, stream, number, run))
        self._settle(records, now_us)
        if records:
            records.sort(key=_first_line)  # readers meet new lines in their order
            self._appender.append(records, lines=lines, at=_first_line(records[0]))
        elif self._appender.is_behind:
            self._appender.append([])

    def _settle(
        self, records: list[Told], now_us: int, *, all_of_it: bool = False
    ) -> None:
        """Add the state of lines that are not ended, or were drawn over."""
        for stream, screen in self._screens.items():
            for number, text in list(screen.unsettled.items()):
                first_us, last_us = self._drawn_us.get(number, (now_us, None))
                share = (now_us - first_us) * _REDRAW_SHARE
                pause = min(max(share, _REDRAW_LEAST_US), _REDRAW_MOST_US)
                if last_us is None or all_of_it or now_us - last_us >= pause:
                    del screen.unsettled[number]
                    self._drawn_us[number] = first_us, now_us
                    records.append(self._told(now_us, stream, number, [text]))
        while len(self._drawn_us) > _REMEMBERED:
            del self._drawn_us[next(iter(self._drawn_us))]

    def _told(self, us: int, stream: str, number: int, lines: list[str]) -> Told:
        text = "\n".join(lines)
        if self._keys[stream].is_inside or MARK in text:
            text = "\n".join(map(self._keys[stream].cleaned, lines))
        else:
            text = redacted(text)
        payload: dict[str, Any] = {"n": number, "text": json_text(text)}
        if self._cell is not None:
            payload["cell"] = self._cell
        return us, stream, payload

    def close(self, now_us: int) -> None:
        """Write down what is left and let go of the file."""
        records: list[Told] = []
        self._settle(records, now_us, all_of_it=True)
        if records:
            self._appender.append(records, at=records[0][2]["n"])
        self._appender.close()

    def abandon(self) -> None:
        """Let go of the file in a forked child."""
        self._appender.abandon()


_REMEMBERED: Final = 256  # lines that were drawn over


def _first_line(record: Told) -> int:
    number: int = record[2]["n"]
    return number


# -- reading ---------------------------------------------------------------------------


class Line(NamedTuple):
    """One line as it stands now.

    Attributes
    ----------
    number
        Unique in the run. A line of a number that was there before replaces it.
    seconds, timestamp
        Run time, and Unix time, of when it was written down.
    stream
        "out", "err", or "cell": not printed, but a mark of a new cell, or of lines that
        are missing.
    cell
        The execution count of the cell that ran.
    """

    number: int
    seconds: float
    timestamp: float
    stream: str
    cell: int | None
    text: str


class _Numbers:
    """Gives lines of many writers numbers of one sequence."""

    def __init__(self) -> None:
        self.next = 0
        self._spans: dict[str, list[tuple[int, int, int]]] = {}  # first, last, number
        self._odd: dict[tuple[str, int], int] = {}  # came late: between spans

    def take(self) -> int:
        """Give a number to a line that no writer wrote."""
        self.next += 1
        return self.next - 1

    def of(self, writer: str, first: int, lines: int) -> list[int]:
        """Give the numbers of a run of lines; new ones where they are new."""
        spans, end = self._spans.setdefault(writer, []), first + lines
        new = max(first, spans[-1][1] + 1) if spans else first  # from here on
        numbers = [self._one(writer, line) for line in range(first, min(new, end))]
        if new < end:
            number, self.next = self.next, self.next + end - new
            if spans and self._continues(spans[-1], new, number):
                spans[-1] = (spans[-1][0], end - 1, spans[-1][2])
            else:
                spans.append((new, end - 1, number))
            numbers += range(number, self.next)
        return numbers

    @staticmethod
    def _continues(span: tuple[int, int, int], first: int, number: int) -> bool:
        return span[1] + 1 == first and span[2] + first - span[0] == number

    def _one(self, writer: str, line: int) -> int:
        spans = self._spans[writer]
        at = bisect_right(spans, (line, math.inf, 0)) - 1
        if at >= 0 and spans[at][0] <= line <= spans[at][1]:
            return spans[at][2] + line - spans[at][0]
        number = self._odd.get((writer, line))
        if number is None:
            number = self._odd[writer, line] = self.take()
        return number


class ConsoleLines:
    """A run's console as it comes: lines, some of them again with another text."""

    def __init__(self, run: RunDir) -> None:
        self._followed = Followed(run.path / CONSOLE)
        self._numbers = _Numbers()
        self._cells: dict[str, int | None] = {}  # of a writer's last line
        self._last: dict[str, tuple[int, int]] = {}  # its last segment and line

    def poll(self) -> Iterator[Line]:
        """Give what changed since the last call."""
        for record in self._followed.poll():
            if record.kind == "open":
                yield from self._gap(record)
            elif record.kind in (*STREAMS, "cut"):
                yield from self._lines(record)

    def _gap(self, record: Record) -> Iterator[Line]:
        """Say what is missing before a segment: those between were let go."""
        segment, at = record.step or 0, record.data.get("at")
        before, last = self._last.get(record.writer, (segment, 0))
        if segment > before + 1 and isinstance(at, int) and last < at < _MOST_NUMBER:
            yield self._mark(record, _missing(at - last - 1))

    def _mark(self, record: Record, text: str) -> Line:
        return self._line(record, self._numbers.take(), "cell", text)

    def _line(self, record: Record, number: int, stream: str, text: str) -> Line:
        opening = self._followed.openings.get(record.writer, {})
        t0 = opening.get("t0")
        seconds = record.us / 1e6
        begun = float(t0) if isinstance(t0, (int, float)) else math.nan
        cell = _cell(record)
        return Line(number, seconds, begun + seconds, stream, cell, text)

    def _lines(self, record: Record) -> Iterator[Line]:
        first = record.data.get("n")
        if type(first) is not int or not 0 <= first < _MOST_NUMBER:
            return
        texts, stream = _texts(record)
        known = self._last.get(record.writer, (0, -1))[1]
        cell = _cell(record)
        is_new = first > known
        if is_new and cell is not None and cell != self._cells.get(record.writer):
            self._cells[record.writer] = cell
            yield self._mark(record, f"[{cell}]")
        numbers = self._numbers.of(record.writer, first, len(texts))
        last = max(known, first + len(texts) - 1)
        self._last[record.writer] = record.step or 0, last
        for number, text in zip(numbers, texts, strict=True):
            yield self._line(record, number, stream, text)

    def close(self) -> None:
        """Let go of all files."""
        self._followed.close()


def _cell(record: Record) -> int | None:
    cell = record.data.get("cell")
    return cell if type(cell) is int and 0 <= cell < _MOST_NUMBER else None


def _texts(record: Record) -> tuple[list[str], str]:
    """Give a record's lines and their stream; anybody may have written it."""
    if record.kind == "cut":
        lost = record.data.get("lines")
        return [_missing(lost if type(lost) is int else 0)], "cell"
    text = record.data.get("text")
    lines = text.split("\n") if isinstance(text, str) else [""]
    return [without_controls(line) for line in lines], record.kind


def _missing(lines: int) -> str:
    return f"… {lines:,} lines are left out …"


class ConsoleTail:
    """The console of a run as it comes, from whatever process it comes.

    Examples
    --------
    >>> tail = ConsoleTail(directory)  # doctest: +SKIP
    >>> tail.poll()  # doctest: +SKIP
    [(0, 'cell', '[3]'), (1, 'out', 'epoch 1')]
    """

    def __init__(self, run: RunDir) -> None:
        self._lines = ConsoleLines(run)

    def poll(self) -> list[tuple[int, str, str]]:
        """Give number, stream and text of what is new since the last call.

        A line of a number that was given before replaces that one. The stream is
        "out", "err", or "cell" for a mark: ``[3]`` where cell 3 begins to print.
        """
        return [(line.number, line.stream, line.text) for line in self._lines.poll()]

    def close(self) -> None:
        """Let go of all files; a later poll gives what is new."""
        self._lines.close()


def read_console(run: RunDir) -> list[Line]:
    """Give all lines of a run's console as they stand, in order of appearance."""
    lines = {line.number: line for line in ConsoleLines(run).poll()}
    return [lines[number] for number in sorted(lines)]
