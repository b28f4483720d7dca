"""Decoding in bulk gives what decoding line by line gives, damage and all."""

from __future__ import annotations

import math
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbtrack._record.row import split
from nbtrack._store.block import join
from nbtrack._store.bulk import decode_lines
from nbtrack._store.checksums import all_hold
from nbtrack._store.lines import decode, encode

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63),
    st.sampled_from([0, -0.0, 5e-324, 1e308, 2**53, 2**53 + 1, 1e16, 2.0**70]),
)
values = st.one_of(
    numbers,
    st.sampled_from([math.nan, math.inf, None, True, False, "", 'a","b', "{1}", 2**70]),
    st.lists(st.integers(0, 9), max_size=3),
)
keys = st.one_of(
    st.sampled_from(
        ["loss", "val/acc", "a,b", 'q"q', "x:y", "{", "}", "é🦦", "", "k" * 40]
    ),
    st.text(max_size=6).filter(lambda key: key.isprintable()),
)


@st.composite
def logs(draw):
    """Lines of a few shapes, many of each, some of them odd."""
    shapes = draw(
        st.lists(st.lists(keys, unique=True, max_size=5), min_size=1, max_size=3)
    )
    lines = []
    for seq in range(draw(st.integers(1, 60))):
        shape = draw(st.sampled_from(shapes))
        is_odd = draw(st.integers(0, 9)) == 0
        data = {key: draw(values if is_odd else numbers) for key in shape}
        place = (
            draw(st.sampled_from([seq, -3, 2**52, "open", "summary"]))
            if is_odd
            else seq
        )
        row = split(data)
        lines.append(encode(seq, seq * 7, place, row.plain, row.extended))
    return lines


def line_by_line(data):
    records = [decode(line, "w") for line in data.split(b"\n") if line]
    found = {r.seq: r for r in reversed(records) if r is not None}
    rows = [found[seq] for seq in sorted(found) if found[seq].kind == "row"]
    others = [
        record for record in records if record is not None and record.kind != "row"
    ]
    return rows, others, records.count(None)


def told(records):
    return [
        repr((r.seq, r.us, r.step, sorted(_plain(r.data).items()))) for r in records
    ]


def _plain(data):
    # One column has one kind of number: in bulk, 1 among 1.5s may come back as 1.0.
    is_small = {k: type(v) is int and abs(v) <= 2**53 for k, v in data.items()}
    return {key: float(v) if is_small[key] else v for key, v in data.items()}


@settings(max_examples=100)
@given(logs())
def test_many_lines_decode_as_each_by_itself(lines):
    data = b"".join(lines)
    decoded = decode_lines(data, "w")
    rows, others, damaged = line_by_line(data)
    assert told(decoded.rows.records()) == told(rows)
    assert decoded.others == others
    assert decoded.damaged_lines == damaged == 0


@settings(max_examples=100)
@given(logs(), st.data())
def test_damage_is_found_wherever_it_is(lines, draw):
    data = bytearray(b"".join(lines))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at] = draw.draw(st.integers(0, 255))
    whole = bytes(data) + b"\n"
    decoded = decode_lines(whole, "w")
    rows, others, damaged = line_by_line(whole)
    assert told(decoded.rows.records()) == told(rows)
    assert decoded.others == others
    assert decoded.damaged_lines == damaged
    assert len(decoded.rest) == len(others) + damaged


def test_integers_stay_integers_and_floats_floats():
    lines = [encode(i, i, i, {"i": i, "f": i / 2, "big": 2**53 + i}) for i in range(40)]
    columns = decode_lines(b"".join(lines), "w").rows.columns
    assert [type(v) for v in columns["i"].exactly()] == [int] * 40
    assert [type(v) for v in columns["f"].exactly()] == [float] * 40
    assert columns["big"].exactly() == [2**53 + i for i in range(40)]


def test_a_line_that_is_there_twice_counts_once():
    lines = [encode(i, i, i, {"a": i}) for i in range(30)]
    data = b"".join([*lines[:20], lines[19], *lines[20:]])
    assert decode_lines(data, "w").rows.seqs.tolist() == list(range(30))


def test_lines_out_of_order_are_sorted():
    lines = [encode(i, i, i, {"a": float(i)}) for i in range(50)]
    lines[3], lines[30] = lines[30], lines[3]
    block = decode_lines(b"".join(lines), "w").rows
    assert block.columns["a"].exactly() == [float(i) for i in range(50)]


def test_blocks_are_joined_in_order_of_their_numbers():
    first = decode_lines(
        b"".join(encode(i, i, i, {"a": i, "b": 1}) for i in (4, 5)), "w"
    )
    second = decode_lines(b"".join(encode(i, i, i, {"c": i}) for i in (1, 5, 6)), "w")
    block = join([first.rows, second.rows])
    assert block.seqs.tolist() == [1, 4, 5, 6]
    assert list(block.columns) == ["c", "a", "b"]


@given(
    st.lists(st.binary(max_size=3000).map(lambda b: b.replace(b"\n", b"")), min_size=1)
)
def test_checksums_of_lines_follow_from_one_of_the_text(bodies):
    checks = [crc32(body) for body in bodies]
    data = b"".join(b'%b,"%x"]\n' % pair for pair in zip(bodies, checks, strict=True))
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    digits = np.array([len(f"{check:x}") for check in checks])
    told_ = np.array(checks, dtype=np.uint32)
    assert all_hold(data, ends, told_, digits)
    told_[len(told_) // 2] ^= 1
    assert not all_hold(data, ends, told_, digits)


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 1, 3 * 2**16 + 5])
def test_lines_longer_than_a_chunk_of_checksums(size):
    lines = [encode(i, i, i, {"t": "x" * size, "a": i}) for i in range(3)]
    decoded = decode_lines(b"".join(lines), "w")
    assert (len(decoded.rows), decoded.damaged_lines) == (3, 0)


@pytest.mark.parametrize("digits", range(4, 9))
def test_a_checksum_of_few_digits_at_the_very_end_is_read(digits):
    us = 0
    line = b""
    while len(line) - line.rfind(b',"') != digits + 5:
        us += 1
        line = encode(0, us, 0, {"a": 1.5})
    decoded = decode_lines(line, "w")
    assert (len(decoded.rows), decoded.damaged_lines) == (1, 0)
