"""Decoding many lines of a journal at once.

A line at a time costs five microseconds of Python, so reading a killed run of a million
rows would take as many seconds. Nearly all lines of a run have one of a few shapes: the
same keys in the same order, every value a number. Lines of one shape are cut at their
commas by numpy and turned into numbers by Arrow (``fast_float``: correctly rounded, as
Python's ``float``); what does not fit a shape goes through ``lines.decode``. Both ways
give the same rows, which a property test holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from nbtrack._store.block import EXACT, Block, BlockBuilder, Code
from nbtrack._store.checksums import all_hold
from nbtrack._store.lines import Record, decode, is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.float64]
    Positions = NDArray[np.int64]

_NEWLINE, _COMMA = b"\n,"
_NUMBER: Final = re.compile(rb"-?[0-9][-+.0-9eE]*")
_HEX: Final = re.compile(rb"[0-9a-f]{1,8}")
#: Bytes behind a line that may be looked at while it is compared with another.
_MARGIN: Final = 72
#: Fewer lines of one shape than this are decoded one by one.
_MIN_GROUP: Final = 16
_MAX_SHAPES: Final = 64  # tried in one call


class Decoded(NamedTuple):
    """What a stretch of a log holds."""

    rows: Block
    others: list[Record]  # records that are no rows, in order
    rest: list[bytes]  # the lines that are no rows, damaged ones too, as they are
    damaged_lines: int


def decode_lines(data: bytes, writer: str) -> Decoded:
    """Decode whole lines, each with its newline, in the order of sequence numbers.

    Parameters
    ----------
    data
        Part of a log that ends with a newline. A megabyte at a time is quickest: what
        is made of it then stays in the processor's cache.
    """
    text = _Text(data)
    is_good = text.are_sealed()
    is_left = is_good.copy()
    builder = BlockBuilder(writer)
    for shape, lines, cuts in text.groups(np.flatnonzero(is_good)):
        is_left[_add_group(builder, text, shape, lines, cuts)] = False
    others, rest = [], []
    is_rest = is_left | (~is_good & (text.ends > text.starts))
    for line in np.flatnonzero(is_rest).tolist():
        raw = text.line(line)
        record = decode(raw, writer) if is_good[line] else None
        if record is not None and record.kind == "row":
            builder.add_record(record)
            continue
        rest.append(raw)
        if record is not None:
            others.append(record)
    return Decoded(builder.build(), others, rest, len(rest) - len(others))


class _Shape(NamedTuple):
    """What the lines of one kind of row share.

    Attributes
    ----------
    keys
        As a mapping has them.
    tokens
        As a line has them: quoted, with a colon, and with the comma before them.
    opens, ends
        By key: which of a line's cuts is the comma before it, and which one ends its
        value (of the last key, the cut is one byte behind that, after the brace).
    """

    keys: tuple[str, ...]
    tokens: tuple[bytes, ...]
    opens: tuple[int, ...]
    ends: tuple[int, ...]


class _Text:
    """A stretch of a log, and where its lines and their parts are.

    Attributes
    ----------
    cuts
        Where the commas and newlines are.
    last
        Of each line, which cut is its newline.
    words
        The eight bytes at every place, to compare keys without a loop over bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.buffer = pa.py_buffer(data)
        self.bytes = np.frombuffer(data, dtype=np.uint8)
        is_newline = self.bytes == _NEWLINE
        is_cut = self.bytes == _COMMA
        is_cut |= is_newline
        self.cuts: Positions = np.flatnonzero(is_cut)
        self.last = self._last_cuts(int(np.count_nonzero(is_newline)))
        self.ends: Positions = self.cuts[self.last]
        self.starts: Positions = np.concatenate([[0], self.ends[:-1] + 1])
        self.words = np.ndarray(
            (max(len(data) - 7, 0),), dtype="<u8", buffer=data, strides=(1,)
        )

    def _last_cuts(self, lines: int) -> Positions:
        per_line, rest = divmod(len(self.cuts), lines) if lines else (0, 1)
        if not rest:  # the same number in each line, perhaps
            last = np.arange(1, lines + 1) * per_line - 1
            if (self.bytes[self.cuts[last]] == _NEWLINE).all():
                return last
        return np.flatnonzero(self.bytes[self.cuts] == _NEWLINE)

    def line(self, number: int) -> bytes:
        """Give one line without its newline."""
        return self.data[self.starts[number] : self.ends[number]]

    def are_sealed(self) -> Flags:
        """Say which lines have the checksum that their seal tells."""
        if len(self.words) and all_hold(self.data, self.ends, *self._told()):
            return np.ones(len(self.ends), dtype=bool)
        lines = range(len(self.ends))
        return np.fromiter((is_sealed(self.line(n)) for n in lines), dtype=bool)

    def _told(self) -> tuple[NDArray[np.uint32], Positions]:
        """Give the number in each seal, ``,"5d1f03a"]``, and how many digits it has.

        Of a line without a seal, it is some number: the checksum of the whole text,
        which goes over the seals as well, will not hold then.
        """
        first = self.cuts[np.maximum(self.last - 1, 0)] + len(b',"')
        digits = np.clip(self.ends - first - len(b'"]'), 1, 8)
        told = np.empty(len(digits), dtype=np.uint32)
        places = np.minimum(first[:-1], len(self.words) - 1)  # of damaged lines
        told[:-1] = _hex(self.words[places], digits[:-1])
        # Behind the last seal there may be no eight bytes.
        last = self.data[first[-1] : first[-1] + digits[-1]]
        told[-1:] = int(last, 16) if _HEX.fullmatch(last) else 0
        return told, digits

    def groups(self, lines: Positions) -> Iterator[tuple[_Shape, Positions, Positions]]:
        """Find lines of one shape; give shape, lines and their cuts: (cuts, lines).

        The last lines are left out: there may be no eight bytes behind their keys.
        """
        lines = lines[self.ends[lines] < len(self.data) - _MARGIN]
        counts = np.diff(self.last, prepend=-1)[lines]
        for count in np.flatnonzero(np.bincount(counts) >= _MIN_GROUP).tolist():
            some = lines[counts == count]
            yield from self._shaped(some, self._cuts_of(some, count))

    def _cuts_of(self, lines: Positions, count: int) -> Positions:
        """Give the cuts of lines that have so many; (cuts, lines)."""
        size = len(lines) * count
        if lines[-1] == len(lines) - 1 and self.last[lines[-1]] == size - 1:
            return self.cuts[:size].reshape(-1, count).T  # all lines up to there
        firsts = self.last[lines] - count + 1
        places: Positions = self.cuts[firsts + np.arange(count)[:, None]]
        return places

    def _shaped(
        self, lines: Positions, cuts: Positions
    ) -> Iterator[tuple[_Shape, Positions, Positions]]:
        """Divide lines with one number of cuts by what stands between them."""
        for _ in range(_MAX_SHAPES):
            if len(lines) < _MIN_GROUP:
                return
            shape = _shape_of(self.line(lines[0]))
            if shape is None:
                lines, cuts = lines[1:], cuts[:, 1:]
                continue
            fits = self._fit(shape, cuts)
            if fits.all():
                yield shape, lines, cuts
                return
            if np.count_nonzero(fits) >= _MIN_GROUP:
                yield shape, lines[fits], cuts[:, fits]
            lines, cuts = lines[~fits], cuts[:, ~fits]

    def _fit(self, shape: _Shape, cuts: Positions) -> Flags:
        """Say which lines have this shape's keys in their places."""
        differs = np.zeros(cuts.shape[1], dtype=np.uint64)
        for token, opening in zip(shape.tokens, shape.opens, strict=True):
            place = cuts[opening]
            for offset in _word_offsets(len(token)):
                at = place + offset if offset else place
                if offset > _MARGIN - 8:
                    # Of another shape, a line may end before such a long key would.
                    at = np.minimum(at, len(self.words) - 1)
                word = token[offset : offset + 8]
                unlike = self.words[at] ^ np.uint64(int.from_bytes(word, "little"))
                if len(word) < 8:  # noqa: PLR2004
                    unlike <<= np.uint64(8 * (8 - len(word)))
                differs |= unlike
        are_alike: Flags = differs == 0
        return are_alike


