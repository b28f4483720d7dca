"""The table of faults names the tests that hold it, and every test stands in it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "FAULTS.md"


def test_every_row_of_the_table_names_tests_that_exist_and_every_test_a_row():
    defined = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"def (test_fault_\w+)", path.read_text("utf-8"))
    }
    named = set(re.findall(r"`(test_fault_\w+)`", TABLE.read_text("utf-8")))
    assert named - defined == set(), "tests that are named and not there"
    assert defined - named == set(), "tests that are there and not named"


def test_every_test_that_is_named_anywhere_in_it_is_there():
    defined = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    named = set(re.findall(r"`(test_\w+)`", TABLE.read_text("utf-8")))
    assert named - defined == set()


def test_every_number_from_1_to_50_has_its_row():
    rows = re.findall(r"^\| (\d+) \|", TABLE.read_text("utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, 51))
