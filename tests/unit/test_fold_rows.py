"""Rows folded together: the same summary as one by one."""

from __future__ import annotations

from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._fold_rows import feed_records
from nbtrack._record.fold import Summary
from nbtrack._record.metrics import Rules, make_rule
from nbtrack._store.lines import Record

values = (
    st.floats(-1e6, 1e6)
    | st.integers(-3, 3)
    | st.sampled_from([nan, inf, -inf, True, 10**400, 2**53 + 1, "text", None, [1]])
)
plain_rows = st.fixed_dictionaries({"a": st.floats(-9, 9), "b": st.integers(-5, 5)})
odd_rows = st.dictionaries(st.sampled_from("abc"), values)
stretches = st.lists(st.lists(plain_rows, max_size=12) | st.lists(odd_rows, max_size=3))


def folded(records: list[Record], sizes: list[int], *, together: bool) -> Any:
    rules = Rules()
    rules.define(make_rule("*", summary="min,max,mean,first,last"))
    summary = Summary(rules)
    at, turn = 0, 0
    while at < len(records):
        size = sizes[turn % len(sizes)]
        batch = records[at : at + size]
        if together:
            feed_records(summary, batch)
        else:
            for record in batch:
                summary.feed(record)
        at, turn = at + size, turn + 1
    return summary.as_dict()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, float) and isinstance(other, float):
        is_same: bool = one == pytest.approx(other, rel=1e-9, abs=1e-6)
        return is_same or (isnan(one) and isnan(other))
    return type(one) is type(other) and bool(one == other)


@given(
    stretches,
    st.lists(st.integers(-1, 2), min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.booleans(),
)
def test_rows_folded_together_give_the_same_summary(
    stretches: list[list[dict[str, Any]]],
    jumps: list[int],
    sizes: list[int],
    with_deletion: bool,
) -> None:
    records, step = [], 0
    for number, row in enumerate(row for rows in stretches for row in rows):
        step += jumps[number % len(jumps)]
        records.append(Record("w", number, number, "row", step, row))
    if with_deletion:
        change = Record("w", 99, 99, "summary", None, {"del": ["a"]})
        records.insert(len(records) // 2, change)
    one_by_one = folded(records, sizes, together=False)
    assert same(folded(records, sizes, together=True), one_by_one)
