"""The journal's line format, and nothing else: values in, bytes out, and back.

A line is one JSON array on one line. Its last element is a checksum of all bytes
before it, so a torn, flipped or foreign line is told from a whole one without trusting
the JSON parser::

    [17,2504113,8,{"loss":0.25},"5d1f03a"]
    [18,2504250,9,{"acc":0.5},{"loss":"NaN"},"90cc1f2"]
    [19,2504301,"metric",{"rule":{…}},"7a01be5"]

    0  sequence number, unique and rising within a writer's log
    1  microseconds of run time
    2  a row's step (integer), or the kind of another record (text)
    3  the payload: an object
    4  only where needed: key → the text Python's json writes for a value that JSON
       cannot hold (NaN, infinities, integers beyond 64 bits); wins over the payload
    -1 CRC-32 (zlib's) of the bytes from "[" to before the last ``,"``, in lower-case
       hex without leading zeros

Arrays rather than objects, because naming three members in every line costs a tenth of
``log()`` and a tenth of the bytes. The checksum is compared as text: as a number,
damage such as ``01`` for ``1`` would pass.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

#: The seal begins within this many bytes of a line's end: ``,"xxxxxxxx"]``.
_SEAL: Final = 12
_MAX_STEP: Final = 2**53
_INT64: Final = 2**63
_MAX_DEPTH: Final = 64  # of values in values


class Record(NamedTuple):
    """One line of a journal, as every follower receives it.

    ``data`` of a "row" maps flat keys to values: numbers, bool, str, None, lists.
    """

    writer: str
    seq: int
    us: int  # microseconds of run time
    kind: str
    step: int | None  # of rows
    data: dict[str, Any]


def encode(
    seq: int,
    us: int,
    place: int | str,
    data: dict[str, Any],
    extended: dict[str, str] | None = None,
) -> bytes:
    """Write one record as a sealed line, newline included.

    ``place`` is a row's step, or the kind of any other record.
    """
    members = (seq, us, place, data, extended) if extended else (seq, us, place, data)
    return seal(orjson.dumps(members))


def seal(body: bytes) -> bytes:
    """Add the checksum and the newline to a JSON array."""
    body = body[:-1]
    return b'%b,"%x"]\n' % (body, crc32(body))


def is_sealed(line: bytes) -> bool:
    """Say whether a line, without its newline, has the checksum that it tells."""
    end = line.rfind(b',"', -_SEAL)
    return end >= 0 and line[end:] == b',"%x"]' % crc32(line[:end])


def decode(line: bytes, writer: str) -> Record | None:
    """Read one line without its newline; None when it is damaged or foreign."""
    if not is_sealed(line):
        return None
    try:
        seq, us, place, data, *rest = orjson.loads(line)
        if len(rest) > 1:
            data |= {key: json.loads(text) for key, text in rest[0].items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None  # sealed by somebody who does not keep to the format
    if not (_is_int64(seq) and _is_int64(us) and type(data) is dict):
        return None
    if line.count(b"[") > _MAX_DEPTH and is_too_deep(data):
        return None  # nobody could write it again
    if type(place) is not int:
        return Record(writer, seq, us, str(place), None, data)
    is_step = -_MAX_STEP < place < _MAX_STEP
    return Record(writer, seq, us, "row", place, data) if is_step else None


def _is_int64(value: object) -> bool:
    return type(value) is int and -_INT64 <= value < _INT64


def is_too_deep(value: object) -> bool:
    """Say whether lists and objects are nested more deeply than anybody logs."""
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, (list, dict))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth > _MAX_DEPTH
