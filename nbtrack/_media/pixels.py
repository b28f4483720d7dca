"""Arrays as pictures, and no range stretched that nobody asked to stretch.

Integers are what they are: 0 to 255, or 16 bits in one channel. Floats are shares of
full brightness, 0 to 1; or 0 to 255, and that is said, where some are above 1. What
lies outside is clipped. Only ``normalize=True`` stretches a range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from nbtrack._faults import warn
from nbtrack._media.numbers import numbers_of, shape_of
from nbtrack.errors import MediaError, MediaSizeError, MediaTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

#: Pixels of a picture that is taken or shown: 8192 x 8192.
MOST_PIXELS: Final = 2**26

_CHANNELS: Final = (1, 3, 4)
_WITH_ALPHA: Final = 2  # channels that could be grey and transparency
_FLAT: Final = 2  # dimensions of a picture without channels
_DEEP: Final = 3  # and with
_WHITE: Final = 255
_WHITE_16: Final = 65_535
_SLACK: Final = 0.01  # by which a float may leave [0, 1] unmentioned: resampling

_told: set[str] = set()  # what was said of floats, once in a process


def check_size(what: str, width: int, height: int) -> None:
    """Refuse a picture that is too large, before its pixels are touched.

    Raises
    ------
    MediaSizeError
    """
    if width * height > MOST_PIXELS:
        raise MediaSizeError.of_pixels(what, width, height, MOST_PIXELS)


def picture_of(data: Any, *, normalize: bool) -> tuple[Picture, str]:
    """Give an array as a picture, and what had to be changed about its values.

    Parameters
    ----------
    data
        (H, W), (H, W, C) or (C, H, W), with 1, 3 or 4 channels: of numpy, torch, or
        whatever can become a numpy array. Where both ends could be channels, torch's
        come first and all others' last.

    Raises
    ------
    MediaError
        It has another shape, or values that no picture has.
    """
    from PIL import Image as Pictures

    shape = _shape(data)
    pixels = numbers_of(data, "An image")
    if pixels is None:
        what = f"An image is made of numbers, not {_kind(data)}"
        msg = f"{what} with elements of type {getattr(data, 'dtype', 'object')}."
        raise MediaTypeError(msg)
    pixels = pixels.reshape(shape)
    if pixels.ndim == _DEEP:
        pixels = _channels_last(pixels, first=hasattr(data, "detach"))
    if pixels.ndim == _DEEP and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    bytes_, note = _as_bytes(pixels, normalize=normalize)
    return Pictures.fromarray(bytes_), note


def _kind(data: Any) -> str:
    return type(data).__name__


def _shape(data: Any) -> tuple[int, ...]:
    """Give the shape of an array without leading ones; check it before using it."""
    shape = shape_of(data, "An image")
    while len(shape) > _DEEP and shape[0] == 1:
        shape = shape[1:]
    is_flat = len(shape) == _FLAT
    is_deep = len(shape) == _DEEP and (shape[0] in _CHANNELS or shape[2] in _CHANNELS)
    if not is_flat and not is_deep:
        msg = (
            f"An image has the shape (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 "
            f"channels, not {shape}."
        )
        if len(shape) > _DEEP:
            msg += " Log a batch as a list: [nbtrack.Image(x) for x in batch]."
        raise MediaError(msg)
    if 0 in shape:
        msg = f"An image of the shape {shape} has no pixels."
        raise MediaError(msg)
    sides = sorted(shape)[-2:]
    check_size("An image", sides[1], sides[0])
    return shape


def _channels_last(pixels: NDArray[Any], *, first: bool) -> NDArray[Any]:
    """Put the channels last; ``first`` says that they usually are first here."""
    import numpy as np

    usual, other = (0, 2) if first else (2, 0)
    if pixels.shape[usual] in _CHANNELS:
        at = usual
    elif pixels.shape[usual] == _WITH_ALPHA:
        # Grey and transparency, which nobody takes, or the other way round?
        shape = tuple(pixels.shape)
        msg = (
            f"An image of the shape {shape} may have 2 channels, which is none of 1, 3 "
            f"and 4, or {shape[other]} that stand at the other end. If these are its "
            f"channels, move them: numpy.moveaxis(image, {other}, {usual})."
        )
        raise MediaError(msg)
    else:
        at = other
    return pixels if at == _DEEP - 1 else np.moveaxis(pixels, 0, 2)


def _as_bytes(pixels: NDArray[Any], *, normalize: bool) -> tuple[NDArray[Any], str]:
    """Give the values as 8 bits, or 16 where they are that already."""
    import numpy as np

    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(_WHITE), ""
    if normalize:
        return _stretched(pixels), ""
    if pixels.dtype == np.uint8:
        return np.array(pixels, order="C"), ""  # as it is now
    if pixels.dtype.kind == "f":
        return _from_floats(pixels)
    low, high = int(pixels.min()), int(pixels.max())
    if low >= 0 and high <= _WHITE:
        return pixels.astype(np.uint8), ""
    if low >= 0 and high <= _WHITE_16 and pixels.ndim == _FLAT:
        return pixels.astype(np.uint16), ""
    msg = (
        f"An image of integers has values from 0 to 255 (in one channel also to "
        f"65535), and these are from {low} to {high}. They are not rescaled by "
        "themselves: pass normalize=True, or convert them."
    )
    raise MediaError(msg)


def _from_floats(pixels: NDArray[Any]) -> tuple[NDArray[Any], str]:
    import numpy as np

    low, high = float(pixels.min()), float(pixels.max())
    note = ""
    if not math.isfinite(low + high):
        finite = pixels[np.isfinite(pixels)]
        if math.isnan(low):  # any NaN makes both NaN
            note = "an image with NaN in it; these pixels are black"
        elif finite.size < pixels.size:
            note = "an image with infinite pixels in it; they are black or white"
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    white = _WHITE if high > 1 + _SLACK else 1
    if high > 1 + _SLACK or low < -_SLACK:
        _tell_range(low, high, white)
    shares = np.nan_to_num(np.clip(pixels, 0, white), nan=0.0)
    return np.rint(shares * np.float32(_WHITE / white)).astype(np.uint8), note


def _tell_range(low: float, high: float, white: int) -> None:
    """Say, once of each kind, how floats are taken that are no shares of brightness."""
    kind = "some are above 1" if white > 1 else "none is above 1"
    if kind in _told:
        return
    _told.add(kind)
    fit = f"divide by {high:.4g}" if low >= -_SLACK else "shift and divide them"
    warn(
        f"nbtrack.Image got floats from {low:.4g} to {high:.4g}: {kind}, so they are "
        f"taken as 0…{white}, and what is outside is clipped. To choose what is white, "
        f"{fit}, pass uint8, or normalize=True. This is said once"
    )


def _stretched(pixels: NDArray[Any]) -> NDArray[Any]:
    """Map the finite values' range onto 0 to 255."""
    import numpy as np

    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    span = high / 2 - low / 2 or 0.5  # halves, because the span itself may overflow
    shares = np.nan_to_num((values / 2 - low / 2) / span, nan=0.0, posinf=1, neginf=0)
    return np.rint(np.clip(shares, 0, 1) * _WHITE).astype(np.uint8)
