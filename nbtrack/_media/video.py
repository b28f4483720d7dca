"""Film: arrays encoded as H.264, VP9 or GIF, and files as they are.

PyAV encodes, in this process and into memory: it is FFmpeg's own libraries as wheels,
and what the makers of the alternative (imageio-ffmpeg, a program that is started for
each film) advise to use. GIF needs Pillow alone.
"""

from __future__ import annotations

import math
import os
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import FileMedia, caption_of
from nbtrack._media.numbers import numbers_of, shape_of
from nbtrack._media.pixels import check_size
from nbtrack._media.source import Held, RunFile, UserFile, stored
from nbtrack.errors import (
    MediaError,
    MediaSizeError,
    MediaTypeError,
    MissingPackageError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._draw.html import Safe
    from nbtrack._media.base import Shown
    from nbtrack._media.source import Source, Store

MOST_SAMPLES: Final = 2**31  # values of an array that is encoded
MOST_SENT: Final = 2**25  # bytes of a film that a board is sent

_FORMATS: Final = {
    "mp4": ("video/mp4", "libx264", {"crf": "20", "preset": "veryfast"}),
    "webm": ("video/webm", "libvpx-vp9", {"crf": "32", "b": "0", "cpu-used": "6"}),
    "gif": ("image/gif", "", {}),
}
_MIMES: Final = {f".{name}": mime for name, (mime, _, _) in _FORMATS.items()} | {
    ".ogv": "video/ogg",
    ".ogg": "video/ogg",
    ".mov": "video/quicktime",
    ".m4v": "video/mp4",
}
_CHANNELS: Final = (1, 3, 4)
_GREY, _COLOR, _BATCH = 3, 4, 5
_FASTEST: Final = 240
_SLACK: Final = 1e-3  # by which a float may leave [0, 1] unmentioned: rounding


class Video(FileMedia):
    """Film to be logged, or of a stored run.

    Parameters
    ----------
    data_or_path
        Frames of shape (T, C, H, W) or (T, H, W, C), with 1, 3 or 4 channels, or
        (T, H, W); uint8, or floats in [0, 1]. Where both could be channels, the first
        are, as W&B has it. Or a path, or the bytes of a file.
    caption
        Text beside it.
    fps
        Frames per second.
    format
        "mp4" (H.264), "webm" (VP9), or "gif"; of bytes, what they are.

    Raises
    ------
    MediaError
        There is no such file, or the data is no film.
    MissingPackageError
        Encoding as mp4 or webm needs the extra ``video``: PyAV.
    """

    _type = "video-file"

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        fps: float | None = None,
        format: str | None = None,  # noqa: A002  (W&B's)
    ) -> None:
        self.caption = caption_of(caption)
        #: What of the frames had to be changed; empty if nothing was.
        self.note = ""
        self.width = self.height = self.frames = 0
        kind = (format or "mp4").lower().lstrip(".")
        if kind not in _FORMATS:
            msg = f"Video(format={format!r}) is not one of: {', '.join(_FORMATS)}."
            raise MediaError(msg)
        self.fps = _rate(fps)
        data = data_or_path
        if isinstance(data, (str, os.PathLike)):
            self._source: Source = UserFile(data)
            if self._source.suffix not in _MIMES:
                msg = f"{self.path} is no film that browsers play: {' '.join(_MIMES)}."
                raise MediaError(msg)
        elif isinstance(data, (bytes, bytearray, memoryview)) or hasattr(data, "read"):
            content = data.read() if hasattr(data, "read") else bytes(data)
            self._source = Held(content, _suffix(content))
        else:
            self._take(data, kind)

    def _take(self, data: Any, kind: str) -> None:
        if kind != "gif":
            _need_av(kind)
        film, self.note = _film(data)
        self.frames, self.height, self.width = film.shape[:3]
        self._poster = Held(_poster(film[0]), ".jpg")
        encode = _as_gif if kind == "gif" else _as_stream
        self._source = Held(encode(film, float(self.fps), kind), f".{kind}")

    # -- rows --------------------------------------------------------------------

    def _to_row(self, store: Store) -> dict[str, Any]:
        row: dict[str, Any] = stored(self._source, store).to_row()
        if self.frames:
            row |= {
                "width": self.width,
                "height": self.height,
                "frames": self.frames,
                "fps": self.fps,
            }
        if self._poster is not None:
            row["poster"] = stored(self._poster, store).to_row()
        return row

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._source = RunFile.of(row, run_path)
        self.note = ""
        self.width, self.height = int(row.get("width", 0)), int(row.get("height", 0))
        self.frames, self.fps = int(row.get("frames", 0)), _rate(row.get("fps"))
        if "poster" in row:
            self._poster = RunFile.of(row["poster"], run_path)

    _poster: Source | None = None  # its first frame, of one that was encoded here

    def read(self) -> bytes:
        """Give the content of its file."""
        return self._source.read()

    # -- how it looks ------------------------------------------------------------

    @property
    def _mime(self) -> str:
        return _MIMES.get(self._source.suffix, "")

    def _outline(self) -> Shown:
        made = super()._outline()._replace(mime=self._mime)
        return made._replace(width=self.width, height=self.height)

    def _shown(self) -> Shown:
        content = self.read()
        if len(content) > MOST_SENT:
            raise MediaSizeError.to_show(len(content), MOST_SENT)
        return self._outline()._replace(content=content)

    def _static(self, budget_bytes: int) -> Safe:
        from nbtrack._draw.html import hint
        from nbtrack._media.image import Image

        told = f"{self.caption}: film" if self.caption else "film"
        if self.frames:
            told += f" of {self.frames} frames, {self.width} x {self.height}"
        name = f", {self._row['path']}" if self._row and self._row.get("path") else ""
        self.read()  # one that is gone is told, though its first frame may be there
        if self._poster is None:
            return hint(f"{told}{name}")
        first = Image(self._poster.read(), caption=f"{told}{name}")
        return first._static(budget_bytes)  # noqa: SLF001  (our own)

    def _own(self) -> str:
        from nbtrack._draw.html import el
        from nbtrack._media.encode import data_url
        from nbtrack._media.markup import player

        content = self._shown().content or b""
        if self._mime == "image/gif":
            return str(el("img", src=data_url(content, self._mime), alt="film"))
        return player("video", content, self._mime, self.caption or "")

    def __repr__(self) -> str:
        told = f" {self.caption!r}" if self.caption else ""
        size = f" {self.frames} x {self.width}x{self.height}" if self.frames else ""
        return f"<Video{size} {self._source.suffix[1:]}{told}>"


