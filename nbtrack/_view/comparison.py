"""Several runs side by side: curves overlaid, summary, config, code; no script."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from nbtrack._compare.code import diff_cells
from nbtrack._compare.config import MISSING, ConfigRow, diff_config
from nbtrack._compare.curves import Overlay, overlay
from nbtrack._compare.tables import diff_tables
from nbtrack._config import flatten
from nbtrack._draw import html
from nbtrack._draw.html import Safe, cell, el, muted
from nbtrack._draw.spec import PALETTE, Chart, Curve, group_keys
from nbtrack._media.drawing import can_overlay, overlaid
from nbtrack._view.runs_table import cell_text
from nbtrack._view.static_bundle import MAX_CHARTS, chart_picture, columns_of
from nbtrack.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbtrack._compare.code import CellDiff, DiffLine
    from nbtrack._compare.tables import TableDiff
    from nbtrack._media.drawing import Drawing

Goal = Literal["minimize", "maximize"]

MAX_OBJECTS: Final = 12  # keys of media
OBJECT_BYTES: Final = 200_000  # that all of them may take
MAX_ROWS: Final = 60  # of the summary, and of settings that differ
MAX_EQUAL: Final = 40  # settings that do not differ, in one line
MAX_LINES: Final = 240  # of code, over all runs
MAX_CELL_LINES: Final = 60
_LINE_CHARS: Final = 240
_ID_STYLE: Final = f"{html.MONO};font-size:12px;margin:0 10px"
_TABLE_STYLE: Final = "margin:8px 0 2px"
_RUN_STYLE: Final = "margin:10px 0 4px"
_OBJECT_STYLE: Final = (
    "display:inline-block;vertical-align:top;max-width:100%;margin:0 10px 10px 0"
)
_DASH: Final = "\N{EN DASH}"
_GROUNDS: Final = {"+": "#2aa87633", "-": "#d1495b33"}
_TEXT_ROWS: Final = 8


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of a comparison. Curves are (x, y) by key; cells are sources."""

    name: str
    run_id: str
    state: str
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(
        default_factory=dict,
    )
    x_titles: Mapping[str, str] = field(default_factory=dict)
    cells: Sequence[str] = ()
    objects: Mapping[str, Any] = field(default_factory=dict)  # last of each key: media


def comparison_bundle(
    runs: Sequence[ComparedRun],
    *,
    goals: Mapping[str, Goal] | None = None,
    left_out: int = 0,
) -> dict[str, str]:
    """Give the display bundle of a comparison; the first run is what code is held to.

    ``goals`` says for which summary keys smaller or larger is better; only there is
    a best value marked. ``left_out`` counts runs that were not passed in.
    """
    if not runs:
        nothing = "no runs to compare"
        return {"text/html": html.page(html.hint(nothing)), "text/plain": nothing}
    config = diff_config([run.config for run in runs])
    summary = diff_config([run.summary for run in runs])
    parts = [
        _legend(runs, left_out),
        *_charts(runs),
        *_objects(runs),
        *_summary(runs, summary, goals or {}),
        *_config(runs, config),
        *_code(runs),
    ]
    return {
        "text/html": html.page(*parts),
        "text/plain": _plain(runs, config, summary, left_out),
    }


def run_color(place: int) -> str:
    """Give the colour of a run, the same in every chart and table."""
    return PALETTE[place % len(PALETTE)]


# --- who -----------------------------------------------------------------------


def _unshown(left_out: int) -> list[str]:
    return [f"{left_out} more runs are not compared here"] if left_out > 0 else []


def _legend(runs: Sequence[ComparedRun], left_out: int) -> Safe:
    entries = []
    for i, run in enumerate(runs):
        base = "the others are compared with it" if i == 0 and len(runs) > 1 else ""
        entries.append(
            el(
                "div",
                _named(i, run),
                " ",
                muted(html.one_line(run.run_id, 64), style=_ID_STYLE),
                " ",
                html.state_mark(run.state),
                muted(base),
            ),
        )
    if len(runs) > len(PALETTE):
        entries.append(html.hint(f"colours repeat after {len(PALETTE)} runs"))
    entries += map(html.hint, _unshown(left_out))
    return el("div", *entries, style="margin:0 0 8px")


def _named(place: int, run: ComparedRun) -> Safe:
    """Give a run's name with its line's colour before it."""
    return el(
        "span",
        el("b", "━ ", style=f"color:{run_color(place)}"),
        el("b", html.one_line(run.name, 60)),
        style="white-space:nowrap",
    )


# --- curves --------------------------------------------------------------------


