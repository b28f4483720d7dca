from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._record.row import check_mapping, coerce, flatten
from nbtrack.errors import DataTypeError, ReservedKeyError

numbers = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text())
keys = st.text(max_size=12).filter(lambda key: not key.startswith("_"))


def flat(data):
    """Flatten, and join both parts as a reader does."""
    row = flatten(data, lambda _key, _message: None)
    return row.plain | {key: json.loads(text) for key, text in row.extended.items()}


def same(a, b):
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


@given(st.dictionaries(keys, numbers))
def test_B11_scalars_come_back_as_they_went_in(data):
    read = flat(data)
    assert list(read.values()) == list(read.values()) or read
    escaped = {
        k.encode("utf-8", "backslashreplace").decode(): v for k, v in data.items()
    }
    assert read.keys() == escaped.keys()
    assert all(same(read[key], escaped[key]) for key in escaped)


@pytest.mark.parametrize("data", [None, 1, [("a", 1)], "loss", {1, 2}])
def test_B1_what_is_no_mapping_is_refused(data):
    with pytest.raises(DataTypeError, match="takes a mapping"):
        check_mapping(data)


@pytest.mark.parametrize("key", [1, None, ("a",), b"a"])
def test_B1_a_key_that_is_no_string_is_refused(key):
    with pytest.raises(TypeError, match="keys of type str"):
        check_mapping({key: 1})


def test_B7_reserved_keys_are_refused_but_those_of_integrations_tolerated():
    with pytest.raises(ReservedKeyError, match="begins with '_'"):
        check_mapping({"_mine": 1})
    check_mapping({"_step": 3, "_runtime": 1.0, "_timestamp": 2.0, "a": 1})
    assert flat({"_step": 3, "a": 1}) == {"a": 1}


def test_B8_nested_mappings_flatten_with_dots_and_slashes_stay():
    assert flat({"a": {"b": {"c": 1}, "d/e": 2}, "x/y": 3, "none": {}}) == {
        "a.b.c": 1,
        "a.d/e": 2,
        "x/y": 3,
    }


def test_a_mapping_that_holds_itself_ends_as_text():
    loop: dict = {}
    loop["again"] = loop
    (value,) = flat({"a": loop}).values()
    assert isinstance(value, str)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.array([[3]]), 3),
        (np.longdouble(1.5), 1.5),
        (np.array([1, 2, 3]), [1, 2, 3]),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (Decimal("0.25"), 0.25),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),  # noqa: DTZ001
        ((1, 2), [1, 2]),
        (b"abc", "abc"),
    ],
)
def test_B9_values_of_many_types_become_json_types(value, stored):
    read, _ = coerce(value)
    assert same(read, stored)


def test_B9_nan_inside_a_list_survives():
    assert flat({"a": [1.0, math.inf, math.nan]})["a"][:2] == [1.0, math.inf]


def test_B9_unknown_objects_become_text_with_a_note():
    class Odd:
        def __str__(self):
            return "x" * 5_000

    notes = []
    row = flatten({"a": Odd()}, lambda key, message: notes.append((key, message)))
    assert len(row.plain["a"]) == 1_000
    assert notes[0][0] == "a"
    assert "Odd" in notes[0][1]


def test_an_object_whose_str_raises_does_not_stop_the_training():
    class Bad:
        def __str__(self):
            raise RuntimeError

    assert "str() raised RuntimeError" in flat({"a": Bad()})["a"]


def test_long_lists_and_large_arrays_are_cut_with_a_note():
    notes = []
    flatten(
        {"a": list(range(2_000)), "b": np.zeros(100_000)},
        lambda key, message: notes.append((key, message)),
    )
    assert [key for key, _ in notes] == ["a", "b"]
