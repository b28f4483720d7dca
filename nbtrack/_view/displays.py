"""Where a board is on the page: published outputs that can be replaced later."""

from __future__ import annotations

from uuid import uuid4

from nbtrack._draw import html
from nbtrack._places import WIDGET, widget_metadata

Bundle = dict[str, object]


def publish(bundle: Bundle, *, replacing: str | None = None) -> str:
    """Put a bundle under the current cell, or in the place of an earlier one."""
    from IPython import get_ipython
    from IPython.display import display, update_display

    if replacing is not None:
        update_display(bundle, raw=True, display_id=replacing)
        return replacing
    metadata = widget_metadata(get_ipython()) if WIDGET in bundle else {}
    display_id = uuid4().hex
    display(bundle, metadata=metadata, raw=True, display_id=display_id)
    return display_id


def live_bundle(model_id: str, name: str) -> Bundle:
    """Give the output that a front end draws as a widget."""
    return {
        # Spelled out because ipywidgets 7 and 8 offer different methods for it.
        WIDGET: {
            "version_major": 2,
            "version_minor": 0,
            "model_id": model_id,
        },
        "text/plain": f"nbtrack: live board of {name}",
    }


def moved_bundle(name: str) -> Bundle:
    """Give the line that stays where a board was before."""
    note = "charts are under the cell that logs"
    name = html.one_line(name, 80)
    return {
        "text/html": html.page(html.title(name), " ", html.muted(f"· {note}")),
        "text/plain": html.clean(f"{name} · {note}"),
    }
