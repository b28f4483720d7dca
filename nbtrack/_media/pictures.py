"""What a user gives as a picture, as Pillow has it: files, arrays, figures."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media import pixels
from nbtrack._media.encode import PLAIN_MODES
from nbtrack._media.numbers import array_of
from nbtrack.errors import MediaError, MediaFileError, MediaTypeError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from nbtrack._media.source import Source

_SHINING: Final = frozenset({"RGBa", "PA"})  # modes with transparency


def opened(file: Source) -> Picture:
    """Open a picture's file: its size is known then, its pixels are not read.

    Raises
    ------
    MediaFileError, MediaSizeError
    """
    from PIL import Image as Pictures

    where = getattr(file, "path", "the given image")
    try:
        content = BytesIO(file.read())
        picture = Pictures.open(content, formats=_FORMATS)
    except MediaError:
        raise
    except (Pictures.DecompressionBombError, Pictures.DecompressionBombWarning) as e:
        msg = f"{where} is too large a picture: {e}"
        raise MediaError(msg) from e
    except Exception as error:
        raise MediaFileError(where, "it is no picture that Pillow knows") from error
    pixels.check_size(str(where), *picture.size)
    return picture


#: Not among them: those that run programs (EPS), or are as good as never meant.
_FORMATS: Final = (
    "PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA", "JPEG2000",
)  # fmt: skip


def taken(given: Any, *, normalize: bool) -> tuple[Picture, str]:
    """Give what is in memory as a picture of its own, and what had to be changed.

    Raises
    ------
    MediaError
        It is no picture.
    """
    if _is_pil(given):
        return _from_pil(given, normalize=normalize)
    figure = figure_of(given)
    if figure is not None:
        return rendered(figure), ""
    if isinstance(given, (list, tuple)) or hasattr(given, "shape"):
        return pixels.picture_of(given, normalize=normalize)
    array = array_of(given, "An image")
    if hasattr(array, "shape"):
        return pixels.picture_of(array, normalize=normalize)
    msg = (
        f"An image cannot be made of {type(given).__name__}. It takes an array, a "
        "tensor, a PIL image, a matplotlib figure, a path, or a file's bytes."
    )
    raise MediaTypeError(msg)


def _is_pil(given: Any) -> bool:
    return any(base.__module__ == "PIL.Image" for base in type(given).__mro__)


def _from_pil(given: Picture, *, normalize: bool) -> tuple[Picture, str]:
    pixels.check_size("An image", *given.size)
    if not given.width or not given.height:
        msg = f"An image of {given.width} x {given.height} has no pixels."
        raise MediaError(msg)
    if given.mode in ("I", "F", "I;16B", "I;16L") or normalize:
        import numpy as np

        return pixels.picture_of(np.asarray(given), normalize=normalize)
    if given.mode in PLAIN_MODES:
        return given.copy(), ""
    if given.mode == "La":  # which PIL converts to nothing else
        return given.convert("LA"), ""
    return given.convert("RGBA" if given.mode in _SHINING else "RGB"), ""


def converted(picture: Picture, mode: str) -> Picture:
    """Give it in another of PIL's modes.

    Raises
    ------
    MediaError
        There is no such mode, or no way to it.
    """
    try:
        return picture.convert(mode)
    except (ValueError, KeyError, TypeError) as error:
        msg = (
            f"Image(mode={mode!r}): a picture of the mode {picture.mode!r} cannot be "
            f"converted to that ({error}). Usual modes are L, LA, RGB and RGBA."
        )
        raise MediaError(msg) from error


def figure_of(given: Any) -> Any:
    """Give matplotlib's figure: of itself, of axes, of pyplot; None for all else."""
    if getattr(given, "__name__", "") == "matplotlib.pyplot":
        return given.gcf()
    libraries = {b.__module__.partition(".")[0] for b in type(given).__mro__}
    if not libraries & {"matplotlib", "mpl_toolkits", "seaborn"}:
        return None
    if hasattr(given, "savefig"):
        return getattr(given, "figure", given) or given
    return getattr(given, "figure", None)


def rendered(figure: Any) -> Picture:
    """Draw a matplotlib figure.

    Raises
    ------
    MediaError
        It is too large, or raises itself.
    """
    from PIL import Image as Pictures

    width, height = (int(side * figure.dpi) for side in figure.get_size_inches())
    pixels.check_size("A figure", width, height)
    file = BytesIO()
    try:
        figure.savefig(file, format="png", bbox_inches="tight")
    except Exception as error:
        msg = f"The figure cannot be drawn: {type(error).__name__}: {error}"
        raise MediaError(msg) from error
    picture = Pictures.open(file)
    picture.load()
    return picture
