"""Settings: keyword over environment over pyproject.toml over default.

``NBTRACK_DIR=/data/runs`` and, in the nearest ``pyproject.toml`` above the working
directory, ``[tool.nbtrack]`` with ``dir = "/data/runs"`` say the same thing.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import InitVar, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbtrack.errors import SettingError, UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
#: W&B's settings that mean nothing without a server, besides all that begin with
#: ``x_`` or ``_``.
_IGNORED: Final = frozenset(
    {
        *("api_key", "base_url", "console_multipart", "disable_code"),
        *("disable_git", "entity", "finish_timeout", "finish_timeout_raises"),
        *("git_commit", "git_remote", "git_remote_url", "git_root", "host"),
        *("http_proxy", "https_proxy", "init_timeout", "login_timeout"),
        *("max_end_of_run_history_metrics", "max_end_of_run_summary_metrics"),
        *("notebook_name", "program", "show_errors", "show_info"),
        *("show_warnings", "start_method", "summary_timeout", "sync_tensorboard"),
        *("symlink", "table_raise_on_max_row_limit_exceeded", "username"),
    }
)
#: W&B's names of settings that are ours under another name.
_ALIASES: Final = {
    "x_label": "label",
    "silent": "quiet",
    "root_dir": "dir",
    "x_stats_sampling_interval": "system_s",
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
    #: W&B's names, which are sorted out before; these two for type checkers.
    x_label: InitVar[str | None] = None
    x_primary: InitVar[bool | None] = None
    #: W&B's settings that were given and mean nothing here.
    ignored: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self, x_label: str | None, x_primary: bool | None) -> None:
        """Take what nothing is to be done about."""

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


_DEFAULTS: Final = {one.name: one.default for one in fields(Settings) if one.init}
NAMES: Final = tuple(_DEFAULTS)


def sort(call: str, told: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Give settings by our names, and W&B's that mean nothing here.

    Raises
    ------
    UnknownOptionError
        A name that W&B does not know either.

    >>> sort("Settings()", {"silent": True, "start_method": "thread"})
    ({'quiet': True}, ['start_method'])
    """
    known: dict[str, Any] = {}
    ignored: list[str] = []
    for given, value in told.items():
        name = _ALIASES.get(given, given)
        if name in NAMES:
            known[name] = value
        elif name not in _IGNORED and not name.startswith(("x_", "_")):
            raise UnknownOptionError(call, given, NAMES)
        elif name != "x_primary":  # whose rank is primary: all write alike here
            ignored.append(given)
    return known, ignored


def _taking_wandbs(init: Callable[..., None]) -> Callable[..., None]:
    """Let ``Settings()`` take W&B's names, too."""

    @wraps(init)
    def __init__(self: Settings, **told: Any) -> None:  # noqa: N807
        given = {name: value for name, value in told.items() if value is not None}
        known, ignored = sort("Settings()", given)
        init(self, **known)
        object.__setattr__(self, "ignored", tuple(ignored))

    return __init__


Settings.__init__ = _taking_wandbs(Settings.__init__)  # type: ignore[method-assign]


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
    if name == "project" and not text:
        raise SettingError.empty_project(text)
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
