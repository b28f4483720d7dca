"""Of very much text at a time, the beginning and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Characters taken at a time, of what is printed within a fraction of a second.
BURST: Final = 2 * 2**20
_HEAD: Final = BURST // 4


def bounded(
    printed: Iterable[tuple[str, str | int]],
) -> Iterator[tuple[str, str | int]]:
    """Leave out the middle of very much text; a number says how many lines it had.

    What comes out may go in again, before more text.
    """
    items = list(printed)
    size = sum(len(text) for _, text in items if isinstance(text, str))
    if size <= BURST:
        yield from items
        return
    head, tail = _HEAD, size - (BURST - _HEAD)
    at = cut = 0
    for stream, text in items:
        if not isinstance(text, str):
            if stream == "cell" or not head <= at < tail:
                yield stream, text
            else:  # what was left out before lies in the middle again
                cut += text
            continue
        begin, at = at, at + len(text)
        kept_from = max(tail - begin, 0)  # of this text, what is of the end
        kept_to = max(min(head - begin, kept_from), 0)  # and of the beginning
        cut += text.count("\n", kept_to, kept_from)
        if kept_to:
            yield stream, text[:kept_to]
        if kept_from < len(text):
            if cut:
                yield "out", cut
                cut = 0
            yield stream, text[kept_from:]
