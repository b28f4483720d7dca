"""How often which values occur in a tensor, counted on the device that has it.

On a GPU nothing here waits: extremes and counts stay there as one small tensor, and
``fetched`` gets all such tensors at once. A tensor is worked through in blocks, so that
a large one needs little memory beside it.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

BINS: Final = 64

#: Elements at a time. On a GPU the intermediate results take some 30 bytes of each; on
#: a CPU torch counts in single precision, which is exact below 2**24.
_BLOCK: Final = 2**21
_LARGEST: Final = sys.float_info.max
_WIDEST: Final = 1e38  # between extremes, for torch.histc in single precision


class Counts(NamedTuple):
    """Elements by value, in bins of one width."""

    low: float
    high: float
    counts: list[int]
    nan: int  # elements that are not finite

    def to_row(self) -> dict[str, Any]:
        """Give what a row holds; the bins packed, under W&B's name.

        >>> Counts(-1.0, 1.0, [3, 0, 1], 2).to_row()["counts"]
        [3, 0, 1]
        """
        low, high = self.low, self.high
        if not low <= high:  # nothing was finite
            low = high = 0.0
        if low == high:  # all in the middle of bins around it
            half = max(0.5, abs(low) * 2**-40)
            low, high = max(low - half, -_LARGEST), min(high + half, _LARGEST)
        bins = len(self.counts)
        size = high / bins - low / bins  # high - low itself may overflow
        return {
            "_type": "histogram",
            "packedBins": {"min": low, "size": size, "count": bins},
            "counts": self.counts,
            "nan": self.nan,
        }


def counted(tensor: Tensor) -> Counts | Tensor | None:
    """Count the elements of a tensor of any kind; None if it has none to count.

    Returns
    -------
    Counts or torch.Tensor
        A tensor for ``fetched``, if the elements are on a GPU.
    """
    import torch

    with torch.no_grad():
        values, zeros = _values(tensor.detach())
        if values.is_meta or not values.numel() + zeros:
            return None
        if values.is_cuda:
            return _on_device(values, zeros)
        if values.device.type != "cpu":
            values = values.cpu()  # double precision is not to be had everywhere
        return _on_cpu(values, zeros)


def _values(tensor: Tensor) -> tuple[Tensor, int]:
    """Give the elements that are stored, and how many zeros are not."""
    import torch

    local = getattr(tensor, "to_local", None)
    if local is not None:  # distributed over processes: what this one has
        tensor = local()
    if tensor.layout is torch.strided:
        return tensor.reshape(-1), 0
    size = tensor.numel()
    if tensor.is_sparse:
        tensor = tensor.coalesce()
    values = tensor.values().reshape(-1)
    return values, size - values.numel()


def _blocks(values: Tensor) -> Iterator[Tensor]:
    """Give the elements as real numbers of single or double precision."""
    import torch

    for block in values.split(_BLOCK):
        real = block.abs() if block.is_complex() else block
        yield real if real.dtype in (torch.float32, torch.float64) else real.float()


# -- on a CPU ----------------------------------------------------------------------


def _on_cpu(values: Tensor, zeros: int) -> Counts:
    import torch

    low, high, finite = (0.0, 0.0, 0) if zeros else (math.inf, -math.inf, 0)
    for block in map(_finite, _blocks(values)):
        if block.numel():
            least, most = torch.aminmax(block)
            low, high = min(low, float(least)), max(high, float(most))
            finite += block.numel()
    if high - low > _WIDEST:
        return _of_list(_on_device(values, zeros).tolist())
    counts = [0] * BINS
    if low < high:
        total = torch.zeros(BINS, dtype=torch.int64, device="cpu")
        for block in map(_finite, _blocks(values)):
            total += torch.histc(block, BINS, min=low, max=high).to(torch.int64)
        counts = total.tolist()
        if zeros:
            counts[min(int(-low / (high - low) * BINS), BINS - 1)] += zeros
    elif finite + zeros:
        counts[BINS // 2] = finite + zeros
    return Counts(low, high, counts, values.numel() - finite)


def _finite(block: Tensor) -> Tensor:
    """Leave out what is not finite; the extremes say whether there is any."""
    import torch

    if block.numel():
        least, most = torch.aminmax(block)
        if not (math.isfinite(least) and math.isfinite(most)):
            return block[torch.isfinite(block)]
    return block


# -- on a GPU ----------------------------------------------------------------------


def _on_device(values: Tensor, zeros: int) -> Tensor:
    """Give extremes, counts, and the count of what is not finite, as one tensor.

    Nothing here needs a number of the tensor on this side, so nothing waits for it.
    """
    import torch

    lows, highs = [], []
    for block in _blocks(values):
        finite = block.isfinite()
        lows.append(torch.where(finite, block, math.inf).amin())
        highs.append(torch.where(finite, block, -math.inf).amax())
    low, high = torch.stack(lows).amin(), torch.stack(highs).amax()
    if zeros:
        low, high = low.clamp(max=0), high.clamp(min=0)
    total = torch.zeros(BINS + 1, dtype=torch.int64, device=values.device)
    for block in _blocks(values):
        places = torch.where(block.isfinite(), _places(block, low, high), BINS)
        total.scatter_add_(0, places, torch.ones_like(places))
    if zeros:
        total.scatter_add_(
            0,
            _places(torch.zeros_like(low), low, high).reshape(1),
            torch.full((1,), zeros, dtype=torch.int64, device=values.device),
        )
    return torch.cat([torch.stack([low, high]).double(), total.double()])


def _places(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Give each value's bin. Halves, because high - low may overflow."""
    import torch

    span = high * 0.5 - low * 0.5
    share = torch.where(span > 0, (values * 0.5 - low * 0.5) / span, 0.5)
    places: Tensor = (share * BINS).nan_to_num().clamp(0, BINS - 1).to(torch.int64)
    return places


def fetched(found: Mapping[str, Counts | Tensor]) -> dict[str, Counts]:
    """Get all counts to this side, with one transfer from each device."""
    import torch

    waiting: dict[Any, list[str]] = {}
    for key, counts in found.items():
        if not isinstance(counts, Counts):
            waiting.setdefault(counts.device, []).append(key)
    got = {key: one for key, one in found.items() if isinstance(one, Counts)}
    for device, keys in waiting.items():
        if device.type == "cuda":
            # They were counted in the streams of the backward pass, which may be
            # others than this thread's.
            torch.cuda.synchronize(device)
        table = torch.stack([found[key] for key in keys])
        got |= dict(zip(keys, map(_of_list, table.tolist()), strict=True))
    return {key: got[key] for key in found}


def _of_list(numbers: list[float]) -> Counts:
    low, high, *counts, nan = numbers
    return Counts(low, high, list(map(int, counts)), int(nan))