def _rate(fps: float | None) -> float:
    if fps is None:
        return 4
    try:
        if 0 < float(fps) <= _FASTEST:
            return float(fps) if float(fps) % 1 else int(fps)
    except (TypeError, ValueError):
        pass
    msg = f"Video(fps={fps!r}): a number of frames per second up to {_FASTEST}."
    raise MediaError(msg)


def _suffix(content: object) -> str:
    if isinstance(content, bytes):
        if content[4:8] == b"ftyp":
            return ".mp4"
        if content[:4] == b"\x1aE\xdf\xa3":
            return ".webm"
        if content[:4] == b"GIF8":
            return ".gif"
        if content[:4] == b"OggS":
            return ".ogv"
    msg = "These bytes are no film that is known: mp4, webm, gif, ogv."
    raise MediaError(msg)


def _need_av(kind: str) -> Any:
    try:
        import av
    except ImportError as error:
        why = f'Encoding a film as {kind} (format="gif" needs nothing)'
        raise MissingPackageError("av", extra="video", why=why) from error
    return av


def _film(data: Any) -> tuple[NDArray[Any], str]:
    """Give frames as (T, H, W, 3) or (T, H, W) of uint8."""
    shape = getattr(data, "shape", None)
    if isinstance(data, (list, tuple)) and data:
        shape = (len(data), *shape_of(data[0], "A frame"))
    if shape is None:
        msg = f"A film cannot be made of {type(data).__name__}."
        raise MediaTypeError(msg)
    shape = tuple(shape)
    if len(shape) == _BATCH and shape[0] == 1:
        shape = shape[1:]
    if len(shape) not in (_GREY, _COLOR) or 0 in shape:
        msg = (
            "A film has the shape (T, C, H, W), (T, H, W, C) or (T, H, W), not "
            f"{shape}. Log several as a list: [nbtrack.Video(x) for x in batch]."
        )
        raise MediaError(msg)
    if math.prod(shape) > MOST_SAMPLES:
        raise MediaSizeError.of_count("A film", math.prod(shape), MOST_SAMPLES)
    film = numbers_of(data, "A film")
    if film is None:
        msg = "A film is made of numbers."
        raise MediaTypeError(msg)
    return _as_bytes(_channels_last(film.reshape(shape)))


