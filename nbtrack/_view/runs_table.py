"""A table of runs, newest first, as a page and as text."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbtrack._draw import html
from nbtrack._draw.html import Safe, cell
from nbtrack._draw.spec import format_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_KEYS: Final = 12  # of config, and of summary
MAX_ROWS: Final = 50
_MAX_DAMAGED: Final = 8
_MAX_NAMED: Final = 6  # of the columns left out
_FAR_S: Final = 1e11  # a date beyond it is none


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the table shows it; config and summary are flat."""

    name: str
    run_id: str
    project: str
    state: str
    created_at: float  # Unix seconds
    duration_s: float | None
    tags: tuple[str, ...] = ()
    notes: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    goals: frozenset[str] = frozenset()  # keys of the summary with a goal


@dataclass(frozen=True, slots=True)
class Columns:
    """Which keys get a column, and what was left out."""

    config: tuple[str, ...]
    summary: tuple[str, ...]
    left_out: tuple[str, ...]  # of either, as "config.lr", "summary.loss"
    goals: int = 0  # so many of the summary come first of all
    varied: int = 0  # so many of config differ between runs

    @property
    def first(self) -> list[tuple[str, str]]:
        """What tells runs apart: goals, settings that differ, other metrics."""
        return [
            *(("summary", key) for key in self.summary[: self.goals]),
            *(("config", key) for key in self.config[: self.varied]),
            *(("summary", key) for key in self.summary[self.goals :]),
        ]

    @property
    def last(self) -> list[tuple[str, str]]:
        """What is the same in all runs."""
        return [("config", key) for key in self.config[self.varied :]]

    def title(self, kind: str, key: str) -> str:
        """Give a column's head; a setting that is called like a metric says so."""
        return f"config.{key}" if kind == "config" and key in self.summary else key


def runs_table_html(
    rows: Sequence[RunRow],
    columns: Sequence[str] | None = None,
    *,
    limit: int = MAX_ROWS,
    reorder: bool = True,
    total: int = 0,
) -> str:
    """Give the table as HTML; ``columns`` such as "config.lr", "summary.loss" choose.

    Without ``columns``: up to 12 keys of config, those that vary first, and up to
    12 of the summary. ``reorder=False`` keeps the order of the rows. ``total``: how
    many runs there are, where ``rows`` are only the first of them.
    """
    if not rows:
        return html.page(html.hint("no runs yet"))
    ordered = newest_first(rows) if reorder else list(rows)
    chosen = choose_columns(ordered, columns)
    tagged = any(row.tags for row in rows)
    numeric = _numeric(ordered, chosen)
    mixed = len({row.project for row in rows}) > 1
    titles = [*["project"][: int(mixed)], "name", "state"]
    head = [cell(title, head=True) for title in titles]
    head += _heads(chosen, chosen.first, numeric)
    titles = ["duration", "created", *["tags"][: int(tagged)], "id"]
    head += [cell(title, head=True, right=title == "duration") for title in titles]
    head += _heads(chosen, chosen.last, numeric)
    body = (
        html.table_row(
            _cells(row, chosen, numeric, tagged=tagged, mixed=mixed), zebra=i % 2 == 1
        )
        for i, row in enumerate(ordered[:limit])
    )
    table = html.data_table(html.table_row(head), body)
    return html.page(
        table, *map(html.hint, _left_out(max(total, len(rows)), chosen, limit))
    )


