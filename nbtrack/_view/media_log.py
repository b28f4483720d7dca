"""Media that were logged: which, at which steps, and what of them is sent.

What is kept is what the rows say: names of files, captions, a histogram's bins. The
files are read when they are sent, by a ``MediaReader``; the newest step first, within
a budget. The browser asks for the rest.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from itertools import groupby
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbtrack._view.wire import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from nbtrack._store.block import Block
    from nbtrack._view.wire import MediaItem, MediaStep

MOST_STEPS: Final = 500  # per key, the latest
MOST_KEYS: Final = 200
_MOST_BYTES: Final = 32 * 2**20  # of what rows say, over all keys
_LARGEST: Final = 2**20  # bytes that one row may say of a medium

SENT_BYTES: Final = 2_000_000  # contents in one frame
_SENT_S: Final = 0.05  # for reading them
_DESCRIBED: Final = 2_000  # items in one frame; steps beyond have to be asked for
_TOLD: Final = 10_000  # steps in one frame, the latest
_CACHED_BYTES: Final = 4_000_000


#: What plotly.js draws; ``needsPlotly`` in board.js says the same.
PLOTLY_TYPES: Final = frozenset(("plotly-file", "object3D-file", "molecule-file"))


class ShownLike(Protocol):
    """One object as it is shown; see ``nbtrack._media.shown``."""

    @property
    def type(self) -> str: ...
    @property
    def caption(self) -> str: ...
    @property
    def mime(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def content(self) -> bytes | None: ...
    @property
    def size(self) -> int: ...
    @property
    def data(self) -> dict[str, Any] | None: ...


class MediaReader(Protocol):
    """Whoever knows the types of media and reads their files."""

    def shown(self, value: Any, run_path: Path, /) -> Sequence[ShownLike]:
        """Give the objects of a row's value, with contents fit for a board."""

    def full(self, value: Any, run_path: Path, /) -> Sequence[ShownLike]:
        """Give them with contents as they are stored."""

    def outline(self, value: Any, run_path: Path, /) -> Sequence[ShownLike]:
        """Give them without contents; reads no file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was logged under one key at one step."""

    number: int  # of the change that it was
    key: str
    step: int
    seconds: float
    text: bytes  # the value as JSON: a tenth of the memory

    @property
    def value(self) -> Any:
        """What the row says."""
        return json.loads(self.text)


def media_type(value: object) -> str:
    """Give the type of a row's value, or of a gallery's items; "" if it is no medium.

    >>> media_type([{"_type": "image-file"}]), media_type({"a": 1}), media_type([])
    ('image-file', '', '')
    """
    first = value[0] if isinstance(value, list) and value else value
    kind = first.get("_type") if isinstance(first, dict) else None
    return kind if isinstance(kind, str) else ""


