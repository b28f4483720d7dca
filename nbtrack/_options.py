"""What ``init`` was given: settings, keywords of W&B, and whether they can be meant."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from nbtrack import errors, settings
from nbtrack._sources import read_config
from nbtrack._store import rundir
from nbtrack._store.process import hostname

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Keywords of W&B's init that mean nothing without a server: accepted and ignored.
_IGNORED: Final = frozenset(
    {
        "entity",
        "anonymous",
        "config_exclude_keys",
        "config_include_keys",
        "force",
        "fork_from",
        "magic",
        "monitor_gym",
        "resume_from",
        "sync_tensorboard",
        "tensorboard",
    }
)
#: The same of W&B's settings, besides all that begin with ``x_`` or ``_``.
_IGNORED_SETTINGS: Final = frozenset(
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
_KEYWORDS: Final = (
    *("project", "name", "id", "config", "tags", "notes", "group", "job_type", "dir"),
    *("resume", "reinit", "mode", "save_code", "settings", "allow_val_change"),
    *("view", "total_steps", "strict", "label"),
)
_RESUME: Final = ("allow", "must", "never", "auto")
_CONFIG_HINT: Final = " Hyperparameters go into config={…}."

#: Where launchers say which of the processes this is.
_RANKS: Final = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


def read_settings(
    given: object, **keywords: object
) -> tuple[settings.Settings, list[str]]:
    """Let ``init(settings=…)`` rank below init's own keywords, above the rest.

    Returns
    -------
    Settings
        All of them.
    list of str
        W&B's settings that were given and mean nothing here.

    Raises
    ------
    SettingError, UnknownOptionError
    """
    told = given.given() if isinstance(given, settings.Settings) else read_config(given)
    known, ignored = _sorted(told)
    asked = {key: value for key, value in keywords.items() if value is not None}
    return settings.load(**known | asked), ignored


def _sorted(told: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    known: dict[str, Any] = {}
    ignored: list[str] = []
    for given_key, value in told.items():
        key = _ALIASES.get(given_key, given_key)
        if key in settings.NAMES:
            known[key] = value
        elif key in _IGNORED_SETTINGS or key.startswith(("x_", "_")):
            ignored.append(given_key)
        else:
            raise errors.UnknownOptionError(
                "init(settings=…)", given_key, settings.NAMES
            )
    # Whose rank is primary is a matter of W&B's server: all write alike here.
    return known, [key for key in ignored if key != "x_primary"]


def check_keywords(others: Iterable[str]) -> list[str]:
    """Give the keywords that only W&B knows, or refuse what nobody knows.

    Raises
    ------
    UnknownOptionError
        A keyword that W&B does not know either.
    """
    for keyword in others:
        if keyword not in _IGNORED:
            raise errors.UnknownOptionError("init()", keyword, _KEYWORDS, _CONFIG_HINT)
    return list(others)


def resume_mode(resume: str | bool | None) -> str | None:
    """Give what ``resume`` asks for; None when it was not said.

    Raises
    ------
    SettingError
    """
    if isinstance(resume, bool):
        resume = "auto" if resume else None
    if resume is not None and resume not in _RESUME:
        raise errors.SettingError("resume", resume, _RESUME)
    return resume


def check_id(run_id: object, mode: str) -> None:
    """Refuse what can be no id, and a shared run without one.

    Raises
    ------
    ValueError
    """
    if run_id is None and mode == "shared":
        msg = (
            'mode="shared" needs to know which run the processes share: pass the same '
            'id=… in each, such as init(project="p", id="job42", mode="shared").'
        )
        raise ValueError(msg)
    if run_id is not None and not (
        isinstance(run_id, str) and rundir.is_run_id(run_id)
    ):
        msg = f"id={run_id!r}: an id has 1 to 64 of the characters A-Z a-z 0-9 _ -."
        raise ValueError(msg)


def default_label(environ: Mapping[str, str] = os.environ) -> str:
    """Name this process among those that share a run.

    >>> default_label({"SLURM_PROCID": "3"})
    'rank3'
    """
    for name in _RANKS:
        if environ.get(name):
            return f"rank{environ[name]}"
    return f"{hostname()}-{os.getpid()}"
