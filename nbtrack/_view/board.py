"""The board of one run: it follows the journal and says what there is to draw."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import isnan
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, cast

from nbtrack._view import wire
from nbtrack._view.spec import (
    PALETTE,
    BoardSpec,
    Chart,
    Curve,
    Section,
    SummaryRow,
    format_number,
    group_keys,
    split_key,
)
from nbtrack._view.tracks import Tracks, as_float

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from nbtrack._record.fold import RecordLike
    from nbtrack._view.spec import Card

_SLOW_S = 1.0  # card and summary are sent at most once in this time
_PACE_WINDOW_S = 10.0
_MAX_TEXT = 200


class RulesLike(Protocol):
    """The run's define_metric rules. Whoever owns them feeds them."""

    def step_metric(self, key: str, /) -> str | None: ...
    def hidden(self, key: str, /) -> bool: ...


class SummaryLike(Protocol):
    """The run's summary. Whoever owns it feeds it."""

    def as_dict(self) -> dict[str, Any]: ...


class Pace:
    """Steps per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, now_s: float, step: int | None) -> float | None:
        """Note the step and give the rate; None until two moments are known."""
        if step is None:
            return None
        self._seen.append((now_s, step))
        while now_s - self._seen[0][0] > _PACE_WINDOW_S and len(self._seen) > 2:  # noqa: PLR2004
            self._seen.popleft()
        since_s, from_step = self._seen[0]
        if now_s - since_s < _SLOW_S / 2:
            return None
        return float(f"{(step - from_step) / (now_s - since_s):.3g}")


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
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._facts = facts
        self._rules = rules
        self._summary = summary
        self._clock = clock
        self._lock = Lock()
        self._tracks = Tracks(rules.step_metric)
        self._pace = Pace()
        self.rows = 0  # fed so far, those that were fed again counted once
        self._fed = 0

    def feed(self, records: Sequence[RecordLike]) -> None:
        """Take in the next records of the journal, in its order."""
        with self._lock:
            for record in records:
                if record.kind == "row" and record.step is not None:
                    self._tracks.add(record.step, record.data)
                    self._fed += 1
            self.rows = max(self.rows, self._fed)

    def restart(self) -> None:
        """Forget the points: they are fed again, under rules that have changed."""
        with self._lock:
            self._tracks.restart()
            self._fed = 0

    def card(self) -> Card:
        """Give the facts of the header as they are now."""
        return self._facts()

    def spec(self) -> BoardSpec:
        """Give all there is to draw at this moment."""
        card, summary = self._facts(), self._summary.as_dict()
        with self._lock:
            return BoardSpec(
                card=card,
                sections=tuple(
                    Section(name, tuple(self._chart(key) for key in keys))
                    for name, keys in self._groups().items()
                ),
                summary=self._summary_rows(summary),
            )

    def frame(self, cursor: wire.Cursor, *, key: bool = False) -> wire.Frame | None:
        """Give what is new since the cursor and move it on; None if nothing is."""
        now_s = self._clock()
        is_slow_due = key or now_s >= cursor.slow_at_s
        # Outside of the lock: these may wait for locks of the run.
        card = self._facts() if is_slow_due else None
        summary = self._summary.as_dict() if is_slow_due else {}
        with self._lock:
            if key:
                cursor.forget()
            head: wire.FrameHead = {"v": wire.VERSION, "kind": "frame"}
            parts, body = wire.changed_tracks(self._tracks.tracks(), cursor)
            if cursor.layout != self._tracks.layout:
                head["layout"] = self._layout()
                cursor.layout = self._tracks.layout
            if card is not None:
                cursor.slow_at_s = now_s + _SLOW_S
                self._add_slow(head, cursor, card, summary, now_s)
            if len(head) == 2 and not parts and not key:  # noqa: PLR2004
                return None
            cursor.n += 1
            head["n"], head["key"], head["tracks"] = cursor.n, key, parts
            return head, body

    def _add_slow(
        self,
        head: wire.FrameHead,
        cursor: wire.Cursor,
        card: Card,
        summary: dict[str, Any],
        now_s: float,
    ) -> None:
        facts = _card_facts(card, self._pace.at(now_s, card.step))
        news = {k: v for k, v in facts.items() if cursor.card.get(k, ...) != v}
        if news.keys() - {"elapsed_s"}:
            news["elapsed_s"] = card.elapsed_s
            head["card"] = cast("wire.CardFacts", news)
            cursor.card = facts
        lines: dict[str, wire.SummaryLine] = {
            row.key: {"key": row.key, "values": list(row.values)}
            for row in self._summary_rows(summary)
        }
        rows = [line for k, line in lines.items() if cursor.summary.get(k) != line]
        gone = [k for k in cursor.summary if k not in lines]
        if rows or gone:
            head["summary"] = {"rows": rows, "gone": gone}
            cursor.summary = lines

    def _groups(self) -> dict[str, list[str]]:
        keys = self._tracks.by_key
        return group_keys(key for key in keys if not self._rules.hidden(key))

    def _layout(self) -> list[wire.SectionPlace]:
        return [
            {"name": name, "charts": [self._place(key) for key in keys]}
            for name, keys in self._groups().items()
        ]

    def _place(self, key: str) -> wire.ChartPlace:
        track = self._tracks.by_key[key]
        return {
            "key": key,
            "title": split_key(key)[1],
            "x_title": track.axis or "step",
            "color": PALETTE[0],
            "track": track.id,
            "series": track.keys.index(key),
        }

    def _chart(self, key: str) -> Chart:
        track = self._tracks.by_key[key]
        x, y = track.points(key)
        return Chart(
            key=key,
            title=split_key(key)[1],
            x_title=track.axis or "step",
            curves=(Curve(label=key, x=x, y=y),),
        )

    def _summary_rows(self, summary: Mapping[str, Any]) -> tuple[SummaryRow, ...]:
        rows = summary.items()
        return tuple(SummaryRow(k, self._values(k, v)) for k, v in rows if k[:1] != "_")

    def _values(self, key: str, value: object) -> tuple[tuple[str, str], ...]:
        if isinstance(value, Mapping):
            if "_type" in value:
                return (("last", str(value["_type"])),)
            return tuple((str(name), _text(one)) for name, one in value.items())
        track = self._tracks.by_key.get(key)
        if track is None or not isinstance(value, (int, float)):
            return (("last", _text(value)),)
        _, points = track.points(key)
        low, high = _extremes(points)
        return (("last", _text(value)), ("min", low), ("max", high))


def _extremes(points: array[float]) -> tuple[str, str]:
    """Give the least and the greatest as text: a reduction loses neither."""
    numbers = [v for v in points if not isnan(v)]
    if not numbers:
        return "", ""
    return format_number(min(numbers)), format_number(max(numbers))


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = str(value)
        return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    if isinstance(value, int) and abs(value) >= 10**300:
        return format_number(as_float(value))
    return format_number(value)


def _card_facts(card: Card, steps_per_s: float | None) -> wire.CardFacts:
    return {
        "name": card.name,
        "run_id": card.run_id,
        "project": card.project,
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
    }
