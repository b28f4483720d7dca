"""Corners and triangles of OBJ and STL files, so that a page can draw them.

Of OBJ only ``v`` and ``f`` are read (Wavefront's format, appendix B1 of its manual);
STL is both of 3D Systems' forms, text and binary.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from nbtrack.errors import MediaFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TRIANGLES: Final = 50_000  # a page is sent
_HEAD: Final = 84  # bytes of a binary STL before its triangles
_RECORD: Final = 50  # bytes of one
_CORNERS: Final = 3


def mesh_of(
    content: bytes, suffix: str, where: object
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give corners (N, 3) and triangles (M, 3), the latter as numbers of corners.

    Raises
    ------
    MediaFileError
        The file has another form than its name says.
    """
    try:
        corners, faces = _obj(content) if suffix == ".obj" else _stl(content)
    except (ValueError, IndexError, OverflowError) as error:
        raise MediaFileError(where, f"it is no {suffix[1:]} file ({error})") from error
    if corners.ndim != 2 or corners.shape[1:] != (_CORNERS,):  # noqa: PLR2004
        raise MediaFileError(where, f"it is no {suffix[1:]} file: no corners of three")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(corners):
        raise MediaFileError(where, f"it is no {suffix[1:]} file: corners are missing")
    return corners, faces


def _obj(content: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    corners: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    for line in content.decode("utf-8", "replace").splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            corners.append([float(v) for v in rest[:3]])
        elif word == "f":
            ids = [int(v.partition("/")[0]) for v in rest]
            ids = [i - 1 if i > 0 else len(corners) + i for i in ids]
            faces += [(ids[0], b, c) for b, c in pairwise(ids[1:])]
    return np.array(corners, np.float32), np.array(faces, np.int32).reshape(-1, 3)


def _stl(content: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    count = int.from_bytes(content[80:_HEAD], "little")
    if len(content) == _HEAD + count * _RECORD:
        kind = np.dtype([("normal", "<f4", 3), ("at", "<f4", (3, 3)), ("more", "<u2")])
        places = np.frombuffer(content[_HEAD:], kind)["at"].reshape(-1, 3)
    else:
        lines = content.decode("ascii", "replace").split("vertex")[1:]
        corners = [[float(v) for v in line.split()[:3]] for line in lines]
        places = np.array(corners, np.float32)
    if len(places) % _CORNERS:
        msg = "its last triangle is cut short"
        raise ValueError(msg)
    return places, np.arange(len(places), dtype=np.int32).reshape(-1, 3)
