"""What stays in the notebook after a run."""

from __future__ import annotations

import base64
import math
import random
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from audit import HOSTILE, Audit
from hypothesis import given
from hypothesis import strategies as st

import nbtrack
from nbtrack._draw import html
from nbtrack._draw.spec import (
    BoardSpec,
    Card,
    Chart,
    Curve,
    MediaPanel,
    Section,
    SummaryRow,
)
from nbtrack._view.displays import moved_bundle
from nbtrack._view.static_bundle import MEDIA_BYTES, board_bundle


def card(**facts):
    given = {"name": "amber-heron-12", "run_id": "k3j9x0qa", "project": "digits"}
    return Card(**{**given, "state": "finished", **facts})


def board(charts=20, points=10_000, **facts):
    noise = random.Random(1)
    x = list(range(points))
    made = []
    for i in range(charts):
        y = [math.exp(-t / (points / 9)) + noise.gauss(0, 0.03) for t in x]
        made.append(Chart(f"train/m{i}", f"m{i}", "step", (Curve("r", x, y),)))
    values = (("last", "0.0312"), ("min", "0.0291"), ("max", "2.31"))
    return BoardSpec(
        card(**facts),
        (Section("train", tuple(made)),),
        tuple(SummaryRow(f"train/m{i}", values) for i in range(charts)),
    )


def test_twenty_charts_of_many_points_weigh_at_most_60_kb():
    config = tuple((f"model.layer{i}", str(i)) for i in range(20))
    bundle = board_bundle(board(config=config, notes="first try", tags=("a", "b")))
    page = bundle["text/html"]
    assert len(page) + len(bundle["text/plain"]) <= 58_000
    assert len(Audit(page).pictures) == 20


def test_the_card_says_who_how_far_and_where():
    facts = {
        "tags": ("baseline",),
        "notes": "first try",
        "elapsed_s": 72.0,
        "step": 1999,
        "total_steps": 2000,
        "directory": "/runs/digits/k3j9x0qa",
        "config": (("lr", "0.001"),),
        "faults": ("2 rows were not written: disk full",),
    }
    bundle = board_bundle(BoardSpec(card(**facts)))
    for text in (Audit(bundle["text/html"]).said, bundle["text/plain"]):
        for fact in (
            "amber-heron-12",
            "finished",
            "digits",
            "baseline",
            "first try",
            "1 min 12 s",
            "2,000 of 2,000 steps",
            "/runs/digits/k3j9x0qa",
            "lr=0.001",
            "2 rows were not written: disk full",
        ):
            assert fact in text


def test_charts_grow_with_the_page_and_leave_no_half_of_it_empty():
    for count, width in ((1, "48.5%"), (2, "48.5%"), (4, "48.5%"), (3, "32%")):
        page = board_bundle(board(count, 10))["text/html"]
        assert page.count(f"width:{width};min-width:300px") == count


def test_the_states_have_the_live_boards_colours():
    css = Path(nbtrack.__file__).parent / "_view" / "static" / "board.css"
    rules = css.read_text("utf-8")
    for state in ("running", "finished", "failed", "crashed", "killed"):
        line = next(
            line for line in rules.splitlines() if f'"{state}"] .nbt-dot' in line
        )
        assert html.state_color(state) in line


def test_every_picture_is_valid_svg():
    page = board_bundle(board(charts=3, points=50))["text/html"]
    for source in Audit(page).pictures:
        ET.fromstring(base64.b64decode(source.removeprefix(html.SVG_DATA)))


@pytest.mark.parametrize("evil", HOSTILE)
def test_what_comes_from_a_run_is_text_wherever_it_appears(evil):
    chart = Chart(evil, evil, evil, (Curve(evil, [0, 1], [1, 2], evil),))
    spec = BoardSpec(
        Card(
            name=evil,
            run_id=evil,
            project=evil,
            state=evil,
            tags=(evil,),
            notes=evil,
            directory=evil,
            config=((evil, evil),) * 30,
            faults=(evil,),
        ),
        (Section(evil, (chart,)),),
        (SummaryRow(evil, ((evil, evil),)),),
    )
    bundle = board_bundle(spec)
    audit = Audit(bundle["text/html"])
    assert " ".join(html.clean(evil).split())[:20] in audit.said
    Audit(moved_bundle(evil)["text/html"])
    plain = bundle["text/plain"]
    plain.encode()
    assert "\x00" not in plain


@given(st.text())
def test_text_stays_text(text):
    page = html.el("td", text, title=text)
    audit = Audit(page)
    assert "<" not in page.replace("<td", "").replace("</td>", "")
    # A parser reads \r as \n; nothing else of the text is changed.
    assert audit.said.replace("\r", "\n") == html.clean(text).replace("\r", "\n")


