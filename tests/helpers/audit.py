"""Auditing static HTML: nothing but the short list of tags and attributes."""

from __future__ import annotations

from html.parser import HTMLParser

from nbtrack._draw import html

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=\"",
    "javascript:alert(1)",
    "</td></table><svg onload=alert(1)>",
    "\ud800\x00\u202etxt",
)


class Audit(HTMLParser):
    """Refuse every tag and attribute that is not on the short list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.said = ""
        self.open: list[str] = []
        page.encode()  # no lone surrogates
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in html.TAGS
        for name, value in attrs:
            assert name in html.ATTRIBUTES
            if name == "src":
                assert value.startswith(html.PICTURE_DATA)
                self.pictures.append(value)
            if name == "style":
                assert "url(" not in value
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said += data
