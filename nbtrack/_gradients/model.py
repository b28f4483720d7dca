"""The hooks of one watched model.

Hooks sit on the parameters themselves, with the public ``Tensor.register_hook``; the
module is left as it is, so that it can be copied, pickled and compiled, and its
``state_dict`` does not change. A hook sees the gradient of one backward pass before it
is added to ``.grad``; it keeps nothing of it and gives nothing back.

A pass begins when a parameter gets its next gradient before the others do: each counts
its own, and the largest count is the number of the pass. Evaluation has no backward
pass and does not count. Of the passes 1, 1 + n, 1 + 2n, … the gradients are recorded;
a parameter that gets none in such a pass is recorded when it gets its next.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from nbtrack._gradients.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor
    from torch.nn import Module, Parameter
    from torch.utils.hooks import RemovableHandle

    from nbtrack._gradients.counts import Counts

#: What wrappers put before the names of the model they wrap.
_WRAPPERS: Final = (
    "_orig_mod.",  # torch.compile
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
)


class ModelWatch:
    """A model whose gradients, parameters, or both are recorded.

    Neither the model nor its parameters are kept alive by it.

    Parameters
    ----------
    prefix
        Stands before the names of the parameters in their keys.
    every
        Of so many backward passes one is recorded, the first of them.
    take
        Told of each key and its counts, from the thread of the backward pass.
    fail
        Told of a key that could not be counted, and why.
    """

    def __init__(
        self,
        model: Module,
        prefix: str,
        every: int,
        *,
        gradients: bool,
        parameters: bool,
        take: Callable[[str, Counts | Tensor], None],
        fail: Callable[[str, Exception], None],
    ) -> None:
        self._model = weakref.ref(model)
        self._prefix = prefix
        self._every = every
        self._gradients = gradients
        self._parameters = parameters
        self._take = take
        self._fail = fail
        self._hooks: dict[int, _Hook] = {}
        #: Whether there are parameters that do not know their shape yet.
        self.is_early = False
        self.passes = 0  # backward passes so far
        self.due = 0  # the last of them that is recorded
        self.follow()

    @property
    def model(self) -> Module | None:
        """The model; None when nobody else has it any more."""
        return self._model()

    @property
    def is_hooked(self) -> bool:
        """Whether there is anything that can get a gradient."""
        return bool(self._hooks)

    def has(self, model: Module) -> bool:
        """Say whether this is the watched model, or a wrapper of it."""
        own = self._model()
        if own is None or not self._hooks:
            return own is model
        return own is model or set(map(id, own.parameters())) == set(
            map(id, model.parameters())
        )

    def follow(self) -> None:
        """Set hooks on what came to the model since, remove those of what left it."""
        model = self._model()
        every = [] if model is None else list(named(model))
        self.is_early = any(_is_lazy(parameter) for _, parameter in every)
        found = {
            id(parameter): (name, parameter)
            for name, parameter in every
            if parameter.requires_grad and not _is_lazy(parameter)
        }
        for key in self._hooks.keys() - found.keys():
            self._hooks.pop(key).remove()
        for key, (name, parameter) in found.items():
            hook = self._hooks.get(key)
            if hook is None or not hook.is_of(parameter):  # an id may come again
                hook = self._hooks[key] = _Hook(self, name, parameter)
            hook.passes = self.passes  # one that lagged behind may lead from now on

    def remove(self) -> None:
        """Take all hooks away."""
        for hook in self._hooks.values():
            hook.remove()
        self._hooks.clear()

    def begin(self, passes: int) -> None:
        """Take note of the first gradient of a backward pass."""
        self.passes = passes
        if (passes - 1) % self._every == 0:
            self.due = passes
            self.count_parameters()

    def count_parameters(self) -> None:
        """Count the values of all parameters, frozen ones too, if that is asked for."""
        model = self._model()
        if not self._parameters or model is None:
            return
        for name, parameter in named(model):
            if not _is_lazy(parameter):
                self._count("parameters", name, parameter)

    def count_gradient(self, name: str, gradient: Tensor) -> None:
        """Count the values of a gradient, if that is asked for."""
        if self._gradients:
            self._count("gradients", name, gradient)

    def _count(self, kind: str, name: str, tensor: Tensor) -> None:
        """Count, but let no fault of ours end a backward pass."""
        key = f"{kind}/{self._prefix}{name}"
        try:
            if _is_capturing(tensor):
                return
            counts = counted(tensor)
        except Exception as error:  # noqa: BLE001  (a tensor of any library's class)
            self._fail(key, error)
            return
        if counts is not None:
            self._take(key, counts)


class _Hook:
    """The hook of one parameter."""

    __slots__ = (
        *("_handle", "_is_compiling", "_name", "_parameter", "_recorded", "_watch"),
        "passes",
    )

    def __init__(self, watch: ModelWatch, name: str, parameter: Parameter) -> None:
        from torch.compiler import is_compiling

        self._watch = watch
        self._name = name
        self._is_compiling = is_compiling
        self._parameter = weakref.ref(parameter)
        self._recorded = watch.due
        self.passes = 0
        self._handle: RemovableHandle = parameter.register_hook(self._see)

    def _see(self, gradient: Tensor) -> None:
        if self._is_compiling():  # the backward pass itself; nothing has a value yet
            return
        passes = self.passes = self.passes + 1
        watch = self._watch
        if passes > watch.passes:
            watch.begin(passes)
        if self._recorded < watch.due:
            self._recorded = watch.due
            watch.count_gradient(self._name, gradient)

    def is_of(self, parameter: Parameter) -> bool:
        return self._parameter() is parameter

    def remove(self) -> None:
        self._handle.remove()


def named(model: Module) -> Iterator[tuple[str, Parameter]]:
    """Give the parameters with their names, those of wrappers left out of them."""
    found = list(model.named_parameters())
    plain = [_plain(model, name) for name, _ in found]
    if len(set(plain)) < len(plain):  # the model has a module of such a name
        plain = [name for name, _ in found]
    yield from zip(plain, (parameter for _, parameter in found), strict=True)


def _plain(model: Module, name: str) -> str:
    from torch.nn import DataParallel
    from torch.nn.parallel import DistributedDataParallel

    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    while isinstance(model, (DataParallel, DistributedDataParallel)):
        name, model = name.removeprefix("module."), model.module
    return name


def _is_lazy(parameter: Parameter) -> bool:
    """Say whether this is of a lazy module that has seen no input yet."""
    from torch.nn.parameter import UninitializedParameter

    return isinstance(parameter, UninitializedParameter)


def _is_capturing(tensor: Tensor) -> bool:
    """Say whether a CUDA graph is being captured, in which nothing is computed yet."""
    import torch

    return bool(tensor.is_cuda and torch.cuda.is_current_stream_capturing())
