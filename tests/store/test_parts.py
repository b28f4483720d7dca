"""Columns and parts: what was logged is what is read, compacted or not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbtrack._faults import Faults
from nbtrack._read.frames import history_rows
from nbtrack._record.row import flatten
from nbtrack._store import compact, parts, rundir
from nbtrack._store.journal import Journal

values = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=5),
    st.lists(st.integers(0, 9), max_size=3),
)
keys = st.sampled_from(["a", "A", "b/c", "a#text", "d.e", "🙂", ""])
calls = st.lists(
    st.tuples(st.integers(0, 8), st.dictionaries(keys, values, max_size=4)), max_size=15
)


def record(folder, listed):
    """Write calls as ``log`` would, and give the run and what must be read."""
    run = rundir.claim(folder, "p", "r")
    journal = Journal(run.log, {"format": 1}, Faults())
    model: dict[int, dict] = {}
    for step, data in sorted(listed, key=lambda call: call[0]):
        row = flatten(data, lambda *_: None)
        journal.append(step, row.plain, row.extended)
        model.setdefault(step, {}).update(data)
    journal.close()
    return run, model


def read(run):
    history = parts.read_history(run)
    return {
        row["_step"]: {k: v for k, v in row.items() if k[:1] != "_"}
        for row in history_rows(history)
    }


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for step, row in wanted.items():
        assert found[step].keys() == row.keys()
        for key, value in row.items():
            got = found[step][key]
            if isinstance(value, float) and math.isnan(value):
                assert math.isnan(got)
            else:
                assert got == value, (key, got, value)
                assert isinstance(got, bool) == isinstance(value, bool)


@given(calls)
def test_history_equals_a_plain_model_before_and_after_compaction(
    tmp_path_factory, listed
):
    run, model = record(tmp_path_factory.mktemp("run"), listed)
    assert_same(read(run), model)
    compact.compact(run)
    assert_same(read(run), model)
    compact.compact(run)
    assert_same(read(run), model)


def two_steps(tmp_path):
    return record(tmp_path, [(0, {"a": 1.5}), (1, {"a": 2.5, "b": "x"})])


def test_compaction_trims_the_log_to_its_other_records(tmp_path):
    run, _ = two_steps(tmp_path)
    compact.compact(run)
    (log,) = run.log.iterdir()
    assert b'"open"' in log.read_bytes()
    assert log.read_bytes().count(b"\n") == 1


def test_a_crash_between_rename_and_trim_gives_no_row_twice(tmp_path):
    run, model = two_steps(tmp_path)
    (log,) = run.log.iterdir()
    whole = log.read_bytes()
    compact.compact(run)
    log.write_bytes(whole)
    assert_same(read(run), model)
    assert len(list(history_rows(parts.read_history(run)))) == 2


def test_a_damaged_part_hides_nothing_that_the_log_still_has(tmp_path):
    run, model = two_steps(tmp_path)
    (log,) = run.log.iterdir()
    whole = log.read_bytes()
    compact.compact(run)
    (part,) = run.history.iterdir()
    part.write_bytes(part.read_bytes()[:-20])
    log.write_bytes(whole)
    history = parts.read_history(run)
    assert history.damage == [f"history/{part.name} cannot be read"]
    assert_same(read(run), model)


def test_a_part_that_does_not_read_back_leaves_the_log_alone(tmp_path, monkeypatch):
    run, model = two_steps(tmp_path)
    monkeypatch.setattr(compact, "_is_same", lambda *_: False)
    with pytest.raises(OSError, match="did not read back"):
        compact.compact(run)
    assert list(run.history.iterdir()) == []
    assert_same(read(run), model)


def test_a_finished_run_is_small(tmp_path):
    import random

    draw = random.Random(0).random
    run, _ = record(
        tmp_path, [(i, {f"m{k}": draw() for k in range(5)}) for i in range(20_000)]
    )
    compact.compact(run)
    size = sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file())
    assert size / 100_000 <= 9, "bytes per random float; 8 is the float itself"


def test_foreign_files_among_the_parts_are_passed_over(tmp_path):
    run, model = two_steps(tmp_path)
    compact.compact(run)
    (run.history / "notes.txt").write_text("hello")
    (run.history / "x-0-9.parquet").symlink_to("/etc/passwd")
    assert_same(read(run), model)
