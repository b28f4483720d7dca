"""What a model consists of, for ``watch(log_graph=True)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch.nn import Module

_MOST_NODES: Final = 10_000
_MOST_TEXT: Final = 1_000_000  # characters


def structure(model: Module) -> dict[str, Any]:
    """Give a model's modules in their order, with the shapes of their parameters.

    ``text`` is what torch itself prints of it.
    """
    nodes = [
        _node(name, module)
        for name, module in model.named_modules()
        if name  # the model itself is no part of it
    ]
    text = repr(model)
    if len(text) > _MOST_TEXT:
        text = f"{text[:_MOST_TEXT]}…"
    return {
        "format": "torch",
        "class_name": type(model).__name__,
        "num_parameters": sum(map(_size, model.parameters())),
        "text": text,
        "nodes": nodes[:_MOST_NODES],
    }


def _node(name: str, module: Module) -> dict[str, Any]:
    own = list(module.named_parameters(recurse=False))
    return {
        "name": name,
        "class_name": type(module).__name__,
        "parameters": [[key, _shape(value)] for key, value in own],
        "num_parameters": sum(_size(value) for _, value in own),
    }


def _shape(parameter: Any) -> list[int]:
    try:
        return list(parameter.shape)
    except RuntimeError:  # of a lazy module that has seen no input yet
        return []


def _size(parameter: Any) -> int:
    try:
        return int(parameter.numel())
    except (RuntimeError, ValueError):
        return 0
