"""Things in space: clouds of points, and files of meshes."""

from __future__ import annotations

import json
import os
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbtrack._media import clouds
from nbtrack._media.base import FileMedia, caption_of
from nbtrack._media.numbers import npy_of, numbers_of, shape_of
from nbtrack._media.overlays import color_of, rgb_of
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
    from typing_extensions import Self

    from nbtrack._draw.html import Safe
    from nbtrack._media.base import Shown
    from nbtrack._media.source import Source, Store

MOST_POINTS: Final = 2**24
MOST_BOXES: Final = 1_000
MOST_PARSED: Final = 2**25  # bytes of a mesh that is drawn

_COLUMNS: Final = (3, 4, 6)
_CLASSED, _COLORED = 4, 6
_FILES: Final = (".obj", ".gltf", ".glb", ".babylon", ".stl", ".ply")
_DRAWN: Final = (".obj", ".stl")
_CLOUD: Final = ".npy"
_FLAT: Final = 2


class Object3D(FileMedia):
    """A cloud of points or a mesh, to be logged, or of a stored run.

    Parameters
    ----------
    data_or_path
        An array of shape (N, 3): x, y, z; (N, 4): and a class; or (N, 6): and red,
        green, blue from 0 to 255. A mapping with such an array under "points", and
        "boxes" with 8 "corners" each. Or the path of an obj, stl, gltf, glb, ply or
        babylon file. Clouds, obj and stl are drawn.

    Raises
    ------
    MediaError
        There is no such file, or the data is no such thing.
    """

    _type = "object3D-file"

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        file_type: str | None = None,
    ) -> None:
        self.caption = caption_of(caption)
        self._boxes: list[dict[str, Any]] = []
        self._boxes_file: RunFile | None = None
        self.count = self.columns = 0
        data = data_or_path
        if isinstance(data, (str, os.PathLike)):
            self._source: Source = UserFile(data)
            if self._source.suffix == ".json":
                self._take(_from_json(self._source))
            else:
                _check_suffix(self._source.suffix)
        elif hasattr(data, "read") or isinstance(data, (bytes, bytearray)):
            suffix = f".{(file_type or '').lower().lstrip('.')}"
            _check_suffix(suffix)
            content = data.read() if hasattr(data, "read") else bytes(data)
            content = content.encode() if isinstance(content, str) else content
            self._source = Held(content, suffix)
        else:
            self._take(data)

    @classmethod
    def from_numpy(cls, data: Any, *, caption: str | None = None) -> Self:
        """Make it of an array of points."""
        return cls(data, caption)

    @classmethod
    def from_file(
        cls,
        data_or_path: Any,
        file_type: str | None = None,
        *,
        caption: str | None = None,
    ) -> Self:
        """Make it of a file or a file object."""
        return cls(data_or_path, caption, file_type)

    @classmethod
    def from_point_cloud(
        cls,
        points: Any,
        boxes: Any = (),
        vectors: Any = None,  # noqa: ARG003  (W&B's; not drawn)
        point_cloud_type: str = "lidar/beta",  # noqa: ARG003  (W&B's)
        *,
        caption: str | None = None,
    ) -> Self:
        """Make it of points and boxes around some of them."""
        return cls({"points": points, "boxes": boxes}, caption)

    def _take(self, data: Any) -> None:
        if isinstance(data, dict):
            self._boxes = _boxes(data.get("boxes") or ())
            data = data.get("points")
        points = _points(data)
        self.count, self.columns = points.shape
        self._source = Held(lambda: npy_of(points), _CLOUD)

    # -- rows --------------------------------------------------------------------

    def _to_row(self, store: Store) -> dict[str, Any]:
        row: dict[str, Any] = stored(self._source, store).to_row()
        if self.count:
            row |= {"count": self.count, "columns": self.columns}
        if boxes := self.boxes:
            content = json.dumps(boxes).encode()
            row["boxes"] = stored(Held(content, ".json"), store).to_row()
        return row

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._source = RunFile.of(row, run_path)
        self.count, self.columns = int(row.get("count", 0)), int(row.get("columns", 0))
        self._boxes = []
        named = "boxes" in row
        self._boxes_file = RunFile.of(row["boxes"], run_path) if named else None

    def read(self) -> bytes:
        """Give the content of its file."""
        return self._source.read()

    @property
    def boxes(self) -> list[dict[str, Any]]:
        """Boxes: 8 corners each, a label, a colour."""
        if self._boxes_file is not None:
            try:
                self._boxes = _boxes(json.loads(self._boxes_file.read()))
            except MediaFileError:
                raise
            except ValueError as error:
                raise MediaFileError.of(self._boxes_file.path, error) from error
            self._boxes_file = None
        return self._boxes

    def to_numpy(self) -> NDArray[Any]:
        """Give the points of a cloud, (N, 3), (N, 4) or (N, 6); a mesh's corners.

        Raises
        ------
        MediaFileError
            Its file is gone, broken, or not one that is read.
        """
        import numpy as np

        where = self.path or "The given object"
        suffix = self._source.suffix
        if suffix in _DRAWN:
            return self._mesh()[0]
        if suffix != _CLOUD:
            raise MediaFileError(where, f"the points of {suffix} files are not read")
        try:
            return _points(np.load(BytesIO(self.read()), allow_pickle=False))
        except MediaFileError:
            raise
        except (ValueError, EOFError, MemoryError, OSError) as error:
            raise MediaFileError.of(where, error) from error

    # -- how it looks ------------------------------------------------------------

    def _outline(self) -> Shown:
        kind = "cloud" if self._source.suffix == _CLOUD else self._source.suffix[1:]
        data = {"kind": kind, "count": self.count, "columns": self.columns}
        return super()._outline()._replace(mime="application/octet-stream", data=data)

    def _shown(self) -> Shown:
        """Give columns of a cloud, or corners and triangles, as 32-bit numbers."""
        import numpy as np

        made = self._outline()
        data = dict(made.data or {})
        if self._source.suffix == _CLOUD:
            points = clouds.thinned(self.to_numpy()).astype("<f4")
            data |= {"sent": len(points), "columns": points.shape[1]}
            if self.boxes:
                data["boxes"] = self.boxes
            return made._replace(
                content=np.ascontiguousarray(points).tobytes(), data=data
            )
        if self._source.suffix not in _DRAWN:
            data["error"] = f"{data['kind']} files are kept, not drawn: {self.path}"
            return made._replace(data=data)
        from nbtrack._media.meshes import MOST_TRIANGLES

        corners, faces = self._mesh()
        if len(faces) > MOST_TRIANGLES:
            data["error"] = f"{len(faces):,} triangles; the first {MOST_TRIANGLES:,}"
            faces = faces[:MOST_TRIANGLES]
            corners = corners[: int(faces.max()) + 1]
        data |= {"kind": "mesh", "corners": len(corners), "faces": len(faces)}
        body = corners.astype("<f4").tobytes() + faces.astype("<i4").tobytes()
        return made._replace(content=body, data=data)

    def _mesh(self) -> tuple[NDArray[Any], NDArray[Any]]:
        from nbtrack._media.meshes import mesh_of

        content = self.read()
        if len(content) > MOST_PARSED:
            raise MediaSizeError.to_show(len(content), MOST_PARSED)
        return mesh_of(content, self._source.suffix, self.path or "The given mesh")

    def _static(self, budget_bytes: int) -> Safe:  # noqa: ARG002  (it is small)
        from nbtrack._draw.html import el, hint, muted
        from nbtrack._media.encode import data_url

        told = self.caption or ""
        if self._source.suffix not in (_CLOUD, *_DRAWN):
            name = self._row["path"] if self._row else self.path
            return hint(f"{told} ({self._source.suffix[1:]} file {name})".strip())
        if self._source.suffix == _CLOUD:
            points = clouds.thinned(self.to_numpy(), 4_000)
            png = clouds.drawn(points[:, :3], colors_of(points))
        else:
            points, faces = self._mesh()
            png = clouds.solid(points, faces[:20_000])
        shown = el(
            "img",
            src=data_url(png, "image/png"),
            alt=told[:80] or "points in space",
            width=clouds.WIDTH,
            height=clouds.HEIGHT,
        )
        count = f"{self.count:,} points" if self.count else f"{len(points):,} corners"
        under = f"{told}: {count}" if told else count
        style = "display:inline-block;vertical-align:top"
        return el(
            "div", shown, el("div", muted(under), style="font-size:12px"), style=style
        )

    def __repr__(self) -> str:
        told = f" {self.caption!r}" if self.caption else ""
        what = f"{self.count} points" if self.count else self._source.suffix[1:]
        return f"<Object3D {what}{told}>"


