"""What an image costs the caller of ``log``: made, encoded, hashed and written.

Baseline: PIL's own ``save`` of the same picture as PNG into memory, in the same turn.
A photograph, noise (which does not compress), and a drawing of few colours (which
encodes in no time, so that the rest shows). "Again" is the same image logged anew: it
is encoded and hashed, and its file is there already.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

from benchmarks.result import Reach, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIDE = 256
TURNS = 60


def measure() -> list[Result]:
    """Log each kind of picture, taking turns with PIL."""
    import nbtrack

    results = []
    with tempfile.TemporaryDirectory() as place:
        run = nbtrack.init(project="bench", dir=place, view="off", save_code=False)
        for name, pictures in _pictures().items():
            ours, own = _turns(
                pictures, lambda x: run.log({"img": nbtrack.Image(x)}), _save
            )
            what = f"log() of an image {SIDE} x {SIDE} x 3, {name} ÷ PIL's PNG"
            results.append(_result(what, ours, own, Reach(1.5, of_ratio=True)))
        same = next(_pictures()["a photograph"])
        ours, own = _turns(
            iter([same] * TURNS), lambda x: run.log({"img": nbtrack.Image(x)}), _save
        )
        what = f"log() of an image {SIDE} x {SIDE} x 3, again ÷ PIL's PNG"
        results.append(_result(what, ours, own, Reach(1.5, of_ratio=True)))
        run.finish()
    return results


def _result(what: str, ours: list[float], own: list[float], reach: Reach) -> Result:
    # The median of ratios of neighbours: a machine that is slow is slow for both.
    ratio = statistics.median(a / b for a, b in zip(ours, own, strict=True))
    baseline = statistics.median(own) * 1e3
    return Result(what, ratio * baseline, "ms", baseline, reach)


def _turns(
    pictures: Iterator[Any], *calls: Callable[[Any], object]
) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number, picture in zip(range(TURNS), pictures, strict=False):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            began_s = time.perf_counter()
            calls[which](picture)
            times[which].append(time.perf_counter() - began_s)
    return times


def _save(pixels: Any) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(io.BytesIO(), "PNG")


def _pictures() -> dict[str, Iterator[Any]]:
    """Give endless pictures of each kind, no two alike."""
    import numpy as np
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(0)
    photo = load_sample_image("china.jpg")

    def photographs() -> Iterator[Any]:
        while True:
            y, x = rng.integers(0, 427 - SIDE), rng.integers(0, 640 - SIDE)
            part = photo[y : y + SIDE, x : x + SIDE]
            yield np.ascontiguousarray(part)

    def noise() -> Iterator[Any]:
        while True:
            yield rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)

    def drawings() -> Iterator[Any]:
        while True:
            canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
            for _ in range(8):
                y, x = rng.integers(0, SIDE, 2)
                canvas[y : y + 60, x : x + 60] = rng.integers(0, 256, 3)
            yield canvas

    return {"a photograph": photographs(), "noise": noise(), "a drawing": drawings()}