def _word_offsets(size: int) -> list[int]:
    """Give where words of eight bytes begin that cover a token; they may overlap."""
    return [*range(0, size - 8, 8), max(size - 8, 0)]


def _hex(words: NDArray[np.uint64], digits: Positions) -> NDArray[np.uint32]:
    """Read lower-case hexadecimal numbers out of the first bytes of words.

    Eight digits are the eight bytes of one integer: each step works on all of them.
    """
    missing = (8 - digits).astype(np.uint64)
    word = words << missing * np.uint64(8) | _ZEROS[missing]
    is_letter = word >> np.uint64(6) & _EACH
    number = ((word & _NIBBLES) + is_letter * np.uint64(9)) & _NIBBLES
    for bits, mask in (
        (4, 0x00FF00FF00FF00FF),
        (8, 0x0000FFFF0000FFFF),
        (16, 2**32 - 1),
    ):
        # Two neighbours become one number of twice the width, the first one ahead.
        number = number << np.uint64(bits) | number >> np.uint64(2 * bits)
        number &= np.uint64(mask)
    return number.astype(np.uint32)


_EACH: Final = np.uint64(0x0101010101010101)
_NIBBLES: Final = _EACH * np.uint64(15)
#: As many digits 0 as its index says, as the first bytes of a word.
_ZEROS: Final = np.array(
    [int.from_bytes(b"0" * count, "little") for count in range(8)], dtype=np.uint64
)


