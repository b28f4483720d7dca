"""D2: arrays and tensors of any library in the summary, whole and read back equal."""

from __future__ import annotations

import sys
import tracemalloc
import warnings
from array import array
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from recorded import python, rows, stored

import nbtrack
from nbtrack import errors
from nbtrack._gradients import watching
from nbtrack._media.image import Image
from nbtrack._record import arrays
from nbtrack._store import blobs

SQUARE = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def run():
    return nbtrack.init(project="p")


def read_back(run, value):
    """Set a value; give what a summary shows of it, and the array that is read."""
    run.summary["x"] = value
    run.finish()
    shown = stored(run).summary["x"]
    return dict(shown), np.asarray(shown)


def note(run):
    """Give the one thing that was noted."""
    (fault,) = run.faults
    return fault.message


# -- numpy -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        SQUARE,
        np.asfortranarray(SQUARE),
        SQUARE.T[::-1, ::2],
        SQUARE.astype(">f8"),
        SQUARE.astype("f2"),
        SQUARE.astype(np.longdouble),
        SQUARE.astype("u1"),
        SQUARE > 3,
        np.array([2**64 - 1, 0], dtype="u8"),
        np.array([-(2**63), 2**63 - 1]),
        np.array([1 + 2j, 3, np.nan]),
        np.array([np.nan, np.inf, -np.inf, -0.0]),
        np.array([]),
        np.zeros((0, 5), dtype="i2"),
        np.array([[7.0, 8.0]]).reshape(1, 1, 2),
        np.broadcast_to(np.arange(3.0), (4, 3)),
    ],
    ids=lambda given: f"{given.dtype.str}{given.shape}",
)
def test_D2_an_array_is_read_back_as_it_was(run, given):
    shown, read = read_back(run, given)
    np.testing.assert_array_equal(read, given)
    assert (read.dtype, read.shape) == (given.dtype, given.shape)
    assert shown["shape"] == list(given.shape)
    assert not run.faults


def test_D2_complex_numbers_have_no_order_and_no_numbers_no_mean(run):
    run.summary.update({"c": np.array([1j, 2]), "none": np.zeros((0, 5))})
    for key in ("c", "none"):
        shown = run.summary[key]
        assert [shown[name] for name in ("min", "mean", "p50", "max")] == [None] * 4
        assert shown["path"].startswith("media/")


def test_D2_what_is_masked_is_not_there():
    cases = [
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), [1, np.nan, 3]),
        (np.ma.array([1j, 2, 3], mask=[0, 1, 0]), [1j, np.nan, 3]),
        (np.ma.array([1.5, 2], mask=[0, 1], dtype="f4"), [1.5, np.nan]),
    ]
    for given, expected in cases:
        run = nbtrack.init(project="p")
        shown, read = read_back(run, given)
        np.testing.assert_array_equal(read, expected)
        assert shown["min"] in (1, 1.5, None)
    run = nbtrack.init(project="p")
    whole = np.ma.array([2**60 + 1, 3], mask=False)
    assert read_back(run, whole)[1].tolist() == [2**60 + 1, 3]


def test_D2_a_memory_mapped_array_is_copied(run, tmp_path):
    mapped = np.memmap(tmp_path / "x.bin", dtype="f4", mode="w+", shape=(10, 10))
    mapped[:] = 3
    run.summary["x"] = mapped
    mapped[:] = 4
    run.finish()
    read = np.asarray(stored(run).summary["x"])
    assert type(read) is np.ndarray
    assert (read == 3).all()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([{}, 1], dtype=object), ["{}", 1]),
        (np.array([1.5, None], dtype=object), [1.5, None]),
        (np.array(["2020", "NaT"], dtype="M8[D]"), ["2020-01-01", "NaT"]),
        (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), [1, 2.0]),
        (np.array([b"\xff"]), "b'\\xff'"),
        (np.array(2.5), 2.5),
        (np.array([[7]]), 7),
    ],
    ids=lambda given: str(given)[:20],
)
def test_D2_elements_that_are_no_numbers_are_kept_as_they_look(run, given, kept):
    run.summary["x"] = given
    assert run.summary["x"] == kept


