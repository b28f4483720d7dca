"""Checking the checksums of thousands of lines with one call of zlib.

A CRC is linear: with ``shift(c, n)`` for the remainder ``c`` moved on by n bytes of
zeros, ``crc(a + b) == shift(crc(a), len(b)) ^ crc(b)`` (this is zlib's
``crc32_combine``). So the checksum of a whole text follows from the checksums that its
lines claim to have, and one comparison with the text's true checksum says whether all
of them are right. Calling zlib once for each line costs a third of decoding a log.

Nothing is given up: a text in which any bytes are wrong passes with the probability
with which a single damaged line passes its own checksum, 2**-32.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]
    #: (4, 256): what each value of each byte of a remainder becomes, to be XORed.
    Table = NDArray[np.uint32]

_POLYNOMIAL: Final = 0xEDB88320  # of zlib's CRC-32, reflected
#: What surrounds the checksum in a line: ``,"5d1f03a"]`` and the newline.
_BEFORE, _AFTER = b',"', b'"]\n'
_MAX_DIGITS: Final = 8


def all_hold(
    data: bytes, ends: Positions, told: NDArray[np.uint32], digits: Positions
) -> bool:
    """Say whether every line's body has the checksum that its seal tells.

    Parameters
    ----------
    data
        Lines, each with its newline.
    ends
        Where the newlines are.
    told, digits
        The checksum in each line's seal, and with how many digits it is written.
    """
    of_line = _applied(_seals(), told, digits)
    behind = len(data) - 1 - ends  # bytes after each line
    near, far = _shifts()
    sums = _summed(_applied(near, of_line, behind & 255), behind >> 8)
    windows = behind[_firsts(behind >> 8)] >> 8
    sums = _summed(_applied(far, sums, windows & 255), windows >> 8)
    total, before = 0, 0
    chunks = windows[_firsts(windows >> 8)] >> 8
    for chunk, remainder in zip(chunks.tolist(), sums.tolist(), strict=True):
        total = _shifted(total, max(before - chunk, 0) * 2**16) ^ remainder
        before = chunk
    return _shifted(total, before * 2**16) == crc32(data)


def _applied(
    tables: NDArray[np.uint32], remainders: NDArray[np.uint32], which: Positions | int
) -> NDArray[np.uint32]:
    """Look up what each remainder becomes under the table that is meant for it."""
    flat = tables.reshape(-1)
    places = np.asarray(which, dtype=np.int64) * 1024
    number = remainders.astype(np.int64)
    result = flat[places + (number & 255)]
    for _ in range(3):
        places = places + 256
        number >>= 8
        result ^= flat[places + (number & 255)]
    return result


def _firsts(groups: Positions) -> Positions:
    return np.flatnonzero(np.diff(groups, prepend=groups[0] + 1))


def _summed(remainders: NDArray[np.uint32], groups: Positions) -> NDArray[np.uint32]:
    """XOR neighbours of one group."""
    summed: NDArray[np.uint32] = np.bitwise_xor.reduceat(remainders, _firsts(groups))
    return summed


@cache
def _seals() -> NDArray[np.uint32]:
    """Give how a line's checksum follows from its body's, by the number of digits.

    Tables, (9, 4, 256). The seal writes the checksum itself, digit by digit, so what it
    adds is looked up by the same bytes as what it moves on.
    """
    return np.stack([_seal(digits) for digits in range(_MAX_DIGITS + 1)])


def _seal(digits: int) -> Table:
    table = _power(0)
    for _ in range(len(_BEFORE) + digits + len(_AFTER) - 1):
        table = _then(table, _power(0))
    for place in range(digits):  # from the last digit on
        behind = place + len(_AFTER)
        byte, is_high = divmod(place, 2)
        # A byte that differs by d from what it was changes the remainder by
        # shift(d, 1), moved on by the bytes behind it.
        change = [_shifted(ord(f"{n:x}") ^ ord("0"), behind + 1) for n in range(16)]
        value = np.arange(256)
        digit = value >> 4 if is_high else value & 15
        table[byte] ^= np.array(change, dtype=np.uint32)[digit]
    table[0] ^= np.uint32(crc32(_BEFORE + b"0" * digits + _AFTER))
    return table


@cache
def _shifts() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Give tables for 0…255 bytes, and for 0…255 times 256 bytes; (256, 4, 256)."""
    return _multiples(_power(0)), _multiples(_power(8))


def _multiples(step: Table) -> NDArray[np.uint32]:
    value = np.arange(256, dtype=np.uint32)
    table = np.stack([value << np.uint32(8 * byte) for byte in range(4)])
    tables = [table]
    while len(tables) < 256:  # noqa: PLR2004  (values of a byte)
        tables.append(_then(tables[-1], step))
    return np.stack(tables)


@cache
def _power(exponent: int) -> Table:
    """Give the table that moves a remainder on by 2**exponent bytes."""
    if exponent:
        return _then(_power(exponent - 1), _power(exponent - 1))
    byte = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        byte = byte >> np.uint32(1) ^ (byte & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    value = np.arange(256, dtype=np.uint32)
    moved = [value << np.uint32(8 * number) for number in range(3)]
    return np.stack([byte, *moved])


def _then(table: Table, step: Table) -> Table:
    """Give the table that does one after the other."""
    return _applied(step, table.reshape(-1), 0).reshape(table.shape)


def _shifted(remainder: int, size: int) -> int:
    """Move one remainder on by so many bytes."""
    for exponent in range(size.bit_length()):
        if size >> exponent & 1:
            step = _power(exponent)
            bytes_ = (remainder >> 8 * number & 255 for number in range(4))
            parts = [int(step[number, byte]) for number, byte in enumerate(bytes_)]
            remainder = parts[0] ^ parts[1] ^ parts[2] ^ parts[3]
    return remainder
