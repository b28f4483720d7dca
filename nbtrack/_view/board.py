"""The board of one run: it follows the journal and says what there is to draw."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from nbtrack._draw.spec import (
    PALETTE,
    BoardSpec,
    Chart,
    Curve,
    MediaPanel,
    Section,
    group_keys,
    split_key,
)
from nbtrack._view import wire
from nbtrack._view.console_log import ConsoleLog
from nbtrack._view.machine import group_machine
from nbtrack._view.media_log import PLOTLY_TYPES, MediaLog, MediaSender
from nbtrack._view.pace import Pace
from nbtrack._view.summary_rows import SummaryRows
from nbtrack._view.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from nbtrack._draw.spec import Card
    from nbtrack._store.block import Block
    from nbtrack._view.console_log import ConsoleSource, SystemSource
    from nbtrack._view.media_log import Entry, MediaReader
    from nbtrack._view.points import Track

_SLOW_S: Final = 1.0  # card and summary are sent at most once in this time
_SYSTEM_S: Final = 1.0  # between two looks at the machine's metrics
_MAX_AXES: Final = 200  # metrics that may be asked for as an axis
_GOALS: Final[dict[str | None, Literal["min", "max"]]] = {
    "minimize": "min",
    "maximize": "max",
}


class RulesLike(Protocol):
    """The run's define_metric rules. Whoever owns them feeds them."""

    def step_metric(self, key: str, /) -> str | None: ...
    def hidden(self, key: str, /) -> bool: ...
    def goal(self, key: str, /) -> str | None: ...


class SummaryLike(Protocol):
    """The run's summary. Whoever owns it feeds it."""

    def as_dict(self) -> dict[str, Any]: ...


