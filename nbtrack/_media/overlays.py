"""Boxes, masks and classes of an image: checked when given, drawn on demand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media.numbers import numbers_of
from nbtrack._media.pixels import check_size
from nbtrack.errors import MediaError, MediaTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

MOST_BOXES: Final = 10_000  # of one image

_CORNERS: Final = ("minX", "maxX", "minY", "maxY")
_MOST_CLASS: Final = 255  # a mask's file has 8 bits
_FLAT: Final = 2

#: Colours that are told apart on most pictures, one per class.
COLORS: Final = (
    "#ffb000", "#3d8fd1", "#e5486d", "#2aa876", "#a56eff", "#ff7a33", "#00b8d4",
    "#c0ca33", "#f06292", "#8d6e63",
)  # fmt: skip


def color_of(class_id: int) -> str:
    """Give a class its colour."""
    return COLORS[class_id % len(COLORS)]


def rgb_of(color: str) -> tuple[int, int, int]:
    """Give the parts of a colour that is written as ``#rrggbb``.

    >>> rgb_of("#3d8fd1")
    (61, 143, 209)
    """
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


# -- classes ---------------------------------------------------------------------


def labels_of(given: object, what: str) -> dict[str, str]:
    """Give class labels, a mapping of ids to names, with ids as JSON has them.

    Raises
    ------
    MediaTypeError
        It is no such mapping.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        msg = f"{what}: class_labels maps ids to names, {{0: 'cat'}}, not {given!r}."
        raise MediaTypeError(msg)
    return {str(_class_id(key, what)): str(name) for key, name in given.items()}


def classes_of(given: object) -> dict[str, str]:
    """Give ``classes=``, W&B's list of ``{"id": 0, "name": "cat"}``, as labels.

    Raises
    ------
    MediaTypeError
        It is no such list, nor a mapping of ids to names.
    """
    given = getattr(given, "_class_set", given)  # W&B's Classes
    if given is None or isinstance(given, Mapping):
        return labels_of(given, "classes")
    try:
        listed = [(entry["id"], entry["name"]) for entry in given]  # type: ignore[attr-defined]
    except (TypeError, KeyError, IndexError):
        msg = f'classes is a list of {{"id": 0, "name": "cat"}}, not {given!r:.200}.'
        raise MediaTypeError(msg) from None
    return labels_of(dict(listed), "classes")


def _class_id(value: object, what: str) -> int:
    try:
        number = float(value)  # type: ignore[arg-type]
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    msg = f"{what}: a class id is a whole number, not {value!r:.100}."
    raise MediaTypeError(msg)


# -- boxes -----------------------------------------------------------------------


def boxes_of(given: object) -> dict[str, dict[str, Any]]:
    """Check ``boxes=``: sets of boxes by name, in W&B's form; give them as JSON.

    Raises
    ------
    MediaError
        A box lacks something, or its numbers are none.
    """
    found: dict[str, dict[str, Any]] = {}
    number = 0
    for name, entry in _sets(given, "boxes", ("box_data",)).items():
        boxes = entry["box_data"]
        if isinstance(boxes, (str, Mapping)) or not isinstance(boxes, Iterable):
            msg = f"boxes[{name!r}]: box_data is a list of boxes."
            raise MediaTypeError(msg)
        listed = [_box(box, f"boxes[{name!r}][{i}]") for i, box in enumerate(boxes)]
        number += len(listed)
        labels = labels_of(entry.get("class_labels"), f"boxes[{name!r}]")
        found[name] = {"box_data": listed, "class_labels": labels}
    if number > MOST_BOXES:
        msg = f"An image takes up to {MOST_BOXES:,} boxes, not {number:,}."
        raise MediaError(msg)
    return found


def _sets(
    given: object, what: str, members: tuple[str, ...]
) -> dict[str, Mapping[str, Any]]:
    if not isinstance(given, Mapping):
        msg = f'{what} maps names to sets, {{"prediction": {{"{members[0]}": …}}}}.'
        raise MediaTypeError(msg)
    for name, entry in given.items():
        if not isinstance(entry, Mapping) or not any(m in entry for m in members):
            msg = f'{what}[{name!r}] is no mapping with "{members[0]}".'
            raise MediaTypeError(msg)
    return {str(name): entry for name, entry in given.items()}


def _box(box: object, what: str) -> dict[str, Any]:
    if not isinstance(box, Mapping) or not isinstance(box.get("position"), Mapping):
        msg = f'{what} is no mapping with a "position".'
        raise MediaTypeError(msg)
    made: dict[str, Any] = {
        "position": _position(box["position"], what),
        "class_id": _class_id(box.get("class_id", 0), what),
    }
    if (domain := box.get("domain")) not in (None, "", "fraction", "percentage"):
        if domain != "pixel":
            msg = f'{what}: domain is "pixel" or left out, not {domain!r}.'
            raise MediaError(msg)
        made["domain"] = "pixel"
    if (scores := box.get("scores")) is not None:
        if not isinstance(scores, Mapping):
            msg = f"{what}: scores maps names to numbers."
            raise MediaTypeError(msg)
        made["scores"] = {
            str(name): _number(score, f"{what} scores")
            for name, score in scores.items()
        }
    if box.get("box_caption"):
        made["box_caption"] = str(box["box_caption"])[:200]
    return made