def _shape_of(line: bytes) -> _Shape | None:
    """Give the shape of a row whose values are all numbers."""
    record = decode(line, "")
    if record is None or record.kind != "row" or not record.data:
        return None
    places = [at for at, byte in enumerate(line) if byte == _COMMA]
    cuts = {place: number for number, place in enumerate(places)}
    cuts[places[-1] - 1] = len(places) - 1  # the last value ends at a brace instead
    tokens: list[bytes] = []
    opens, ends = [], []
    comma = line.index(b",{")
    for key in record.data:
        token = (b"," if tokens else b",{") + orjson.dumps(key) + b":"
        number = _NUMBER.match(line, comma + len(token))
        if number is None or not line.startswith(token, comma):
            return None
        if number.end() not in cuts:
            return None
        tokens.append(token)
        opens.append(cuts[comma])
        ends.append(cuts[number.end()])
        comma = number.end()
    if comma != places[-1] - 1:
        return None  # there is an extended part
    return _Shape(tuple(record.data), tuple(tokens), tuple(opens), tuple(ends))


def _add_group(
    builder: BlockBuilder,
    text: _Text,
    shape: _Shape,
    lines: Positions,
    cuts: Positions,
) -> Positions:
    """Add the rows of lines of one shape; give those lines that were added."""
    count = len(shape.keys)
    begins = np.empty((len(lines), _OWN + count), dtype=np.int32)
    ends = np.empty_like(begins)
    begins[:, 0] = text.starts[lines] + 1
    begins[:, 1:_OWN] = cuts[: _OWN - 1].T + 1
    ends[:, :_OWN] = cuts[:_OWN].T
    for key, token in enumerate(shape.tokens, start=_OWN):
        begins[:, key] = cuts[shape.opens[key - _OWN]] + len(token)
        ends[:, key] = cuts[shape.ends[key - _OWN]]
    ends[:, -1] -= 1  # the brace
    try:
        numbers = _cast(text, begins, ends, pa.float64(), np.float64).T.copy()
    except pa.ArrowInvalid:  # some value is no number: each line by itself
        return lines[:0]
    fits = _are_exact(text, numbers, begins, ends)
    fits &= (numbers[:_OWN] == np.rint(numbers[:_OWN])).all(axis=0)
    seqs, us, steps = numbers[:_OWN].astype(np.int64)
    columns = {}
    for key, name in enumerate(shape.keys, start=_OWN):
        code = Code.FLOAT
        if _are_integers(text, begins[:, key], ends[:, key]):
            code = Code.INT
        columns[name] = (numbers[key], np.full(len(lines), code, dtype=np.int8))
    own = (seqs, steps, us)
    if not fits.all():
        own = (seqs[fits], steps[fits], us[fits])
        columns = {k: (n[fits], c[fits]) for k, (n, c) in columns.items()}
        lines = lines[fits]
    builder.add_group(own, columns)
    return lines


#: Numbers before the payload: sequence number, microseconds, step.
_OWN: Final = 3


def _cast(
    text: _Text,
    begins: Positions | NDArray[np.int32],
    ends: Positions | NDArray[np.int32],
    kind: pa.DataType,
    dtype: Any,
) -> Any:
    """Read numbers out of the text where they lie, in order of their places.

    To Arrow, the text is an array of strings: tokens, and between them gaps, which it
    does not look at because they are marked as missing.

    Raises
    ------
    pa.ArrowInvalid
        A token is no such number.
    """
    count = begins.size
    offsets = np.empty(2 * count, dtype=np.int32)
    offsets[0::2], offsets[1::2] = begins.ravel(), ends.ravel()
    are_tokens = pa.py_buffer(b"\x55" * (count // 4 + 1))
    buffers = [are_tokens, pa.py_buffer(offsets), text.buffer]
    strings = pa.Array.from_buffers(pa.string(), 2 * count - 1, buffers)
    numbers = strings.cast(kind).buffers()[1]
    return np.frombuffer(numbers, dtype, 2 * count - 1)[::2].reshape(begins.shape)


def _are_integers(
    text: _Text, begins: NDArray[np.int32], ends: NDArray[np.int32]
) -> bool:
    """Say whether all of these tokens are integers."""
    if not _is_integer(text.data[begins[0] : ends[0]]):
        return False
    try:
        _cast(text, begins, ends, pa.int64(), np.int64)
    except pa.ArrowInvalid:
        return False
    return True


def _are_exact(
    text: _Text,
    numbers: Numbers,
    begins: NDArray[np.int32],
    ends: NDArray[np.int32],
) -> Flags:
    """Say which lines hold no integer that a double cannot say exactly."""
    are_exact = np.ones(len(begins), dtype=bool)
    for key, line in np.argwhere(np.abs(numbers) >= EXACT).tolist():
        token = text.data[begins[line, key] : ends[line, key]]
        are_exact[line] &= not _is_integer(token)
    return are_exact


def _is_integer(token: bytes) -> bool:
    return not {*b".eE"} & {*token}
