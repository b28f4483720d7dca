"""Section B of what each call means: ``log``, history, steps."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recorded import document, rows, stored

import nbtrack
from nbtrack import _notebook, errors

# -- B1, B2, B3: rows ------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, 3, [("a", 1)], "a", {1: 2}, {None: 1}])
def test_B1_data_must_be_a_mapping_with_string_keys(data):
    run = nbtrack.init(project="p")
    with pytest.raises(TypeError, match="takes"):
        run.log(data)
    assert rows(run) == []


@pytest.mark.parametrize("log", ["run.log", "nbtrack.log"])
def test_B1_values_as_keywords_are_refused_with_what_to_write(log):
    run = nbtrack.init(project="p")
    run.log({"loss": 1})
    call = run.log if log == "run.log" else nbtrack.log
    with pytest.raises(errors.DataTypeError) as raised:
        call(loss=3, x=[1])
    assert str(raised.value) == "log() takes a mapping: run.log({'loss': 3, 'x': …})."
    with pytest.raises(TypeError, match="takes a mapping"):
        call({"loss": 1}, los=3)
    with pytest.raises(TypeError, match="takes a mapping"):
        call()
    assert run.step == 1


def test_B1_an_empty_mapping_is_a_row():
    run = nbtrack.init(project="p")
    run.log({})
    run.log({}, step=30)
    run.log({"a": 1})
    assert rows(run) == [{"_step": 0}, {"_step": 30, "a": 1}]


def test_B2_each_call_is_a_row_and_the_first_step_is_zero():
    run = nbtrack.init(project="p")
    steps = []
    for value in (5, 6, 7):
        steps.append(run.step)
        run.log({"a": value})
    assert steps == [0, 1, 2]
    assert rows(run) == [{"_step": n, "a": 5 + n} for n in range(3)]


def test_B3_commit_false_leaves_the_row_open_and_commit_true_closes_it():
    run = nbtrack.init(project="p")
    run.log({"a": 1}, commit=False)
    run.log({"b": 2}, commit=False)
    assert run.step == 0
    run.log({"c": 3}, commit=True)
    assert run.step == 1
    run.log({"a": 4}, commit=False)
    run.log({"b": 5})
    assert rows(run) == [
        {"_step": 0, "a": 1, "b": 2, "c": 3},
        {"_step": 1, "a": 4, "b": 5},
    ]


# -- B4: step= -------------------------------------------------------------------------


def test_B4_a_larger_step_moves_on_and_an_equal_one_merges():
    run = nbtrack.init(project="p")
    run.log({"a": 1}, step=10)
    run.log({"b": 2}, step=10)
    run.log({"a": 3}, step=20)
    assert run.step == 20
    run.log({"c": 4}, step=20, commit=True)
    assert run.step == 21
    assert rows(run) == [{"_step": 10, "a": 1, "b": 2}, {"_step": 20, "a": 3, "c": 4}]


def test_B4_a_smaller_step_joins_the_current_row():
    run = nbtrack.init(project="p")
    run.log({"a": 1}, step=20)
    with pytest.warns(errors.NbtrackWarning, match=r"step=15.*after step 20") as warned:
        run.log({"late": 5}, step=15)
        run.log({"later": 6}, step=-3)
    assert len(warned) == 1
    assert [(fault.kind, fault.count) for fault in run.faults] == [("late-step", 2)]
    assert rows(run) == [{"_step": 20, "a": 1, "late": 5, "later": 6}]


def test_B4_late_steps_are_kept_where_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("NBTRACK_LATE_STEPS", "keep")
    run = nbtrack.init(project="p")
    for step in (5, 6, 7):
        run.log({"a": step}, step=step)
    run.log({"a": 50, "late": 1}, step=5)
    run.log({"before": 2}, step=2)
    run.log({"negative": 3}, step=-4, commit=True)
    assert run.step == 7
    run.log({"b": 1})
    assert not list(run.faults)
    assert run.summary == {"a": 7, "late": 1, "before": 2, "negative": 3, "b": 1}
    run.finish()
    assert stored(run).summary == dict(run.summary)
    frame = stored(run).history()
    assert frame["_step"].tolist() == [-4, 2, 5, 6, 7]
    assert frame["a"].tolist()[2:] == [50, 6, 7]
    assert rows(run)[2] == {"_step": 5, "a": 50, "late": 1}
    assert rows(run)[-1] == {"_step": 7, "a": 7, "b": 1}


def test_B4_late_steps_take_one_of_two_values():
    with pytest.raises(ValueError, match="late_steps='drop' is not one of"):
        nbtrack.init(settings={"late_steps": "drop"})


@pytest.mark.parametrize("step", [2.5, "3", 2**53, [1]])
def test_B4_a_step_that_is_no_whole_number_is_refused(step):
    run = nbtrack.init(project="p")
    with pytest.raises(TypeError, match="whole number"):
        run.log({"a": 1}, step=step)
    run.log({"a": 2}, step=np.int64(4))
    assert rows(run) == [{"_step": 4, "a": 2}]


# -- B5, B6, B7: rows on disk ----------------------------------------------------------


def test_B5_a_later_value_of_the_same_key_wins():
    run = nbtrack.init(project="p")
    run.log({"a": 1, "n": {"x": 1}}, step=3)
    run.log({"a": 2, "n": {"y": 2}}, step=3)
    assert rows(run) == [{"_step": 3, "a": 2, "n.x": 1, "n.y": 2}]


def test_B6_finish_closes_a_pending_row():
    run = nbtrack.init(project="p")
    run.log({"a": 1}, commit=False)
    assert rows(run) == [{"_step": 0, "a": 1}]


def test_B6_a_pending_row_survives_a_killed_process():
    code = (
        "import nbtrack, os, signal\n"
        "nbtrack.init(project='p').log({'a': 1}, commit=False)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (run,) = nbtrack.Api().runs("p")
    assert run.history()["a"].tolist() == [1]


def test_B7_rows_have_step_runtime_and_timestamp():
    run = nbtrack.init(project="p")
    for _ in range(3):
        run.log({"a": 1})
    run.finish()
    frame = stored(run).history()
    assert list(frame.columns) == ["_step", "_runtime", "_timestamp", "a"]
    assert frame["_step"].tolist() == [0, 1, 2]
    assert frame["_runtime"].is_monotonic_increasing
    assert (frame["_timestamp"] - run.start_time).between(-1, 60).all()


def test_B7_keys_that_begin_with_an_underscore_are_reserved():
    run = nbtrack.init(project="p")
    with pytest.raises(ValueError, match="Log it as 'loss'"):
        run.log({"_loss": 1})
    run.log({"_step": 9, "_runtime": 1.0, "_timestamp": 2.0, "a": 1})
    assert rows(run) == [{"_step": 0, "a": 1}]


# -- B8: nested ------------------------------------------------------------------------


def test_B8_nested_mappings_flatten_with_dots_and_slashes_stay():
    run = nbtrack.init(project="p")
    run.log({"a": {"b": {"c": 1}}, "x/y": 2, "d.e": 3, "none": {}, "m": {"u/v": 4}})
    assert rows(run) == [{"_step": 0, "a.b.c": 1, "x/y": 2, "d.e": 3, "m.u/v": 4}]


# -- B9: values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, True),
        ("text", "text"),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.array([[7]]), 7),
        (Decimal("1.5"), 1.5),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        ([1, 2.5, None], [1, 2.5, None]),
        ((1, "x"), [1, "x"]),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array(["2026-01-02", "2026-01-03"], "M8[ns]"), None),
        (pd.Series([1, 2, 3]), [1, 2, 3]),
        (range(4), [0, 1, 2, 3]),
        (np.arange(32), list(range(32))),
    ],
)
def test_B9_values_as_they_are_kept(value, kept):
    run = nbtrack.init(project="p")
    run.log({"v": value})
    (row,) = rows(run)
    if kept is None and value is not None:
        assert [text[:10] for text in row["v"]] == ["2026-01-02", "2026-01-03"]
    else:
        assert row["v"] == kept
        assert type(row["v"]) is type(kept)
    assert not list(run.faults)


class Odd:
    def __str__(self):
        return "odd" * 1_000


@pytest.mark.parametrize("value", [b"bytes", Odd(), 1 + 2j, np.array([1j, 2])])
def test_B9_what_is_no_value_becomes_text_with_a_warning_once_per_key(value):
    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning, match="of its text are kept") as warned:
        run.log({"v": value})
        run.log({"v": value})
    assert len(warned) == 1
    kept = rows(run)[0]["v"]
    assert isinstance(kept, str)
    assert len(kept) <= 1_000


class Tensor:
    """What a tensor of torch looks like from outside, gradients included."""

    def __init__(self, array, dtype="float32"):
        self._array = np.asarray(array, dtype)
        self.shape = self._array.shape
        self.dtype = f"torch.{dtype}"
        self.is_detached = False

    def __array__(self, dtype=None, copy=None):
        if not self.is_detached:
            msg = "Can't call numpy() on Tensor that requires grad."
            raise RuntimeError(msg)
        return self._array

    def detach(self):
        twin = Tensor(self._array)
        twin.is_detached = True
        return twin

    def cpu(self):
        return self

    def tolist(self):
        return self._array.tolist()


LARGE = {
    "array": np.linspace(0, 1, 1_000).reshape(10, 100),
    "ints": np.arange(100),
    "bools": np.arange(64) % 2 == 0,
    "list": [float(n) for n in range(1_001)],
    "mixed list": [*range(1_000), 0.5, True],
    "range": range(33),
    "series": pd.Series(np.arange(50.0)),
    "masked series": pd.Series([1, None, 3] * 20, dtype="Int64"),
    "tensor": Tensor(np.arange(100)),
    "float16": np.ones(40, np.float16),
    "reversed": np.arange(100)[::-1],
}


@pytest.mark.parametrize("name", LARGE)
def test_B9_a_larger_array_is_a_histogram_and_a_file(name):
    run = nbtrack.init(project="p")
    run.log({"v": LARGE[name]})
    run.finish()
    shown = rows(run)[0]["v"]
    value = LARGE[name]
    value = value.detach() if isinstance(value, Tensor) else value
    if name == "masked series":
        value = value.to_numpy(dtype=float, na_value=np.nan)
    array = np.asarray(value)
    finite = array[np.isfinite(array)]
    assert shown["_type"] == "histogram"
    assert (shown["shape"], shown["dtype"]) == (list(array.shape), str(array.dtype))
    assert (len(shown["bins"]), len(shown["counts"])) == (65, 64)
    assert sum(shown["counts"]) == finite.size
    assert shown["nan"] == array.size - finite.size
    if np.ptp(finite.astype(float)):
        assert [shown["bins"][0], shown["bins"][-1]] == [finite.min(), finite.max()]
        counts = np.histogram(finite.astype(float), bins=shown["bins"])[0]
        assert shown["counts"] == counts.tolist()
    read = stored(run).array(shown)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    assert not list(run.faults)


@pytest.mark.parametrize(
    "values",
    [
        [math.nan] * 40,
        [math.inf, -math.inf, math.nan, 1.0] * 10,
        [1e308, -1e308] * 20,
        [1.7976931348623157e308] * 40,
        [5e-324, 0.0] * 20,
        [1e17, 1e17 + 16] * 20,
        [1.0, 1.0 + 2**-52] * 20,
    ],
)
def test_B9_arrays_at_the_edge_of_what_doubles_can_say(values):
    run = nbtrack.init(project="p")
    run.log({"v": np.array(values)})
    shown = rows(run)[0]["v"]
    finite = sum(map(math.isfinite, values))
    assert sum(shown["counts"]) == finite
    assert shown["nan"] == len(values) - finite
    assert all(map(math.isfinite, shown["bins"]))
    assert all(
        low < high for low, high in zip(shown["bins"], shown["bins"][1:], strict=False)
    )


def test_B9_an_array_that_is_logged_often_is_stored_once():
    run = nbtrack.init(project="p")
    for _ in range(5):
        run.log({"v": np.arange(100.0), "w": np.arange(100.0) + 1})
    run.finish()
    assert len(list(Path(run.dir, "media").iterdir())) == 2
    paths = {row["v"]["path"] for row in rows(run)}
    assert len(paths) == 1


def test_B9_an_array_that_cannot_be_stored_keeps_its_histogram():
    run = nbtrack.init(project="p")
    Path(run.dir, "media").write_text("in the way")
    with pytest.warns(errors.NbtrackWarning, match="cannot be stored"):
        run.log({"v": np.arange(100.0), "loss": 1.0})
    (row,) = rows(run)
    assert (row["loss"], row["v"]["path"], sum(row["v"]["counts"])) == (1.0, None, 100)
    with pytest.raises(OSError, match="was not stored"):
        stored(run).array(row["v"])


class Huge:
    shape = (2**20, 2**20)
    dtype = np.dtype("float32")

    def __array__(self, dtype=None, copy=None):
        raise MemoryError

    def __str__(self):
        return "huge"


def test_B9_a_very_large_array_is_refused_before_memory_is_spent():
    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning, match="an array of 1099511627776 elem"):
        run.log({"v": Huge()})
    assert rows(run) == [{"_step": 0, "v": "huge"}]


@pytest.mark.parametrize(
    "value",
    [
        [*range(1_000), "text"],
        np.array([f"word {n}" for n in range(1_500)]),
        np.array([object(), {"a": 1}] * 600, dtype=object),
        {f"{n}" for n in range(1_200)},
    ],
)
def test_B9_long_lists_of_other_things_are_cut_with_a_warning(value):
    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning, match="the first 1000 are kept"):
        run.log({"v": value})
    assert len(rows(run)[0]["v"]) == 1_000


@pytest.mark.parametrize("path", ["../../x.npy", "/etc/passwd", "run.json", "link.npy"])
def test_B9_only_arrays_of_the_run_itself_are_read(path, tmp_path):
    run = nbtrack.init(project="p")
    np.save(tmp_path / "nbruns/x.npy", np.arange(3))
    Path(run.dir, "link.npy").symlink_to(tmp_path / "nbruns/x.npy")
    with pytest.raises(errors.StorageError):
        stored(run).array({"path": path})


def test_B9_pickles_are_never_loaded():
    run = nbtrack.init(project="p")
    np.save(Path(run.dir, "x.npy"), np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(errors.StorageError, match="cannot be read as an array"):
        stored(run).array("x.npy")


def test_B9_real_tensors_if_torch_is_there():
    torch = pytest.importorskip("torch")
    run = nbtrack.init(project="p")
    weight = torch.arange(100, dtype=torch.float32, requires_grad=True)
    run.log({"s": torch.tensor(0.5), "w": weight, "b": weight.bfloat16()})
    row = rows(run)[0]
    assert row["s"] == 0.5
    assert stored(run).array(row["w"]).tolist() == list(range(100))
    assert stored(run).array(row["b"]).tolist() == list(range(100))


# -- B10 to B12: what is kept ----------------------------------------------------------


def test_B10_values_are_taken_as_they_are_when_log_is_called():
    run = nbtrack.init(project="p")
    small, large, listed, nested = np.ones(2), np.ones(100), [1], {"x": [1]}
    run.log({"s": small, "l": large, "i": listed, "n": nested})
    small[:], large[:] = 9, 9
    listed.append(2)
    nested["x"].append(2)
    (row,) = rows(run)
    assert (row["s"], row["i"], row["n.x"]) == ([1.0, 1.0], [1], [1])
    assert stored(run).array(row["l"]).tolist() == [1.0] * 100


def test_B11_odd_values_come_back_as_they_went_in():
    logged = [math.nan, math.inf, -math.inf, None, "NaN", 2**53 + 1, -(10**30), 10**400]
    run = nbtrack.init(project="p")
    for value in logged:
        run.log({"v": value})
    run.finish()
    for read in (stored(run).history()["v"].tolist(), [r["v"] for r in rows(run)]):
        assert math.isnan(read[0])
        assert read[1:] == logged[1:]
        assert [type(v) for v in read[1:]] == [type(v) for v in logged[1:]]


def test_B12_numbers_and_text_of_one_key_are_kept_apart_with_one_note():
    run = nbtrack.init(project="p")
    run.log({"v": 1, "n": 1})
    run.log({"v": 2.5, "n": 2})
    with pytest.warns(errors.NbtrackWarning, match="both are kept, apart") as warned:
        run.log({"v": "diverged", "n": 3})
        run.log({"v": "again", "n": 4})
    assert len(warned) == 1
    run.finish()
    assert [row["v"] for row in rows(run)] == [1, 2.5, "diverged", "again"]
    assert stored(run).history()["n"].dtype.kind == "i"


def test_B12_number_columns_stay_columns_of_numbers_beside_text():
    import pyarrow.parquet as pq

    run = nbtrack.init(project="p")
    with pytest.warns(errors.NbtrackWarning, match="apart"):
        for value in (1, 2, "x"):
            run.log({"v": value})
    run.finish()
    (part,) = Path(run.dir, "history").iterdir()
    schema = pq.read_schema(part)
    assert str(schema.field("v").type) == "double"
    assert str(schema.field("v#text").type) == "string"


def test_B12_keys_that_differ_only_in_case_are_both_kept():
    run = nbtrack.init(project="p")
    run.log({"Loss": 1.0})
    with pytest.warns(errors.NbtrackWarning, match="differ only in case") as warned:
        run.log({"loss": 2.0})
        run.log({"loss": 3.0})
    assert len(warned) == 1
    assert [row.get("Loss", row.get("loss")) for row in rows(run)] == [1.0, 2.0, 3.0]


# -- B13 to B15: scale, faults, progress -----------------------------------------------


def test_B13_samples_are_what_was_asked_for():
    run = nbtrack.init(project="p")
    for value in range(100):
        run.log({"a": value})
    run.finish()
    assert len(stored(run).history()) == 100
    sampled = stored(run).history(samples=10)
    assert (len(sampled), sampled["a"].iloc[-1]) == (10, 99)
    assert sampled.equals(stored(run).history(samples=10))
    assert stored(run).history(samples=1)["a"].tolist() == [99]
    for samples in (0, -1):
        with pytest.raises(ValueError, match="1 or more"):
            stored(run).history(samples=samples)


def test_B13_a_chart_keeps_every_spike():
    run = nbtrack.init(project="p")
    for step in range(30_000):
        run.log({"a": 1000.0 if step == 12_345 else 0.0})
    run.finish()
    from nbtrack._view.board import Board

    board = Board(
        lambda: _notebook.card(run), run.following.rules, run.following.summary
    )
    run.following.catch_up()
    board.feed(list(_rows_as_records(run)))
    ((chart,),) = [section.charts for section in board.spec().sections]
    (curve,) = chart.curves
    assert len(curve.y) <= 2_000
    assert max(curve.y) == 1000.0


def _rows_as_records(run):
    from nbtrack._store.parts import read_history
    from nbtrack._store.rundir import RunDir

    return read_history(RunDir(Path(run.dir))).rows()


def test_B14_log_does_not_raise_for_faults_of_ours_unless_strict(monkeypatch):
    run = nbtrack.init(project="p")
    Path(run.dir, "media").write_text("in the way")
    with pytest.warns(errors.NbtrackWarning):
        run.log({"v": np.arange(100.0)})
    run.finish()
    monkeypatch.setenv("NBTRACK_STRICT", "1")
    run = nbtrack.init(project="p")
    Path(run.dir, "media").write_text("in the way")
    with pytest.raises(errors.StrictError, match="cannot be stored"):
        run.log({"v": np.arange(100.0), "a": 1})
    assert rows(run)[0]["a"] == 1, "the row is kept all the same"


def test_B15_total_steps_are_known_to_the_header():
    run = nbtrack.init(project="p", total_steps=50)
    run.log({"a": 1})
    run.following.catch_up()
    assert (run.total_steps, document(run)["total_steps"]) == (50, 50)
    assert _notebook.card(run).total_steps == 50


@pytest.mark.parametrize("first", [0, 1])
def test_B15_logged_epochs_tell_how_many_steps_there_will_be(first):
    run = nbtrack.init(project="p", config={"epochs": 10})
    for step in range(35):
        run.log({"loss": 1.0, "epoch": first + step // 10})
    run.following.catch_up()
    assert _notebook.card(run).total_steps == 100
    assert run.total_steps is None


def test_a_row_with_an_array_stays_one_line_of_json():
    run = nbtrack.init(project="p")
    run.log({"v": np.arange(100.0)})
    (log,) = Path(run.dir, "log").iterdir()
    assert all(
        isinstance(json.loads(line), list) for line in log.read_bytes().splitlines()
    )
