"""Arrays and tensors of any library as typed values: what a row or a summary shows.

Small arrays are lists in the row. Of a larger one the row shows a histogram, and a
summary its statistics; the array itself stands in a file that the typed value names.
Which libraries are installed is no business of ours: whatever says its shape and can
become a numpy array is an array.
"""

from __future__ import annotations

import math
import sys
from array import array as buffer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

MOST_LISTED: Final = 32  # elements of an array that stay a list
MOST_IN_LIST: Final = 1_000  # elements of a list that stay a list
MOST_KEPT: Final = 2**28  # elements of an array that is stored at all

_BINS: Final = 64
_LARGEST: Final = sys.float_info.max
_BLOCK: Final = 2**20  # elements that are counted at a time
_NUMBERS: Final = "biuf"  # numpy's kinds: bool, int, unsigned, float
_SORTED: Final = 2**24  # elements that percentiles are exact of
_LISTS: Final = (list, tuple)


def as_large(value: object) -> NDArray[Any] | None:
    """Give a value as an array if it is one that is too large for a row.

    Returns
    -------
    numpy.ndarray or None
        Its elements are numbers. None for everything else, and for an array of more
        than 2**28 elements, which is not touched.
    """
    if isinstance(value, _LISTS):
        if not MOST_IN_LIST < len(value) <= MOST_KEPT or not _are_numbers(value):
            return None
        return as_numbers(value)
    value = opened(value)
    return as_numbers(value) if MOST_LISTED < _size(value) <= MOST_KEPT else None


def opened(value: Any) -> Any:
    """Give the array of an object that does not say its shape; others as they are.

    Such objects speak DLPack or numpy's protocol: an array of pyarrow, say.
    """
    kind = type(value)
    if hasattr(value, "shape") or not (
        hasattr(kind, "__dlpack__") or hasattr(kind, "__array__") or kind is buffer
    ):
        return value
    import numpy as np

    if not hasattr(kind, "__dlpack__"):
        return np.asarray(value)
    try:  # numpy's own first: it knows text and missing values
        return (np.asarray if hasattr(kind, "__array__") else np.from_dlpack)(value)
    except (TypeError, ValueError, RuntimeError, BufferError):
        return value  # on a device, perhaps


def _are_numbers(values: list[Any] | tuple[Any, ...]) -> bool:
    """Look before converting: numpy would turn numbers beside text into text."""
    return all(isinstance(v, (int, float)) or _size(v) == 1 for v in values)


def _size(value: object) -> int:
    """Count the elements of an array; 0 for what is none."""
    if isinstance(value, range):
        return len(value)
    shape = getattr(value, "shape", None)
    return 0 if shape is None or is_frame(value) else math.prod(shape)


def is_frame(value: object) -> bool:
    """Say whether this is a table with named columns, which is no array."""
    return hasattr(value, "columns") and hasattr(value, "dtypes")


def as_numbers(value: object) -> NDArray[Any] | None:
    """Give an array, tensor, series or list as a numpy array of numbers.

    None when its elements are no real numbers, or it has no elements to be had.
    """
    array = as_stored(value)
    return None if array is None or array.dtype.kind == "c" else array


def as_stored(value: object) -> NDArray[Any] | None:
    """Give the same, of complex numbers as well."""
    import numpy as np

    array = _to_numpy(value)
    shape = getattr(value, "shape", None)
    if shape is not None and tuple(shape) != array.shape:
        return None  # something that numpy sees as one object
    if array.dtype.kind == "V" and array.dtype.names is None:
        array = array.astype(np.float32)  # bfloat16 and the like, which are no numpy's
    return array if array.dtype.kind in f"{_NUMBERS}c" else None