def runs_table_text(
    rows: Sequence[RunRow],
    columns: Sequence[str] | None = None,
    *,
    limit: int = MAX_ROWS,
    reorder: bool = True,
    total: int = 0,
) -> str:
    """Give the table for a terminal."""
    if not rows:
        return "no runs yet"
    ordered = newest_first(rows) if reorder else list(rows)
    chosen = choose_columns(ordered, columns)
    mixed = len({row.project for row in rows}) > 1
    lines = [[*["project"][: int(mixed)], "name", "state"]]
    lines[0] += [chosen.title(*key) for key in chosen.first]
    lines[0] += ["duration", "created", "id"]
    lines[0] += [chosen.title(*key) for key in chosen.last]
    for row in ordered[:limit]:
        who = [row.project, row.name] if mixed else [row.name]
        first, last = (
            [cell_text(_value(row, *key)) for key in keys]
            for keys in (chosen.first, chosen.last)
        )
        when = [_took(row), _when(row), row.run_id]
        lines.append([*who, row.state, *first, *when, *last])
    cut = [[html.clean(html.one_line(text, 24)) for text in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    padded = [
        "  ".join(f"{text:<{wide}}" for text, wide in zip(line, widths, strict=True))
        for line in cut
    ]
    return "\n".join(
        [
            *(line.rstrip() for line in padded),
            *_left_out(max(total, len(rows)), chosen, limit),
        ],
    )


def runs_bundle(
    rows: Sequence[RunRow],
    damaged: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    *,
    limit: int = MAX_ROWS,
    total: int = 0,
) -> dict[str, str]:
    """Give the display bundle of a table whose rows stay in the order given.

    ``damaged``: one line for each run that could not be read. ``total``: how many
    runs there are, where ``rows`` are only the first of them.
    """
    lines = [f"⚠ {html.one_line(text, 200)}" for text in damaged[:_MAX_DAMAGED]]
    if len(damaged) > _MAX_DAMAGED:
        lines.append(f"⚠ {len(damaged) - _MAX_DAMAGED} more runs could not be read")
    page = runs_table_html(rows, columns, limit=limit, reorder=False, total=total)
    text = runs_table_text(rows, columns, limit=limit, reorder=False, total=total)
    notes = html.page(*map(html.hint, lines)) if lines else ""
    return {
        "text/html": page + notes,
        "text/plain": "\n".join([text, *map(html.clean, lines)]),
    }


def newest_first(rows: Iterable[RunRow]) -> list[RunRow]:
    """Order runs by time of creation, the id breaking ties."""
    return sorted(rows, key=lambda row: (row.created_at, row.run_id), reverse=True)


def choose_columns(
    rows: Sequence[RunRow],
    asked: Sequence[str] | None = None,
) -> Columns:
    """Choose the keys to show: those asked for, else those that tell runs apart."""
    if asked is not None:
        config = list(_under("config.", asked))
        return Columns(tuple(config), _under("summary.", asked), (), varied=len(config))
    config, varied = _by_variation([row.config for row in rows])
    summary = list(dict.fromkeys(key for row in rows for key in row.summary))
    summary = [key for key in summary if not key.startswith("_")]
    goals = frozenset().union(*(row.goals for row in rows))
    summary.sort(key=lambda key: key not in goals)  # stable
    n_goals = sum(key in goals for key in summary[:MAX_KEYS])
    rest = [f"config.{key}" for key in config[MAX_KEYS:]]
    rest += [f"summary.{key}" for key in summary[MAX_KEYS:]]
    return Columns(
        tuple(config[:MAX_KEYS]),
        tuple(summary[:MAX_KEYS]),
        tuple(rest),
        goals=n_goals,
        varied=min(varied, MAX_KEYS),
    )


def _under(prefix: str, asked: Sequence[str]) -> tuple[str, ...]:
    return tuple(name[len(prefix) :] for name in asked if name.startswith(prefix))


def _by_variation(configs: Sequence[Mapping[str, Any]]) -> tuple[list[str], int]:
    """Give the keys whose values vary between runs, then the others; and how many."""
    seen: dict[str, set[str]] = {}
    for config in configs:
        for key in config:
            seen.setdefault(key, set())
    for config in configs:
        for key, values in seen.items():
            values.add(repr(config[key]) if key in config else "")
    # Stable: within each half the order is that of first appearance.
    keys = sorted(seen, key=lambda key: len(seen[key]) == 1)
    # Of one run nothing differs: all of its settings are worth a look.
    varied = sum(len(held) > 1 for held in seen.values())
    return keys, varied if len(configs) > 1 else len(keys)


def _keys(chosen: Columns) -> list[tuple[str, str]]:
    return [*chosen.first, *chosen.last]


def _heads(
    chosen: Columns,
    keys: Sequence[tuple[str, str]],
    numeric: frozenset[tuple[str, str]],
) -> list[Safe]:
    return [
        cell(html.one_line(chosen.title(*key), 40), head=True, right=key in numeric)
        for key in keys
    ]


def _value(row: RunRow, kind: str, key: str) -> Any:
    return (row.config if kind == "config" else row.summary).get(key)


def _numeric(rows: Sequence[RunRow], chosen: Columns) -> frozenset[tuple[str, str]]:
    """Find the columns that hold numbers and nothing else."""

    def numbers(kind: str, key: str) -> bool:
        held = [_value(row, kind, key) for row in rows]
        held = [value for value in held if value is not None]
        return bool(held) and all(_is_number(value) for value in held)

    return frozenset(key for key in _keys(chosen) if numbers(*key))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cells(
    row: RunRow,
    chosen: Columns,
    numeric: frozenset[tuple[str, str]],
    *,
    tagged: bool,
    mixed: bool,
) -> list[Safe]:
    project = [cell(html.one_line(row.project, 40))] if mixed else []

    def values(keys: Sequence[tuple[str, str]]) -> list[Safe]:
        return [
            cell(html.one_line(cell_text(_value(row, *key)), 40), right=key in numeric)
            for key in keys
        ]

    tags = [cell(*(html.chip(tag) for tag in row.tags[:8]))] if tagged else []
    return [
        *project,
        cell(
            html.el(
                "b",
                html.one_line(row.name, 40),
                title=html.one_line(row.notes, 200),
                style="font-weight:600",
            ),
        ),
        cell(html.state_mark(row.state)),
        *values(chosen.first),
        cell(_took(row), right=True),
        cell(_when(row)),
        *tags,
        cell(html.muted(html.one_line(row.run_id, 64), style=html.MONO)),
        *values(chosen.last),
    ]


def cell_text(value: object) -> str:
    """Write a value of config or summary; nothing for one that is missing."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_number(value)
    return str(value)


def _when(row: RunRow) -> str:
    if not 0 < row.created_at < _FAR_S:
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created_at))


def _took(row: RunRow) -> str:
    return "" if row.duration_s is None else html.duration(row.duration_s)


def _left_out(total: int, chosen: Columns, limit: int) -> list[str]:
    """Say what the table does not show."""
    says = []
    if total > limit:
        says.append(f"The first {limit} of {total:,} runs. All: nbtrack.Api()")
    if chosen.left_out:
        names = ", ".join(
            html.one_line(name, 40) for name in chosen.left_out[:_MAX_NAMED]
        )
        more = ", …" if len(chosen.left_out) > _MAX_NAMED else ""
        says.append(f"{len(chosen.left_out)} columns left out: {names}{more}")
    return [html.clean(text) for text in says]
