"""The browser half as one ES module, because a widget is loaded from one text.

The files in ``static/`` are plain modules, so node and a browser can run them as
they are. They are joined in the order of their imports: import lines are dropped, and
each module becomes a function that gives what it exports. What only people read is
left out. The widget gets the module compressed, in a few lines that unpack it: a
third of the bytes, for every board of a page and for a notebook that keeps widgets.
"""

from __future__ import annotations

import base64
import gzip
import re
from functools import cache
from importlib.resources import files

from nbtrack._view.stripped import stripped

ENTRY = "board.js"
SHEETS = ("board.css", "media.css", "datatable.css")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.-]+)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function|class|const|let) (\w+))", re.MULTILINE
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


#: In the order of base64.b85encode, whose text is a sixth shorter than base64.
_DIGITS = (
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "!#$%&()*+-;<=>?@^_`{|}~"
)
#: All of this is known to any browser that runs the charts' own code. The module is
#: loaded as anywidget loads the text that it gets: where this runs, so does that.
_UNPACK = """const digits = "%s";
const text = "%s";
const bytes = new DataView(new ArrayBuffer((text.length / 5) * 4));
for (let i = 0, at = 0; i < text.length; at += 4) {
  let word = 0;
  for (const end = i + 5; i < end; i++) word = word * 85 + digits.indexOf(text[i]);
  bytes.setUint32(at, word);
}
const packed = new Blob([bytes.buffer.slice(0, %d)]).stream();
const stream = packed.pipeThrough(new DecompressionStream("gzip"));
const code = new Blob([await new Response(stream).text()], { type: "text/javascript" });
const url = URL.createObjectURL(code);
const module = await import(url);
URL.revokeObjectURL(url);
export default module.default;
"""


@cache
def esm(entry: str = ENTRY) -> str:
    """Give a widget's module, compressed; without a name, the board's."""
    packed = gzip.compress(joined(entry).encode(), 9, mtime=0)
    whole = packed + bytes(-len(packed) % 4)
    text = base64.b85encode(whole).decode()
    return stripped(_UNPACK % (_DIGITS, text, len(packed)))


@cache
def joined(entry: str = ENTRY) -> str:
    """Give a widget's module as it runs."""
    order: list[str] = []
    _collect(entry, order)
    return stripped("\n".join(_inlined(name) for name in order))


@cache
def css() -> str:
    """Give the style sheet of all widgets."""
    text = "\n".join(_text(name) for name in SHEETS if _has(name))
    return re.sub(r"\n\s*", "\n", _CSS_COMMENT.sub("", text)).strip()


def _has(name: str) -> bool:
    return (files("nbtrack._view") / "static" / name).is_file()


def _text(name: str) -> str:
    return (files("nbtrack._view") / "static" / name).read_text("utf-8")


def _collect(name: str, order: list[str]) -> None:
    """Put a module behind everything that it imports."""
    for imported in _IMPORT.findall(_text(name)):
        if imported not in order:
            _collect(imported, order)
    order.append(name)


def _inlined(name: str) -> str:
    code = _IMPORT.sub("", _text(name)).strip()
    names = ", ".join(_EXPORT.findall(code))
    code = _EXPORT.sub("", code)
    if not names:
        return code
    return f"const {{ {names} }} = (() => {{\n{code}\nreturn {{ {names} }};\n}})();"
