"""Points in space as a picture, for where nothing can be turned."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

MOST_SHOWN: Final = 20_000  # points a page is sent
WIDTH: Final = 320
HEIGHT: Final = 240

_BLUE: Final = (61, 143, 209)
_MARGIN: Final = 0.92


def thinned(points: NDArray[Any], most: int = MOST_SHOWN) -> NDArray[Any]:
    """Give at most so many of the points, evenly taken in their order."""
    step = -(-len(points) // most)
    return points[::step] if step > 1 else points


def flat(places: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Look at points from the side and above; give pixels, and the order to draw in.

    Those that are not finite are nowhere: their pixels are NaN.
    """
    import numpy as np

    places = places.astype(np.float64)
    finite = np.isfinite(places).all(axis=1)
    if not finite.any():
        return np.full((len(places), 2), np.nan), np.empty(0, int)
    low, high = places[finite].min(axis=0), places[finite].max(axis=0)
    with np.errstate(all="ignore"):
        centred = places - (low / 2 + high / 2)
        centred = centred / (np.abs(centred[finite]).max() or 1)
    turn, tilt = np.radians(-35), np.radians(25)
    x = centred[:, 0] * np.cos(turn) - centred[:, 1] * np.sin(turn)
    y = centred[:, 0] * np.sin(turn) + centred[:, 1] * np.cos(turn)
    up = centred[:, 2] * np.cos(tilt) + y * np.sin(tilt)
    deep = y * np.cos(tilt) - centred[:, 2] * np.sin(tilt)
    spread = max(np.abs(x[finite]).max() / WIDTH, np.abs(up[finite]).max() / HEIGHT)
    scale = _MARGIN / 2 / (spread or 1)
    pixels = np.stack([WIDTH / 2 + x * scale, HEIGHT / 2 - up * scale], axis=1)
    order = np.flatnonzero(finite)
    return pixels, order[np.argsort(-deep[order])]


def drawn(
    places: NDArray[Any],
    colors: Sequence[tuple[int, int, int]] | None = None,
    radius: float = 1.2,
    lines: Sequence[tuple[int, int]] = (),
) -> bytes:
    """Give a PNG of points, and of lines between some of them."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    pixels, order = flat(places)
    double = Pictures.new("RGBA", (WIDTH * 2, HEIGHT * 2), (0, 0, 0, 0))
    pen = ImageDraw.Draw(double)
    spots = [(float(x) * 2, float(y) * 2) for x, y in pixels]
    known = set(order.tolist())
    for a, b in lines:
        if a in known and b in known:
            pen.line([*spots[a], *spots[b]], fill=(128, 136, 144, 200), width=4)
    half = radius * 2
    for i in order.tolist():
        x, y = spots[i]
        fill = (*(colors[i] if colors is not None else _BLUE), 230)
        pen.ellipse((x - half, y - half, x + half, y + half), fill=fill)
    return _png(double)


def solid(corners: NDArray[Any], faces: NDArray[Any]) -> bytes:
    """Give a PNG of triangles, the nearest drawn last, lit from above the eye."""
    import numpy as np
    from PIL import Image as Pictures
    from PIL import ImageDraw

    pixels, order = flat(corners)
    depth = np.full(len(corners), np.nan)
    depth[order] = np.arange(len(order))  # rises towards the eye
    ends = corners[faces].astype(np.float64)
    with np.errstate(all="ignore"):
        normals = np.cross(ends[:, 1] - ends[:, 0], ends[:, 2] - ends[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        light = np.abs(np.nan_to_num(normals) @ np.array([0.35, -0.5, 0.79]))
    shades = (np.array(_BLUE) * (0.45 + 0.55 * light[:, None])).astype(int)
    canvas = Pictures.new("RGBA", (WIDTH * 2, HEIGHT * 2), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    nearness = depth[faces].mean(axis=1)
    for i in np.argsort(nearness)[: int(np.isfinite(nearness).sum())].tolist():
        places = [(float(x) * 2, float(y) * 2) for x, y in pixels[faces[i]]]
        pen.polygon(places, fill=(*shades[i].tolist(), 255))
    return _png(canvas)


def _png(canvas: Picture) -> bytes:
    """Give a drawing of double size as a small file."""
    from PIL import Image as Pictures

    small = canvas.resize((WIDTH, HEIGHT), Pictures.Resampling.LANCZOS)
    file = BytesIO()
    small.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()