def colors_of(points: NDArray[Any]) -> list[tuple[int, int, int]] | None:
    """Give each point's colour, where the cloud says anything of it."""
    import numpy as np

    if points.shape[1] == _COLORED:
        shades = np.clip(np.nan_to_num(points[:, 3:]), 0, 255).astype(int)
        return [(red, green, blue) for red, green, blue in shades.tolist()]
    if points.shape[1] == _CLASSED:
        classes = np.clip(np.nan_to_num(points[:, 3]), 0, 2**31).astype(int).tolist()
        shade_of = {c: rgb_of(color_of(c)) for c in set(classes)}
        return [shade_of[c] for c in classes]
    return None


def _check_suffix(suffix: str) -> None:
    if suffix not in _FILES:
        msg = f"Object3D() takes files of the types {' '.join(_FILES)}, not {suffix!r}."
        raise MediaError(msg)


def _points(data: Any) -> NDArray[Any]:
    """Check a cloud, and give a copy of it."""
    import numpy as np

    if not isinstance(data, (list, tuple)) and not hasattr(data, "shape"):
        msg = f"A cloud of points cannot be made of {type(data).__name__}."
        raise MediaTypeError(msg)
    shape = shape_of(data, "A cloud of points")
    if len(shape) != _FLAT or shape[1] not in _COLUMNS or not shape[0]:
        msg = f"A cloud has the shape (N, 3), (N, 4) or (N, 6), not {shape}."
        raise MediaError(msg)
    if shape[0] > MOST_POINTS:
        raise MediaSizeError.of_count("A cloud", shape[0], MOST_POINTS)
    points = numbers_of(data, "A cloud of points")
    if points is None:
        msg = "A cloud's points are numbers."
        raise MediaTypeError(msg)
    return np.array(points)