class MediaLog:
    """The latest media of every key, and in which order they changed."""

    def __init__(self) -> None:
        self.changes = 0
        self.layout = 0  # rises when the keys or their types change
        self._steps: dict[str, dict[int, Entry]] = {}
        self._types: dict[str, str] = {}
        self._bytes = 0

    def add_row(self, step: int, seconds: float, data: Mapping[str, Any]) -> None:
        """Take the media out of a row."""
        for key, value in data.items():
            if type(value) in (dict, list) and media_type(value):
                self._add(key, step, seconds, value)

    def add_block(self, block: Block) -> None:
        """Take the media out of many rows."""
        for key, values in block.columns.items():
            for at, text in sorted(values.texts.items()):
                if text[:1] in ("{", "[") and '"_type"' in text:
                    row = values.rows[at]
                    step, seconds = int(block.steps[row]), float(block.us[row]) / 1e6
                    self.add_row(step, seconds, {key: json.loads(text)})

    def keys(self) -> dict[str, str]:
        """Give keys and the types of their latest values, in order of appearance."""
        return self._types

    def steps(self, key: str) -> list[int]:
        """Give the steps that are known of a key, in order."""
        return sorted(self._steps.get(key, ()))

    def entry(self, key: str, step: int) -> Entry | None:
        """Give what was logged under a key at a step."""
        return self._steps.get(key, {}).get(step)

    def since(self, number: int) -> list[Entry]:
        """Give what changed after a change, in order."""
        if number >= self.changes:
            return []
        entries = (e for steps in self._steps.values() for e in steps.values())
        return sorted((e for e in entries if e.number > number), key=_number)

    def latest(self, old: Sequence[Entry], new: Sequence[Entry]) -> list[Entry]:
        """Give those of old entries that are still there and not superseded."""
        if not old:
            return []
        keys = {entry.key for entry in new}
        return [
            entry
            for entry in old
            if entry.key not in keys and self.entry(entry.key, entry.step) is entry
        ]

    def _add(self, key: str, step: int, seconds: float, value: Any) -> None:
        text = json.dumps(value).encode()
        if len(text) > _LARGEST or key.startswith("_"):
            return
        if key not in self._steps and len(self._steps) >= MOST_KEYS:
            return
        steps = self._steps.setdefault(key, {})
        old = steps.get(step)
        if old is not None:
            if old.text == text:
                return  # rows that are fed again are no news
            self._bytes -= len(old.text)
        self.changes += 1
        steps[step] = Entry(self.changes, key, step, seconds, text)
        self._bytes += len(text)
        kind = media_type(value)
        if self._types.get(key) != kind:
            self._types[key] = kind
            self.layout += 1
        if len(steps) > MOST_STEPS:
            self._forget(key)
        while self._bytes > _MOST_BYTES:
            self._forget(max(self._steps, key=lambda k: len(self._steps[k])))

    def _forget(self, key: str) -> None:
        """Let go of a key's earliest step."""
        steps = self._steps[key]
        self._bytes -= len(steps.pop(min(steps)).text)


def _number(entry: Entry) -> int:
    return entry.number


class MediaSender:
    """Turns entries into what the wire carries of them.

    Parameters
    ----------
    reader
        None where nobody can read media: the browser then sees what the rows say.
    run_path
        The run's directory.
    """

    def __init__(self, reader: MediaReader | None, run_path: Path | None) -> None:
        self._reader = reader
        self._path = run_path
        self._cache: OrderedDict[int, Sequence[ShownLike]] = OrderedDict()
        self._cached_bytes = 0

    def part(
        self, entries: Sequence[Entry], buffers: list[bytes], *, is_key: bool
    ) -> tuple[list[MediaStep], list[Entry]]:
        """Describe what changed; contents are added to the buffers.

        In a key frame only the first and the last step of a key have contents, else
        every step, the newest first, until the budget is spent.

        Returns
        -------
        steps
            What is sent.
        missed
            The latest steps of keys for whose contents there was no time.
        """
        entries = entries[-_TOLD:]
        found: dict[int, list[MediaItem]] = {}
        budget = _Budget()
        for entry in _with_contents(entries) if is_key else entries[::-1]:
            if budget.is_spent:
                break
            found[entry.number] = self._sent(entry, buffers, budget)
        latest = {entry.key: entry for entry in entries}.values()
        missed = [entry for entry in latest if entry.number not in found]
        described = 0
        steps: list[MediaStep] = []
        for entry in reversed(entries):
            items = found.get(entry.number)
            if items is None:
                items = self.outline(entry) if described < _DESCRIBED else []
            described += len(items)
            steps.append(
                {
                    "key": entry.key,
                    "step": entry.step,
                    "seconds": entry.seconds,
                    "items": items,
                }
            )
        return steps[::-1], missed

    def outline(self, entry: Entry) -> list[MediaItem]:
        """Describe the items of a step without their contents."""
        value = entry.value
        if self._reader is None or self._path is None:
            return [_described(one) for one in _listed(value)]
        try:
            return [_item(one) for one in self._reader.outline(value, self._path)]
        except Exception as error:  # noqa: BLE001  (what rows say may be anything)
            return [_described(one, str(error)) for one in _listed(value)]

    def whole(
        self, entry: Entry, *, is_full: bool
    ) -> tuple[list[MediaItem], list[bytes]]:
        """Give the items of a step with all their contents."""
        if self._reader is None or self._path is None:
            return self.outline(entry), []
        read = self._reader.full if is_full else self._reader.shown
        buffers: list[bytes] = []
        items = [
            _item(one, _put(one.content, buffers))
            for one in read(entry.value, self._path)
        ]
        return items, buffers

    def _sent(
        self, entry: Entry, buffers: list[bytes], budget: _Budget
    ) -> list[MediaItem]:
        if self._reader is None or self._path is None:
            return self.outline(entry)
        items = []
        try:
            shown = self._shown(self._reader, self._path, entry)
        except Exception as error:  # noqa: BLE001  (files may be anything)
            return [_described(one, str(error)) for one in _listed(entry.value)]
        for one in shown:
            content = one.content if budget.allows(one.content) else None
            items.append(_item(one, _put(content, buffers)))
        return items

    def _shown(
        self, reader: MediaReader, path: Path, entry: Entry
    ) -> Sequence[ShownLike]:
        """Read a step's contents; key frames repeat what was sent a moment ago."""
        if entry.number not in self._cache:
            found = reader.shown(entry.value, path)
            self._cache[entry.number] = found
            self._cached_bytes += _size(found)
            while self._cached_bytes > _CACHED_BYTES:
                _, old = self._cache.popitem(last=False)
                self._cached_bytes -= _size(old)
            return found
        return self._cache[entry.number]


