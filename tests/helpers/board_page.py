"""A board in a page by itself; ``tests/browser/fake_kernel.js`` plays the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbtrack._view import assets

KERNEL = Path(__file__).parents[1] / "browser" / "fake_kernel.js"
#: JupyterLab's colours, light and dark.
THEMES = {
    "light": "--jp-ui-font-color1:rgba(0,0,0,.87);--jp-ui-font-color2:rgba(0,0,0,.54);"
    "--jp-border-color2:#e0e0e0;--jp-layout-color1:#fff;--jp-layout-color2:#f5f5f5",
    "dark": "--jp-ui-font-color1:#fff;--jp-ui-font-color2:rgba(255,255,255,.7);"
    "--jp-border-color2:#424242;--jp-layout-color1:#111;--jp-layout-color2:#212121",
}
STANDARD = """picture({"": ["lr"], train: ["loss", "acc", "grad_norm"],
    val: ["loss", "acc"], time: ["step"]},
    {system: ["system.cpu", "system.memory"], goals: {loss: "min", acc: "max"}})"""


class BoardPage:
    """A page with a board in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)
        page.set_default_timeout(10_000)

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def frame(self, expression: str) -> None:
        self.page.evaluate(f"() => model.frame({expression})")

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(f"() => ({expression})")

    def until(self, condition: str) -> None:
        self.page.wait_for_function(f"() => !!({condition})", polling=30)

    def settle(self) -> None:
        """Wait until everything that is due has been drawn."""
        self.page.evaluate(
            "() => new Promise(go => { let n = 12; const next = () => n-- ? "
            "requestAnimationFrame(next) : go(); next(); })"
        )

    def chart(self, key: str) -> Any:
        return self.page.locator(f'[data-key="{key}"]')

    def plot(self, key: str) -> Any:
        return self.chart(key).locator(".nbt-plot")

    def value(self, key: str) -> str:
        return str(self.chart(key).locator(".nbt-value").text_content())

    def ink(self, key: str) -> str:
        """Give what is drawn, as a data URL."""
        self.settle()
        query = f"""document.querySelector('[data-key="{key}"] canvas')"""
        return str(self.ask(f"{query}.toDataURL()"))

    def drag(self, key: str, start: float, end: float, height: float = 0.0) -> None:
        """Drag over a plot, from a part of its width to another."""
        self.plot(key).scroll_into_view_if_needed()
        box = self.plot(key).bounding_box()
        middle = box["y"] + box["height"] / 3
        self.page.mouse.move(box["x"] + start * box["width"], middle)
        self.page.mouse.down()
        x = box["x"] + end * box["width"]
        self.page.mouse.move(x, middle + height * box["height"] / 2)
        self.page.mouse.move(x, middle + height * box["height"])
        self.page.mouse.up()

    def hover(self, key: str, part: float) -> None:
        self.plot(key).scroll_into_view_if_needed()
        box = self.plot(key).bounding_box()
        self.page.mouse.move(
            box["x"] + part * box["width"], box["y"] + box["height"] / 2
        )
        self.settle()

    def sent(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"model.asks({what!r})")
        return found

    def menu(self) -> None:
        self.page.locator(".nbt-i-gear").click()

    def open(self, frame: str, theme: str) -> None:
        """Open a board and send it a frame, if there is one."""
        # An address of its own, so that there is storage.
        self.page.route(
            "**/*", lambda route: route.fulfill(content_type="text/html", body="")
        )
        self.page.goto("http://board.test/")
        is_light = str(theme == "light").lower()
        self.page.set_content(
            f"<!doctype html><style>:root{{{THEMES[theme]}}}"
            f"body{{margin:8px;background:var(--jp-layout-color1)}}{assets.css()}"
            f"</style><body data-jp-theme-light={is_light}></body>"
        )
        self.page.add_script_tag(content=KERNEL.read_text("utf-8"))
        self.another()
        if frame:
            self.frame(frame)
            self.settle()

    def another(self) -> None:
        """Open a board, as for the next run."""
        self.page.evaluate("code => openBoard(code)", assets.esm())