class RowLike(Protocol):
    """What a board reads of a journal's record."""

    @property
    def kind(self) -> str: ...
    @property
    def step(self) -> int | None: ...
    @property
    def us(self) -> int: ...
    @property
    def data(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a board shows besides the journal; None for what there is not."""

    run_path: Path | None = None
    media: MediaReader | None = None
    console: ConsoleSource | None = None
    system: SystemSource | None = None


class Board:
    """Holds the points of one run and tells listeners what is new. Thread-safe.

    Feed the rules and the summary first: a board only reads them.
    """

    def __init__(
        self,
        facts: Callable[[], Card],
        rules: RulesLike,
        summary: SummaryLike,
        *,
        sources: Sources | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._facts = facts
        self._rules = rules
        self._summary = summary
        self._clock = clock
        self._lock = Lock()
        ids = count()
        self._tracks = Tracks(self._axis_of, ids=ids)
        self._system = Tracks(lambda _: None, ids=ids)
        self._media = MediaLog()
        self._console = ConsoleLog()
        self._pace = Pace()
        self._table = SummaryRows()
        sources = sources or Sources()
        self._run_path = sources.run_path
        self._console_source = sources.console
        self._system_source = sources.system
        self._system_due_s = 0.0
        self._slow_is_due = 0  # rises when card and summary must not wait
        #: Turns media into what the wire carries.
        self.sender = MediaSender(sources.media, sources.run_path)
        self.rows = 0  # fed so far, those that were fed again counted once
        self._fed = 0
        self._x = ""  # what everything is drawn over by request
        self._axes_before: list[str] = []  # metrics that had a track before a restart

    # -- what comes in -------------------------------------------------------------

    def feed(self, records: Sequence[RowLike]) -> None:
        """Take in the next records of the journal, in its order."""
        add = self._tracks.add
        with self._lock:
            for record in records:
                step = record.step
                if record.kind == "row" and step is not None:
                    seconds = record.us / 1e6
                    if not add(step, record.data, seconds):
                        self._media.add_row(step, seconds, record.data)
                    self._fed += 1
            self.rows = max(self.rows, self._fed)

    def feed_block(self, block: Block) -> None:
        """Take in many rows at once."""
        with self._lock:
            self._tracks.add_block(block)
            self._media.add_block(block)
            self._fed += len(block)
            self.rows = max(self.rows, self._fed)

    def restart(self) -> None:
        """Forget the points: they are fed again, under rules that have changed."""
        with self._lock:
            self._axes_before = self._axes()
            self._tracks.restart()
            self._fed = 0

    def poll(self) -> None:
        """Take in what the console and the machine's metrics have got."""
        # A source that fails is let go of: what it raises is told once.
        if (console := self._console_source) is not None:
            self._console_source = None
            lines = list(console.poll())
            with self._lock:
                self._console.take(lines)
            self._console_source = console
        system, now_s = self._system_source, self._clock()
        if system is not None and now_s >= self._system_due_s:
            self._system_source = None
            self._system_due_s = now_s + _SYSTEM_S
            samples = list(system.poll())
            with self._lock:
                for seconds, values in samples:
                    self._system.add(seconds, values, seconds)
            self._system_source = system

    def close(self) -> None:
        """Let go of the files that are followed."""
        for source in (self._console_source, self._system_source):
            if source is not None:
                source.close()

    # -- what is asked for ---------------------------------------------------------

    @property
    def x(self) -> str:
        """The metric that all charts are drawn over by request; "" if none is."""
        return self._x

    def draw_over(self, x: str) -> None:
        """Draw all charts over a metric from the next restart on; "" for its own."""
        self._x = x
        self.hurry()

    def axes(self) -> list[str]:
        """Give the metrics that charts may be drawn over."""
        with self._lock:
            return self._axes()

    def hurry(self) -> None:
        """Let the next frame have card and summary, early though it be."""
        self._slow_is_due += 1

    def axis_of(self, key: str) -> str:
        """Give the metric that one is drawn over; "" is the step."""
        axis = self._axis_of(key) or ""
        return "" if axis == key else axis

    def media_at(self, key: str, step: int) -> Entry | None:
        """Give what was logged under a key at a step, if it is among the latest."""
        with self._lock:
            return self._media.entry(key, step)

    def _axes(self) -> list[str]:
        # While rows are fed again, and where x has no value yet, some have no track.
        known = dict.fromkeys((*self._axes_before, *self._tracks.by_key))
        return list(known)[:_MAX_AXES]

    def _axis_of(self, key: str) -> str | None:
        return self._x or self._rules.step_metric(key)

    # -- what goes out -------------------------------------------------------------

    @property
    def needs_plotly(self) -> bool:
        """Whether there is anything that plotly.js draws: lines do without."""
        types = tuple(self._media.keys().values())
        return any(kind in PLOTLY_TYPES for kind in types)

    def card(self) -> Card:
        """Give the facts of the header as they are now."""
        return self._facts()

    def spec(self) -> BoardSpec:
        """Give all there is to draw at this moment."""
        card, summary = self._facts(), self._summary.as_dict()
        with self._lock:
            by_key = self._tracks.by_key
            return BoardSpec(
                card=card,
                sections=tuple(
                    Section(name, tuple(self._chart(key) for key in keys))
                    for name, keys in group_keys(self._drawn(by_key)).items()
                ),
                summary=self._table.rows(summary, by_key),
                media=tuple(self._media_panels()),
            )

    def frame(self, cursor: wire.Cursor, *, key: bool = False) -> wire.Frame | None:
        """Give what is new since the cursor and move it on; None if nothing is."""
        now_s = self._clock()
        hurry = self._slow_is_due
        is_slow_due = key or now_s >= cursor.slow_at_s or hurry != cursor.hurry
        # Outside of the lock: these may wait for locks of the run.
        card = self._facts() if is_slow_due else None
        summary = self._summary.as_dict() if is_slow_due else {}
        with self._lock:
            if key:
                cursor.forget()
            head: wire.FrameHead = {"v": wire.VERSION, "kind": "frame"}
            tracks = [*self._drawn_tracks(), *self._system.tracks()]
            parts, body = wire.changed_tracks(tracks, cursor)
            layout = self._layout_number()
            if cursor.layout != layout:
                head["layout"] = self._layout()
                cursor.layout = layout
            if card is not None:
                cursor.slow_at_s, cursor.hurry = now_s + _SLOW_S, hurry
                self._add_slow(head, cursor, card, summary, now_s)
            entries = self._media.since(cursor.media)
            entries = [*self._media.latest(cursor.missed, entries), *entries]
            cursor.media = self._media.changes
            lines = self._console.since(cursor.console)
            cursor.console = self._console.changes
        if lines is not None:
            head["console"] = lines
        buffers = [body]
        if entries:  # their files are read without the lock
            steps, cursor.missed = self.sender.part(entries, buffers, is_key=key)
            head["media"] = steps
        if len(head) == 2 and not parts and not key:  # noqa: PLR2004
            return None
        cursor.n += 1
        head["n"], head["key"], head["tracks"] = cursor.n, key, parts
        return wire.Frame(head, buffers)

    def _add_slow(
        self,
        head: wire.FrameHead,
        cursor: wire.Cursor,
        card: Card,
        summary: dict[str, Any],
        now_s: float,
    ) -> None:
        facts = self._card_facts(card, self._pace.at(now_s, card.step))
        news = {k: v for k, v in facts.items() if cursor.card.get(k, ...) != v}
        if news.keys() - {"elapsed_s"}:
            news["elapsed_s"] = card.elapsed_s
            head["card"] = cast("wire.CardFacts", news)
            cursor.card = facts
        lines: dict[str, wire.SummaryLine] = {
            row.key: {"key": row.key, "values": list(row.values)}
            for row in self._table.rows(summary, self._tracks.by_key)
        }
        rows = [line for k, line in lines.items() if cursor.summary.get(k) != line]
        gone = [k for k in cursor.summary if k not in lines]
        if rows or gone:
            head["summary"] = {"rows": rows, "gone": gone}
            cursor.summary = lines

    def _drawn(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if not self._rules.hidden(key)]

    def _drawn_tracks(self) -> Iterator[Track]:
        """Give the tracks that the layout names: a browser lets go of others."""
        for track in self._tracks.tracks():
            if any(not self._rules.hidden(key) for key in track.keys):
                yield track

    def _layout_number(self) -> int:
        return self._tracks.layout + self._system.layout + self._media.layout

    def _layout(self) -> list[wire.SectionPlace]:
        media, lines = self._media.keys(), self._tracks.by_key
        charts = group_keys(self._drawn(dict.fromkeys((*lines, *media))))
        sections: list[wire.SectionPlace] = [
            {
                "name": name,
                "tab": "charts",
                "panels": [
                    place
                    for key in keys
                    for place in (
                        *([self._line(key, lines[key])] if key in lines else ()),
                        *([_media_place(key, media[key])] if key in media else ()),
                    )
                ],
            }
            for name, keys in charts.items()
        ]
        machine = self._system.by_key
        for name, members in group_machine(machine).items():
            panels = [_line(k, machine[k], title, "seconds") for k, title in members]
            sections.append({"name": name, "tab": "system", "panels": [*panels]})
        return sections

    def _line(self, key: str, track: Track) -> wire.LinePlace:
        line = _line(key, track, split_key(key)[1], track.axis or "step")
        line["goal"] = _GOALS.get(self._rules.goal(key), "")
        return line

    def _chart(self, key: str) -> Chart:
        track = self._tracks.by_key[key]
        x, y = track.points(key)
        return Chart(
            key=key,
            title=split_key(key)[1],
            x_title=track.axis or "step",
            curves=(Curve(label=key, x=x, y=y),),
        )

    def _media_panels(self) -> Iterator[MediaPanel]:
        if self._run_path is None:
            return
        for key in self._drawn(self._media.keys()):
            steps = self._media.steps(key)
            if not steps:
                continue  # all of it was let go of, for want of room
            first = self._media.entry(key, steps[0])
            last = self._media.entry(key, steps[-1])
            if first is not None and last is not None:
                section, title = split_key(key)
                ends = (first.step, first.value), (last.step, last.value)
                yield MediaPanel(key, title, section, *ends, self._run_path)

    def _card_facts(self, card: Card, steps_per_s: float | None) -> wire.CardFacts:
        return {
            "name": card.name,
            "run_id": card.run_id,
            "project": card.project,
            "group": card.group,
            "job_type": card.job_type,
            "state": card.state,
            "tags": list(card.tags),
            "notes": card.notes,
            "started_at": card.started_at,
            "elapsed_s": card.elapsed_s,
            "step": card.step,
            "total_steps": card.total_steps,
            "steps_per_s": steps_per_s,
            "directory": card.directory,
            "config": list(card.config),
            "faults": list(card.faults),
            "can_edit": card.can_edit,
            "stop": card.is_stopping,
            "x": self._x,
            "x_axes": self._axes(),
        }


def _line(key: str, track: Track, title: str, x_title: str) -> wire.LinePlace:
    return {
        "kind": "line",
        "key": key,
        "title": title,
        "x_title": x_title,
        "color": PALETTE[0],
        "track": track.id,
        "series": track.keys.index(key),
        "goal": "",
    }


def _media_place(key: str, kind: str) -> wire.MediaPlace:
    return {"kind": "media", "key": key, "title": split_key(key)[1], "type": kind}
