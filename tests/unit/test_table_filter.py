"""The small language in which a table's rows are asked for."""

from __future__ import annotations

import contextlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._media.table_filter import Filter, FilterError
from nbtrack.errors import TableColumnError

TABLE = pa.table(
    {
        "lr": [0.1, 0.001, None, 0.02],
        "label": ["cat", "Dog", None, "a cat"],
        "val/loss": [1, 2, 3, 4],
        "ok": [True, False, None, True],
        "n": [float("nan"), 1.0, 0.0, 2.0],
        "word": pa.array(["x", "y", "x", "y"]).dictionary_encode(),
        "when": pa.array([0, 10**9, 2 * 10**9, None], pa.timestamp("s")),
        "len": [1, 2, 3, 4],
    }
)


def found(expression: str) -> list[int]:
    mask = Filter(expression, TABLE.column_names).mask(TABLE.column, len(TABLE))
    return [at for at, is_so in enumerate(mask.to_pylist()) if is_so]


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ('lr < 0.01 and "cat" in label', []),
        ('lr > 0.01 and "cat" in label', [0, 3]),
        ("`val/loss` >= 2", [1, 2, 3]),
        ("1 < `val/loss` < 4", [1, 2]),
        ("ok", [0, 3]),
        ("not ok", [1, 2]),
        ("ok == 1", [0, 3]),
        ("lr is None", [2]),
        ("lr is not None", [0, 1, 3]),
        ("n == None", [0]),
        ("lr != 0.1", [1, 2, 3]),
        ("lr < 1 or lr is None", [0, 1, 2, 3]),
        ('label in ["cat", "Dog"]', [0, 1]),
        ('label not in ("cat",)', [1, 2, 3]),
        ('word == "x"', [0, 2]),
        ('label.lower().startswith("d")', [1]),
        ('label.endswith("cat")', [0, 3]),
        ('label.contains(".")', []),
        ("len(label) > 3", [3]),
        ("len > 2", [2, 3]),
        ("`val/loss` % 2 == 0", [1, 3]),
        ("`val/loss` // 2 == 1", [1, 2]),
        ("`val/loss` / 0 > 1", [0, 1, 2, 3]),
        ("-lr * 10 + 1 > 0.5", [1, 3]),
        ("lr ** 2 < 0.001", [1, 3]),
        ('label < 3 or label == "cat"', [0]),
        ("lr == label", []),
        ('when > "2001-01-01"', [1, 2]),
        ('when == "1970-01-01T00:00:00"', [0]),
        ("1", [0, 1, 2, 3]),
        ("None", []),
        ("'it`s' == 'it`s'", [0, 1, 2, 3]),
        ("10 ** 30 > `val/loss`", [0, 1, 2, 3]),
        ("abs(lr - 0.1) < 0.01", [0]),
    ],
)
def test_rows_that_fulfil_an_expression(expression, rows):
    assert found(expression) == rows


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("lr <", "no expression"),
        ("lr = 3", "no expression"),
        ("label.__class__", "not among what it may hold"),
        ("__import__('os').system('x')", "not among|column|function"),
        ("[x for x in lr]", "column|may hold"),
        ("(lambda: 1)()", "may hold"),
        ("lr if ok else 1", "may hold"),
        ("f'{lr}'", "may hold"),
        ("label[0] == 'c'", "may hold"),
        ("exec('1')", "of functions it may hold"),
        ("9 ** 9 ** 9", "a power beyond"),
        ("lr ** 65 > 1", "a power beyond"),
        ("label + 1 > 2", "nothing to reckon with"),
        ("-label > 1", "nothing to reckon with"),
        ("label in label", "'in' takes text"),
        ("when > 'soon'", "no date"),
        ("b'x' == 1", "no number and no text"),
        ("lr is 3", "'is' takes None"),
        ("label.startswith(lr)", "takes text"),
        ("~ok", "only - is known"),
        ("x" * 3_000, "longer than"),
        ("(" * 400 + "1" + ")" * 400, "no expression|too deeply"),
    ],
)
def test_what_is_not_allowed_is_told(expression, message):
    with pytest.raises((FilterError, TableColumnError), match=message):
        found(expression)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(TableColumnError, match="Did you mean 'label'"):
        found("labels == 'x'")


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_an_error_of_ours(text):
    with contextlib.suppress(FilterError, TableColumnError):
        found(text)


PARTS = ["lr", "label", "ok", "n", "word", "when", "`val/loss`", "1", "0.5", "'cat'"]
PARTS += ["None", "True", "[1, 'a']"]
OPERATORS = ["<", "<=", "==", "!=", ">", ">=", "in", "not in", "is", "is not"]
OPERATORS += ["and", "or", "+", "-", "*", "/", "//", "%", "**"]


@given(
    st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(OPERATORS)), max_size=4),
    st.sampled_from(PARTS),
)
def test_any_sentence_of_its_words_is_answered_or_an_error_of_ours(pairs, last):
    expression = " ".join([word for pair in pairs for word in pair] + [last])
    try:
        mask = Filter(expression, TABLE.column_names).mask(TABLE.column, len(TABLE))
    except (FilterError, TableColumnError):
        pass
    else:
        assert len(mask) == len(TABLE)
        assert set(mask.to_pylist()) <= {True, False}