def test_D2_no_object_is_ever_pickled(run):
    run.summary["x"] = np.array([{"a": 1}] * 50, dtype=object)
    assert not Path(run.dir, "media").exists()


# -- huge ------------------------------------------------------------------------------


def test_D2_ten_gigabytes_are_refused_before_memory_is_spent(run):
    huge = np.broadcast_to(np.float64(1), (1_342_177_280,))
    tracemalloc.start()
    run.summary["x"] = {"inner": huge}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
    assert run.summary["x"]["inner"].startswith("[1. 1. 1.")
    assert note(run) == (
        "summary['x'] is an array of 1342177280 elements (ndarray); at most the "
        "first 1000 characters of its text are kept. Arrays of up to "
        "268,435,456 elements are stored; write a larger one to a file, and keep that "
        "with run.save(…)"
    )


def test_D2_a_huge_sparse_matrix_is_not_made_dense(run):
    run.summary["x"] = scipy.sparse.eye(10**6).tocsr()
    assert "1000000000000 elements" in note(run)


def test_D2_a_large_array_is_written_without_a_copy_in_memory(run, monkeypatch):
    given = np.random.default_rng(0).random((1000, 2000))
    other = nbtrack.init(project="p", reinit="create_new")
    other.summary["x"] = given
    monkeypatch.setattr(blobs, "_MOST_IN_MEMORY", 1000)
    tracemalloc.start()
    path = blobs.put_array(run._directory, given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < given.nbytes * 1.2  # numpy writes 16 MiB at a time
    assert path == other.summary["x"]["path"]
    assert (
        blobs.put_array(run._directory, given.T.copy().T) != path
    )  # its order differs
    assert blobs.put_array(run._directory, given) == path
    assert len(list(Path(run.dir, "media").iterdir())) == 2
    np.testing.assert_array_equal(blobs.read_array(run._directory, path), given)


def test_D2_a_large_array_that_cannot_be_written_leaves_nothing(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs, "_MOST_IN_MEMORY", 10)
    monkeypatch.setattr(blobs._Hashing, "write", full)
    with pytest.warns(errors.NbtrackWarning, match="cannot be stored"):
        run.summary["x"] = SQUARE
    assert (run.summary["x"]["path"], run.summary["x"]["max"]) == (None, 11.0)
    assert list(Path(run.dir, "media").iterdir()) == []


def test_D2_a_large_arrays_statistics_are_taken_by_parts(monkeypatch):
    given = np.random.default_rng(0).normal(3, 2, (300, 400)).astype("f4")
    given[0, :7] = np.nan
    exact = arrays.statistics(given)
    monkeypatch.setattr(arrays, "_SORTED", 20_000)
    monkeypatch.setattr(arrays, "_BLOCK", 1_001)
    for order in (given, given.T, given[::-1]):
        found = arrays.statistics(order)
        for name in ("min", "max", "mean", "var", "std"):
            assert found[name] == pytest.approx(exact[name], rel=1e-6)
        for name in ("p5", "p25", "p50", "p75", "p95"):
            assert found[name] == pytest.approx(exact[name], abs=0.1)
    nothing = arrays.statistics(np.full(30_000, np.nan))
    assert set(nothing.values()) == {None}
    infinite = arrays.statistics(np.full(30_000, np.inf))
    assert (infinite["max"], str(infinite["var"])) == (np.inf, "nan")


def test_D2_a_long_range_is_no_list_on_the_way(run):
    run.summary["x"] = range(0, 3_000, 3)
    run.log({"x": range(5_000)})
    assert stored(run).array(rows(run)[0]["x"])[-1] == 4_999


# -- other libraries -------------------------------------------------------------------


class DLPack:
    """An array of a library that only speaks DLPack."""

    def __init__(self, content):
        self.content = content

    def __dlpack__(self, **options):
        return self.content.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.content.__dlpack_device__()


class NoDevice(DLPack):
    def __dlpack_device__(self):
        return (2, 0)  # CUDA

    def __dlpack__(self, **_):
        msg = "not from here"
        raise BufferError(msg)

    def __str__(self):
        return "on a device"


class NumpyProtocol:
    def __init__(self, content):
        self.content = content

    def __array__(self, dtype=None, copy=None):
        return self.content


class OnDevice:
    """What CuPy's arrays look like."""

    shape = (3, 4)
    dtype = SQUARE.dtype
    __cuda_array_interface__ = None

    def __array__(self, dtype=None, copy=None):
        msg = "Implicit conversion to a NumPy array is not allowed."
        raise TypeError(msg)

    def get(self):
        return SQUARE


class Both(NoDevice):
    """Text or missing values of pyarrow's kind: DLPack refuses it, numpy does not."""

    def __array__(self, dtype=None, copy=None):
        return self.content


@pytest.mark.parametrize(
    "given",
    [
        DLPack(SQUARE),
        NumpyProtocol(SQUARE),
        Both(SQUARE),
        OnDevice(),
        scipy.sparse.csr_matrix(SQUARE),
        scipy.sparse.coo_array(SQUARE),
        pd.Series(SQUARE.reshape(-1)),
        pa.array(SQUARE.reshape(-1)),
        pa.chunked_array([SQUARE[0], SQUARE[1:].reshape(-1)]),
        array("d", SQUARE.reshape(-1)),
        memoryview(SQUARE),
        np.asmatrix(SQUARE),
    ],
    ids=lambda given: f"{type(given).__module__}.{type(given).__name__}",
)
def test_D2_arrays_of_any_library_are_read_back_equal(run, given):
    shown, read = read_back(run, given)
    assert shown["_type"] == "numpy.ndarray"
    np.testing.assert_array_equal(read.reshape(3, 4), SQUARE)
    assert not run.faults


def test_D2_what_only_looks_like_an_array_is_kept_as_text(run):
    class Broken(NumpyProtocol):
        def __array__(self, dtype=None, copy=None):
            msg = "no"
            raise RuntimeError(msg)

    class Shaped(Broken):
        shape = (3,)

    run.summary.update({"a": Broken(1), "b": Shaped(1), "c": NoDevice(1), "d": 1})
    assert run.summary["a"] == "<Broken>"
    assert run.summary["b"] == "<Shaped>"
    assert run.summary["c"] == "on a device"
    assert run.summary["d"] == 1
    told = [fault.message for fault in run.faults]
    assert told[0] == "summary['a'] is <Broken>, which raised RuntimeError: no"
    assert len(told) == 3


def test_B9_small_arrays_without_a_shape_are_lists_in_a_row(run):
    small, large = np.arange(3.0), np.arange(100.0)
    run.log(
        {
            "d": DLPack(small),
            "n": NumpyProtocol(small),
            "b": array("i", [1, 2]),
            "one": DLPack(np.array([2.5])),
            "text": pa.array(["a", None]),
            "holes": pa.array([1, None]),
            "large": DLPack(large),
        }
    )
    row = rows(run)[0]
    assert (row["d"], row["n"], row["b"]) == ([0, 1, 2], [0, 1, 2], [1, 2])
    assert (row["one"], row["text"]) == (2.5, ["a", None])
    assert row["holes"][0] == 1
    np.testing.assert_array_equal(stored(run).array(row["large"]), large)


# -- torch -----------------------------------------------------------------------------


def torch_cases():
    torch = pytest.importorskip("torch")
    square = torch.tensor(SQUARE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: some of these are a beta
        sparse = [square.to_sparse(), square.to_sparse_csr(), square.to_sparse_csc()]
    with torch.inference_mode():
        inferred = square * 1
    return {
        "plain": square,
        "graph": square.float().requires_grad_() * 1,
        "parameter": torch.nn.Parameter(square),
        "bfloat16": square.bfloat16(),
        "float8": square.to(torch.float8_e5m2).to(torch.float8_e5m2),
        "strided": square.T.contiguous().T,
        "expanded": square[:1].expand(3, 4),
        "inference": inferred,
        "conjugate": torch.complex(square, square).conj(),
        "negative": torch.complex(square, square).conj().imag,
        **dict(zip(("coo", "csr", "csc"), sparse, strict=True)),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("plain", "graph", "parameter", "bfloat16", "float8", "strided", "expanded"),
        *("inference", "conjugate", "negative", "coo", "csr", "csc"),
    ],
)
def test_S36_tensors_of_torch_are_read_back_equal(run, name):
    given = torch_cases()[name]
    shown, read = read_back(run, given)
    assert shown["_type"] == "torch.Tensor"
    dense = given.detach().to_dense()
    expected = np.array(dense.tolist())
    np.testing.assert_array_equal(read, expected)
    assert shown["shape"] == [3, 4]
    if not np.iscomplexobj(expected):
        assert shown["mean"] == pytest.approx(expected.mean())
    assert not run.faults


def test_S36_a_state_dict_is_stored_whole(run):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    run.summary["model"] = model.state_dict()
    run.finish()
    read = stored(run).summary["model"]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(read[name]), value.numpy())
    assert read["1.num_batches_tracked"] == 0


