"""Sound: arrays as WAV by the standard library, and files as they are."""

from __future__ import annotations

import os
import wave
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.base import FileMedia, Shown, caption_of
from nbtrack._media.numbers import numbers_of
from nbtrack._media.source import Held, RunFile, UserFile, stored
from nbtrack.errors import (
    MediaError,
    MediaFileError,
    MediaSizeError,
    MediaTypeError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nbtrack._draw.html import Safe
    from nbtrack._media.source import Source, Store

MOST_SAMPLES: Final = 2**28
MOST_SENT: Final = 2**23  # bytes of a sound that a board is sent

_MIMES: Final = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".weba": "audio/webm",
}
_MAGIC: Final = (
    (b"RIFF", ".wav"),
    (b"ID3", ".mp3"),
    (b"\xff\xfb", ".mp3"),
    (b"OggS", ".ogg"),
    (b"fLaC", ".flac"),
)
_MOST_CHANNELS: Final = 8
_FLAT, _DEEP = 1, 2
_LOUDEST: Final = 32_767


class Audio(FileMedia):
    """Sound to be logged, or of a stored run.

    Parameters
    ----------
    data_or_path
        Samples of shape (T,) or (T, channels), as floats in [-1, 1] or int16; a path;
        or the bytes of a file.
    sample_rate
        Samples per second; needed for samples.
    caption
        Text beside it.

    Raises
    ------
    MediaError
        There is no such file, or the data is no sound.

    Examples
    --------
    >>> import numpy as np
    >>> Audio(np.zeros(8000), sample_rate=8000).duration_s
    1.0
    """

    _type = "audio-file"

    def __init__(
        self,
        data_or_path: Any,
        sample_rate: int | None = None,
        caption: str | None = None,
    ) -> None:
        self.caption = caption_of(caption)
        #: What of the samples had to be changed; empty if nothing was.
        self.note = ""
        self.sample_rate: int | None = None
        self.duration_s: float | None = None
        data = data_or_path
        if isinstance(data, (str, os.PathLike)):
            self._source: Source = UserFile(data)
            self._check_suffix()
            self._measure()
        elif isinstance(data, (bytes, bytearray, memoryview)):
            self._source = _sound(bytes(data))
            self._measure()
        elif hasattr(data, "read"):
            self._source = _sound(data.read())
            self._measure()
        else:
            self._take(data, sample_rate)

    def _check_suffix(self) -> None:
        if self._source.suffix not in _MIMES:
            known = " ".join(_MIMES)
            msg = f"{self.path} is no sound that browsers play. They play {known}."
            raise MediaError(msg)

    def _take(self, data: Any, sample_rate: int | None) -> None:
        if not isinstance(sample_rate, int) or not 1 <= sample_rate <= _FASTEST:
            msg = (
                f"Audio(sample_rate={sample_rate!r}): samples need a rate, a whole "
                f"number up to {_FASTEST:,}, such as 44100."
            )
            raise MediaError(msg)
        samples = _samples(data)
        self.sample_rate = sample_rate
        self.duration_s = len(samples) / sample_rate
        pcm, self.note = _as_pcm(samples)
        self._source = Held(_wav(pcm, sample_rate), ".wav")

    def _measure(self) -> None:
        """Learn rate and duration of a WAV; other formats keep them to themselves."""
        if self._source.suffix != ".wav":
            return
        try:
            with wave.open(BytesIO(self._source.read())) as file:
                self.sample_rate = file.getframerate()
                self.duration_s = file.getnframes() / file.getframerate()
        except (wave.Error, EOFError, ZeroDivisionError) as error:
            if "unknown format" not in str(error):  # floats, say, which browsers play
                where = self.path or "The given sound"
                raise MediaFileError(where, f"it is no WAV ({error})") from error

    # -- rows --------------------------------------------------------------------

    def _to_row(self, store: Store) -> dict[str, Any]:
        row: dict[str, Any] = stored(self._source, store).to_row()
        if self.sample_rate is not None:
            row["sample_rate"] = self.sample_rate
        if self.duration_s is not None:
            row["duration_s"] = self.duration_s
        return row

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._source = RunFile.of(row, run_path)
        self.note = ""
        rate, seconds = row.get("sample_rate"), row.get("duration_s")
        self.sample_rate = None if rate is None else int(rate)
        self.duration_s = None if seconds is None else float(seconds)

    def read(self) -> bytes:
        """Give the content of its file."""
        return self._source.read()

    def to_numpy(self) -> NDArray[Any]:
        """Give the samples of a WAV of 8 or 16 bits: (T,) or (T, channels).

        Raises
        ------
        MediaFileError
            The file is gone, broken, or of another format.
        """
        import numpy as np

        content = self.read()
        try:
            with wave.open(BytesIO(content)) as file:
                width, channels = file.getsampwidth(), file.getnchannels()
                frames = file.readframes(file.getnframes())
            kind = {1: "u1", 2: "<i2", 4: "<i4"}[width]
        except (wave.Error, EOFError, KeyError) as error:
            what = f"it is no WAV of 8, 16 or 32 bits ({error})"
            raise MediaFileError(self.path or "The given sound", what) from error
        samples = np.frombuffer(frames, dtype=kind)
        return samples.reshape(-1, channels) if channels > 1 else samples

    # -- how it looks ------------------------------------------------------------

    @property
    def _mime(self) -> str:
        return _MIMES.get(self._source.suffix, "")

    def _outline(self) -> Shown:
        told = None if self.duration_s is None else {"duration_s": self.duration_s}
        return super()._outline()._replace(mime=self._mime, data=told)

    def _shown(self) -> Shown:
        return self._outline()._replace(content=checked(self.read(), MOST_SENT))

    def _full(self) -> Shown:
        return self._outline()._replace(content=self.read())

    def _static(self, budget_bytes: int) -> Safe:  # noqa: ARG002  (it is small)
        from nbtrack._draw.html import el, muted, picture

        parts: list[str] = []
        if self._source.suffix == ".wav":
            told = self.caption or "sound"
            svg = _wave_svg(self.to_numpy())
            parts.append(picture(svg, alt=f"waveform: {told}", width=300, height=64))
        seconds = "" if self.duration_s is None else f", {self.duration_s:.3g} s"
        told = f"{self.caption or ''} (sound{seconds})".strip()
        return el("div", *parts, el("div", muted(told), style="font-size:12px"))

    def _own(self) -> str:
        from nbtrack._media.markup import player

        content = checked(self.read(), MOST_SENT)
        return player("audio", content, self._mime, self.caption or "")

    def __repr__(self) -> str:
        told = f" {self.caption!r}" if self.caption else ""
        seconds = "" if self.duration_s is None else f" {self.duration_s:.3g} s"
        return f"<Audio{seconds} {self._source.suffix[1:]}{told}>"


