r"""What a stream of text looks like on a terminal, as numbered lines.

A progress bar draws its line again and again (``\r``), several bars move up and down
(``ESC [ A``); of all that the last state is what a person saw. A ``Screen`` takes text
in whatever pieces it comes and says which lines changed. Nearly all text has nothing of
the kind and goes a short way: it is cut at its newlines.

Colours and other controls are left out. A line that has left the last rows is final.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Characters of a line that are kept; a longer one ends in an ellipsis.
LONGEST: Final = 16_384
_ROWS: Final = 64  # that a cursor can go back to
_MOST_HELD: Final = 4_096  # characters of an escape sequence that does not end

_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
#: Anything but newline, tab and text. C1 controls are as good as escapes to terminals.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TOKEN: Final = re.compile(
    r"\x1b\[([0-9;:]*)[<-?]*[ -/]*([@-~])"  # CSI: parameters, and what to do
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # a title, a link
    r"|\x1b[ -/]*[0-~]"
    r"|\x08+"
    r"|[\x00-\x1f\x7f-\x9f]"
)
#: An escape sequence that may go on in the next piece of text.
_BEGUN: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)$")

#: Controls that draw nothing and move nothing.
_IDLE: Final = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
#: A character that the next one takes the place of.
_BACK_OVER: Final = re.compile(r"[^\x00-\x1f]\x08(?=[^\x00-\x1f])")
_BACK_TO_START: Final = re.compile(r"(?<!\x08)\x08+\r")  # or it is quadratic
_CLEARS: Final = re.compile(r"\x1b\[[02]?K")
_FEW: Final = 4  # redraws of a line that are drawn as they come


class Screen:
    """One stream's lines.

    Parameters
    ----------
    number
        Gives the next line's number; streams share it.
    """

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        #: The last rows: number (-1 while nothing is in it) and text.
        self._rows: list[tuple[int, str]] = [(-1, "")]
        self._row = 0
        self._column = 0
        self._held = ""
        #: Lines that are drawn over or not ended, and changed: number → text.
        self.unsettled: dict[int, str] = {}

    def feed(self, text: str) -> list[tuple[int, list[str]]]:
        """Take text; give the lines that it ended, as runs: first number, texts."""
        if self._held:
            text, self._held = self._held + text, ""
        text = text.replace("\r\n", "\n")
        if "\x1b" in text:
            text = _COLOUR.sub("", text)
            begun = _BEGUN.search(text)
            if begun is not None and len(begun.group()) <= _MOST_HELD:
                text, self._held = text[: begun.start()], begun.group()
        if not text:
            return []
        number, last = self._rows[-1]
        at_end = self._row == len(self._rows) - 1 and self._column == len(last)
        if at_end and not _CONTROL.search(text):
            return self._append(text, number, last)
        return self._draw(text)

    def _append(self, text: str, number: int, last: str) -> list[tuple[int, list[str]]]:
        """Take text that only adds lines: the short way."""
        first, *others = text.split("\n")
        line = _cut(last + first)
        if not others:
            self._set_last(self._numbered(number), line)
            return []
        number = self._numbered(number)
        self.unsettled.pop(number, None)
        runs = [(number, [line])]
        *ended, open_line = others
        if ended:
            ended = [_cut(one) for one in ended] if len(text) > LONGEST else ended
            numbers = [self._number() for _ in ended]
            if numbers[0] == number + 1:
                runs[0][1].extend(ended)
            else:
                runs.append((numbers[0], ended))
        self._rows[-1] = (number, line)
        if ended:
            self._rows += zip(numbers[-_ROWS:], ended[-_ROWS:], strict=True)
        self._rows.append((-1, ""))
        del self._rows[:-_ROWS]
        self._row, self._column = len(self._rows) - 1, 0
        if open_line:
            self._set_last(self._number(), _cut(open_line))
        return runs

    def _numbered(self, number: int) -> int:
        return self._number() if number < 0 else number

    def _set_last(self, number: int, line: str) -> None:
        self._rows[-1] = (number, line)
        self._column = len(line)
        self.unsettled[number] = line

    # -- drawing -------------------------------------------------------------------

    def _draw(self, text: str) -> list[tuple[int, list[str]]]:
        runs: list[tuple[int, list[str]]] = []
        at = 0
        text = _without_redraws(text)
        for token in _TOKEN.finditer(text):
            if token.start() > at:
                self._put(text[at : token.start()])
            at = token.end()
            what = token.group()
            if what == "\n":
                self._newline(runs)
            elif what == "\r":
                self._column = 0
            elif what[0] == "\b":
                self._column = max(self._column - len(what), 0)
            elif what == "\t":
                self._put(what)
            elif token.group(2):
                self._move(token.group(2), token.group(1))
        if at < len(text):
            self._put(text[at:])
        return runs

    def _put(self, text: str) -> None:
        number, line = self._rows[self._row]
        gap = " " * min(self._column - len(line), LONGEST)
        after = line[self._column + len(text) :]
        line = _cut(line[: self._column] + gap + text + after)
        self._column = min(self._column + len(text), len(line))
        self._write(line, number)

    def _write(self, line: str, number: int) -> None:
        number = self._numbered(number)
        self._rows[self._row] = (number, line)
        self.unsettled[number] = line

    def _newline(self, runs: list[tuple[int, list[str]]]) -> None:
        self._column = 0
        if self._row < len(self._rows) - 1:
            self._row += 1
            return
        number, line = self._rows[-1]
        number = self._numbered(number)
        self._rows[-1] = (number, line)
        self.unsettled.pop(number, None)
        runs.append((number, [line]))
        self._rows.append((-1, ""))
        del self._rows[:-_ROWS]
        self._row = len(self._rows) - 1

    def _move(self, what: str, parameters: str) -> None:
        told = parameters.partition(";")[0]
        count = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0  # noqa: PLR2004
        steps = max(count, 1)
        number, line = self._rows[self._row]
        if what == "A":
            self._row = max(self._row - steps, 0)
        elif what == "B":
            self._row = min(self._row + steps, len(self._rows) - 1)
        elif what == "C":
            self._column = min(self._column + steps, LONGEST)
        elif what == "D":
            self._column = max(self._column - steps, 0)
        elif what == "G":
            self._column = min(steps - 1, LONGEST)
        elif what == "K" and number >= 0:
            left = "" if count == 2 else line[: self._column]  # noqa: PLR2004
            if count == 1:
                left = " " * min(self._column, len(line)) + line[self._column :]
            self._write(left, number)


def _without_redraws(text: str) -> str:
    """Leave out what is drawn over within the same text, as far as is seen at once.

    A loop that redraws as fast as it can would else keep a processor busy: to draw a
    piece costs a hundred times more than to see that it is not needed.
    """
    if text.count("\r") + text.count("\b") <= _FEW:
        return text
    if "\x1b]" in text:  # may go on over many lines
        return text
    return "\n".join([_last_redraws(line) for line in text.split("\n")])


def _last_redraws(line: str) -> str:
    if line.count("\r") + line.count("\b") <= _FEW:
        return line
    if "\x1b" in line:
        at = max(line.rfind("\r\x1b[K"), line.rfind("\r\x1b[2K"))
        is_cleared = at > 0 and "\x1b" not in _CLEARS.sub("", line[:at])
        return f" {line[at:]}" if is_cleared else line
    line = _IDLE.sub("", line)
    if "\b" in line:
        line = _BACK_TO_START.sub("\r", _BACK_OVER.sub("", line))
    if "\b" in line or "\r" not in line:
        return line
    first, *others, last = line.split("\r")  # the first goes on where the cursor is
    longest = len(last)
    kept = [last]
    for other in reversed(others):
        if len(other) > longest:
            longest = len(other)
            kept.append(other)
    kept.append(first)
    return "\r".join(reversed(kept))


def _cut(line: str) -> str:
    """Bound a line."""
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST - 1]}…"


def without_controls(line: str) -> str:
    """Give a line that no terminal obeys; lines on disk may come from anywhere."""
    return _CONTROL.sub("", _TOKEN.sub(_tabs, line)) if _CONTROL.search(line) else line


def _tabs(token: re.Match[str]) -> str:
    return "\t" if token.group() == "\t" else ""