def _charts(runs: Sequence[ComparedRun]) -> list[Safe]:
    overlays = {one.key: one for one in overlay([run.curves for run in runs])}
    # What most runs have comes first: a metric of one run alone compares nothing.
    ordered = sorted(overlays.values(), key=lambda one: len(one.curves) == 1)
    shown = {one.key for one in ordered[:MAX_CHARTS]}
    parts: list[Safe] = []
    for name, keys in group_keys([one.key for one in ordered]).items():
        charts = [_chart(runs, overlays[key], name) for key in keys if key in shown]
        if not charts:
            continue
        if name:
            parts.append(html.heading(html.one_line(name, 120)))
        # Several curves share a picture: 120 points each show the same shape.
        columns = columns_of(len(charts))
        pictures = (chart_picture(chart, 120, columns) for chart in charts)
        parts.append(el("div", *pictures, style="padding-top:4px"))
    if len(ordered) > MAX_CHARTS:
        more = len(ordered) - MAX_CHARTS
        says = f"{more} of {len(ordered)} charts are not shown."
        parts.append(html.hint(f"{says} All values: nbtrack.Api().run(…).history()"))
    return parts


def _chart(runs: Sequence[ComparedRun], one: Overlay, section: str) -> Chart:
    first = runs[one.curves[0].run]
    curves = (
        Curve(runs[line.run].name, line.x, line.y, run_color(line.run))
        for line in one.curves
    )
    title = one.key.removeprefix(f"{section}/") if section else one.key
    return Chart(one.key, title, first.x_titles.get(one.key, "step"), tuple(curves))


# --- media, plots, tables --------------------------------------------------------