class _Budget:
    """How much of a frame may still be filled."""

    def __init__(self) -> None:
        self._bytes = SENT_BYTES
        self._until_s = monotonic() + _SENT_S

    @property
    def is_spent(self) -> bool:
        return self._bytes <= 0 or monotonic() > self._until_s

    def allows(self, content: bytes | None) -> bool:
        """Take so many bytes, if there are as many left."""
        size = len(content or b"")
        if size > self._bytes:
            return False
        self._bytes -= size
        return True


def _with_contents(entries: Sequence[Entry]) -> list[Entry]:
    """Choose the first and the last step of every key, the last ones first."""
    ends: list[list[Entry]] = [[], []]
    by_key = sorted(entries, key=lambda entry: (entry.key, entry.step))
    for _, group in groupby(by_key, key=lambda entry: entry.key):
        first, *others = group
        ends[0].append(others[-1] if others else first)
        ends[1] += [first] if others else []
    return ends[0] + ends[1]


def _put(content: bytes | None, buffers: list[bytes]) -> int:
    if content is None:
        return -1
    buffers.append(content)
    return len(buffers) - 1


def _size(found: Iterable[ShownLike]) -> int:
    return sum(len(one.content or b"") for one in found)


def _listed(value: Any) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


def _item(one: ShownLike, buffer: int = -1) -> MediaItem:
    return {
        "type": plain(one.type),
        "caption": plain(one.caption),
        "mime": plain(one.mime),
        "width": one.width,
        "height": one.height,
        "size": one.size,
        "data": plain(one.data),
        "buffer": buffer,
    }


def _described(value: dict[str, Any], error: str = "") -> MediaItem:
    """Give what a row says of an object that could not be read."""
    numbers = {k: v for k, v in value.items() if type(v) is int}
    return {
        "type": plain(value.get("_type", "")),
        "caption": plain(str(value.get("caption") or "")),
        "mime": "",
        "width": numbers.get("width", 0),
        "height": numbers.get("height", 0),
        "size": numbers.get("size", 0),
        "data": {"error": plain(error)} if error else None,
        "buffer": -1,
    }
