"""Pages and figures: HTML, what Bokeh, HoloViews and Panel draw, and Plotly's."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nbtrack._media.base import FileMedia, caption_of
from nbtrack._media.offline import offline
from nbtrack._media.source import Held, RunFile, UserFile, stored
from nbtrack.errors import MediaError, MediaFileError, MediaSizeError, MediaTypeError

if TYPE_CHECKING:
    from pathlib import Path

    from nbtrack._draw.html import Safe
    from nbtrack._media.base import Shown
    from nbtrack._media.source import Store

MOST_PAGE: Final = 2**26  # bytes
MOST_SENT: Final = 2**24

_MOST_HOSTS: Final = 5  # that are named
_KB: Final = 2_048  # bytes from which on kilobytes say it
_PATHS: Final = (".html", ".htm", ".xhtml")
_MOST_PATH: Final = 4_096


class _Document(FileMedia):
    """Something whose content is one text."""

    _suffix: ClassVar[str] = ".html"
    _mime: ClassVar[str] = "text/html"

    def _to_row(self, store: Store) -> dict[str, Any]:
        return stored(self._source, store).to_row()

    def _from_row(self, row: dict[str, Any], run_path: Path) -> None:
        self._source = RunFile.of(row, run_path)

    def read(self) -> str:
        """Give its text.

        Raises
        ------
        MediaFileError
            Its file is gone or cut short.
        """
        return self._source.read().decode("utf-8", "replace")

    def _outline(self) -> Shown:
        return super()._outline()._replace(mime=self._mime)

    def _shown(self) -> Shown:
        content = self._source.read()
        if len(content) > MOST_SENT:
            raise MediaSizeError.to_show(len(content), MOST_SENT)
        return self._outline()._replace(content=content, size=len(content))

    def _static(self, budget_bytes: int) -> Safe:  # noqa: ARG002  (a line)
        from nbtrack._draw.html import hint

        size = len(self._source.read())
        told = f"{self.caption}: " if self.caption else ""
        name = f" {self._row['path']}" if self._row and self._row.get("path") else ""
        written = f"{size / 1024:,.0f} kB" if size > _KB else f"{size} bytes"
        return hint(f"{told}{self._what}, {written}{name}")

    _what: ClassVar[str] = "a page"


class _Page(_Document):
    """A document of markup, which is shown in a frame."""

    def _shown(self) -> Shown:
        page, hosts = offline(_to_show(self.read()))
        data = {"hosts": hosts[:_MOST_HOSTS]} if hosts else None
        content = page.encode("utf-8", "backslashreplace")
        return self._outline()._replace(content=content, data=data)

    def _own(self) -> str:
        from nbtrack._media.markup import frame

        page, hosts = offline(_to_show(self.read()))
        told = f"asks for {', '.join(hosts[:_MOST_HOSTS])}, which is not fetched"
        parts = (self.caption or "", told if hosts else "")
        return frame(page, " · ".join(filter(None, parts)))


class Html(_Page):
    """A page.

    It is shown in a frame of its own, where it can run scripts, and reach neither the
    notebook nor the network.

    Parameters
    ----------
    data
        Markup; the path of a file, which a name ending in ``.html`` always is; or a
        file object. What a file holds is taken now.
    inject
        W&B's style sheet, which there is none of here.
    data_is_not_path
        True takes a text as markup, whatever it looks like.

    Raises
    ------
    MediaFileError
        There is no such file.

    Examples
    --------
    >>> Html("<h1>Good</h1>").read()
    '<h1>Good</h1>'
    """

    _type = "html-file"

    def __init__(
        self,
        data: str | os.PathLike[str] | Any,
        inject: bool = True,  # noqa: ARG002, FBT002  (W&B's)
        data_is_not_path: bool = False,  # noqa: FBT002  (W&B's)
        *,
        caption: str | None = None,
    ) -> None:
        self.caption = caption_of(caption)
        self._source = Held(_markup(data, is_markup=data_is_not_path), ".html")

    @property
    def html(self) -> str:
        """Its markup, by W&B's name."""
        return self.read()

    def __repr__(self) -> str:
        return f"<Html {self.caption!r}>" if self.caption else "<Html>"


def _to_show(text: str) -> str:
    if len(text) > MOST_SENT:
        raise MediaSizeError.to_show(len(text), MOST_SENT)
    return text


def _markup(data: Any, *, is_markup: bool) -> bytes:
    if isinstance(data, os.PathLike) or (
        isinstance(data, str) and not is_markup and _is_path(data)
    ):
        return UserFile(data, MOST_PAGE).read()
    if hasattr(data, "read"):
        if hasattr(data, "seek"):
            data.seek(0)
        data = data.read()
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")
    if not isinstance(data, (bytes, bytearray)):
        msg = (
            f"Html() takes markup, a path, or a file object, not {type(data).__name__}."
        )
        raise MediaTypeError(msg)
    if len(data) > MOST_PAGE:
        raise MediaSizeError("A page", len(data), MOST_PAGE)
    return bytes(data)


def _is_path(text: str) -> bool:
    """Tell paths from markup: no markup ends in .html without a tag before."""
    named = text.lower().endswith(_PATHS) and "<" not in text and "\n" not in text
    return named and len(text) <= _MOST_PATH