def test_S36_tensors_that_cannot_be_had_are_kept_as_text(run):
    torch = pytest.importorskip("torch")
    run.summary["meta"] = torch.ones(3, device="meta")
    run.summary["huge"] = torch.zeros(1).expand(10**10)
    told = [fault.message for fault in run.faults]
    assert "summary['meta'] is <Tensor>, which raised NotImplementedError" in told[0]
    assert "10000000000 elements" in told[1]


def test_S36_a_tensor_is_taken_as_it_is(run):
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(4)
    run.summary["x"] = tensor
    tensor += 1
    run.finish()
    assert np.asarray(stored(run).summary["x"]).tolist() == [0] * 4


def test_S46_a_tensor_is_set_after_the_run(run):
    torch = pytest.importorskip("torch")
    run.finish()
    read = stored(run)
    read.summary["x"] = torch.tensor(SQUARE).bfloat16().to_sparse()
    read.summary.update()
    np.testing.assert_array_equal(np.asarray(stored(run).summary["x"]), SQUARE)


def test_D2_on_a_gpu_a_tensor_is_fetched(run):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    _, read = read_back(run, torch.tensor(SQUARE, device="cuda", requires_grad=True))
    np.testing.assert_array_equal(read, SQUARE)


# -- watch, where there is no torch ----------------------------------------------------


