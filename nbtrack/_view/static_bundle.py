"""What stays in the notebook after a run: a card, charts, a table; no script.

The same facts as the live board, as ``text/html`` that reads with no kernel, in a
notebook that is not trusted, on GitHub and on paper, and as ``text/plain`` for a
terminal. Whatever is left out to keep the file light is counted and said.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbtrack._draw import html
from nbtrack._draw.html import Safe, el, joined, muted
from nbtrack._draw.spec import Card, format_number, progress_text
from nbtrack._draw.svg import chart_svg, described
from nbtrack._media.shown import static_html

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbtrack._draw.spec import BoardSpec, Chart, MediaPanel, SummaryRow

MAX_CHARTS: Final = 60
MAX_SUMMARY_ROWS: Final = 60
MAX_CONFIG: Final = 100
_OPEN_CONFIG: Final = 16  # shown at once; the others unfold
_MAX_FAULTS: Final = 8
_TEXT_LINES: Final = 24
#: Of a chart, where two and where three are to stand side by side.
_CHART_PX: Final = {2: (400, 195), 3: (320, 175)}
#: They grow with the page: the margins make it a whole.
_CHART_STYLES: Final = {
    2: "width:48.5%;min-width:300px;max-width:500px;margin:0 1% 10px 0",
    3: "width:32%;min-width:300px;max-width:430px;margin:0 1% 10px 0",
}
_BY_TWO: Final = (1, 2, 4)  # as many charts as leave a hole beside them in threes
_POINTS: Final = 150  # of a chart: about every other pixel
#: Media weigh more than charts. So many bytes in all, and of one value.
MEDIA_BYTES: Final = 200_000
_LARGEST_MEDIUM: Final = 32_000
_LIGHT: Final = frozenset(("audio-file", "html-file", "bokeh-file", "histogram"))
_LIGHT_BYTES: Final = 3_000  # of one of them


def board_bundle(spec: BoardSpec) -> dict[str, str]:
    """Give the display bundle of a run that ended, or of one moment of a live one."""
    return {
        "text/html": html.page(
            _card(spec.card),
            *_sections(spec),
            *_summary(spec.summary),
        ),
        "text/plain": _plain(spec),
    }


def restated(bundle: Mapping[str, str], card: Card, state: str) -> dict[str, str]:
    """Give a bundle that was made with a card, with another state of the run."""
    ended = replace(card, state=state)
    parts = {
        "text/html": (str(_card(card)), str(_card(ended))),
        "text/plain": (_headline(card), _headline(ended)),
    }
    changed = {kind: bundle[kind].replace(*parts[kind], 1) for kind in parts}
    return {**bundle, **changed}


# --- the card ------------------------------------------------------------------


def _progress(card: Card) -> list[str]:
    """Say how far a run came."""
    parts = []
    if card.step is not None:
        parts.append(progress_text(card.step, card.total_steps))
    if card.elapsed_s:
        parts.append(html.duration(card.elapsed_s))
    return parts


def _started(card: Card) -> list[str]:
    if card.started_at <= 0:
        return []
    return [time.strftime("%Y-%m-%d %H:%M", time.localtime(card.started_at))]


def _card(card: Card) -> Safe:
    facts = [card.project, card.run_id, *_progress(card), *_started(card)]
    lines = [
        el(
            "div",
            html.title(html.one_line(card.name, 120), size_px=15),
            " ",
            html.state_mark(card.state),
        ),
        el("div", muted(" · ".join(fact for fact in facts if fact))),
    ]
    if card.tags:
        chips = (html.chip(tag) for tag in card.tags[:24])
        lines.append(el("div", *chips, style="margin-top:4px"))
    if card.notes:
        notes = html.cut(card.notes.strip(), 1000)
        style = "white-space:pre-wrap;overflow-wrap:break-word;margin-top:4px"
        lines.append(el("div", notes, style=style))
    lines += _config(card.config)
    lines += [_fault(text) for text in card.faults[:_MAX_FAULTS]]
    if len(card.faults) > _MAX_FAULTS:
        lines.append(
            html.hint(f"{len(card.faults) - _MAX_FAULTS} more faults: run.faults")
        )
    if card.directory:
        path = html.cut(card.directory, 200)
        style = f"{html.MONO};font-size:11px;overflow-wrap:break-word"
        lines.append(el("div", muted(path, style=style), style="margin-top:4px"))
    edge = f"border-left:3px solid {html.state_color(card.state)}"
    return el("div", *lines, style=f"{edge};padding:2px 0 2px 12px;margin:0 0 8px")


def _config(config: Sequence[tuple[str, str]]) -> list[Safe]:
    if not config:
        return []
    items = [_setting(key, value) for key, value in config[:MAX_CONFIG]]
    parts = [el("div", *items[:_OPEN_CONFIG], style="margin-top:4px")]
    if len(config) > _OPEN_CONFIG:
        rest = items[_OPEN_CONFIG:]
        unseen = len(config) - MAX_CONFIG
        if unseen > 0:
            rest.append(html.hint(f"{unseen} more: run.config"))
        more = f"{len(config) - _OPEN_CONFIG} more settings"
        parts.append(el("details", el("summary", muted(more)), *rest))
    return parts


def _setting(key: str, value: str) -> Safe:
    return joined(
        [
            el(
                "span",
                muted(html.one_line(key, 60)),
                "=",
                html.one_line(value, 80),
                style="display:inline-block;max-width:100%;margin-right:14px;"
                "overflow-wrap:break-word",
            ),
            " ",
        ],
    )


def _fault(text: str) -> Safe:
    return el(
        "div",
        el("b", "⚠ ", style="color:#e07b39"),
        html.one_line(text, 300),
        style="margin-top:4px;overflow-wrap:break-word",
    )


# --- the charts ----------------------------------------------------------------


def _sections(spec: BoardSpec) -> list[Safe]:
    """Give charts and media by section, in the order of the board."""
    parts: list[Safe] = []
    charts = {section.name: section.charts for section in spec.sections}
    media: dict[str, list[MediaPanel]] = {}
    for panel in spec.media:
        media.setdefault(panel.section, []).append(panel)
    room = MAX_CHARTS
    share = _media_share(spec.media)
    for name in dict.fromkeys((*charts, *media)):
        shown = charts.get(name, ())[:room]
        room -= len(shown)
        if name and (shown or name in media):
            parts.append(html.heading(html.one_line(name, 120)))
        panels = [_media(panel, share) for panel in media.get(name, ())]
        columns = columns_of(len(shown))
        pictures = (chart_picture(chart, columns=columns) for chart in shown)
        if shown or panels:
            parts.append(el("div", *pictures, *panels, style="padding-top:4px"))
    total = sum(map(len, charts.values()))
    if total > MAX_CHARTS:
        more = total - MAX_CHARTS
        parts.append(html.hint(f"{more} of {total} charts are not shown. {_all(spec)}"))
    return parts


def _media_share(panels: Sequence[MediaPanel]) -> int:
    """Give the bytes that one value may take; some kinds never take many."""
    values = [v for panel in panels for v in dict([panel.first, panel.last]).values()]
    light = sum(isinstance(v, dict) and v.get("_type") in _LIGHT for v in values)
    room = max(MEDIA_BYTES - light * _LIGHT_BYTES, MEDIA_BYTES // 2)
    return min(_LARGEST_MEDIUM, room // max(1, len(values) - light))


def _media(panel: MediaPanel, budget_bytes: int) -> Safe:
    """Give the first and the latest value of a key, side by side."""
    steps = dict([panel.first, panel.last])
    style = "display:inline-block;vertical-align:top;max-width:100%;margin-right:10px"
    title = el("b", html.one_line(panel.title, 120))
    if len(steps) == 1:
        ((step, value),) = steps.items()
        title = joined([title, muted(f" step {step:,}")])
        values = [static_html(value, panel.run_path, budget_bytes)]
    else:
        values = [
            el(
                "div",
                el("div", muted(f"step {step:,}")),
                static_html(value, panel.run_path, budget_bytes),
                style=style,
            )
            for step, value in steps.items()
        ]
    return el(
        "div",
        el("div", title),
        *values,
        style="display:inline-block;vertical-align:top;max-width:100%;"
        "margin:0 10px 10px 0",
    )


def _all(spec: BoardSpec) -> str:
    path = f"{spec.card.project}/{spec.card.run_id}"
    return f"All values: nbtrack.Api().run({path!r}).history()"


def columns_of(count: int) -> int:
    """Say how many of so many charts stand side by side on a page of usual width."""
    return 2 if count in _BY_TWO else 3


def chart_picture(chart: Chart, points: int = _POINTS, columns: int = 3) -> Safe:
    """Give a chart as an image that survives every sanitizer."""
    width, height = _CHART_PX[columns]
    svg = chart_svg(chart, width=width, height=height, points=points)
    style = _CHART_STYLES[columns]
    told = described(chart)
    return html.picture(svg, alt=told, width=width, height=height, style=style)


# --- the summary ---------------------------------------------------------------


def _summary(rows: Sequence[SummaryRow]) -> list[Safe]:
    if not rows:
        return []
    shown = rows[:MAX_SUMMARY_ROWS]
    columns = list(dict.fromkeys(name for row in shown for name, _ in row.values))
    head = [html.cell("", head=True)]
    head += [html.cell(name, head=True, right=True) for name in columns]
    body = []
    for number, row in enumerate(shown):
        values = dict(row.values)
        cells = [html.cell(html.one_line(row.key, 80))]
        cells += [
            html.cell(html.one_line(values.get(name, ""), 60), right=True)
            for name in columns
        ]
        body.append(html.table_row(cells, zebra=number % 2 == 1))
    parts = [html.heading("summary"), html.data_table(html.table_row(head), body)]
    if len(rows) > MAX_SUMMARY_ROWS:
        parts.append(html.hint(f"{len(rows) - MAX_SUMMARY_ROWS} more: run.summary"))
    return parts


# --- the terminal --------------------------------------------------------------


def _plain(spec: BoardSpec) -> str:
    card = spec.card
    facts = [card.project, card.run_id, *_progress(card), *_started(card)]
    lines = [_headline(card), " · ".join(fact for fact in facts if fact)]
    if card.tags:
        lines.append(f"tags: {', '.join(card.tags)}")
    if card.notes:
        lines.append(f"notes: {card.notes}")
    if card.config:
        pairs = "  ".join(f"{key}={value}" for key, value in card.config[:MAX_CONFIG])
        lines.append(f"config: {pairs}")
    lines += [f"warning: {fault}" for fault in card.faults[:3]]
    tail = [card.directory] if card.directory else []
    values = _last_values(spec)
    room = _TEXT_LINES - len(lines) - len(tail) - 1
    width = max((len(key) for key, _ in values[:room]), default=0)
    lines += [f"  {key:<{width}}  {value}" for key, value in values[:room]]
    if len(values) > room:
        lines.append(f"  … {len(values) - room} more. {_all(spec)}")
    return "\n".join(_terminal_line(line) for line in lines + tail)


def _headline(card: Card) -> str:
    return _terminal_line(f"{card.name}  {card.state}")


def _terminal_line(line: str) -> str:
    """Keep a line one line, without controls: a name cannot move the cursor."""
    return html.cut(re.sub(r"[\t\n\r]", " ", html.clean(line)), 120)


def _last_values(spec: BoardSpec) -> list[tuple[str, str]]:
    """Give what to print of each metric: its summary, else its last point."""
    if spec.summary:
        return [(html.one_line(row.key, 60), _stats(row)) for row in spec.summary]
    return [
        (html.one_line(chart.key, 60), format_number(float(chart.curves[0].y[-1])))
        for section in spec.sections
        for chart in section.charts
        if chart.curves and len(chart.curves[0].y)
    ]


def _stats(row: SummaryRow) -> str:
    if len(row.values) == 1 and row.values[0][0] == "last":
        return row.values[0][1]
    return "  ".join(f"{name} {value}" for name, value in row.values)
