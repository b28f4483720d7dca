"""What ``config=`` may be: mappings, namespaces, flags, models, and files of them."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

#: Methods by which objects give their members: pydantic's two, absl's flags, ours.
_METHODS: Final = ("model_dump", "flag_values_dict", "as_dict")


def read_config(source: object) -> dict[str, Any]:
    """Give the mapping that ``init(config=…)`` means, values as they are.

    Raises
    ------
    TypeError
        It is neither a mapping, an object with attributes, nor a JSON or YAML file.
    """
    if source is None:
        return {}
    if isinstance(source, (str, Path)):
        return _read_file(Path(source))
    found = members(source)
    if found is None and hasattr(source, "__dict__") and not isinstance(source, type):
        found = vars(source)
        found = {k: v for k, v in found.items() if not k.startswith("_")}
    if found is None:
        msg = (
            "config= takes a mapping, a namespace, a dataclass, or the path of a JSON "
            f"or YAML file, not {type(source).__name__}."
        )
        raise TypeError(msg)
    return {str(key): value for key, value in found.items()}


def members(value: Any) -> Mapping[str, Any] | None:
    """Give the members of a mapping or of an object made to hold settings."""
    if type(value).__module__.startswith("omegaconf"):
        # What is still missing there ("???") raises when it is looked at one by one.
        value = sys.modules["omegaconf"].OmegaConf.to_container(value, resolve=True)
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Not dataclasses.asdict, which copies deeply and so cannot take a lock.
        fields = dataclasses.fields(value)
        return {field.name: getattr(value, field.name) for field in fields}
    if type(value).__name__ in ("Namespace", "SimpleNamespace"):
        found: dict[str, Any] = vars(value)
        return found
    given = (getattr(value, method, None) for method in _METHODS)
    give: Any = next(filter(callable, given), None)
    return None if give is None or isinstance(value, type) else dict(give())


def _read_file(path: Path) -> dict[str, Any]:
    text = path.read_text("utf-8")
    found = json.loads(text) if path.suffix.lower() == ".json" else _yaml(path, text)
    if not isinstance(found, (dict, type(None))):
        msg = f"{path} holds a {type(found).__name__}, not names and values."
        raise TypeError(msg)
    return _unwrapped({str(key): value for key, value in (found or {}).items()})


def _yaml(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        msg = f"Reading {path} needs PyYAML: pip install pyyaml, or use a JSON file."
        raise ImportError(msg) from error
    return yaml.safe_load(text)


def _unwrapped(config: dict[str, Any]) -> dict[str, Any]:
    """Take W&B's form of a file, ``lr: {desc: …, value: 0.1}``, as what it means.

    >>> _unwrapped({"wandb_version": 1, "lr": {"value": 0.1}})
    {'lr': 0.1}
    >>> _unwrapped({"lr": {"value": 0.1, "schedule": "cosine"}})
    {'lr': {'value': 0.1, 'schedule': 'cosine'}}
    """
    own = {key: value for key, value in config.items() if not _is_wandbs(key)}
    if own and all(_is_wrapped(value) for value in own.values()):
        return {key: value["value"] for key, value in own.items()}
    return config


def _is_wandbs(key: str) -> bool:
    return key in ("wandb_version", "_wandb")


def _is_wrapped(value: object) -> bool:
    return isinstance(value, dict) and "value" in value and value.keys() <= _WRAPPING


_WRAPPING: Final = {"value", "desc"}
