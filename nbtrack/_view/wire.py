"""The messages between the kernel and a board in the browser, and their bytes.

The typed dictionaries here are the source of truth; ``static/wire.js`` reads what
they say. A frame is one JSON head and one binary body. For every track in the head
the body holds ``count + tail`` values of x as float64, then as many of each series
as float32, padded to a multiple of eight bytes, little-endian.

``from`` is the place of the first closed point that is sent: the browser keeps the
points before it. When ``epoch`` has risen it first halves what it holds, once per
epoch, exactly as the kernel did. The ``tail`` last points are provisional: the next
update of the track replaces them.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict

from nbtrack._view.points import halved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbtrack._view.points import Track

VERSION: Literal[1] = 1


class CardFacts(TypedDict, total=False):
    """What has changed in the header; all of it in a key frame."""

    name: str
    run_id: str
    project: str
    state: str
    tags: list[str]
    notes: str
    started_at: float
    elapsed_s: float
    step: int | None
    total_steps: int | None
    steps_per_s: float | None
    directory: str
    config: list[tuple[str, str]]
    faults: list[str]


class ChartPlace(TypedDict):
    """A chart, and where its series is found: a track, and a place in it."""

    key: str
    title: str
    x_title: str
    color: str
    track: int
    series: int


class SectionPlace(TypedDict):
    """A section and its charts, in the order they are drawn."""

    name: str
    charts: list[ChartPlace]


class SummaryLine(TypedDict):
    """One row of the summary table; every value is text."""

    key: str
    values: list[tuple[str, str]]


class SummaryChange(TypedDict):
    """Rows that are new or different, and the keys of rows that are gone."""

    rows: list[SummaryLine]
    gone: list[str]


TrackPart = TypedDict(
    "TrackPart",
    {"id": int, "series": int, "epoch": int, "from": int, "count": int, "tail": int},
)


class FrameHead(TypedDict, total=False):
    """What is new since frame ``n - 1``; everything there is if ``key`` is true."""

    v: Literal[1]
    kind: Literal["frame"]
    n: int
    key: bool
    card: CardFacts
    layout: list[SectionPlace]
    summary: SummaryChange
    tracks: list[TrackPart]


class Ready(TypedDict):
    """Browser to kernel: I hold frame ``n``; 0 asks for a key frame."""

    v: Literal[1]
    kind: Literal["ready"]
    n: int


class BrowserError(TypedDict):
    """Browser to kernel: this went wrong here."""

    v: Literal[1]
    kind: Literal["error"]
    message: str


Frame = tuple[FrameHead, bytes]


@dataclass(slots=True)
class Cursor:
    """What one listener has been sent so far."""

    n: int = 0
    layout: int = -1
    tracks: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    card: CardFacts = field(default_factory=CardFacts)
    summary: dict[str, SummaryLine] = field(default_factory=dict)
    slow_at_s: float = 0.0  # when card and summary are due again

    def forget(self) -> None:
        """Start over, so that the next frame holds everything; ``n`` goes on."""
        self.layout, self.tracks, self.card, self.summary = -1, {}, {}, {}


def changed_tracks(
    tracks: Iterable[Track], cursor: Cursor
) -> tuple[list[TrackPart], bytes]:
    """Give what the tracks have that the listener has not, and note it as sent."""
    parts: list[TrackPart] = []
    body: list[bytes] = []
    for track in tracks:
        epoch, count, changes = cursor.tracks.get(track.id, (track.epoch, 0, -1))
        if changes == track.changes:
            continue
        for _ in range(epoch, track.epoch):
            count = halved(count)
        tail_x, tails = track.tail()
        parts.append(
            {
                "id": track.id,
                "series": len(track.keys),
                "epoch": track.epoch,
                "from": count,
                "count": len(track.x) - count,
                "tail": len(tail_x),
            },
        )
        body.append(_bytes("d", track.x[count:] + tail_x))
        pairs = zip(track.ys.values(), tails, strict=True)
        floats = b"".join(_bytes("f", ys[count:] + tail) for ys, tail in pairs)
        body.extend((floats, bytes(-len(floats) % 8)))
        cursor.tracks[track.id] = (track.epoch, len(track.x), track.changes)
    return parts, b"".join(body)


def pack(frame: Frame) -> bytes:
    """Put a frame into one piece, for a trait that holds bytes."""
    head = json.dumps(frame[0]).encode()
    head += b" " * (-(len(head) + 4) % 8)
    return struct.pack("<I", len(head)) + head + frame[1]


def _bytes(typecode: Literal["d", "f"], values: array[float]) -> bytes:
    column = array(typecode, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
