"""JavaScript without what only people read: comments, indentation, spare blanks.

Names stay, so that an error's stack can be read. Text is cut into tokens first, since
only they tell a comment from the inside of a string, a template or a pattern: those are
never touched. Of line ends, which can end statements, only those go that cannot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
#: Nothing in it needs a look; most of a program is made of these.
_RUN = re.compile(r"[^\s'\"`/]+")
_WORD = re.compile(r"[\w$#\u0080-\uffff]+")
_LAST_WORD = re.compile(r"[\w$#\u0080-\uffff]+\Z")
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_PATTERN = re.compile(r"/(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
_COMMENT_TEXT = re.compile(r"//|/\*")

#: Words that a pattern may follow; after any other word a slash divides.
_BEFORE_PATTERN = frozenset(
    ("return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else")
)
#: No statement ends behind these, and none begins with those of the second line.
_OPEN_END = frozenset("{([,;:?=<>&|^!~*%.")
_NO_BEGINNING = frozenset(")]},;:?=<>&|^*%.")


_VARIABLE = {"const": "let"}


class ScriptError(ValueError):
    """A module that cannot be cut into tokens."""


def stripped(code: str, *, is_terminated: bool = False) -> str:
    r"""Give the same program in fewer bytes.

    Parameters
    ----------
    is_terminated
        Each statement ends with a semicolon: then no line end behind a block is needed,
        nor a semicolon or a comma before its end. Where that is not so, what comes out
        is no program; it never is another one. Constants become variables: more of the
        same compresses better.

    Raises
    ------
    ScriptError
        A string, a template or a comment has no end.

    >>> stripped('const a = 1; // one\n  b( "//" , `${ a /* x */ } // ` );\n')
    'const a=1;b("//",`${ a /* x */ } // `);'
    """
    out: list[str] = []
    before = ""
    gap = ""
    for token in _tokens(code):
        if token[0].isspace() or _COMMENT_TEXT.match(token):
            gap += token
            continue
        between = _needed(before, gap, token) if before else ""
        if is_terminated:
            if before == "}" and _WORD.match(token) and not token.startswith("export"):
                between = ""
            if token[0] == "}" and before[-1:] in (";", ","):
                out[-1] = before[:-1]
        out += (between, _VARIABLE.get(token, token) if is_terminated else token)
        before, gap = token, ""
    return "".join(out)


def _needed(before: str, gap: str, after: str) -> str:
    """Give what must stay between two tokens."""
    if after == "export":  # whoever reads the text finds it at the start of a line
        return "\n"
    if not gap:
        return ""
    end, begin = before[-1], after[0]
    if "\n" in gap and end not in _OPEN_END and begin not in _NO_BEGINNING:
        return "\n"
    is_joint = _WORD.match(end) and _WORD.match(begin)
    is_number = end.isdigit() and begin == "."
    return " " if is_joint or is_number or (end == begin and end in "+-/") else ""


def _tokens(code: str) -> Iterator[str]:
    """Cut a program into its tokens, with what stands between them."""
    at = 0
    before = ""
    while at < len(code):
        token = _token(code, at, before)
        if not (token[0].isspace() or _COMMENT_TEXT.match(token)):
            before = token
        yield token
        at += len(token)


def _token(code: str, at: int, before: str) -> str:
    if found := _RUN.match(code, at):
        return found[0]
    return _rare_token(code, at, before)


def _rare_token(code: str, at: int, before: str) -> str:
    sign = code[at]
    if sign == "`":
        return code[at : _template_end(code, at)]
    if sign in "'\"":
        found = _STRING.match(code, at)
        if found is None:
            raise ScriptError(_where(code, at, "a string"))
        return found[0]
    if found := _BLANK.match(code, at):
        return found[0]
    if code.startswith("/*", at):
        raise ScriptError(_where(code, at, "a comment"))
    if sign == "/" and _may_begin(before):
        found = _PATTERN.match(code, at)
        if found is not None:
            return found[0]
    return sign


def _may_begin(before: str) -> bool:
    """Whether a slash here begins a pattern; else it divides."""
    if word := _LAST_WORD.search(before):
        return word[0] in _BEFORE_PATTERN
    return before[-1:] not in {")", "]", "'", '"', "`", "/"}


def _template_end(code: str, at: int) -> int:
    """Find where a template ends; there may be programs, and templates, in it."""
    start, at = at, at + 1
    while at < len(code):
        if code[at] == "\\":
            at += 2
        elif code[at] == "`":
            return at + 1
        elif code.startswith("${", at):
            at = _braces_end(code, at + 2)
        else:
            at += 1
    raise ScriptError(_where(code, start, "a template"))


def _braces_end(code: str, start: int) -> int:
    at, depth, before = start, 1, ""
    while at < len(code):
        word = _WORD.match(code, at)
        token = word[0] if word else _one(code, at, before)
        at += len(token)
        depth += {"{": 1, "}": -1}.get(token, 0)
        if not depth:
            return at
        if not token[0].isspace():
            before = token
    raise ScriptError(_where(code, start, "a template"))


def _one(code: str, at: int, before: str) -> str:
    """Give a token that holds no brace of the program's own."""
    return code[at] if _RUN.match(code, at) else _rare_token(code, at, before)


def _where(code: str, at: int, what: str) -> str:
    line = code.count("\n", 0, at) + 1
    return f"{what} that begins in line {line} has no end"
