"""Settings: keyword over environment over pyproject.toml over default.

``NBTRACK_DIR=/data/runs`` and, in the nearest ``pyproject.toml`` above the working
directory, ``[tool.nbtrack]`` with ``dir = "/data/runs"`` say the same thing.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import InitVar, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack.errors import SettingError, UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "console": ("auto", "fd", "off"),
    "late_steps": ("join", "keep"),
    "mode": ("online", "offline", "disabled", "shared"),
    "view": ("auto", "live", "static", "text", "off"),
    "sync": ("1s", "always", "off"),
}
_WORDS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
    "": False,
}
#: W&B's names of modes that mean what one of ours means.
_MODE_ALIASES: Final = {"dryrun": "offline", "run": "online"}
#: The same of consoles, and what people write for "off".
_CONSOLE_ALIASES: Final = {
    "redirect": "fd",
    **dict.fromkeys(("wrap", "wrap_raw", "wrap_emu", "True"), "auto"),
    **dict.fromkeys(("none", "False", "0"), "off"),
}
#: What is recorded without being asked, and can be turned off by name.
CAPTURES: Final = ("code", "console", "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set, with its default.

    Attributes
    ----------
    dir
        Root of all projects; each run is ``<dir>/<project>/<id>/``.
    project
        Used when ``init`` names none.
    mode
        "online" and "offline" both record locally; "disabled" records nothing;
        "shared" lets several processes write one run, of an id that all of them name.
    label
        What a writer of a shared run is called; by default "rank3", as the launcher
        says, or host and process id.
    view
        "live" under the cell while it runs, "static" a picture when it has ended,
        "text" a line in a terminal, "off"; "auto" looks where it is.
    sync
        When rows reach the disk for good: "1s" about once a second from a thread,
        "always" before ``log`` returns, "off" when the system likes. Rows survive a
        killed process with any of them.
    strict
        Raise on faults of the tracker instead of warning.
    late_steps
        What ``log(step=n)`` does when n has passed: "join" the current row, with a
        warning, or "keep" the step, which may be a row that is there already.
    allow_val_change
        In strict mode, let config values change. Otherwise they may always.
    allow_secrets
        Config keys whose values are kept although they look like secrets.
    capture
        What is recorded without being asked: "all", "none", names of "code",
        "console", "system", or all but some: "-console".
    save_code
        Record the cells that are executed.
    console
        Record what is printed: "auto" by Python (in a kernel also by C libraries), "fd"
        by whatever writes to standard output and error, "off".
    system_s
        Seconds between two looks at processor, memory, disk, network and GPUs; 0 for
        none. They are more, where half a percent of a core would not do.
    system_cores
        Record every processor core by itself, too.
    quiet
        Print nothing at ``init`` and ``finish``.
    """

    dir: str = "nbruns"
    project: str = "uncategorized"
    mode: str = "online"
    view: str = "auto"
    sync: str = "1s"
    label: str = ""
    strict: bool = False
    late_steps: str = "join"
    allow_val_change: bool = False
    allow_secrets: tuple[str, ...] = ()
    capture: tuple[str, ...] = ()
    save_code: bool = True
    console: str = "auto"
    system_s: float = 15.0
    system_cores: bool = False
    quiet: bool = False
    #: W&B's names: the first is ``label``, the second has no meaning here.
    x_label: InitVar[str | None] = None
    x_primary: InitVar[bool | None] = None

    def __post_init__(self, x_label: str | None, x_primary: bool | None) -> None:
        if x_label is not None:
            object.__setattr__(self, "label", x_label)

    def captures(self, what: str) -> bool:
        """Say whether something of ``CAPTURES`` is recorded, by ``capture`` alone."""
        named = [word for word in self.capture if word[:1] != "-" and word != "all"]
        return f"-{what}" not in self.capture and (not named or what in named)

    def given(self) -> dict[str, Any]:
        """Give what differs from the defaults."""
        return {
            name: getattr(self, name)
            for name, default in _DEFAULTS.items()
            if getattr(self, name) != default
        }


_DEFAULTS: Final = {field.name: field.default for field in fields(Settings)}
NAMES: Final = tuple(_DEFAULTS)


def load(**keywords: object) -> Settings:
    """Gather the settings; None among the keywords means "not given".

    Raises
    ------
    SettingError, UnknownOptionError
        A value that is none of its values, or an unknown name in pyproject.toml.
    """
    chosen: dict[str, Any] = {}
    for source in (_from_pyproject(Path.cwd()), _from_environment(os.environ)):
        chosen.update(source)
    chosen.update({k: v for k, v in keywords.items() if v is not None})
    checked = {name: _checked(name, value) for name, value in chosen.items()}
    return Settings(**checked)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {
        name: environ[f"NBTRACK_{name.upper()}"]
        for name in _DEFAULTS
        if f"NBTRACK_{name.upper()}" in environ
    }
    if "mode" not in found and "WANDB_MODE" in environ:
        found["mode"] = environ["WANDB_MODE"]  # for code that was written for it
    return found


def _from_pyproject(start: Path) -> dict[str, Any]:
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return _read_table(path)
    return {}


def _read_table(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("nbtrack")
    except (OSError, ValueError):
        return {}  # somebody else's file; its own tools will complain
    for name in table or {}:
        if name not in _DEFAULTS:
            table_name = f"{path} [tool.nbtrack]"
            raise UnknownOptionError(table_name, name, _DEFAULTS)
    return dict(table or {})


def _checked(name: str, value: Any) -> Any:
    if isinstance(_DEFAULTS[name], bool):
        word = str(value).lower()
        if word not in _WORDS:
            raise SettingError(name, value, (True, False))
        return _WORDS[word]
    if isinstance(_DEFAULTS[name], tuple):
        words = value.split(",") if isinstance(value, str) else value
        told = tuple(str(word).strip() for word in words)
        return _checked_capture(told) if name == "capture" else told
    if isinstance(_DEFAULTS[name], float):
        return _checked_seconds(name, value)
    text = os.fspath(value) if name == "dir" else str(value)
    text = _MODE_ALIASES.get(text, text) if name == "mode" else text
    text = _CONSOLE_ALIASES.get(text, text) if name == "console" else text
    if name in _CHOICES and text not in _CHOICES[name]:
        raise SettingError(name, value, _CHOICES[name])
    return text


def _checked_capture(words: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(word.lower() for word in words if word)
    allowed = ("all", "none", *CAPTURES, *(f"-{name}" for name in CAPTURES))
    for word in words:
        if word not in allowed:
            raise SettingError("capture", word, allowed)
    return words


def _checked_seconds(name: str, value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise SettingError(name, value, ("seconds", 0))
    return seconds
