"""The widgets behind a board, made on first use: ipywidgets loads only here."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from nbtrack._view import assets, plotly_js

if TYPE_CHECKING:
    from collections.abc import Callable

#: Stands for the carrier's model id when there is none.
NO_PLOTLY = "none"


def board_widget(
    snapshot: Callable[[], bytes] | None,
    on_message: Callable[[Any], None],
    **state: str,
) -> Any:
    """Open a board's widget.

    ``snapshot`` gives a packed key frame, for a front end that asks for the whole
    state: a reloaded page. ``on_message`` gets what the browser sends. A ``mark`` in
    the state is the class of the picture in whose place the board is put.
    """
    widget = _board_class()(**state)
    widget.take_snapshot = snapshot
    widget.on_msg(lambda _widget, content, _buffers: on_message(content))
    _let_front_ends_choose(widget.comm)
    return widget


def _let_front_ends_choose(comm: Any) -> None:
    """Hear the browser on the subshell that it speaks to, while a cell runs.

    Since ipykernel 7.4 a comm sends what comes in to where its last message went out,
    which for a board is the cell: messages would wait until that cell has ended.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001


def prepare() -> None:
    """Do what takes long, before it is needed."""
    _board_class()


def plotly_widget() -> Any:
    """Give the widget that carries plotly.js, one for all boards of a kernel."""
    carrier = _plotly_class()
    if carrier.current is None or carrier.current.comm is None:  # or it was closed
        carrier.current = carrier(bundle=plotly_js.compressed())
    return carrier.current


@cache
def _board_class() -> Any:
    import traitlets
    from anywidget import AnyWidget

    class BoardWidget(AnyWidget):  # type: ignore[misc]
        _esm = assets.esm()
        _css = assets.css()
        mark = traitlets.Unicode("").tag(sync=True)
        plotly = traitlets.Unicode("").tag(sync=True)  # the model id of the carrier
        snapshot = traitlets.Bytes(b"").tag(sync=True)
        take_snapshot: Callable[[], bytes] | None = None

        def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT002
            state = super().get_state(key=key, drop_defaults=drop_defaults)
            if key is None and self.take_snapshot is not None:
                state["snapshot"] = self.take_snapshot()
            return state

        def _get_embed_state(self, drop_defaults: bool = False) -> Any:  # noqa: FBT002
            """Give what is saved with a notebook: no data, that is in the run."""
            take, self.take_snapshot = self.take_snapshot, None
            try:
                return super()._get_embed_state(drop_defaults=drop_defaults)
            finally:
                self.take_snapshot = take

    return BoardWidget


@cache
def _plotly_class() -> Any:
    import ipywidgets
    import traitlets

    class PlotlyWidget(ipywidgets.Widget):  # type: ignore[misc]
        """A model without a view: it only brings the code to the page."""

        current: Any = None
        bundle = traitlets.Bytes(b"").tag(sync=True)

        def _get_embed_state(self, drop_defaults: bool = False) -> Any:  # noqa: FBT002
            state = super()._get_embed_state(drop_defaults=drop_defaults)
            state.pop("buffers", None)  # 1.5 MB that the next kernel brings again
            return state

    return PlotlyWidget
