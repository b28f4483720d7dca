"""A board as a file: page, drawing, picture."""

from __future__ import annotations

import base64
import errno
import json
import math
import re
import struct
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from audit import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack import errors
from nbtrack._draw import html
from nbtrack._draw.spec import BoardSpec, Card, Chart, Curve, Section, SummaryRow
from nbtrack._view import export_html, export_svg
from nbtrack._view.export_html import source_of

KINDS = ("html", "svg", "png")


def export(run, kind, path, **options):
    return getattr(run, f"to_{kind}")(path, **options)


@pytest.fixture
def run():
    run = nbtrack.init(project="digits", name="otter", config={"lr": 0.1}, tags="base")
    for step in range(50):
        run.log({"train/loss": 1 / (step + 1), "acc": step / 50})
    return run


class Page(HTMLParser):
    """The elements of a page, and the data in its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.scripts = []
        self.title = ""
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._open = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, _):
        self._open = ""

    def handle_data(self, data):
        if self._open == "script":
            attributes, before = self.scripts.pop()
            self.scripts.append((attributes, before + data))
        if self._open == "title":
            self.title += data

    def data(self, name):
        (found,) = [
            text for a, text in self.scripts if a.get("id") == f"nbtrack-{name}"
        ]
        return json.loads(found)

    @property
    def policy(self):
        (content,) = [v for k, v in self.attributes if k == "content" and "-src" in v]
        return content


def read(path):
    return Page(path.read_text("utf-8"))


# -- any file --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_gives_its_path_for_an_open_run_and_for_a_stored_one(run, kind, tmp_path):
    path = tmp_path / f"board.{kind}"
    assert export(run, kind, path) == path
    assert path.stat().st_size > 1_000
    run.finish()
    assert export(run, kind, str(path)) == path
    stored = nbtrack.Api().run(f"digits/{run.id}")
    other = tmp_path / f"stored.{kind}"
    assert export(stored, kind, other) == other
    assert abs(other.stat().st_size - path.stat().st_size) < 2_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "no file has such a name"),
        ("  ", "no file has such a name"),
        ("a\0b", "no file has such a name"),
        (7, "it is no path"),
        (None, "it is no path"),
        ("folder", "it is a directory. Name a file in it"),
        ("new/", "it is a directory"),
        ("no/where/x", "there is no directory 'no/where'. Make it first: os.makedirs"),
        ("a-file/x", "there is no directory 'a-file'"),
        ("x" * 300, "too long"),
    ],
)
def test_a_path_that_cannot_be_meant_says_why(run, kind, path, said):
    Path("folder").mkdir()
    Path("a-file").touch()
    with pytest.raises(errors.ExportError, match=re.escape(said)) as caught:
        export(run, kind, path)
    assert isinstance(caught.value, OSError)
    assert str(caught.value).startswith("Cannot write the ")
    assert not list(Path("folder").iterdir())


def test_a_full_disk_says_so_and_leaves_the_file_that_was_there(run, monkeypatch):
    old = Path("board.svg")
    old.write_text("old")

    def refuse(_, __):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(errors.ExportError, match="no space left on device"):
        run.to_svg(old)
    assert old.read_text() == "old"
    assert not list(Path().glob(".nbtrack-*"))


def test_a_link_stays_a_link(run, tmp_path):
    real, link = tmp_path / "real.svg", tmp_path / "link.svg"
    real.write_text("old")
    link.symlink_to(real)
    run.to_svg(link)
    assert link.is_symlink()
    assert real.read_text().startswith("<svg")


@pytest.mark.parametrize("kind", KINDS)
def test_a_disabled_run_writes_nothing(kind, tmp_path):
    run = nbtrack.init(project="p", mode="disabled")
    run.log({"a": 1})
    assert export(run, kind, tmp_path / "x.out") == tmp_path / "x.out"
    assert not (tmp_path / "x.out").exists()
    with pytest.raises(errors.ExportError):
        export(run, kind, "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_rows_has_a_board_too(kind, tmp_path):
    run = nbtrack.init(project="p")
    assert export(run, kind, tmp_path / "x.out").stat().st_size > 500


def test_all_rows_are_there_though_no_board_is_shown(tmp_path):
    run = nbtrack.init(project="p", view="off")
    run.log({"a": 1})
    run.log({"a": 5})
    text = run.to_svg(tmp_path / "x.svg").read_text()
    assert "step 1" in text
    assert ">5<" in text


# -- the page --------------------------------------------------------------------------


def test_the_page_is_one_file_that_asks_nobody(run, tmp_path):
    page = read(run.to_html(tmp_path / "x.html"))
    assert page.title == "otter · digits"
    assert page.policy.startswith("default-src 'none'")
    assert "http" not in page.policy
    for name, value in page.attributes:
        assert name not in ("href", "srcset")
        if name == "src":
            assert value.startswith("data:")
    frame = page.data("frame")
    assert frame["card"]["name"] == "otter"
    assert [s["name"] for s in frame["layout"]] == ["", "train"]
    assert list(tmp_path.glob("*.html")) == list(tmp_path.glob("x*"))


def test_the_page_has_the_board_for_those_who_run_no_scripts(run, tmp_path):
    text = run.to_html(tmp_path / "x.html").read_text()
    static = text[text.index("<noscript>") : text.index("</noscript>")]
    assert static.count("<img") == 2
    assert "otter" in static


def test_a_run_that_goes_on_is_shown_as_it_was_when_saved(run, tmp_path):
    card = read(run.to_html(tmp_path / "x.html")).data("frame")["card"]
    assert card["state"] == "running when saved"
    assert not card["can_edit"]
    run.finish()
    card = read(run.to_html(tmp_path / "x.html")).data("frame")["card"]
    assert card["state"] == "finished"


@pytest.mark.parametrize(
    "evil", [*HOSTILE, "</script><script>alert(1)//", "<!--<script>"]
)
def test_what_comes_from_a_run_ends_no_element(evil, tmp_path):
    plain = nbtrack.init(project="p", reinit="create_new")
    plain.log({"x/a": 1, "text": "b"})
    wanted = read(plain.to_html(tmp_path / "plain.html"))
    run = nbtrack.init(
        project="p",
        name=html.clean(evil).strip("\ufffd"),
        notes=evil,
        tags=[evil],
        config={evil: evil},
        reinit="create_new",
    )
    run.log({f"{evil}/a": 1, "text": evil})
    page = read(run.to_html(tmp_path / "evil.html"))
    assert len(page.scripts) == len(wanted.scripts)
    assert page.tags.count("script") == wanted.tags.count("script")
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    frame = page.data("frame")
    if evil.isprintable():
        assert frame["card"]["notes"] == evil
        assert frame["layout"][0]["name"] == evil.partition("/")[0] or "/" not in evil


def test_linked_plotly_stands_beside_the_page_once(run, tmp_path):
    page = read(run.to_html(tmp_path / "x.html", plotly="link"))
    (beside,) = tmp_path.glob("plotly-*.min.js")
    assert ("src", beside.name) in page.attributes
    assert beside.stat().st_size > 1_000_000
    before = beside.stat().st_mtime_ns
    run.to_html(tmp_path / "y.html", plotly="link")
    assert beside.stat().st_mtime_ns == before
    beside.write_text("torn")
    run.to_html(tmp_path / "y.html", plotly="link")
    assert beside.stat().st_size > 1_000_000


def test_an_address_is_the_only_one_the_page_may_load_from(run, tmp_path):
    url = "https://example.org/plotly.min.js?a=1&b=\"'<x>"
    page = read(run.to_html(tmp_path / "x.html", plotly=url))
    assert ("src", url) in page.attributes
    script = page.policy.partition("script-src ")[2].partition(";")[0]
    assert script == "'unsafe-inline' blob: https://example.org"


@pytest.mark.parametrize("plotly", ["lib/plotly.min.js", Path("plotly.js")])
def test_a_path_of_a_plotly_is_written_as_it_is(run, tmp_path, plotly):
    page = read(run.to_html(tmp_path / "x.html", plotly=plotly))
    assert ("src", str(plotly)) in page.attributes


@pytest.mark.parametrize(
    "plotly",
    [
        "cdn",
        "",
        None,
        3,
        True,
        "javascript:alert(1)//.js",
        "data:text/js,1.js",
        "https://",
    ],
)
def test_other_sources_are_refused_with_those_there_are(plotly):
    with pytest.raises(errors.SettingError, match="'inline', 'link', 'the URL or"):
        source_of(plotly)


# -- the drawing -----------------------------------------------------------------------


def test_the_drawing_has_all_of_the_board(run, tmp_path):
    text = run.to_svg(tmp_path / "x.svg").read_text()
    root = ET.fromstring(text)
    said = " ".join(root.itertext())
    for fact in ("otter", "running", "digits", "base", "lr=", "0.1", "step 49", "loss"):
        assert fact in said
    assert root.get("width") == "1200"
    assert sum(node.tag.endswith("}svg") for node in root.iter()) == 3


@pytest.mark.parametrize("evil", HOSTILE)
def test_text_in_a_drawing_is_text(evil):
    chart = Chart(evil, evil, evil, (Curve(evil, [0, 1], [1, 2], evil),))
    spec = BoardSpec(
        Card(
            evil,
            evil,
            evil,
            evil,
            (evil,),
            evil,
            config=((evil, evil),),
            faults=(evil,),
        ),
        (Section(evil, (chart,)),),
        (SummaryRow(evil, ((evil, evil),)),),
    )
    root = ET.fromstring(draw(spec).encode())
    tags = {node.tag.split("}")[1] for node in root.iter()}
    assert tags <= {"svg", "title", "text", "tspan", "path", "g", "rect", "circle"}
    assert not [k for node in root.iter() for k in node.attrib if k.startswith("on")]


@given(
    st.text(max_size=2000), st.sampled_from(["light", "dark"]), st.integers(320, 4000)
)
def test_any_notes_at_any_width_give_a_valid_drawing(notes, theme, width):
    card = Card(
        "n", "i", "p", "running", notes=notes, tags=(notes,), config=((notes, ""),)
    )
    root = ET.fromstring(draw(BoardSpec(card), width, theme).encode())
    for node in root.iter():
        if node.tag.endswith("text"):
            assert 0 <= float(node.get("x")) <= width


def draw(spec, width=1200, theme="light"):
    return export_svg.board_svg(spec, export_svg.check_look(width, theme))


def test_long_lines_are_cut_where_the_drawing_ends():
    spec = BoardSpec(Card("name " * 100, "i", "p", "finished"))
    for node in ET.fromstring(draw(spec, 320)).iter():
        assert len(node.text or "") < 60 or node.tag.endswith("title")


def test_charts_beyond_what_a_picture_bears_are_counted():
    chart = Chart("a", "a", "step", (Curve("a", [0, 1], [0, 1]),))
    many = BoardSpec(Card("n", "i", "p", "s"), (Section("x", (chart,) * 500),))
    root = ET.fromstring(draw(many))
    assert "100 of 500 charts are not shown" in " ".join(root.itertext())


@pytest.mark.parametrize("theme", ["blue", "", None, 3])
def test_a_theme_that_is_none_names_those_there_are(run, theme):
    with pytest.raises(errors.SettingError, match="'light', 'dark'"):
        run.to_svg("x.svg", theme=theme)


@pytest.mark.parametrize(
    "width", [0, 319, 4001, math.nan, math.inf, "wide", None, True]
)
def test_a_width_that_nobody_means_is_refused(run, width):
    with pytest.raises(errors.SettingError, match="320 to 4,000"):
        run.to_svg("x.svg", width=width)


# -- the picture -----------------------------------------------------------------------


def size_of(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_the_picture_is_as_wide_as_was_asked_for(run, tmp_path):
    pytest.importorskip("resvg_py")
    assert size_of(run.to_png(tmp_path / "x.png"))[0] == 2400
    small = run.to_png(tmp_path / "x.png", width=400, scale=1, theme="dark")
    assert size_of(small)[0] == 400


def test_a_picture_beyond_all_memory_is_made_smaller():
    pytest.importorskip("resvg_py")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="900000"/>'
    width, height = struct.unpack(">II", export_svg.rendered(svg, 8)[16:24])
    assert width * height < 2**28 * 1.1


@pytest.mark.parametrize("scale", [0, -1, 9, math.nan, "big", None, False])
def test_a_scale_that_nobody_means_is_refused(run, scale):
    with pytest.raises(errors.SettingError, match="scale="):
        run.to_png("x.png", scale=scale)


def test_without_its_package_the_picture_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(errors.MissingPackageError, match=r"nbtrack\[png\]") as caught:
        run.to_png("x.png")
    assert isinstance(caught.value, ImportError)
    assert not Path("x.png").exists()


# -- bytes -----------------------------------------------------------------------------


def test_the_columns_in_the_page_are_the_boards(run, tmp_path):
    page = read(run.to_html(tmp_path / "x.html"))
    body = base64.b64decode(page.data("buffers")[0])
    parts = page.data("frame")["tracks"]
    assert len(body) >= sum(8 * (p["count"] + p["tail"]) for p in parts)
    assert struct.unpack("<d", body[:8])[0] == 0.0


def test_names_stay_readable_in_pages_and_drawings(tmp_path):
    run = nbtrack.init(project="p", name="Größe 图 🦦")
    run.log({"größe/图": 1})
    assert read(run.to_html(tmp_path / "x.html")).title.startswith("Größe 图 🦦")
    assert "Größe 图 🦦" in run.to_svg(tmp_path / "x.svg").read_text("utf-8")
    assert html.clean("Größe 图 🦦") == "Größe 图 🦦"


# -- media -----------------------------------------------------------------------------


@pytest.fixture
def gallery():
    """A run with pictures at five steps, a table and a histogram."""
    np = pytest.importorskip("numpy")
    run = nbtrack.init(project="p", name="gallery")
    for step in range(5):
        pixels = np.full((40, 60), step * 50, dtype="uint8")
        run.log({"val/samples": nbtrack.Image(pixels, caption=f"<b>step {step}")})
    rows = [[i, f"row {i}", None if i % 3 else i / 2] for i in range(700)]
    run.log({"rows": nbtrack.Table(columns=["n", "text", "half"], data=rows)})
    run.log({"hist": nbtrack.Histogram(list(np.linspace(-1, 1, 100)))})
    return run


def test_every_step_of_a_picture_is_in_the_page(gallery, tmp_path):
    page = read(gallery.to_html(tmp_path / "x.html"))
    known = {
        (step["key"], step["step"]): step["items"]
        for step in page.data("frame")["media"]
    }
    sent = {at for at, items in known.items() if all(i["buffer"] >= 0 for i in items)}
    answered = {(one["key"], one["step"]) for one in page.data("answers")}
    steps = {("val/samples", step) for step in range(5)}
    assert steps <= known.keys()
    assert steps <= sent | answered
    count = len(page.data("buffers"))
    for one in page.data("answers"):
        assert one["first"] + one["count"] <= count
    assert not page.data("has-plotly"), "nothing here is drawn by it"


def test_a_figure_of_plotly_brings_plotly_along(run, tmp_path):
    figures = pytest.importorskip("plotly.graph_objects")
    assert not read(run.to_html(tmp_path / "x.html")).data("plotly")
    run.log({"figure": nbtrack.Plotly(figures.Figure(figures.Scatter(y=[1, 2])))})
    page = read(run.to_html(tmp_path / "x.html"))
    assert page.data("has-plotly")
    assert len(page.data("plotly")) > 1_000_000


def test_the_rows_of_a_table_are_in_the_page(gallery, tmp_path):
    (table,) = read(gallery.to_html(tmp_path / "x.html")).data("tables")
    assert (table["key"], table["item"], table["n_rows"]) == ("rows", 0, 700)
    assert len(table["rows"]) == 500
    assert table["rows"][3] == [3, "row 3", 1.5]
    assert [name for name, _ in table["columns"]] == ["n", "text", "half"]


def test_a_picture_of_the_board_has_its_latest_media(gallery, tmp_path):
    root = ET.fromstring(gallery.to_svg(tmp_path / "x.svg").read_text("utf-8"))
    images = [node for node in root.iter() if node.tag.endswith("}image")]
    assert len(images) == 2, "the picture and the histogram"
    assert all(node.get("href").startswith("data:image/") for node in images)
    said = " ".join(root.itertext())
    assert "<b>step 4" in said
    assert "row 0" in said
    assert "700 rows \N{MULTIPLICATION SIGN} 3 columns" in said
    assert "-file" not in said.partition("summary")[0], "types have names"


def test_media_stand_in_columns_and_none_over_another(gallery, tmp_path):
    root = ET.fromstring(gallery.to_svg(tmp_path / "x.svg").read_text("utf-8"))
    cards = [
        tuple(float(node.get(name)) for name in ("x", "y", "width", "height"))
        for node in root
        if node.tag.endswith("}rect") and node.get("rx") == "6"
    ]
    assert len(cards) == 3
    assert len({x for x, *_ in cards}) == 3, "side by side"
    for at, (x, y, wide, high) in enumerate(cards):
        assert x + wide <= 1200 - 24 + 0.1
        for a, b, w, h in cards[:at]:
            assert a + w <= x or x + wide <= a or b + h <= y or y + high <= b


@pytest.mark.parametrize("kind", KINDS)
def test_media_whose_files_are_gone_or_broken_spoil_nothing(gallery, kind, tmp_path):
    files = sorted((Path(gallery.dir) / "media").rglob("*.*"))
    assert files
    for number, file in enumerate(files):
        if number % 2:
            file.unlink()
        else:
            file.write_bytes(b"<script>alert(1)</script>")
    gallery.finish()
    stored = nbtrack.Api().run(f"p/{gallery.id}")
    assert export(stored, kind, tmp_path / "x.out").stat().st_size > 1_000


def test_more_media_than_a_page_bears_are_left_out(gallery, tmp_path, monkeypatch):
    monkeypatch.setattr(export_html, "MEDIA_BYTES", 0)
    monkeypatch.setattr(export_html, "TABLE_CELLS", 0)
    page = read(gallery.to_html(tmp_path / "x.html"))
    assert page.data("answers") == []
    assert page.data("tables") == []
