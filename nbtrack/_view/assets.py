"""The browser half as one ES module, because a widget is loaded from one text.

The files in ``static/`` are plain modules, so node and a browser can run them as
they are. They are joined in the order of their imports, without import and export: no
two modules give one name to different things. What only people read is left out. The
widget gets the module compressed, in a few lines that unpack it: a third of the bytes,
for every board of a page and for a notebook that keeps widgets.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from importlib.resources import files

from nbtrack._view.stripped import stripped

ENTRY = "board.js"
SHEETS = ("board.css", "media.css", "datatable.css")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.-]+)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function|class|const|let) )", re.MULTILINE
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


#: Whatever needs no escape in a string of JavaScript, and cannot end a script of HTML.
_DIGITS = bytes(set(range(33, 127)) - set(b'"\\<')).decode()
_GZIP, _MOST_MEMORY = zlib.MAX_WBITS + 16, 9
_BLOCK = 13, 16  # bytes, digits: tighter than those of base64.b85encode
#: All of this is known to any browser that runs the charts' own code. The module is
#: loaded as anywidget loads the text that it gets: where this runs, so does that.
_UNPACK = """const digits = "%s";
const text = "%s";
const bytes = new Uint8Array((text.length / 16) * 13);
for (let i = 0, at = 13; i < text.length; at += 13) {
  let word = 0n;
  for (const end = i + 16; i < end; i++) {
    word = word * 91n + BigInt(digits.indexOf(text[i]));
  }
  for (let j = 1; j < 14; j++, word >>= 8n) bytes[at - j] = Number(word & 255n);
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
    pack = zlib.compressobj(9, zlib.DEFLATED, _GZIP, _MOST_MEMORY)
    packed = pack.compress(joined(entry).encode()) + pack.flush()
    return stripped(_UNPACK % (_DIGITS, _as_text(packed), len(packed)))


def _as_text(packed: bytes) -> str:
    size, width = _BLOCK
    digits: list[str] = []
    for at in range(0, len(packed), size):
        word = int.from_bytes(packed[at : at + size].ljust(size, b"\0"), "big")
        block = []
        for _ in range(width):
            word, digit = divmod(word, len(_DIGITS))
            block.append(_DIGITS[digit])
        digits += reversed(block)
    return "".join(digits)


@cache
def joined(entry: str = ENTRY) -> str:
    """Give a widget's module as it runs."""
    order: list[str] = []
    _collect(entry, order)
    whole = "\n".join(_inlined(name) for name in order)
    return stripped(whole, is_terminated=True)


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
    return _EXPORT.sub("", _IMPORT.sub("", _text(name)).strip())