def _from_torch(tensor: Any) -> Any:
    """Fetch a tensor from its graph and its device; whatever its layout, as dense."""
    tensor = tensor.detach().cpu()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided":
        tensor = tensor.to_dense()
    if any(odd in str(tensor.dtype) for odd in ("bfloat16", "float8", "float4")):
        tensor = tensor.float()
    if hasattr(tensor, "resolve_conj"):  # conjugated, or negated, when it is read
        tensor = tensor.resolve_conj().resolve_neg()
    return tensor


def _without_mask(array: Any) -> Any:
    """Put NaN where a masked array has nothing."""
    import numpy as np

    if not np.ma.is_masked(array):
        return array.data
    kind = array.dtype.kind
    whole = array if kind in "fc" else array.astype(float) if kind in "biu" else None
    return array.filled() if whole is None else whole.filled(np.nan)


def _to_numpy(value: Any) -> NDArray[Any]:
    """Fetch the elements, from a graph, a device or a table's column if need be."""
    import numpy as np

    if isinstance(value, range):
        return np.arange(value.start, value.stop, value.step)
    if hasattr(value, "detach"):  # torch
        value = _from_torch(value)
    elif hasattr(value, "filled"):
        value = _without_mask(value)
    elif hasattr(value, "toarray"):  # a sparse matrix
        value = value.toarray()
    elif hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):
        value = value.get()  # CuPy, which converts nothing unasked
    elif hasattr(value, "isna") and value.dtype.kind in _NUMBERS:  # a pandas Series
        kind = value.dtype.type if not value.isna().any() else float
        value = value.to_numpy(dtype=kind, na_value=np.nan if kind is float else None)
    elif not hasattr(value, "__array__") and hasattr(value, "numpy"):
        value = value.numpy()
    return np.asarray(value)


def histogram(
    array: NDArray[Any], path: str | None, bins: int = _BINS
) -> dict[str, Any]:
    """Give what a row shows of an array: 64 equal bins between its extremes.

    What is not finite is in no bin; it is counted under ``nan``.

    >>> import numpy as np
    >>> shown = histogram(np.arange(100), "media/x.npy")
    >>> shown["shape"], shown["bins"][0], shown["bins"][-1], sum(shown["counts"])
    ([100], 0.0, 99.0, 100)
    """
    import numpy as np

    low, high, finite = _extremes(array)
    edges = _edges(low, high, bins)
    counts = np.zeros(bins, dtype=np.int64)
    for block in _blocks(array):
        # Places by the edges themselves, so that the counts fit what is shown.
        places = np.searchsorted(edges, block, side="right") - 1
        counts += np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return {
        "_type": "histogram",
        "bins": edges.tolist(),
        "counts": counts.tolist(),
        **_about(array, path),
        "nan": array.size - finite,
    }


def _about(array: NDArray[Any], path: str | None) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": str(array.dtype), "path": path}


