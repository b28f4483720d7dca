"""The messages between the kernel and a board in the browser, and their bytes.

The typed dictionaries here are the source of truth; ``static/wire.js`` reads what
they say. All bytes are little-endian.

A *frame* is one JSON head and buffers. The first buffer is the body: for every track
in the head ``L = count + tail`` values of the step as float64, of its axis as float64
if ``axis`` is true, of the seconds since the run's start as float32, and of each
series as float32; padded to a multiple of eight bytes. What comes after the body are
contents of media, which items name by their index.

``from`` is the place of the first closed point that is sent: the browser keeps the
points before it. When ``epoch`` has risen it first halves what it holds, once per
epoch, exactly as the kernel did (``points.py``). The ``tail`` last points are
provisional: the next update of the track replaces them.

Over the axis if there is one, else over the step, is how a chart is drawn unless the
reader chooses otherwise. Of a system metric the step *is* the seconds.

The browser *asks* by messages with an id, and each gets one *answer* with that id,
``ok`` or with an ``error``. An ask is heard when the kernel is free, or at once where
the kernel hears messages while a cell runs.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, TypedDict

from nbtrack._view.points import halved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbtrack._view.media_log import Entry
    from nbtrack._view.points import Track

VERSION: Literal[2] = 2

_MAX_DEPTH: Final = 32  # of what is told about a medium


class CardFacts(TypedDict, total=False):
    """What has changed in the header; all of it in a key frame."""

    name: str
    run_id: str
    project: str
    group: str | None
    job_type: str | None
    state: str
    tags: list[str]
    notes: str
    started_at: float  # Unix seconds
    elapsed_s: float
    step: int | None
    total_steps: int | None
    steps_per_s: float | None
    directory: str
    config: list[tuple[str, str]]
    faults: list[str]
    can_edit: bool  # this kernel writes the run: name, tags, notes and stop are asked
    stop: bool  # somebody asked it to stop
    x: str  # what all charts are drawn over by request; "" for each its own
    x_axes: list[str]  # metrics that may be asked for


class LinePlace(TypedDict):
    """A chart, and where its series is found: a track, and a place in it."""

    kind: Literal["line"]
    key: str
    title: str
    x_title: str
    color: str
    track: int
    series: int
    goal: Literal["min", "max", ""]


class MediaPlace(TypedDict):
    """A panel of media; what it shows comes under its key in ``media``."""

    kind: Literal["media"]
    key: str
    title: str
    type: str  # of the latest value: "image-file", "table-file", …


class SectionPlace(TypedDict):
    """A section and its panels, in the order they are drawn."""

    name: str
    tab: Literal["charts", "system"]
    panels: list[LinePlace | MediaPlace]


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
    {
        "id": int,
        "series": int,
        "axis": bool,
        "epoch": int,
        "from": int,
        "count": int,
        "tail": int,
    },
)


class MediaItem(TypedDict):
    """One picture, table, … of a step."""

    type: str
    caption: str
    mime: str
    width: int
    height: int
    size: int  # bytes of the file
    data: dict[str, Any] | None  # what needs no bytes: a table's first rows, bins
    buffer: int  # index of the message's buffer with the contents; -1: not sent


class MediaStep(TypedDict):
    """What was logged under one key at one step; no items: ask for them."""

    key: str
    step: int
    seconds: float
    items: list[MediaItem]


# Lines of the console from number ``from`` on replace what the browser has from there.
ConsolePart = TypedDict(
    "ConsolePart",
    {"from": int, "lines": list[tuple[Literal["out", "err", "cell"], str]]},
)


class FrameHead(TypedDict, total=False):
    """What is new since frame ``n - 1``; everything there is if ``key`` is true."""

    v: Literal[2]
    kind: Literal["frame"]
    n: int
    key: bool
    card: CardFacts
    layout: list[SectionPlace]
    summary: SummaryChange
    tracks: list[TrackPart]
    media: list[MediaStep]
    console: ConsolePart
    sizes: list[int]  # of each buffer, in a packed frame only


class Ready(TypedDict):
    """Browser to kernel: I hold frame ``n``; 0 asks for a key frame."""

    v: Literal[2]
    kind: Literal["ready"]
    n: int


class Seen(TypedDict):
    """Browser to kernel: so many views of the board are on a page; perhaps none.

    Said when it changes, and, by a page that has one, with every key frame: a page
    that has none any more does not know of the others.
    """

    v: Literal[2]
    kind: Literal["seen"]
    views: int


class BrowserError(TypedDict):
    """Browser to kernel: this went wrong here."""

    v: Literal[2]
    kind: Literal["error"]
    message: str


# A range at full resolution. Answer: DetailAnswer, and one buffer that holds for each
# series x as float64[count] and y as float32[count], padded to eight bytes.
DetailAsk = TypedDict(
    "DetailAsk",
    {
        "v": Literal[2],
        "kind": Literal["ask"],
        "id": int,
        "what": Literal["detail"],
        "keys": list[str],
        "x": Literal["step", "time", "axis"],
        "from": float,
        "to": float,
    },
)


class MediaAsk(TypedDict):
    """All items of one step with their contents. Answer: MediaAnswer."""

    v: Literal[2]
    kind: Literal["ask"]
    id: int
    what: Literal["media"]
    key: str
    step: int
    full: bool  # as large as they are stored; else, or if missing, fit for a panel


class TableAsk(TypedDict):
    """A page of a table, sorted and filtered. Answer: TableAnswer."""

    v: Literal[2]
    kind: Literal["ask"]
    id: int
    what: Literal["table"]
    key: str
    step: int
    item: int  # which of the step's items
    offset: int
    limit: int
    sort: list[tuple[str, Literal["asc", "desc"]]]
    search: str
    filter: str
    first_column: int
    n_columns: int
    full: bool  # texts and pictures whole
    names: bool  # of all columns


class EditAsk(TypedDict):
    """Another name, other notes or tags. Answer: Answer; the card changes."""

    v: Literal[2]
    kind: Literal["ask"]
    id: int
    what: Literal["edit"]
    field: Literal["name", "notes", "tags"]
    value: str | list[str]


class StopAsk(TypedDict):
    """Let ``run.should_stop`` be true. Answer: Answer; the card changes."""

    v: Literal[2]
    kind: Literal["ask"]
    id: int
    what: Literal["stop"]


class AxisAsk(TypedDict):
    """Draw all charts over this metric; "" over each its own. Answer: Answer."""

    v: Literal[2]
    kind: Literal["ask"]
    id: int
    what: Literal["axis"]
    x: str


Ask: TypeAlias = "DetailAsk | MediaAsk | TableAsk | EditAsk | StopAsk | AxisAsk"


class Answer(TypedDict, total=False):
    """Kernel to browser: what became of an ask."""

    v: Literal[2]
    kind: Literal["answer"]
    id: int
    ok: bool
    error: str  # if not ok


class DetailSeries(TypedDict):
    """How many points of a series are in the buffer."""

    key: str
    count: int


class DetailAnswer(Answer):
    """The answer to "detail"."""

    series: list[DetailSeries]


class MediaAnswer(Answer):
    """The answer to "media"; the first buffer is item content, there is no body."""

    items: list[MediaItem]


class TableAnswer(Answer):
    """The answer to "table"; ``buffer`` of a cell is the index of its contents."""

    columns: list[tuple[str, str]]  # name and kind
    rows: list[list[Any]]
    numbers: list[int]  # the rows' places in the table
    n_rows: int
    n_match: int
    n_columns: int
    first_column: int


class Frame(NamedTuple):
    """A message to the browser: its head, and its buffers; the first is the body."""

    head: FrameHead
    buffers: list[bytes]


@dataclass(slots=True)
class Cursor:
    """What one listener has been sent so far."""

    n: int = 0
    layout: int = -1
    tracks: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    card: CardFacts = field(default_factory=CardFacts)
    summary: dict[str, SummaryLine] = field(default_factory=dict)
    media: int = 0  # the number of the last change that was sent
    console: int = 0  # likewise
    missed: list[Entry] = field(default_factory=list)  # contents for the next frame
    slow_at_s: float = 0.0  # when card and summary are due again
    hurry: int = 0  # the last time that they were not to wait

    def forget(self) -> None:
        """Start over, so that the next frame holds everything; ``n`` goes on."""
        self.layout, self.tracks, self.card, self.summary = -1, {}, {}, {}
        self.media = self.console = 0
        self.missed = []


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
        tail_at, tails = track.tail()
        parts.append(
            {
                "id": track.id,
                "series": len(track.keys),
                "axis": bool(track.axis),
                "epoch": track.epoch,
                "from": count,
                "count": len(track.steps) - count,
                "tail": len(tails[0]),
            },
        )
        *exact, seconds = (
            known[count:] + tail for known, tail in zip(track.at, tail_at, strict=True)
        )
        body.extend(_bytes("d", column) for column in exact)
        pairs = zip(track.ys.values(), tails, strict=True)
        floats = b"".join(_bytes("f", ys[count:] + tail) for ys, tail in pairs)
        floats = _bytes("f", seconds) + floats
        body.extend((floats, bytes(-len(floats) % 8)))
        cursor.tracks[track.id] = (track.epoch, len(track.steps), track.changes)
    return parts, b"".join(body)


def packed_series(series: Iterable[tuple[array[float], array[float]]]) -> bytes:
    """Give x and y of each series as an answer to "detail" holds them."""
    pieces: list[bytes] = []
    for x, y in series:
        floats = _bytes("f", y)
        pieces += (_bytes("d", x), floats, bytes(-len(floats) % 8))
    return b"".join(pieces)


def pack(frame: Frame) -> bytes:
    """Put a frame into one piece, for a trait that holds bytes.

    Four bytes say how long the head is; then come the head, which has the sizes of
    the buffers, and the buffers, each beginning at a multiple of eight bytes.
    """
    head = json.dumps(frame.head | {"sizes": [len(b) for b in frame.buffers]}).encode()
    head += b" " * (-(len(head) + 4) % 8)
    padded = (b + bytes(-len(b) % 8) for b in frame.buffers)
    return struct.pack("<I", len(head)) + head + b"".join(padded)


def plain(value: Any, depth: int = _MAX_DEPTH) -> Any:
    r"""Give what JSON and a browser hold of a value that comes from a run.

    >>> plain({"a": [1, float("nan"), b"x"], 2: "\ud800"})
    {'a': [1, None, "b'x'"], '2': '?'}
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict) and depth:
        return {plain(str(k)): plain(v, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and depth:
        return [plain(v, depth - 1) for v in value]
    # A lone surrogate is no text that could be sent.
    return str(value).encode(errors="replace").decode()


def _bytes(typecode: Literal["d", "f"], values: array[float]) -> bytes:
    column = array(typecode, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