def _channels_last(film: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if film.ndim == _COLOR:
        if film.shape[1] in _CHANNELS:
            film = np.moveaxis(film, 1, 3)
        elif film.shape[3] not in _CHANNELS:
            msg = f"A film has 1, 3 or 4 channels; none of {film.shape} is a number so."
            raise MediaError(msg)
        film = film[..., 0] if film.shape[3] == 1 else film[..., :3]
    check_size("A frame", film.shape[2], film.shape[1])
    return film


def _as_bytes(film: NDArray[Any]) -> tuple[NDArray[Any], str]:
    import numpy as np

    if film.dtype == np.uint8:
        return film, ""
    if film.dtype == np.bool_:
        return film.astype(np.uint8) * np.uint8(255), ""
    low, high = film.min(), film.max()
    if film.dtype.kind in "iu":
        if low < 0 or high > 255:  # noqa: PLR2004
            msg = f"A film of integers has values from 0 to 255, not {low} to {high}."
            raise MediaError(msg)
        return film.astype(np.uint8), ""
    note = ""
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        note = (
            f"a film of floats from {low:.4g} to {high:.4g}; what is outside [0, 1] is "
            "clipped. Make the array uint8 if it holds 0 to 255"
        )
    made = np.empty(film.shape, np.uint8)
    for t, frame in enumerate(film):  # a frame at a time, to spare memory
        made[t] = np.rint(np.clip(np.nan_to_num(frame), 0, 1) * 255)
    return made, note


def _as_stream(film: NDArray[Any], fps: float, kind: str) -> bytes:
    """Encode with PyAV, as browsers play it: H.264 or VP9, in YUV 4:2:0."""
    import numpy as np

    av = _need_av(kind)
    _, codec, options = _FORMATS[kind]
    if film.ndim == _GREY:
        film = np.broadcast_to(film[..., None], (*film.shape, 3))
    film = _even(film)
    file = BytesIO()
    try:
        with av.open(file, "w", format=kind) as made:
            rate = Fraction(fps).limit_denominator(1001)
            stream = made.add_stream(codec, rate=rate, options=dict(options))
            stream.height, stream.width = film.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for pixels in film:
                pixels = np.ascontiguousarray(pixels)  # noqa: PLW2901  (the same)
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
                for packet in stream.encode(frame):
                    made.mux(packet)
            for packet in stream.encode():
                made.mux(packet)
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        msg = f"The film cannot be encoded as {kind}: {error}"
        raise MediaError(msg) from error
    return file.getvalue()


def _even(film: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last line where a side is odd, as H.264 has none that are."""
    import numpy as np

    down, right = film.shape[1] % 2, film.shape[2] % 2
    if not down and not right:
        return film
    return np.pad(film, ((0, 0), (0, down), (0, right), (0, 0)), mode="edge")


def _poster(frame: NDArray[Any]) -> bytes:
    """Give a frame as a small picture, for where no film can be played."""
    from PIL import Image as Pictures

    small = Pictures.fromarray(frame)
    small.thumbnail((320, 320))
    file = BytesIO()
    small.save(file, "JPEG")
    return file.getvalue()


def _as_gif(film: NDArray[Any], fps: float, _kind: str) -> bytes:
    from PIL import Image as Pictures

    pictures = [Pictures.fromarray(frame) for frame in film]
    file = BytesIO()
    pictures[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=max(20, round(1000 / fps)),
        loop=0,
    )
    return file.getvalue()