def outline(array: NDArray[Any]) -> dict[str, Any]:
    """Give the same members as ``histogram`` without counting anything."""
    shown = {"_type": "histogram", "bins": [], "counts": []}
    return {**shown, **_about(array, None), "nan": 0}


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Give the finite elements as doubles, a part at a time to spare memory."""
    import numpy as np

    flat = array.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK].astype(np.float64)
        yield block[np.isfinite(block)]


def _extremes(array: NDArray[Any]) -> tuple[float, float, int]:
    """Give the least and the greatest finite element, and how many there are."""
    low, high, finite = math.inf, -math.inf, 0
    for block in _blocks(array):
        if block.size:
            low = min(low, float(block.min()))
            high = max(high, float(block.max()))
            finite += block.size
    return (low, high, finite) if finite else (0.0, 0.0, 0)


def _edges(low: float, high: float, bins: int) -> NDArray[np.float64]:
    """Give rising edges, one more than bins, also of extremes that are all but one."""
    import numpy as np

    size = max(abs(low), abs(high))
    if not high - low > 4 * bins * math.ulp(size):
        half = max(0.5, 4 * bins * math.ulp(size))
        low, high = max(low - half, -_LARGEST), min(high + half, _LARGEST)
    share = np.linspace(0, 1, bins + 1)
    edges = low * (1 - share) + high * share  # high - low itself may overflow
    return np.clip(edges, low, high)


def statistics(array: NDArray[Any]) -> dict[str, Any]:
    """Give what a summary says of an array: NaN is left out of all of it.

    >>> import numpy as np
    >>> shown = statistics(np.array([1.0, 2.0, 3.0, np.nan]))
    >>> shown["min"], shown["mean"], shown["p50"], shown["max"]
    (1.0, 2.0, 2.0, 3.0)
    """
    import numpy as np

    if array.dtype.kind == "c":  # they have no order
        return dict.fromkeys((*_STATISTICS, *_PERCENTILES))
    if array.size > _SORTED:
        return _statistics_by_parts(array)
    values = array.reshape(-1).astype(np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return dict.fromkeys((*_STATISTICS, *_PERCENTILES))
    with np.errstate(all="ignore"):  # infinities have no variance; that is no fault
        shown = {name: float(getattr(values, name)()) for name in _STATISTICS}
        found = np.percentile(values, list(_PERCENTILES.values()))
    return shown | dict(zip(_PERCENTILES, found.tolist(), strict=True))


def _statistics_by_parts(array: NDArray[Any]) -> dict[str, Any]:
    """Give the same of a large array; percentiles of one in so many elements."""
    import numpy as np

    every = math.ceil(array.size / _SORTED)
    low, high, total, size = math.inf, -math.inf, 0.0, 0
    drawn = []
    for part in _parts(array):
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
            total, size = total + float(part.sum()), size + part.size
            drawn.append(part[::every])
    if not size:
        return dict.fromkeys((*_STATISTICS, *_PERCENTILES))
    with np.errstate(all="ignore"):  # as above
        mean = total / size
        var = sum(float(((part - mean) ** 2).sum()) for part in _parts(array)) / size
        sample = np.concatenate(drawn)
        found = np.percentile(sample, list(_PERCENTILES.values()), overwrite_input=True)
    shown = dict(zip(_STATISTICS, (low, high, mean, var, var**0.5), strict=True))
    return shown | dict(zip(_PERCENTILES, found.tolist(), strict=True))


def _parts(array: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Give what is not NaN as doubles, without a copy of the whole."""
    import numpy as np

    flags = ["external_loop", "buffered"]
    parts: Any
    with np.nditer(array, flags=flags, buffersize=_BLOCK) as parts:  # type: ignore[arg-type]
        for part in parts:
            block = part.astype(np.float64)
            yield block[~np.isnan(block)]


_STATISTICS: Final = ("min", "max", "mean", "var", "std")
_PERCENTILES: Final = {"p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95}


def described(value: object, array: NDArray[Any], path: str | None) -> dict[str, Any]:
    """Give what a summary shows of an array, under W&B's name of its type."""
    library = type(value).__module__.partition(".")[0]
    kind = {"torch": "torch.Tensor", "tensorflow": "tensorflow.Tensor"}.get(library)
    about = _about(array, path)
    del about["path"]
    return {
        "_type": kind or "numpy.ndarray",
        **about,
        **statistics(array),
        "path": path,
    }


def is_array(value: object) -> bool:
    """Say whether this is an array that is no single number, and can be stored."""
    is_one = hasattr(value, "shape") and not is_frame(value)
    return is_one and _size(value) != 1 and not is_too_large(value)


def is_too_large(value: object) -> bool:
    """Say whether this is an array of more elements than are stored."""
    return _size(value) > MOST_KEPT


def text_elements(value: Any) -> list[Any]:
    """Give the elements of an array of text, times or objects: the first 1,000."""
    array = _to_numpy(value)
    if array.dtype.kind in "Mm":
        array = array.astype(str)
    if array.size > MOST_IN_LIST:
        array = array.reshape(-1)[:MOST_IN_LIST]
    nested: list[Any] = array.tolist()
    return nested
