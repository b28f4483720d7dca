"""The page of ``to_html``, opened from the disk in a browser without a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from plotly import graph_objects

import nbtrack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[..., Any]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


class Heard:
    """What a page asked for and complained about."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    contexts = []

    def open_(path: Path, **options: Any) -> tuple[Any, Heard]:
        options.setdefault("viewport", {"width": 1280, "height": 2000})
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page, heard = context.new_page(), Heard()
        page.on("pageerror", lambda error: heard.errors.append(str(error)))
        page.on(
            "console",
            lambda m: heard.errors.append(m.text) if m.type == "error" else None,
        )
        page.on("request", lambda request: heard.asked.append(request.url))
        page.on("dialog", lambda d: (heard.dialogs.append(d.message), d.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_selector(".nbtrack .nbt-name")
        return page, heard

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def run() -> nbtrack.Run:
    evil = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"
    run = nbtrack.init(
        project="p", name="otter", notes=evil, tags=[evil], config={evil: evil}
    )
    for step in range(3_000):
        run.log({"train/loss": 1 / (step + 1), "train/acc": step / 3_000})
    for step in range(6):
        pixels = np.full((30, 30), step * 40, dtype="uint8")
        run.log({"val/samples": nbtrack.Image(pixels, caption=f"picture {step}")})
    rows = [[n, f"row {n}"] for n in range(120)]
    run.log({f"{evil}/table": nbtrack.Table(columns=["n", evil], data=rows)})
    run.log(
        {"figure": nbtrack.Plotly(graph_objects.Figure(graph_objects.Bar(y=[1, 2])))}
    )
    run.finish()
    return run


def test_the_page_works_from_the_disk_without_a_network(
    open_page: Open, run: nbtrack.Run, tmp_path: Path
) -> None:
    page, heard = open_page(run.to_html(tmp_path / "x.html"))
    page.wait_for_selector('.nbt-chart[data-key="train/loss"] canvas')
    page.wait_for_selector('.nbt-chart[data-key="val/samples"] img')
    page.wait_for_selector('.nbt-chart[data-key="figure"] .main-svg', state="attached")
    assert page.locator(".nbt-name").inner_text() == "otter"
    assert page.locator(".nbtrack :is(script, b)").count() == 0
    assert [url for url in heard.asked if re.match("https?:|wss?:", url)] == []
    assert heard.errors == []
    assert heard.dialogs == []


def test_every_step_of_a_picture_can_be_looked_at(
    open_page: Open, run: nbtrack.Run, tmp_path: Path
) -> None:
    page, heard = open_page(run.to_html(tmp_path / "x.html"))
    card = page.locator('.nbt-chart[data-key="val/samples"]')
    card.get_by_text("picture 5").wait_for()
    slider = card.locator("input[type=range]")
    slider.focus()
    for number in (4, 3, 2):
        page.keyboard.press("ArrowLeft")
        card.get_by_text(f"picture {number}").wait_for()
        card.locator("img").first.wait_for()
    assert heard.errors == []


def test_a_table_can_be_paged_sorted_and_searched(
    open_page: Open, run: nbtrack.Run, tmp_path: Path
) -> None:
    page, heard = open_page(run.to_html(tmp_path / "x.html"))
    # When plotly has come, the cards of media are built anew.
    page.wait_for_selector('.nbt-chart[data-key="figure"] .main-svg', state="attached")
    table = page.locator('.nbt-chart[data-key$="/table"]')
    table.get_by_text("row 1", exact=True).wait_for()
    table.get_by_label("Search text").fill("ROW 11")
    table.get_by_text("row 119", exact=True).wait_for()
    assert table.get_by_text("row 5", exact=True).count() == 0
    table.get_by_label(re.compile("filter", re.IGNORECASE)).fill("n > 3")
    table.get_by_text(re.compile("needs the kernel")).first.wait_for()
    assert heard.dialogs == []


def test_a_page_that_links_to_plotly_finds_it_beside_itself(
    open_page: Open, run: nbtrack.Run, tmp_path: Path
) -> None:
    page, heard = open_page(run.to_html(tmp_path / "x.html", plotly="link"))
    page.wait_for_selector('.nbt-chart[data-key="figure"] .main-svg', state="attached")
    assert [url for url in heard.asked if re.search(r"plotly-[\d.]+\.min\.js$", url)]
    assert heard.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_every_width_and_both_schemes(
    open_page: Open, run: nbtrack.Run, tmp_path: Path, scheme: str, width: int
) -> None:
    page, heard = open_page(
        run.to_html(tmp_path / "x.html"),
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    page.wait_for_selector(".nbt-chart canvas")
    box = page.locator(".nbtrack").bounding_box()
    assert box["x"] + box["width"] <= width
    ground = page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    is_dark = max(map(int, re.findall(r"\d+", ground)[:3])) < 128
    assert is_dark == (scheme == "dark")
    assert heard.errors == []


def test_without_scripts_there_are_the_pictures(
    browser: Any, run: nbtrack.Run, tmp_path: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(run.to_html(tmp_path / "x.html").as_uri())
    page.wait_for_selector("noscript img")
    assert "otter" in page.locator("noscript").inner_text()
    context.close()


_BLANK = """() => {
  const ink = (c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  const all = [...document.querySelectorAll(".nbt-chart canvas")];
  return all.filter((c) => !c.width || !ink(c).some((v) => v)).length;
}"""


def test_on_paper_there_is_also_what_was_out_of_view(
    open_page: Open, tmp_path: Path
) -> None:
    run = nbtrack.init(project="p")
    for step in range(20):
        run.log({f"metric_{number}": step * number for number in range(30)})
    run.finish()
    page, heard = open_page(
        run.to_html(tmp_path / "x.html"), viewport={"width": 500, "height": 400}
    )
    page.wait_for_selector(".nbt-chart canvas")
    assert page.evaluate(_BLANK) > 10
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(_BLANK) == 0
    assert heard.errors == []
