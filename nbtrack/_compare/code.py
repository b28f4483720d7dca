"""What differs between the cells that two runs executed.

Equal cells are matched first, in order. Within what lies between, cells are paired
by how many words they share, still in order, so that an edited cell shows as an edit
and not as one cell gone and another come. Words are hashed into a bit field: a
comparison of two cells is then one ``&`` on two integers, whatever their length,
and five hundred cells of two hundred lines take well under a second to pair.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final, Literal
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BITS: Final = 8192
_ALIKE: Final = 0.35  # share of words in common that makes two cells one edited cell
_MAX_PAIRS: Final = 300_000
_LONG: Final = 400  # lines or cells; beyond it difflib may ignore popular ones


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line; of sign "…", the text says how many equal lines are folded."""

    sign: Literal[" ", "-", "+", "…"]
    text: str


@dataclass(frozen=True, slots=True)
class CellDiff:
    """What became of one cell. Places count from 0; None: not in that run."""

    kind: Literal["same", "added", "removed", "changed"]
    a: int | None
    b: int | None
    lines: tuple[DiffLine, ...] = ()  # none for "same"


def diff_cells(
    a: Sequence[str],
    b: Sequence[str],
    *,
    context: int = 3,
) -> list[CellDiff]:
    """Align the cells of two runs and give what differs, in the order of reading."""
    diffs: list[CellDiff] = []
    tidy_a, tidy_b = [_tidy(cell) for cell in a], [_tidy(cell) for cell in b]
    for tag, a1, a2, b1, b2 in _opcodes(tidy_a, tidy_b):
        if tag == "equal":
            diffs += [CellDiff("same", a1 + i, b1 + i) for i in range(a2 - a1)]
            continue
        for i, j in _pair(tidy_a[a1:a2], tidy_b[b1:b2]):
            at = None if i is None else a1 + i
            to = None if j is None else b1 + j
            diffs.append(_cell_diff(tidy_a, tidy_b, at, to, context))
    return diffs


def diff_lines(a: Sequence[str], b: Sequence[str], context: int = 3) -> list[DiffLine]:
    """Give the lines that differ, with some around them and the others folded."""
    lines: list[DiffLine] = []
    codes = list(_opcodes(a, b))
    for at, (tag, a1, a2, b1, b2) in enumerate(codes):
        if tag == "equal":
            head = 0 if at == 0 else context
            tail = 0 if at == len(codes) - 1 else context
            lines += _folded(a[a1:a2], head, tail)
        else:
            lines += [DiffLine("-", text) for text in a[a1:a2]]
            lines += [DiffLine("+", text) for text in b[b1:b2]]
    return lines


def _folded(lines: Sequence[str], head: int, tail: int) -> list[DiffLine]:
    hidden = len(lines) - head - tail
    if hidden <= 1:  # a fold would take the room of what it hides
        return [DiffLine(" ", text) for text in lines]
    return [
        *(DiffLine(" ", text) for text in lines[:head]),
        DiffLine("…", f"{hidden} equal lines"),
        *(DiffLine(" ", text) for text in lines[len(lines) - tail :]),
    ]


def _tidy(cell: str) -> str:
    """Drop what no reader sees: blanks at the ends of lines and of the cell."""
    return "\n".join(line.rstrip() for line in cell.strip("\n").splitlines()).rstrip()


def _cell_diff(
    a: Sequence[str],
    b: Sequence[str],
    at: int | None,
    to: int | None,
    context: int,
) -> CellDiff:
    if to is None and at is not None:
        gone = tuple(DiffLine("-", text) for text in a[at].split("\n"))
        return CellDiff("removed", at, None, gone)
    if at is None and to is not None:
        come = tuple(DiffLine("+", text) for text in b[to].split("\n"))
        return CellDiff("added", None, to, come)
    assert at is not None and to is not None  # noqa: S101, PT018 - _pair gives one
    lines = diff_lines(a[at].split("\n"), b[to].split("\n"), context)
    return CellDiff("changed", at, to, tuple(lines))


def _opcodes(
    a: Sequence[str],
    b: Sequence[str],
) -> Iterator[tuple[str, int, int, int, int]]:
    """Give difflib's steps from a to b, the common ends taken off beforehand."""
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next(
        (i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]),
        shorter - head,
    )
    if head:
        yield "equal", 0, head, 0, head
    mid_a, mid_b = a[head : len(a) - tail], b[head : len(b) - tail]
    if mid_a or mid_b:
        junk = len(mid_a) + len(mid_b) > 2 * _LONG
        matcher = SequenceMatcher(None, mid_a, mid_b, autojunk=junk)
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            yield tag, a1 + head, a2 + head, b1 + head, b2 + head
    if tail:
        yield "equal", len(a) - tail, len(a), len(b) - tail, len(b)


def _pair(
    a: Sequence[str],
    b: Sequence[str],
) -> list[tuple[int | None, int | None]]:
    """Pair the cells of two stretches by likeness, in order; the rest stay alone."""
    pairs: list[tuple[int | None, int | None]] = []
    i = j = 0
    for at, to in [*_matches(a, b), (len(a), len(b))]:
        pairs += [(k, None) for k in range(i, at)]
        pairs += [(None, k) for k in range(j, to)]
        if at < len(a):
            pairs.append((at, to))
        i, j = at + 1, to + 1
    return pairs


def _matches(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Choose the pairs, in order, whose likenesses add up to most."""
    if len(a) * len(b) > _MAX_PAIRS:
        return [(i, i) for i in range(min(len(a), len(b)))]
    bits_a, bits_b = [_words(cell) for cell in a], [_words(cell) for cell in b]
    likeness = [[_likeness(x, y) for y in bits_b] for x in bits_a]
    # best[i][j]: the most that a[i:] and b[j:] can add up to
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        row, below, like = best[i], best[i + 1], likeness[i]
        for j in range(len(b) - 1, -1, -1):
            most = max(row[j + 1], below[j])
            row[j] = max(most, like[j] + below[j + 1]) if like[j] else most
    return list(_trace(best, likeness))


def _trace(
    best: list[list[float]],
    likeness: list[list[float]],
) -> Iterator[tuple[int, int]]:
    i = j = 0
    while i < len(likeness) and j < len(likeness[0]):
        if likeness[i][j] and best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1


def _words(cell: str) -> tuple[int, int]:
    """Give a bit for each word of a cell, and how many bits there are."""
    field = bytearray(_BITS // 8)
    for word in set(re.findall(r"\w+", cell)):
        bit = crc32(word.encode("utf-8", "replace")) % _BITS
        field[bit >> 3] |= 1 << (bit & 7)
    bits = int.from_bytes(field, "little")
    return bits, bits.bit_count()


def _likeness(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Give the share of words in common, 0 where it is too small to mean anything."""
    total = a[1] + b[1]
    share = 2 * (a[0] & b[0]).bit_count() / total if total else 0.0
    return share if share >= _ALIKE else 0.0