def _boxes(given: Any) -> list[dict[str, Any]]:
    import numpy as np

    made = []
    for i, box in enumerate(list(given)[:MOST_BOXES]):
        corners = None
        if isinstance(box, dict):
            try:
                corners = np.asarray(box.get("corners"), dtype=float)
            except (TypeError, ValueError):
                corners = None
        if corners is None or corners.shape != (8, 3) or not np.isfinite(corners).all():
            msg = f"boxes[{i}] is no mapping with 8 corners of 3 numbers."
            raise MediaError(msg)
        color = box.get("color")
        color = color_of(i) if color is None else _hex(color, i)
        label = str(box.get("label") or "")[:200]
        made.append({"corners": corners.tolist(), "label": label, "color": color})
    return made


def _hex(color: Any, i: int) -> str:
    if isinstance(color, str) and len(color) == len("#rrggbb") and color[0] == "#":
        int(color[1:], 16)
        return color
    try:
        red, green, blue = (min(max(int(v), 0), 255) for v in color)
    except (TypeError, ValueError):
        msg = f"boxes[{i}]: a color is red, green, blue from 0 to 255."
        raise MediaError(msg) from None
    return f"#{red:02x}{green:02x}{blue:02x}"


def _from_json(file: Source) -> Any:
    """Read W&B's ``.pts.json``."""
    try:
        return json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise MediaFileError.of(getattr(file, "path", ""), error) from error
