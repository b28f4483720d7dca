"""Leaving private keys out of a stream's lines, and nothing else.

A key is many lines, of which only the first and the last say what they are. The first
may also be a word of documentation, with no key after it. So what follows it is left
out only as far as it looks like a key.
"""

from __future__ import annotations

import re
from typing import Final

from nbtrack._record.secrets import REDACTED, redacted

MARK: Final = "PRIVATE KEY-----"
_ENDS: Final = "-----END "
_BEGINS: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
#: Keys are broken at 64 or more; also behind what a log puts before each line.
_LONG: Final = re.compile(r"[A-Za-z0-9+/=]{40}")
_SHORT: Final = re.compile(r"[A-Za-z0-9+/=]*|[A-Z][A-Za-z]*-[A-Z][A-Za-z]*: .{1,80}")

_MOST_LINES: Final = 200  # a key of 16,384 bits has some 200
_MOST_SHORT: Final = 2  # in a row
_MOST_OTHERS: Final = 8  # in a row: other threads print in between


class Keys:
    """Whether one stream is in the middle of a key."""

    def __init__(self) -> None:
        self.is_inside = False
        self._left = 0  # lines that may still be of this key
        self._short = 0  # lines, of those that may be short
        self._others = 0  # lines in a row that were none of it

    def cleaned(self, line: str) -> str:
        """Give a line, or what stands for it."""
        if MARK in line:
            self.is_inside = _ENDS not in line
            self._left, self._others = _MOST_LINES, 0
            self._short = _MOST_SHORT if _BEGINS.fullmatch(line.strip()) else 0
            return REDACTED
        if not self.is_inside:
            return redacted(line)
        self._left -= 1
        if not line.strip():
            return line
        is_long = _LONG.search(line) is not None
        is_short = self._short > 0 and _SHORT.fullmatch(line.strip()) is not None
        if is_long:
            self._short, self._others = _MOST_SHORT, 0
        elif is_short:
            self._short -= 1
        else:
            self._short = 0
            self._others += 1
        self.is_inside = self._left > 0 and self._others < _MOST_OTHERS
        return REDACTED if is_long or is_short else redacted(line)