def test_E3_watch_says_that_torch_is_missing(run, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(watching, "_has_torch", lambda: False)
    with pytest.raises(errors.MissingPackageError, match=r"nbtrack\[torch\]"):
        run.watch(object())
    with pytest.raises(ImportError, match="unwatch needs torch"):
        run.unwatch(object())
    run.unwatch()


def test_E3_nothing_but_a_watched_model_loads_torch():
    told = python(
        "import sys, nbtrack\n"
        "run = nbtrack.init(project='p', view='off')\n"
        "run.log({'loss': 0.5})\n"
        "run.unwatch()\n"
        "try:\n"
        "    run.watch(3)\n"
        "except nbtrack.errors.NbtrackError as error:\n"
        "    print(type(error).__name__)\n"
        "run.finish()\n"
        "print([m for m in sys.modules if m.partition('.')[0] == 'torch'])\n"
        "print('nbtrack._gradients.counts' in sys.modules)"
    )
    assert told.stdout.split("\n")[1:] == ["[]", "False", ""]
    assert told.stdout.split("\n")[0] in ("WatchError", "MissingPackageError")


def test_E3_a_torch_that_may_not_be_imported_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not watching._has_torch()


# -- beside arrays ---------------------------------------------------------------------


def test_D1_a_picture_is_stored_by_the_summary_as_by_log(run):
    image = Image(np.zeros((4, 4), dtype="u1"), caption="zero")
    run.log({"logged": image})
    run.summary["set"] = {"inner": image}
    run.finish()
    read = stored(run).summary
    read["later"] = image
    read = stored(run).summary
    assert dict(read["set"]["inner"]) == dict(read["logged"]) == dict(read["later"])
    assert Path(run.dir, read["set"]["inner"]["path"]).exists()
    assert not run.faults


def test_D2_strict_mode_raises_what_could_not_be_stored():
    run = nbtrack.init(project="p", strict=True)
    Path(run.dir, "media").write_text("in the way")
    with pytest.raises(errors.StrictError, match="cannot be stored"):
        run.summary["x"] = SQUARE
