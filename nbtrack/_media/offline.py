"""Pages that fetch a library's scripts, shown with the copies that are installed here.

Bokeh, Panel and plotly write pages that load their own scripts from the network, unless
told otherwise. To show a page nothing is fetched, so such a page would stay blank. The
same scripts stand in the installed packages: where the version is the same, the page is
given those. What is stored stays as the user wrote it.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_MOST: Final = 2**23  # bytes of one script
_MIMES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

_BOKEH: Final = re.compile(
    r"cdn\.bokeh\.org/bokeh/(?:release|dev)/([a-z-]+?)-(\d[\w.]*?)(\.min\.js)"
)
_PANEL: Final = re.compile(r"cdn\.holoviz\.org/panel/(\d[\w.]*)/dist/([\w./@^-]+)")
_PLOTLY: Final = re.compile(r"cdn\.plot\.ly/plotly-(\d[\w.]*?)\.min\.js")
_KNOWN: Final = re.compile(
    r"https://(?:cdn\.bokeh\.org|cdn\.holoviz\.org|cdn\.plot\.ly)/[\w./@^?=-]+"
)
_FETCHED: Final = re.compile(
    r"<(?:script|img|iframe|audio|video|source|link(?=[^>]{0,300}stylesheet))\b"
    r"[^>]{0,300}?"
    r"(?:src|href)\s*=\s*[\"']?\s*(?:https?:)?//([\w.-]+)",
    re.IGNORECASE,
)


def offline(page: str) -> tuple[str, list[str]]:
    """Give a page with what is installed here in it, and the hosts it still asks.

    >>> offline('<img src="https://example.org/a.png">')[1]
    ['example.org']
    """
    page = _KNOWN.sub(lambda found: _data_url(found[0]) or found[0], page)
    return page, sorted(set(_FETCHED.findall(page)))


@lru_cache(maxsize=32)
def _data_url(url: str) -> str:
    """Give an installed file as an address that needs no network; "" without it."""
    found = _installed(url)
    mime = None if found is None else _MIMES.get(found.suffix)
    if found is None or mime is None:
        return ""
    try:
        content = found.read_bytes() if found.stat().st_size <= _MOST else b""
    except OSError:
        return ""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}" if content else ""


def _installed(url: str) -> Path | None:
    if match := _BOKEH.search(url):
        name, version, end = match.groups()
        return _file("bokeh", version, "server/static/js", f"{name}{end}")
    if match := _PANEL.search(url):
        version, name = match.groups()
        return _file("panel", version, "dist", name)
    if match := _PLOTLY.search(url):
        return _plotly(match[1])
    return None


def _file(package: str, version: str, folder: str, name: str) -> Path | None:
    root = _folder(package)
    if root is None or metadata.version(package) != version:
        return None
    inside = (root / folder).resolve()
    found = (inside / name).resolve()
    return found if found.is_relative_to(inside) else None


def _folder(package: str) -> Path | None:
    """Find a package without importing it."""
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _plotly(version: str) -> Path | None:
    root = _folder("plotly")
    if root is None:
        return None
    found = root / "package_data" / "plotly.min.js"
    try:
        with found.open(encoding="utf-8") as file:
            head = file.read(200)  # "plotly.js v4.1.1"
    except OSError:
        return None
    return found if f"v{version}\n" in head else None
