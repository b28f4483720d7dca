"""Pictures: of arrays, of other libraries' images and figures, of files."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media import overlays
from nbtrack._media.base import FileMedia, Shown, caption_of
from nbtrack._media.encode import (
    SEEN,
    STATIC_SIDES,
    WRITTEN,
    compact,
    data_url,
    encoded,
    enlarged,
    on_page,
    thumbnail,
)
from nbtrack._media.pictures import converted, opened, taken
from nbtrack._media.source import Held, RunFile, UserFile, stored
from nbtrack.errors import MediaError, MediaFileError, MediaSizeError, MediaTypeError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    from nbtrack._draw.html import Safe
    from nbtrack._media.source import Source, Store

#: What browsers show: PIL's name of the format → suffix and MIME type.
_SHOWN: Final = {
    "PNG": (".png", "image/png"),
    "JPEG": (".jpg", "image/jpeg"),
    "GIF": (".gif", "image/gif"),
    "WEBP": (".webp", "image/webp"),
    "BMP": (".bmp", "image/bmp"),
}
_MIMES: Final = {**dict(_SHOWN.values()), ".svg": "image/svg+xml"}
_THUMB: Final = 512  # pixels of the longer side that a board is sent
_SMALL: Final = 2**16  # bytes of a picture that is sent as it is
_MOST_SVG: Final = 2**24


class Image(FileMedia):
    """A picture to be logged, or one of a stored run.

    Parameters
    ----------
    data_or_path
        An array or tensor of shape (H, W), (H, W, C) or (C, H, W), of uint8 or of
        floats: from 0 to 1, or from 0 to 255 if some are above 1; a PIL image; a
        matplotlib figure; a path; or the bytes of a file. What is in memory is taken
        as it is now.
    mode
        A PIL mode to convert to, such as "L".
    caption
        Text under it.
    classes
        What class ids mean: ``[{"id": 0, "name": "cat"}]`` or ``{0: "cat"}``.
    boxes
        Sets of boxes by name, as W&B has them: ``{"prediction": {"box_data": [
        {"position": {"minX": .1, "maxX": .4, "minY": .1, "maxY": .3}, "class_id": 0,
        "scores": {"p": .9}}], "class_labels": {0: "cat"}}}``; with ``"domain":
        "pixel"`` positions count pixels, else they are shares of the sides.
    masks
        Sets of classes by pixel: ``{"truth": {"mask_data": array (H, W),
        "class_labels": {1: "cat"}}}``.
    file_type
        "png", "jpg", "webp" or "bmp".
    normalize
        True stretches the values of an array over the whole range of brightness.

    Raises
    ------
    MediaError
        There is no such file, or the data is no picture.

    Examples
    --------
    >>> import numpy as np
    >>> image = Image(np.zeros((4, 6, 3), dtype=np.uint8), caption="dark")
    >>> image.width, image.height
    (6, 4)
    """

    _type = "image-file"
    _note = ""  # what had to be changed
    _boxes_file: RunFile | None = None

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: Any = None,
        masks: Any = None,
        file_type: str | None = None,
        *,
        normalize: bool = False,
    ) -> None:
        kind = (file_type or "png").lower().lstrip(".")
        if kind not in WRITTEN:
            msg = f"file_type={file_type!r} is not one of: {', '.join(WRITTEN)}."
            raise MediaError(msg)
        self.caption = caption_of(caption)
        self._grouping = grouping
        self._labels: dict[str, str] = {}
        self._boxes: dict[str, Any] = {}
        self._masks: dict[str, tuple[Source, dict[str, str]]] = {}
        self.width = self.height = 0
        given = _given(data_or_path)
        if isinstance(given, Image):
            self._copy(given)
            if mode or file_type:
                self._take(given.image.copy(), mode, kind)
        elif isinstance(given, (UserFile, Held)):
            self._take_file(given, mode, kind, keep=not (mode or file_type))
        else:
            picture, self._note = taken(given, normalize=normalize)
            self._take(picture, mode, kind)
        if classes is not None:
            self._labels = overlays.classes_of(classes)
        if boxes is not None:
            self._boxes = overlays.boxes_of(boxes)
        if masks is not None:
            self._masks = {
                name: (self._mask_file(mask, f"masks[{name!r}]"), labels)
                for name, (mask, labels) in overlays.masks_of(masks).items()
            }

    def _mask_file(self, mask: Any, what: str) -> Source:
        """Give a mask as a picture's file."""
        from PIL import Image as Pictures

        if isinstance(mask, (str, os.PathLike)):
            file: Source = UserFile(mask)
            size = opened(file).size
        else:
            picture = Pictures.fromarray(mask)
            size, file = picture.size, Held(encoded(picture, "png"), ".png")
        if self.width and size != (self.width, self.height):
            msg = (
                f"{what} has {size[0]} x {size[1]} pixels and its image {self.width} x "
                f"{self.height}. A mask says of each pixel what it belongs to."
            )
            raise MediaError(msg)
        return file

    def _copy(self, other: Image) -> None:
        self._source = other._source
        self.width, self.height = other.width, other.height
        self._labels, self._boxes = dict(other._labels), other.boxes
        self._masks = dict(other._masks)
        if self.caption is None:
            self.caption = other.caption

    def _take(self, picture: Picture, mode: str | None, kind: str) -> None:
        """Take a picture that nobody else will change."""
        if mode:
            picture = converted(picture, mode)
        self.width, self.height = picture.size
        suffix, _ = _SHOWN[WRITTEN[kind]]
        self._source = Held(lambda: encoded(picture, kind), suffix)

    def _take_file(
        self, file: UserFile | Held, mode: str | None, kind: str, *, keep: bool
    ) -> None:
        if file.suffix == ".svg":
            self._source = file
            return
        picture = opened(file)
        self.width, self.height = picture.size
        if keep and picture.format in _SHOWN:
            suffix, _ = _SHOWN[picture.format]
            file.suffix = suffix  # a name says nothing of what is in a file
            self._source = file
            picture.close()
            return
        # A format that no browser shows, or another one is wanted.
        self._take(picture, mode, kind)

    # -- rows --------------------------------------------------------------------

    @property
    def note(self) -> str:
        """What of the data had to be changed; empty if nothing was."""
        return self._note

    def _to_row(self, store: Store) -> dict[str, Any]:
        row: dict[str, Any] = stored(self._source, store).to_row()
        if self.width and self.height:
            row |= {"width": self.width, "height": self.height}
        row["format"] = self._source.suffix[1:]
        if self._grouping is not None:
            row["grouping"] = self._grouping
        if self._labels:
            row["classes"] = self._labels
        if boxes := self.boxes:
            row["boxes"] = stored(_json(boxes), store).to_row()
        if self._masks:
            row["masks"] = {
                name: {**stored(file, store).to_row(), "class_labels": labels}
                for name, (file, labels) in self._masks.items()
            }
        return row

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._source = RunFile.of(row, run_path)
        self.width = int(row.get("width", 0))
        self.height = int(row.get("height", 0))
        self._grouping = row.get("grouping")
        self._labels = overlays.labels_of(row.get("classes"), "classes")
        self._boxes = {}
        if "boxes" in row:
            self._boxes_file = RunFile.of(row["boxes"], run_path)
        self._masks = {
            str(name): (
                RunFile.of(mask, run_path),
                overlays.labels_of(mask.get("class_labels"), "class_labels"),
            )
            for name, mask in dict(row.get("masks", {})).items()
        }

    # -- what is in it -----------------------------------------------------------

    @cached_property
    def image(self) -> Picture:
        """It as a PIL image.

        Raises
        ------
        MediaFileError
            Its file is gone, cut short, or no picture.
        """
        if self._source.suffix == ".svg":
            msg = "An SVG has no pixels; its text is in read()."
            raise MediaError(msg)
        picture = opened(self._source)
        try:
            picture.load()
        except Exception as error:
            raise MediaFileError.of(self._where, error) from error
        return picture

    def to_numpy(self) -> NDArray[Any]:
        """Give its pixels: (H, W) or (H, W, C)."""
        import numpy as np

        picture = self.image
        return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)

    def read(self) -> bytes:
        """Give the content of its file."""
        return self._source.read()

    @property
    def format(self) -> str:
        """How it is stored, such as "png"."""
        return self._source.suffix[1:]

    @property
    def _where(self) -> object:
        return getattr(self._source, "path", "the given image")

    @property
    def classes(self) -> dict[int, str]:
        """What class ids mean."""
        return {int(key): name for key, name in self._labels.items()}

    @property
    def boxes(self) -> dict[str, Any]:
        """Sets of boxes by name, as they were given."""
        if self._boxes_file is not None:
            self._boxes = _read_boxes(self._boxes_file)
            self._boxes_file = None
        return self._boxes

    @property
    def masks(self) -> dict[str, dict[str, Any]]:
        """Sets of classes by pixel: ``mask_data`` and ``class_labels`` by name."""
        import numpy as np

        return {
            name: {
                "mask_data": np.asarray(opened(file).convert("L")),
                "class_labels": {int(k): v for k, v in labels.items()},
            }
            for name, (file, labels) in self._masks.items()
        }

    # -- how it looks ------------------------------------------------------------

    @property
    def _mime(self) -> str:
        return _MIMES.get(self._source.suffix, "")

    def _outline(self) -> Shown:
        made = super()._outline()
        return made._replace(mime=self._mime, width=self.width, height=self.height)

    def _shown(self) -> Shown:
        return self._at_most(_THUMB)

    def _full(self) -> Shown:
        return self._at_most(0)

    def _at_most(self, side: int) -> Shown:
        """Give it for a board, no longer than so many pixels; 0 as it is."""
        if self._source.suffix == ".svg":
            content, mime = _svg(self._source), _MIMES[".svg"]
        else:
            content, mime = self._sent(side)
        data: dict[str, Any] = {}
        if self.boxes:
            data["boxes"] = overlays.outlines(
                self.boxes, self._labels, self.width, self.height
            )
        if self._masks:
            data["masks"] = [
                self._mask_shown(name, side or _THUMB * 4) for name in self._masks
            ]
        return self._outline()._replace(content=content, mime=mime, data=data or None)

    def _sent(self, side: int) -> tuple[bytes, str]:
        content = self._source.read()
        is_small = not side or max(self.width, self.height) <= side
        if is_small and self.width and self._mime:
            return content, self._mime
        picture = self.image
        self.width, self.height = picture.size
        if self._mime and (not side or max(picture.size) <= side):
            return content, self._mime
        return compact(thumbnail(picture, side or max(picture.size)))

    def _mask_shown(self, name: str, side: int) -> dict[str, Any]:
        from PIL import Image as Pictures

        file, own = self._masks[name]
        mask = opened(file).convert("L")
        labels = {**self._labels, **own}
        present = [i for i, count in enumerate(mask.histogram()) if i and count]
        if max(mask.size) > side:
            mask.thumbnail((side, side), Pictures.Resampling.NEAREST)
        return {
            "name": name,
            "url": data_url(encoded(overlays.tinted(mask), "png"), "image/png"),
            "classes": [
                [labels.get(str(i), f"class_{i}"), overlays.color_of(i)]
                for i in present
            ],
        }

    def _static(self, budget_bytes: int) -> Safe:
        from nbtrack._draw.html import el, muted

        text = self.caption or ""
        url, (width, height) = self._data_url(budget_bytes)
        picture = el(
            "img",
            src=url,
            alt=text[:80] or "image",
            **({"width": width, "height": height} if width else {}),
            style="display:block;max-width:100%",
        )
        under = (el("div", muted(text), style="font-size:12px"),) if text else ()
        style = "display:inline-block;vertical-align:top;margin:0 8px 8px 0"
        return el("div", picture, *under, style=style)

    def _data_url(self, budget_bytes: int) -> tuple[str, tuple[int, int]]:
        if self._source.suffix == ".svg":
            return data_url(_svg(self._source, budget_bytes), _MIMES[".svg"]), (0, 0)
        picture = self.image
        masks = [opened(file).convert("L") for file, _ in self._masks.values()]
        boxes = overlays.outlines(self.boxes, self._labels, *picture.size)
        content = self._source.read()
        size = on_page(picture.size)
        is_small = len(content) <= min(budget_bytes * 3 // 4, _SMALL)
        is_plain = not masks and not boxes and self._mime
        if is_plain and is_small and max(picture.size) * 2 > SEEN:
            return data_url(content, self._mime), size
        if max(picture.size) * 2 <= SEEN:
            picture = enlarged(picture)
        for side in STATIC_SIDES:
            small = thumbnail(picture, side)
            if masks or boxes:
                small = overlays.drawn(small, masks, boxes)
            content, mime = compact(small)
            if len(content) * 4 // 3 <= budget_bytes or side == STATIC_SIDES[-1]:
                break
        return data_url(content, mime), on_page(small.size)

    def __repr__(self) -> str:
        told = f" {self.caption!r}" if self.caption else ""
        return f"<Image {self.width}x{self.height} {self.format}{told}>"


# -- what is given -----------------------------------------------------------------


def _given(data: Any) -> Any:
    """Tell files from everything else, which stays what it is."""
    if isinstance(data, Image):
        return data
    if isinstance(data, (str, os.PathLike)):
        if isinstance(data, str) and data.partition("://")[0] in ("http", "https"):
            raise MediaFileError(data, "nothing is fetched from the network")
        return UserFile(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return _held(bytes(data))
    if hasattr(data, "read") and not hasattr(data, "convert"):
        content = data.read()
        if not isinstance(content, bytes):
            msg = "An image's file object is opened for bytes: open(path, 'rb')."
            raise MediaTypeError(msg)
        return _held(content)
    return data


def _held(content: bytes) -> Held:
    start = content[:512].lstrip().lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return Held(content, ".svg")
    return Held(content, "")


def _svg(source: Source, most: int = _MOST_SVG) -> bytes:
    content = source.read()
    if len(content) > most:
        raise MediaSizeError("An SVG to be shown here", len(content), most)
    return content


def _json(value: Any) -> Held:
    import json

    return Held(json.dumps(value, sort_keys=True).encode(), ".json")


def _read_boxes(file: RunFile) -> dict[str, Any]:
    import json

    try:
        return overlays.boxes_of(json.loads(file.read()))
    except MediaFileError:
        raise
    except ValueError as error:
        raise MediaFileError(file.path, f"it holds no boxes ({error})") from error