def _position(position: Mapping[Any, Any], what: str) -> dict[str, Any]:
    if all(corner in position for corner in _CORNERS):
        return {c: _number(position[c], what) for c in _CORNERS}
    middle = position.get("middle")
    if middle is None or "width" not in position or "height" not in position:
        msg = (
            f"{what}: a position has minX, maxX, minY, maxY, or middle, width, height."
        )
        raise MediaError(msg)
    is_pair = hasattr(middle, "__len__") and len(middle) == _FLAT
    if isinstance(middle, str) or not is_pair:
        msg = f"{what}: middle is a pair, x and y."
        raise MediaError(msg)
    return {
        "middle": [_number(v, what) for v in middle],
        "width": _number(position["width"], what),
        "height": _number(position["height"], what),
    }


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        msg = f"{what} has {value!r:.50} where a finite number belongs."
        raise MediaError(msg)
    return number


def corners(box: Mapping[str, Any], width: int, height: int) -> list[float]:
    """Give a box's left, top, right and bottom as shares of the picture."""
    position = box["position"]
    if "middle" in position:
        (x, y), half_w = position["middle"], position["width"] / 2
        half_h = position["height"] / 2
        found = [x - half_w, y - half_h, x + half_w, y + half_h]
    else:
        found = [position[c] for c in ("minX", "minY", "maxX", "maxY")]
    if box.get("domain") == "pixel":
        sides = (width or 1, height or 1) * 2
        found = [value / side for value, side in zip(found, sides, strict=True)]
    left, right = sorted((found[0], found[2]))
    top, bottom = sorted((found[1], found[3]))
    return [min(max(float(v), 0.0), 1.0) for v in (left, top, right, bottom)]


def outlines(
    sets: Mapping[str, Any], labels: Mapping[str, str], width: int, height: int
) -> list[dict[str, Any]]:
    """Give boxes as a board draws them: shares of the picture, a text, a colour."""
    found = []
    for name, entry in sets.items():
        known = {**labels, **entry.get("class_labels", {})}
        found += [
            {
                "set": name,
                "at": corners(box, width, height),
                "text": _box_text(box, known),
                "color": color_of(int(box["class_id"])),
            }
            for box in entry["box_data"]
        ]
    return found


def _box_text(box: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    class_id = str(box["class_id"])
    told = box.get("box_caption") or labels.get(class_id, f"class_{class_id}")
    scores = [f"{name} {score:.3g}" for name, score in box.get("scores", {}).items()]
    return " ".join([str(told), *scores])


# -- masks -----------------------------------------------------------------------


def masks_of(given: object) -> dict[str, tuple[Any, dict[str, str]]]:
    """Check ``masks=``; give each mask's array or path, and its labels.

    Raises
    ------
    MediaError
        A mask is no array of classes from 0 to 255.
    """
    found: dict[str, tuple[Any, dict[str, str]]] = {}
    for name, entry in _sets(given, "masks", ("mask_data", "path")).items():
        what = f"masks[{name!r}]"
        labels = labels_of(entry.get("class_labels"), what)
        if "mask_data" in entry:
            found[name] = (_mask(entry["mask_data"], what), labels)
        else:
            found[name] = (entry["path"], labels)
    return found


def _mask(data: object, what: str) -> NDArray[Any]:
    import numpy as np

    array = numbers_of(data, what)
    if array is not None and array.ndim == _FLAT + 1 and 1 in array.shape:
        array = array.squeeze()
    if array is None or array.ndim != _FLAT or not array.size:
        msg = f"{what}: mask_data is a 2-D array of class ids."
        raise MediaTypeError(msg)
    check_size(what, array.shape[1], array.shape[0])
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= _MOST_CLASS) or (array % 1).any():
        msg = f"{what}: class ids are whole, from 0 to 255; these are {low} to {high}."
        raise MediaError(msg)
    return array.astype(np.uint8)


def tinted(mask: Picture) -> Picture:
    """Give a mask as colours: class 0 is nothing, each other one has its own."""
    from PIL import Image as Pictures

    palette = [(0, 0, 0, 0)]
    palette += [(*rgb_of(color_of(i)), 150) for i in range(1, 256)]
    flat = Pictures.new("P", mask.size)
    flat.putdata(mask.convert("L").tobytes())
    flat.putpalette(sum(palette, ()), "RGBA")
    return flat


def drawn(
    picture: Picture, masks: Iterable[Picture], boxes: Iterable[Mapping[str, Any]]
) -> Picture:
    """Draw masks and boxes onto a picture, for where nothing can be switched."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    canvas = picture.convert("RGBA")
    for mask in masks:
        tint = tinted(mask.resize(canvas.size, Pictures.Resampling.NEAREST))
        canvas = Pictures.alpha_composite(canvas, tint.convert("RGBA"))
    pen = ImageDraw.Draw(canvas)
    width, height = canvas.size
    for box in boxes:
        left, top, right, bottom = box["at"]
        place = (left * width, top * height, right * width, bottom * height)
        pen.rectangle(place, outline=box["color"], width=max(1, width // 200))
        if width >= _ROOMY:
            text = box["text"][:40]
            spot = (place[0] + 2, max(place[1] - 12, 0))
            pen.rectangle(pen.textbbox(spot, text), fill=box["color"])
            pen.text(spot, text, fill="#000000")
    return canvas


_ROOMY: Final = 160  # pixels of width in which words can be read