class Bokeh(_Page):
    """A Bokeh figure, or what HoloViews and Panel draw: a page that needs no network.

    Parameters
    ----------
    data_or_path
        The figure, layout or object; or the path of a page that was saved.

    Raises
    ------
    MediaError
        It cannot be drawn.
    """

    _type = "bokeh-file"

    def __init__(self, data_or_path: Any, *, caption: str | None = None) -> None:
        self.caption = caption_of(caption)
        if isinstance(data_or_path, (str, os.PathLike)):
            content = UserFile(data_or_path, MOST_PAGE).read()
        else:
            content = _page_of(data_or_path).encode("utf-8", "backslashreplace")
        if len(content) > MOST_PAGE:
            raise MediaSizeError("A page", len(content), MOST_PAGE)
        self._source = Held(content, ".html")

    def __repr__(self) -> str:
        return f"<Bokeh {self.caption!r}>" if self.caption else "<Bokeh>"


def _page_of(value: Any) -> str:
    """Have the library write a page that brings its scripts along."""
    libraries = {b.__module__.partition(".")[0] for b in type(value).__mro__}
    try:
        if "panel" in libraries:
            return _saved(value)
        if "holoviews" in libraries:
            import panel as pn

            return _saved(pn.panel(value))
        from bokeh.embed import file_html
        from bokeh.resources import INLINE

        return str(file_html(value, INLINE, "figure"))
    except ImportError as error:
        msg = (
            f"{type(value).__name__} cannot be drawn, because {error.name} is not "
            f"installed: pip install {error.name}."
        )
        raise MediaError(msg) from error
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        msg = f"{type(value).__name__} cannot be written as a page: {told}"
        raise MediaError(msg) from error


def _saved(panel: Any) -> str:
    from bokeh.resources import INLINE

    file = StringIO()
    panel.save(file, resources=INLINE, embed=False, title="page")
    return file.getvalue()


class Plotly(_Document):
    """A Plotly figure.

    Parameters
    ----------
    val
        A figure of plotly's; its JSON as a mapping; or the path of a JSON file.

    Raises
    ------
    MediaError
        It is no figure.
    """

    _type = "plotly-file"
    _suffix = ".plotly.json"
    _mime = "application/vnd.plotly.v1+json"
    _what = "a Plotly figure"

    def __init__(self, val: Any, *, caption: str | None = None) -> None:
        self.caption = caption_of(caption)
        if isinstance(val, (str, os.PathLike)):
            file = UserFile(val, MOST_PAGE)
            content = file.read()
            _figure(content, file.path)
        else:
            content = _figure_json(val)
        if len(content) > MOST_PAGE:
            raise MediaSizeError("A figure", len(content), MOST_PAGE)
        self._source = Held(content, ".plotly.json")

    @property
    def figure(self) -> Any:
        """It as plotly's figure; what this plotly does not know of it is left out.

        Raises
        ------
        MediaFileError
            Its file is gone, cut short, or holds no figure.
        """
        import plotly.graph_objects as go

        return go.Figure(self.to_dict(), skip_invalid=True)

    def to_dict(self) -> dict[str, Any]:
        """Give the figure as JSON has it: ``data`` and ``layout``."""
        return _figure(self._source.read(), self.path or "The given figure")

    def _shown(self) -> Shown:
        self.to_dict()  # broken ones are told here, not in the page
        return super()._shown()

    def _static(self, budget_bytes: int) -> Safe:
        from nbtrack._draw.html import hint
        from nbtrack._media.plot_svg import drawing_html
        from nbtrack._media.sketch import sketch

        drawing = sketch(self.to_dict())
        if drawing is not None:
            notes = [self.caption] if self.caption else []
            return drawing_html(drawing, notes, budget_bytes)
        kinds = sorted({str(t.get("type", "scatter")) for t in self.to_dict()["data"]})
        named = self._named()
        note = super()._static(budget_bytes)
        if not kinds:
            return note
        told = f"{named}: " if named else ""
        return hint(f"{told}a Plotly figure ({', '.join(kinds)[:80]})")

    def _named(self) -> str:
        title = self.to_dict().get("layout", {}).get("title", "")
        text = title.get("text", "") if isinstance(title, dict) else title
        return self.caption or str(text or "")[:120]

    def _repr_mimebundle_(self, **options: object) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**options))
        try:
            figure = self.to_dict()
        except MediaError:
            return bundle
        return {self._mime: figure, **bundle}

    def __repr__(self) -> str:
        return f"<Plotly {self.caption!r}>" if self.caption else "<Plotly>"


def _figure_json(value: Any) -> bytes:
    if hasattr(value, "to_json") and hasattr(value, "layout"):
        try:
            return str(value.to_json()).encode("utf-8", "backslashreplace")
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            msg = f"The figure cannot be written as JSON: {told}"
            raise MediaError(msg) from error
    if hasattr(value, "to_dict") and not isinstance(value, dict):
        value = value.to_dict()
    if not isinstance(value, dict):
        from nbtrack._media.pictures import figure_of

        drawn = figure_of(value) is not None
        advice = " Log matplotlib's as nbtrack.Image(figure)." if drawn else ""
        kind = type(value).__name__
        msg = f"Plotly() takes a figure of plotly's, not {kind}.{advice}"
        raise MediaTypeError(msg)
    try:
        from plotly.io.json import to_json_plotly

        content = str(to_json_plotly(value)).encode("utf-8", "backslashreplace")
    except (TypeError, ValueError) as error:
        msg = f"The figure is no JSON: {error}"
        raise MediaError(msg) from error
    _figure(content, "The given figure")
    return content


def _figure(content: bytes, where: object) -> dict[str, Any]:
    try:
        found = json.loads(content)
        traces = found["data"]
        layout = found.get("layout") or {}
        if not isinstance(traces, list) or not isinstance(layout, dict):
            raise TypeError  # noqa: TRY301  (one message for all of it)
        if not all(isinstance(trace, dict) for trace in traces):
            raise TypeError  # noqa: TRY301  (likewise)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = 'it is no figure: an object with "data" and "layout"'
        raise MediaFileError(where, why) from error
    return {**found, "layout": layout}