def test_markup_joined_with_text_is_text_again():
    assert html.el("b", html.el("b", "x") + "<i>") == (
        "<b>&lt;b&gt;x&lt;/b&gt;&lt;i&gt;</b>"
    )


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ("script", {}),
        ("svg", {}),
        ("img", {"src": "https://example.org/x.png"}),
        ("img", {"src": "data:text/html;base64,AAAA"}),
        ("div", {"onclick": "x()"}),
        ("div", {"style": 'background:url(javascript:x)"'}),
    ],
)
def test_what_does_not_survive_cannot_be_written(tag, attributes):
    with pytest.raises(ValueError, match=r"survive|picture|properties"):
        html.el(tag, **attributes)


def test_charts_beyond_sixty_are_counted_and_the_way_to_them_is_said():
    bundle = board_bundle(board(charts=75, points=3))
    audit = Audit(bundle["text/html"])
    assert len(audit.pictures) == 60
    assert "15 of 75 charts are not shown" in audit.said
    assert "nbtrack.Api().run('digits/k3j9x0qa').history()" in audit.said
    assert "15 more: run.summary" in audit.said


def test_a_long_config_unfolds_and_a_longer_one_is_counted():
    config = tuple((f"k{i}", str(i)) for i in range(150))
    audit = Audit(board_bundle(BoardSpec(card(config=config)))["text/html"])
    assert "134 more settings" in audit.said
    assert "50 more: run.config" in audit.said


def test_the_terminal_gets_at_most_25_lines_of_readable_width():
    lines = board_bundle(board(charts=40, points=3))["text/plain"].split("\n")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 120
    assert any("train/m0" in line and "0.0312" in line for line in lines)
    assert any("more" in line for line in lines)


def test_without_a_summary_the_terminal_shows_last_points():
    curve = Curve("r", [0, 1], [2.0, 0.5])
    chart = Chart("loss", "loss", "step", (curve,))
    spec = BoardSpec(card(), (Section("", (chart,)),))
    assert "  loss  0.5" in board_bundle(spec)["text/plain"]


def test_one_line_is_one_line():
    bundle = moved_bundle("a\nb")
    assert bundle["text/plain"] == "a b · charts are under the cell that logs"
    Audit(bundle["text/html"])


def test_the_summary_table_leaves_blanks_where_a_key_lacks_a_column():
    rows = (
        SummaryRow("loss", (("last", "1"), ("best", "0.5"))),
        SummaryRow("lr", (("last", "3"),)),
    )
    page = board_bundle(BoardSpec(card(), (), rows))["text/html"]
    assert page.count("<tr") == 3
    assert page.count("<td") == 6


def panel(run_path, first, last, key="val/samples"):
    title, section = key.rpartition("/")[2], key.rpartition("/")[0]
    return MediaPanel(key, title, section, (0, first), (900, last), run_path)


def test_media_show_their_first_and_latest_step_in_their_section():
    value = {"_type": "image-file", "path": "media/gone.png"}
    chart = Chart("val/loss", "loss", "step", (Curve("r", [0, 1], [1, 2]),))
    spec = BoardSpec(
        card(),
        (Section("val", (chart,)),),
        media=(
            panel(Path(), value, value),
            panel(Path(), value, value, "alone"),
            panel(Path(), value, value, "other/<b>"),
        ),
    )
    audit = Audit(board_bundle(spec)["text/html"])
    assert audit.said.count("step 0") == audit.said.count("step 900") == 3
    at = audit.said.index
    assert at("val") < at("samples") < at("alone") < at("other") < at("<b>")


def test_a_medium_of_one_step_is_shown_once():
    value = {"_type": "image-file", "path": "media/gone.png"}
    one = MediaPanel("a", "a", "", (3, value), (3, value), Path())
    said = Audit(board_bundle(BoardSpec(card(), media=(one,)))["text/html"]).said
    assert said.count("step 3") == 1


@pytest.mark.parametrize(
    "value",
    [
        {"_type": "image-file"},
        {"_type": "image-file", "path": "../../etc/passwd"},
        {"_type": "image-file", "path": 7},
        {"_type": "nobody-knows"},
        {"_type": "table-file", "path": "media/x.parquet"},
        {"_type": "html-file", "path": "media/x.html"},
        {"_type": "histogram", "bins": "x", "values": None},
        [],
        [{"_type": "image-file", "path": "\0"}],
        "text",
        None,
    ],
)
def test_media_that_cannot_be_read_are_said_and_spoil_nothing(value):
    spec = BoardSpec(card(), media=(panel(Path("nowhere"), value, value),))
    audit = Audit(board_bundle(spec)["text/html"])
    assert "amber-heron-12" in audit.said
    assert not audit.pictures


def test_media_of_a_run_are_in_its_bundle_and_stay_light():
    np = pytest.importorskip("numpy")
    run = nbtrack.init(project="p", view="off")
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype="uint8")
    for step in range(4):
        run.log({f"x/{n}": nbtrack.Image(noise + step + n) for n in range(10)})
    run.finish()
    page = nbtrack.Api().run(f"p/{run.id}")._repr_mimebundle_()["text/html"]
    audit = Audit(page)
    assert len(audit.pictures) >= 10
    assert len(page) < 1.5 * MEDIA_BYTES