_FASTEST: Final = 1_000_000


def checked(content: bytes, most: int) -> bytes:
    """Refuse to send what is too large to be shown.

    Raises
    ------
    MediaSizeError
    """
    if len(content) > most:
        raise MediaSizeError.to_show(len(content), most)
    return content


def _sound(content: bytes) -> Held:
    for magic, suffix in _MAGIC:
        if content[:4].startswith(magic):
            return Held(content, suffix)
    msg = "These bytes are no sound that is known: WAV, MP3, Ogg, FLAC."
    raise MediaError(msg)


def _samples(data: Any) -> NDArray[Any]:
    shape = getattr(data, "shape", None)
    if shape is not None:
        import math

        size = math.prod(shape)
    elif isinstance(data, (list, tuple)):
        size = len(data)
    else:
        msg = f"A sound cannot be made of {type(data).__name__}."
        raise MediaTypeError(msg)
    if size > MOST_SAMPLES:
        raise MediaSizeError.of_count("A sound", size, MOST_SAMPLES)
    samples = numbers_of(data, "A sound")
    if samples is None or samples.ndim not in (_FLAT, _DEEP) or not samples.size:
        found = None if samples is None else samples.shape
        msg = f"A sound has numbers of shape (T,) or (T, channels), not {found}."
        raise MediaError(msg)
    if samples.ndim == _DEEP and samples.shape[1] > _MOST_CHANNELS >= samples.shape[0]:
        samples = samples.T  # torchaudio has channels first
    if samples.ndim == _DEEP and samples.shape[1] > _MOST_CHANNELS:
        msg = f"A sound has up to {_MOST_CHANNELS} channels, not {samples.shape[1]}."
        raise MediaError(msg)
    return samples


def _as_pcm(samples: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Give samples of 16 bits."""
    import numpy as np

    if samples.dtype == np.int16:
        return samples.astype("<i2"), ""
    if samples.dtype == np.uint8:
        return (samples.astype("<i2") - 128) * 256, ""
    if samples.dtype == np.int32:
        return (samples >> 16).astype("<i2"), ""
    if samples.dtype.kind != "f":
        msg = (
            f"A sound's samples are floats in [-1, 1], int16, int32 or uint8, not "
            f"{samples.dtype}."
        )
        raise MediaError(msg)
    note = ""
    loudest = float(np.nanmax(np.abs(samples))) if not np.isnan(samples).all() else 0
    if loudest > 1 + 1e-3:
        note = (
            f"a sound with samples up to {loudest:.4g}; what is outside [-1, 1] is "
            "clipped. Divide it by its maximum, or make it int16"
        )
    clipped = np.clip(np.nan_to_num(samples, nan=0.0), -1, 1)
    return np.rint(clipped * _LOUDEST).astype("<i2"), note


def _wav(pcm: NDArray[Any], sample_rate: int) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(1 if pcm.ndim == _FLAT else pcm.shape[1])
        made.setsampwidth(2)
        made.setframerate(sample_rate)
        made.writeframes(pcm.tobytes())
    return file.getvalue()


def _wave_svg(samples: NDArray[Any]) -> str:
    """Draw the loudness over time, 150 strokes of it."""
    import numpy as np

    loud = np.abs(samples.astype(np.float64))
    if samples.dtype == np.uint8:
        loud = np.abs(samples.astype(np.float64) - 128)
    if loud.ndim == _DEEP:
        loud = loud.max(axis=1)
    parts = [part.max() if part.size else 0 for part in np.array_split(loud, 150)]
    most = max(parts) or 1
    path = ""
    for i, part in enumerate(parts):
        half = max(0.5, 30 * part / most)
        path += f"M{2 * i + 0.5} {32 - half:.1f}v{2 * half:.1f}"
    return (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 300 64'>"
        f"<path d='{path}' stroke='#3d8fd1' stroke-width='1.3'/></svg>"
    )
