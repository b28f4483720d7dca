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
        "force",
        "fork_from",
        "magic",
        "monitor_gym",
        "resume_from",
        "sync_tensorboard",
        "tensorboard",
    }
)
_KEYWORDS: Final = (
    *("project", "name", "id", "config", "tags", "notes", "group", "job_type", "dir"),
    *("resume", "reinit", "mode", "save_code", "settings", "allow_val_change"),
    *("view", "total_steps", "strict", "label"),
    *("config_exclude_keys", "config_include_keys"),
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
    if isinstance(given, settings.Settings):
        known, ignored = given.given(), list(given.ignored)
    else:
        known, ignored = settings.sort("init(settings=…)", read_config(given))
    asked = {key: value for key, value in keywords.items() if value is not None}
    return settings.load(**known | asked), ignored


def sort_keywords(
    others: Mapping[str, object],
) -> tuple[dict[str, object], list[str]]:
    """Tell settings from keywords that only W&B knows; refuse what nobody knows.

    Raises
    ------
    UnknownOptionError
        A keyword that W&B does not know either.
    """
    known = {key: value for key, value in others.items() if key in settings.NAMES}
    ignored = [key for key in others if key not in known]
    for key in ignored:
        if key not in _IGNORED:
            names = (*_KEYWORDS, *settings.NAMES)
            raise errors.UnknownOptionError("init()", key, names, _CONFIG_HINT)
    return known, ignored


def choose(
    config: dict[str, Any],
    include: str | Iterable[str] | None,
    exclude: str | Iterable[str] | None,
) -> dict[str, Any]:
    """Leave out what is not to be in a config: all but some keys, or some.

    Raises
    ------
    ValueError
        Both are asked for.

    >>> choose({"lr": 0.1, "debug": True}, None, ["debug"])
    {'lr': 0.1}
    """
    if include and exclude:
        msg = (
            "config_include_keys= and config_exclude_keys= cannot both be given: name "
            "the keys to keep, or the keys to leave out."
        )
        raise ValueError(msg)
    kept, left = _keys(include), _keys(exclude)
    return {
        k: v for k, v in config.items() if (not kept or k in kept) and k not in left
    }


def _keys(given: str | Iterable[str] | None) -> set[str]:
    return {given} if isinstance(given, str) else set(given or ())


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
