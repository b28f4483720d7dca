"""The browser half as one ES module, because a widget is loaded from one text.

The files in ``static/`` are plain modules, so node and a browser can run them as
they are. They are joined in the order of their imports: import lines are dropped
and so is ``export``, since all names then live in one module.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

ENTRY = "board.js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.-]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)


@cache
def esm() -> str:
    """Give the board's module."""
    order: list[str] = []
    _collect(ENTRY, order)
    return "\n".join(_inlined(name) for name in order)


@cache
def css() -> str:
    """Give the board's style sheet."""
    return _text("board.css")


def _text(name: str) -> str:
    return (files("nbtrack._view") / "static" / name).read_text("utf-8")


def _collect(name: str, order: list[str]) -> None:
    """Put a module behind everything that it imports."""
    for imported in _IMPORT.findall(_text(name)):
        if imported not in order:
            _collect(imported, order)
    order.append(name)


def _inlined(name: str) -> str:
    return _EXPORT.sub("", _IMPORT.sub("", _text(name))).strip() + "\n"