def _objects(runs: Sequence[ComparedRun]) -> list[Safe]:
    keys = list(dict.fromkeys(key for run in runs for key in run.objects))
    # What most runs have comes first: an object of one run alone compares nothing.
    keys.sort(key=lambda key: sum(key in run.objects for run in runs) == 1)
    parts: list[Safe] = []
    room = OBJECT_BYTES
    for key in keys[:MAX_OBJECTS]:
        part = _object(runs, key, min(room, OBJECT_BYTES // 4))
        room -= len(part)
        title = el("div", el("b", html.one_line(key, 120)))
        parts.append(el("div", title, part, style=_OBJECT_STYLE))
        if room <= 0:
            break
    if not parts:
        return []
    found = [html.heading("media", "the last of each run"), el("div", *parts)]
    if len(parts) < len(keys):
        says = f"{len(keys) - len(parts)} of {len(keys)} media are not shown."
        found.append(html.hint(says))
    return found


def _object(runs: Sequence[ComparedRun], key: str, budget_bytes: int) -> Safe:
    """Show one key of all runs: plots over each other, tables held to the first."""
    from nbtrack._media.shown import side_by_side
    from nbtrack._media.table import Table

    found = [(i, run) for i, run in enumerate(runs) if key in run.objects]
    values = [run.objects[key] for _, run in found]
    try:
        if all(hasattr(value, "drawing") for value in values):
            drawings = [value.drawing() for value in values]
            if len({one.kind for one in drawings}) == 1 and can_overlay(drawings[0]):
                return _overlaid([run.name for _, run in found], drawings, found)
        if all(isinstance(value, Table) for value in values) and len(values) > 1:
            return _tables(found, values)
    except MediaError as error:
        return html.hint(html.one_line(str(error), 300))
    named = [(run.name, run.objects[key], Path()) for _, run in found]
    return side_by_side(named, budget_bytes)


def _overlaid(
    names: Sequence[str],
    drawings: Sequence[Drawing],
    found: Sequence[tuple[int, ComparedRun]],
) -> Safe:
    from nbtrack._media.plot_svg import drawing_html

    colors = [run_color(place) for place, _ in found]
    named = list(zip(names, drawings, strict=True))
    return drawing_html(overlaid(named, colors), (), OBJECT_BYTES // 4)


def _tables(found: Sequence[tuple[int, ComparedRun]], tables: Sequence[Any]) -> Safe:
    """Say how large each run's table is and where it first differs from the first."""
    from nbtrack._media.table_page import rows_of

    first = rows_of(tables[0])
    parts: list[Safe] = []
    for (place, run), table in zip(found, tables, strict=True):
        rows = rows_of(table)
        says = f"{rows.n_rows:,} rows, {len(rows.names):,} columns"
        lines: list[Safe] = []
        if rows is not first and table is not tables[0]:
            diff = diff_tables(first, rows)
            says = f"{says} · {_said(diff)}"
            lines = _first_rows(diff)
        title = el("div", _named(place, run), " ", muted(says), style=_TABLE_STYLE)
        parts += [title, *lines]
    return el("div", *parts)


def _said(diff: TableDiff) -> str:
    if diff.is_same:
        return "the same"
    says = [f"lacks {', '.join(map(repr, diff.gone[:6]))}"] if diff.gone else []
    says += [f"has {', '.join(map(repr, diff.new[:6]))} besides"] if diff.new else []
    of = f" of the first {diff.compared:,}" if diff.compared < max(diff.rows) else ""
    says.append(f"{diff.differing:,}{of} rows differ")
    return html.one_line("; ".join(says), 300)


def _first_rows(diff: TableDiff) -> list[Safe]:
    from nbtrack._media.table_static import cell_text

    if not diff.first:
        return []
    heads = ("row", "column", "there", "here")
    head = html.table_row([cell(name, head=True) for name in heads])
    body = [
        html.table_row(
            [
                cell(f"{row:,}", right=True),
                cell(html.one_line(column, 40)),
                *(cell(_cell_text(value, cell_text)) for value in sides),
            ]
        )
        for row, column, *sides in diff.first
    ]
    return [html.data_table(head, body)]


def _cell_text(value: Any, plain: Callable[[Any], str]) -> str:
    if value is None:
        return _DASH
    if isinstance(value, dict) and "type" in value:
        return str(value["caption"] or value["type"].removesuffix("-file"))
    return plain(value)


# --- summary and config --------------------------------------------------------


def _head(runs: Sequence[ComparedRun], *, right: bool) -> Safe:
    names = (cell(_named(i, run), head=True, right=right) for i, run in enumerate(runs))
    return html.table_row([cell("", head=True), *names])


def _summary(
    runs: Sequence[ComparedRun],
    rows: Sequence[ConfigRow],
    goals: Mapping[str, Goal],
) -> list[Safe]:
    order = list(dict.fromkeys(key for run in runs for key in flatten(run.summary)))
    rows = sorted(rows, key=lambda row: order.index(row.key))
    rows = [row for row in rows if not row.key.startswith("_")]
    if not rows:
        return []
    body = []
    for number, row in enumerate(rows[:MAX_ROWS]):
        best = best_places(row.values, goals.get(row.key))
        cells = [_mark_best(value, i in best) for i, value in enumerate(row.values)]
        cells.insert(0, cell(html.one_line(row.key, 80)))
        body.append(html.table_row(cells, zebra=number % 2 == 1))
    parts = [html.heading("summary"), html.data_table(_head(runs, right=True), body)]
    if len(rows) > MAX_ROWS:
        parts.append(html.hint(f"{len(rows) - MAX_ROWS} more: run.summary"))
    return parts


def best_places(values: Sequence[object], goal: Goal | None) -> frozenset[int]:
    """Say which values are the best; none where there is no goal or nothing to beat."""
    numbers = {
        i: value
        for i, value in enumerate(values)
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and value == value  # noqa: PLR0124 - NaN is never best
    }
    if goal is None or len(set(numbers.values())) <= 1:
        return frozenset()
    pick = min if goal == "minimize" else max
    best = pick(numbers.values())
    return frozenset(i for i, value in numbers.items() if value == best)


def _mark_best(value: object, best: bool) -> Safe:
    text = value_text(value)
    shown = el("b", f"★ {text}", title="best") if best else text
    return cell(shown, right=True)


def value_text(value: object) -> str:
    """Write a value, told apart from one that is missing."""
    if value is MISSING:
        return _DASH
    return "None" if value is None else html.one_line(cell_text(value), 60)


def _config(runs: Sequence[ComparedRun], rows: Sequence[ConfigRow]) -> list[Safe]:
    if not rows:
        return []
    different = [row for row in rows if row.differs]
    equal = [row for row in rows if not row.differs]
    aside = "" if len(runs) == 1 else f"{len(different)} of {len(rows)} differ"
    parts = [html.heading("config", aside)]
    if different:
        body = (_config_row(row, i) for i, row in enumerate(different[:MAX_ROWS]))
        parts.append(html.data_table(_head(runs, right=False), body))
    if len(different) > MAX_ROWS:
        parts.append(html.hint(f"{len(different) - MAX_ROWS} more differ: run.config"))
    if equal:
        pairs = [f"{row.key}={value_text(row.values[0])}" for row in equal[:MAX_EQUAL]]
        more = " · …" if len(equal) > MAX_EQUAL else ""
        text = f"{len(equal)} equal: {' · '.join(pairs)}{more}"
        style = "opacity:0.65;margin:6px 0;overflow-wrap:break-word"
        parts.append(el("div", html.one_line(text, 1500), style=style))
    return parts


def _config_row(row: ConfigRow, number: int) -> Safe:
    mark = el("b", "≠ ", title="differs", style="color:#e07b39")
    cells = [cell(mark, html.one_line(row.key, 80))]
    cells += [cell(value_text(value)) for value in row.values]
    return html.table_row(cells, zebra=number % 2 == 1)


# --- code ----------------------------------------------------------------------


def _code(runs: Sequence[ComparedRun]) -> list[Safe]:
    if not any(run.cells for run in runs):
        return []
    parts = [html.heading("code", "cells that were executed")]
    room = MAX_LINES
    for place, run in list(enumerate(runs))[1:]:
        diffs = diff_cells(runs[0].cells, run.cells)
        title = _named(place, run)
        says = muted(_counts(diffs), style="margin-left:10px")
        lines: list[Safe] = []
        for diff in diffs:
            if diff.kind == "same":
                continue
            if room <= 0:
                lines.append(html.hint("more differs than is shown here"))
                break
            shown = diff.lines[: min(room, MAX_CELL_LINES)]
            room -= len(shown)
            lines += [_caption(diff), _listing(shown)]
            if len(shown) < len(diff.lines):
                lines.append(html.hint(f"{len(diff.lines) - len(shown)} more lines"))
        # Of two runs the code is what one looks for; of more it would be all one sees.
        is_folded = len(runs) > 2 and bool(lines)  # noqa: PLR2004
        head = el("summary" if is_folded else "div", title, " ", says, style=_RUN_STYLE)
        parts.append(el("details" if is_folded else "div", head, *lines))
    return parts


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def _counts(diffs: Sequence[CellDiff]) -> str:
    equal = sum(diff.kind == "same" for diff in diffs)
    if equal == len(diffs):
        return f"the same {_cells(equal)}"
    counts = (
        (sum(diff.kind == kind for diff in diffs), kind)
        for kind in ("changed", "added", "removed")
    )
    others = (f"{count} {kind}" for count, kind in counts if count)
    return ", ".join([f"{_cells(equal)} equal", *others])


def _caption(diff: CellDiff) -> Safe:
    places = [place for place in (diff.a, diff.b) if place is not None]
    numbers = " → ".join(dict.fromkeys(str(place + 1) for place in places))
    style = "opacity:0.65;font-size:12px;margin:6px 0 2px"
    return el("div", f"cell {numbers} · {diff.kind}", style=style)


def _listing(lines: Sequence[DiffLine]) -> Safe:
    """Give code with its signs; stretches of one sign share a ground."""
    blocks: list[Safe] = []
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or lines[end].sign != lines[start].sign:
            blocks.append(_block(lines[start:end]))
            start = end
    # <pre> keeps the lines apart also where every style is stripped.
    inner = el("span", *blocks, style="display:inline-block;min-width:100%")
    style = (
        f"{html.MONO};font-size:12px;line-height:1.4;margin:0;padding:0;border:0;"
        f"background:{html.GROUND};overflow-x:auto;white-space:pre"
    )
    return el("pre", inner, style=style)


def _block(lines: Sequence[DiffLine]) -> Safe:
    sign = lines[0].sign
    text = "".join(f"{sign} {html.cut(line.text, _LINE_CHARS)}\n" for line in lines)
    style = "display:block;padding:0 8px"
    if sign in _GROUNDS:
        style += f";background:{_GROUNDS[sign]}"
    if sign == "…":
        style += ";opacity:0.65"
    return el("span", text, style=style)


# --- the terminal --------------------------------------------------------------


def _plain(
    runs: Sequence[ComparedRun],
    config: Sequence[ConfigRow],
    summary: Sequence[ConfigRow],
    left_out: int,
) -> str:
    lines = [f"comparing {len(runs)} runs"]
    lines += [
        f"  {run.name}  {run.run_id}  {run.state}" for run in runs[: 2 * _TEXT_ROWS]
    ]
    lines += _unshown(left_out)
    differing = [row for row in config if row.differs]
    lines += _plain_rows("config", differing)
    if len(config) > len(differing):
        equal = len(config) - len(differing)
        lines.append(f"  {equal} {'setting' if equal == 1 else 'settings'} equal")
    lines += _plain_rows("summary", summary)
    base = runs[0]
    for run in runs[1:_TEXT_ROWS]:
        if base.cells or run.cells:
            counts = _counts(diff_cells(base.cells, run.cells))
            lines.append(f"code of {run.name}: {counts}")
    return "\n".join(html.clean(html.cut(" ".join(s.splitlines()), 120)) for s in lines)


def _plain_rows(title: str, rows: Sequence[ConfigRow]) -> list[str]:
    if not rows:
        return []
    lines = [title]
    for row in rows[:_TEXT_ROWS]:
        values = " | ".join(value_text(value) for value in row.values)
        lines.append(f"  {row.key}: {values}")
    if len(rows) > _TEXT_ROWS:
        lines.append(f"  … {len(rows) - _TEXT_ROWS} more")
    return lines
