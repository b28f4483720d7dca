"""Counts in bins: of a sequence, or as numpy gives them."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import Media, Shown, caption_of
from nbtrack._media.numbers import numbers_of
from nbtrack._media.source import RunFile, stored
from nbtrack._record import arrays
from nbtrack.errors import MediaError, MediaFileError, MediaSizeError, MediaTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from nbtrack._draw.html import Safe
    from nbtrack._media.source import Store

MOST_BINS: Final = 512


class Histogram(Media):
    """How often which values occur.

    Parameters
    ----------
    sequence
        Numbers: a list, an array or tensor of any shape, anything that can be walked
        through. What is not finite is in no bin; it is counted as ``nan``.
    np_histogram
        Instead, counts and the edges of the bins, as ``numpy.histogram`` gives them.
    num_bins
        At most 512.

    Examples
    --------
    >>> histogram = Histogram([1, 2, 2, 3], num_bins=2)
    >>> histogram.counts, histogram.bins
    ([1, 3], [1.0, 2.0, 3.0])
    """

    _type = "histogram"
    MAX_LENGTH = MOST_BINS

    def __init__(
        self,
        sequence: Iterable[float] | None = None,
        np_histogram: tuple[Any, Any] | None = None,
        num_bins: int = 64,
        *,
        caption: str | None = None,
    ) -> None:
        self.caption = caption_of(caption)
        self._about: dict[str, Any] = {}
        self._array: RunFile | None = None
        self.nan = 0
        if np_histogram is not None:
            self.counts, self.bins = _given(np_histogram)
            return
        if not isinstance(num_bins, int) or not 1 <= num_bins <= MOST_BINS:
            msg = f"Histogram(num_bins={num_bins!r}): a number from 1 to {MOST_BINS}."
            raise MediaError(msg)
        made = arrays.histogram(_numbers(sequence), None, num_bins)
        self.counts, self.bins = made["counts"], made["bins"]
        self.nan = made["nan"]

    @property
    def histogram(self) -> list[float]:
        """The counts, by W&B's name."""
        return self.counts

    # -- rows --------------------------------------------------------------------

    def _to_row(self, store: Store) -> dict[str, Any]:
        row = {"bins": self.bins, "counts": self.counts, "nan": self.nan}
        if self._array is not None:  # of an array in another run
            row |= self._about | {"path": stored(self._array, store).path}
        return row

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        counts = row["counts"] if "counts" in row else row["values"]
        bins = row["bins"] if "bins" in row else _unpacked(row["packedBins"])
        self.counts, self.bins = _given((counts, bins), stored=True)
        self.nan = int(row.get("nan", 0))
        self._about = {k: row[k] for k in ("shape", "dtype") if k in row}
        named = "path" in row
        self._array = RunFile.of(row, run_path) if named else None

    def __getitem__(self, name: str) -> Any:
        return self.counts if name == "values" else super().__getitem__(name)

    def to_numpy(self) -> NDArray[np.float64]:
        """Give the array that it is the histogram of, where that was logged.

        Raises
        ------
        MediaFileError
            Only the counts are stored, or the file cannot be read.
        """
        import numpy as np

        if self._array is None:
            msg = "The values of a Histogram"
            raise MediaFileError(msg, "only their counts are stored")
        from io import BytesIO

        content = self._array.read()
        try:
            found: NDArray[Any] = np.load(BytesIO(content), allow_pickle=False)
        except (ValueError, EOFError, MemoryError, OSError) as error:
            raise MediaFileError.of(self._array.path, error) from error
        return found

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        import numpy as np

        found = np.asarray(self.counts) if self._array is None else self.to_numpy()
        return found if dtype is None else found.astype(dtype, copy=bool(copy))

    # -- how it looks ------------------------------------------------------------

    def _outline(self) -> Shown:
        return self._shown()

    def _shown(self) -> Shown:
        data = {"bins": self.bins, "counts": self.counts, "nan": self.nan}
        return Shown(self._type, self.caption or "", data=data | self._about)

    def _static(self, budget_bytes: int) -> Safe:  # noqa: ARG002  (it is always small)
        from nbtrack._draw.html import el, muted, picture

        told = f"{sum(self.counts):,.6g} values"
        told += f", {self.nan:,} not finite" if self.nan else ""
        told = f"{self.caption}: {told}" if self.caption else told
        drawn = picture(self._svg(), alt=f"histogram of {told}", width=300, height=120)
        return el("div", drawn, el("div", muted(told), style="font-size:12px"))

    def _svg(self) -> str:
        """Draw the outline of the bars, as narrow as their bins, and the extremes."""
        low, high = (self.bins[0], self.bins[-1]) if self.bins else (0.0, 0.0)
        path = _outline_of(self.counts, self.bins)
        return (
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 300 120'>"
            f"<path d='{path}' fill='#3d8fd1'/>"
            "<path d='M4 100.5h292' stroke='#80889080'/>"
            "<g font-family='system-ui,sans-serif' font-size='11' fill='#7d8590'>"
            f"<text x='4' y='114'>{low:.4g}</text>"
            f"<text x='296' y='114' text-anchor='end'>{high:.4g}</text></g></svg>"
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __repr__(self) -> str:
        if not self.bins:
            return "<Histogram empty>"
        total, low, high = sum(self.counts), self.bins[0], self.bins[-1]
        return f"<Histogram of {total:g} values from {low:.4g} to {high:.4g}>"


def _outline_of(counts: list[float], bins: list[float]) -> str:
    """Draw bars above y = 100 as one line in whole pixels, from x = 4 to 296.

    A saved notebook may have a hundred of these. Of the bins that begin within one
    pixel, or of several where there are many, the highest is drawn.
    """
    if not counts:
        return ""
    half, most = bins[0] / 2, max(counts) or 1  # halves: the whole may overflow
    span = bins[-1] / 2 - half or 1.0
    every = -(-len(counts) // _MOST_BARS)
    tops: dict[int, int] = {}  # where a bar begins → its height
    for i, count in enumerate(counts):
        left = 4 + int(292 * (bins[i - i % every] / 2 - half) / span)
        height = max(1, round(96 * count / most)) if count else 0
        tops[left] = max(height, tops.get(left, 0))
    path, last = "M4 100", 0
    for left, height in tops.items():
        if height != last:
            path += f"H{left}v{last - height}"
            last = height
    return f"{path}H296V100z"


_MOST_BARS: Final = 64


def _numbers(sequence: Any) -> NDArray[Any]:
    """Give the values as an array, if they are numbers and not too many."""
    import numpy as np

    if sequence is None:
        msg = "Histogram() needs a sequence of numbers, or np_histogram=."
        raise MediaTypeError(msg)
    if isinstance(sequence, (str, bytes, dict)) or not (
        hasattr(sequence, "__iter__") or hasattr(sequence, "shape")
    ):
        msg = f"Histogram() takes numbers, not {type(sequence).__name__}."
        raise MediaTypeError(msg)
    if not hasattr(sequence, "__len__") and not hasattr(sequence, "shape"):
        sequence = list(islice(sequence, arrays.MOST_KEPT + 1))  # a generator
    shape = getattr(sequence, "shape", None)
    size = math.prod(shape) if shape is not None else len(sequence)
    if size > arrays.MOST_KEPT:
        raise MediaSizeError.of_count("A sequence", size, arrays.MOST_KEPT)
    if isinstance(sequence, (set, frozenset)):
        sequence = list(sequence)
    array = numbers_of(sequence, "A histogram")
    if array is None and size:
        kind = getattr(np.asarray(sequence), "dtype", "object")
        msg = f"Histogram() takes numbers, not elements of type {kind}."
        raise MediaTypeError(msg)
    return np.empty(0) if array is None else array


def _unpacked(packed: dict[str, Any]) -> list[float]:
    """Give the edges of bins of one width, as ``watch`` and W&B write them."""
    low, size, count = packed["min"], packed["size"], int(packed["count"])
    return [low + i * size for i in range(min(count, MOST_BINS) + 1)]


def _given(pair: Any, *, stored: bool = False) -> tuple[list[float], list[float]]:
    """Check counts and edges; those of a stored row may be of no bin at all."""
    try:
        counts, bins = pair
        listed = [_as_count(v) for v in counts]
        edges = [float(v) for v in bins]
    except (TypeError, ValueError, OverflowError):
        msg = "np_histogram is a pair: the counts, and the edges of the bins."
        raise MediaTypeError(msg) from None
    if stored and not listed and not edges:
        return [], []
    if len(edges) != len(listed) + 1 or not listed:
        msg = (
            f"np_histogram has {len(listed)} counts and {len(edges)} edges; there is "
            "one edge more than counts."
        )
        raise MediaError(msg)
    if len(listed) > MOST_BINS:
        msg = f"A histogram has up to {MOST_BINS} bins, not {len(listed)}."
        raise MediaError(msg)
    falls = any(a > b for a, b in pairwise(edges))
    if falls or not all(map(math.isfinite, [*edges, *listed])) or min(listed) < 0:
        msg = "np_histogram: edges rise, counts are 0 or more, and all are finite."
        raise MediaError(msg)
    return listed, edges


def _as_count(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number  # densities are none
