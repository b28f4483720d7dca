"""Markup for one object as the value of a cell, where a static page cannot say it.

Players and frames are dropped from a notebook that is not trusted; what stands beside
them as text stays. Text is escaped here, and a page of the user's goes into a frame
that has neither our origin nor the network.
"""

from __future__ import annotations

import base64
from html import escape
from typing import Final

#: What a page in a frame may load: what it brings along, and nothing else.
POLICY: Final = (
    "default-src 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'none'"
)


def player(kind: str, content: bytes, mime: str, caption: str) -> str:
    """Give a player of sound or film, with its text under it."""
    url = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    told = f"<div style='opacity:0.65'>{escape(caption)}</div>" if caption else ""
    style = "max-width:100%" + (";max-height:480px" if kind == "video" else "")
    return (
        f'<div><{kind} controls preload="metadata" style="{style}" src="{url}">'
        f"</{kind}>{told}</div>"
    )


def frame(page: str, caption: str, height: int = 420) -> str:
    """Give a page in a frame of its own: it can run scripts, and reach nothing."""
    told = f"<div style='opacity:0.65'>{escape(caption)}</div>" if caption else ""
    return (
        f'<div><iframe sandbox="allow-scripts" srcdoc="{escape(guarded(page))}" '
        f'style="width:100%;height:{height}px;border:1px solid #80889040;'
        f'background:#fff" title="page"></iframe>{told}</div>'
    )


def guarded(page: str) -> str:
    """Put the policy in front of a page, where nothing in it comes before."""
    return (
        f'<!DOCTYPE html><meta http-equiv="Content-Security-Policy" '
        f'content="{POLICY}">{page}'
    )
