"""Pictures as the content of files, and as small as a page needs them."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: ``file_type`` → PIL's name of the format.
WRITTEN: Final = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "bmp": "BMP",
    "webp": "WEBP",
}
#: Modes of PIL's that PNG holds as they are.
PLAIN_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
#: Pixels of the longer side of a picture in a saved notebook, the first that fits.
STATIC_SIDES: Final = (320, 224, 160, 112, 80, 56)
SEEN: Final = 96  # pixels to which tiny pictures are enlarged

# Level 3 takes 0.8 of the time of PIL's own 6, and makes files of photographs a tenth
# larger.
_PNG_LEVEL: Final = 3


def encoded(picture: Picture, kind: str) -> bytes:
    """Give a picture as the content of a file."""
    file = BytesIO()
    if kind in ("jpg", "jpeg") and picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    if kind == "png":
        if picture.mode not in PLAIN_MODES:
            picture = picture.convert("RGBA")
        picture.save(file, "PNG", compress_level=_PNG_LEVEL)
    else:
        picture.save(file, WRITTEN[kind])
    return file.getvalue()


def thumbnail(picture: Picture, side: int) -> Picture:
    """Give a smaller copy in a mode that can be averaged."""
    if picture.mode == "I;16":
        import numpy as np
        from PIL import Image as Pictures

        picture = Pictures.fromarray((np.asarray(picture) >> 8).astype("uint8"))
    has_alpha = "A" in picture.mode or "transparency" in picture.info
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    small = picture.copy()
    small.thumbnail((side, side))
    return small


def enlarged(picture: Picture) -> Picture:
    """Repeat the pixels of a tiny picture: a browser would blur them."""
    from PIL import Image as Pictures

    factor = SEEN // max(picture.size)
    size = (picture.width * factor, picture.height * factor)
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture = thumbnail(picture, SEEN)
    return picture.resize(size, Pictures.Resampling.NEAREST)


def compact(picture: Picture) -> tuple[bytes, str]:
    """Give it as PNG; as JPEG where that is much smaller and nothing shines through."""
    png = encoded(picture, "png")
    opaque = picture.mode in ("L", "RGB") or (
        picture.mode == "RGBA" and not any(picture.getchannel("A").histogram()[:255])
    )
    if len(png) > _WORTH and opaque:
        jpeg = encoded(picture, "jpg")
        if len(jpeg) * 2 < len(png):
            return jpeg, "image/jpeg"
    return png, "image/png"


_WORTH: Final = 8_192  # bytes of a PNG beneath which nothing is gained


def data_url(content: bytes, mime: str) -> str:
    """Give content as an address that needs no file."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def on_page(size: tuple[int, int]) -> tuple[int, int]:
    """Enlarge a tiny picture, such as a digit of 8 x 8, to where it can be seen."""
    width, height = size
    most = max(width, height)
    factor = max(1, SEEN // most) if most else 1
    if most > STATIC_SIDES[0]:
        share = STATIC_SIDES[0] / most
        return max(1, round(width * share)), max(1, round(height * share))
    return width * factor, height * factor
