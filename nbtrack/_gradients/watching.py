"""``run.watch`` and ``run.unwatch``.

What the hooks count waits here for the next ``log``, whose row it joins, so that a
histogram has the step of the loss that is logged after the same backward pass. Until
there is some, ``log`` goes its short way; then the next call goes the long one.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from nbtrack import errors
from nbtrack._fork import tell_when_forked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor
    from torch.nn import Module

    from nbtrack._faults import Faults
    from nbtrack._gradients.counts import Counts
    from nbtrack._gradients.model import ModelWatch
    from nbtrack._store.rundir import RunDir

_WHAT: Final = {
    "gradients": (True, False),
    "parameters": (False, True),
    "all": (True, True),
    None: (False, False),
}

#: Libraries whose models have no hooks of torch's kind, and what to do instead.
_OTHERS: Final = {
    "keras": "log what you want to follow from a callback's on_train_batch_end",
    "tensorflow": "log what a GradientTape gives: run.log({name: gradient})",
    "flax": "log what jax.grad gives: run.log({name: gradient})",
    "jax": "log what jax.grad gives: run.log({name: gradient})",
    "equinox": "log what jax.grad gives: run.log({name: gradient})",
    "sklearn": "it has no gradients; log its coefficients with run.log",
    "xgboost": "it has no gradients to be hooked; log its evaluation results",
    "lightgbm": "it has no gradients to be hooked; log its evaluation results",
}


class Watched:
    """The models that a run watches, and what was counted since its last row.

    Parameters
    ----------
    hold
        Called when there is something for the next row.
    faults
        Told what could not be counted.
    """

    def __init__(self, hold: Callable[[], None], faults: Faults) -> None:
        self._hold = hold
        self._faults = faults
        self._models: list[ModelWatch] = []
        self._next = 0  # W&B's idx of the next model
        self._waiting: dict[str, Counts | Tensor] = {}
        self._lock = threading.Lock()
        tell_when_forked(self)

    def forked(self) -> None:
        """Continue in a child with a lock of its own, and without the parent's work."""
        self._lock = threading.Lock()
        self._waiting = {}

    def add(self, models: list[Module], what: str | None, every: int) -> None:
        """Set the hooks."""
        from nbtrack._gradients.model import ModelWatch

        gradients, parameters = _WHAT[what]
        for model in models:
            watch = ModelWatch(
                model,
                f"graph_{self._next}" if self._next else "",
                every,
                gradients=gradients,
                parameters=parameters,
                take=self._take,
                fail=self._fail,
            )
            self._next += 1
            self._models.append(watch)
            if watch.is_early:
                self._hold()
            elif what is not None and not watch.is_hooked:
                watch.count_parameters()  # they will not change
                self._faults.add(
                    "watch",
                    f"watch(): no parameter of this {type(model).__name__} requires a "
                    "gradient, so none will be recorded. Unfreeze some first, then "
                    "run.unwatch(model) and run.watch(model)",
                    subject=str(self._next),
                )

    def number(self, idx: int | None) -> int:
        """Take note of W&B's idx; give the number of the next model."""
        if idx is not None:
            self._next = idx
        return self._next

    def find(self, model: Module) -> ModelWatch | None:
        """Give the watch of a model."""
        return next((watch for watch in self._models if watch.has(model)), None)

    def remove(self, models: list[Module] | None) -> None:
        """Take hooks away: of these models, or all."""
        if models is None:
            gone, self._models = self._models, []
        else:
            gone = [found for model in models if (found := self.find(model))]
            self._models = [watch for watch in self._models if watch not in gone]
        for watch in gone:
            watch.remove()

    def _take(self, key: str, counts: Counts | Tensor) -> None:
        with self._lock:
            self._waiting[key] = counts
        self._hold()

    def _fail(self, key: str, error: Exception) -> None:
        self._faults.add(
            "watch", f"watch(): {key} could not be counted", subject=key, error=error
        )

    def rows(self) -> dict[str, Any]:
        """Give what was counted since the last call, as values of a row."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self._follow(after_a_pass=bool(waiting))
        if not waiting:
            return {}
        from nbtrack._gradients.counts import fetched

        try:
            return {key: one.to_row() for key, one in fetched(waiting).items()}
        except Exception as error:  # noqa: BLE001  (a device may fail in many ways)
            self._faults.add("watch", "watch(): counts are lost", error=error)
            return {}

    def _follow(self, *, after_a_pass: bool) -> None:
        """Look for layers that were unfrozen, replaced or initialised."""
        if after_a_pass:
            self._models = [watch for watch in self._models if watch.model is not None]
        for watch in self._models:
            if after_a_pass or watch.is_early:
                watch.follow()
            if watch.is_early:
                self._hold()  # the next log() is to look again

    @property
    def waits(self) -> bool:
        """Whether there is something for the next row."""
        return bool(self._waiting)


class Watching:
    """What ``Run`` has of it."""

    if TYPE_CHECKING:
        faults: Faults
        summary: Any
        _directory: RunDir
        _is_open: bool
        _learns: bool
        _known: frozenset[str] | set[str]
        _checked: set[str]

        @property
        def step(self) -> int: ...
        @property
        def disabled(self) -> bool: ...
        def _check_open(self, call: str) -> None: ...
        def _log_any(self, data: Mapping[str, Any], step: int) -> None: ...
        def _hold(self) -> None: ...

    _watched: Watched | None = None

    def watch(
        self,
        models: object,
        criterion: object = None,  # noqa: ARG002  (W&B's; its graph needs it, ours not)
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,  # noqa: FBT002  (W&B's signature)
    ) -> None:
        """Record histograms of a torch model's gradients or parameters.

        They join the rows of ``log`` as ``gradients/<name>`` and ``parameters/<name>``,
        each in the row that is logged next after its backward pass. Training is not
        changed by it, and the model can be copied, saved and compiled as before.

        Parameters
        ----------
        models
            A ``torch.nn.Module``, or a list of them. The keys of the second and later
            ones begin with ``graph_1``, ``graph_2`` and so on before the name.
        criterion
            Taken for code written for W&B.
        log
            "gradients", "parameters", "all", or None.
        log_freq
            Of so many backward passes one is recorded, the first of them.
        idx
            The number that keys begin with, instead of counting models.
        log_graph
            Also store what the model consists of, once, as ``summary["graph_0"]``.

        Raises
        ------
        WatchError
            It is no torch module, or watched already.
        SettingError
            ``log``, ``log_freq`` or ``idx`` cannot be meant.
        MissingPackageError
            torch is not installed.

        Examples
        --------
        >>> run.watch(model, log="all", log_freq=100)  # doctest: +SKIP
        """
        self._check_open("watch")
        if log not in _WHAT:
            raise errors.SettingError("log", log, _WHAT)
        _check_number("log_freq", log_freq, 1)
        if idx is not None:
            _check_number("idx", idx, 0)
        modules = _modules(models, "watch")
        if self.disabled:
            return
        if self._watched is None:
            self._watched = Watched(self._hold, self.faults)
        watched = self._watched
        seen: list[Module] = []
        for module in modules:
            if watched.find(module) or any(module is other for other in seen):
                raise errors.WatchError.again(type(module).__name__)
            seen.append(module)
        first = watched.number(idx)
        watched.add(modules, log, int(log_freq))
        if log_graph:
            for number, module in enumerate(modules, first):
                self._keep_structure(f"graph_{number}", module)

    def unwatch(self, models: object = None) -> None:
        """Record no more of these models; of none at all without any.

        What was counted before still joins the next row.

        Raises
        ------
        WatchError
            It is no torch module.
        """
        modules = None if models is None else _modules(models, "unwatch")
        watched = self._watched
        for module in modules or ():
            if watched is None or watched.find(module) is None:
                name = type(module).__name__
                self.faults.add(
                    "watch",
                    f"unwatch(): this {name} is not watched by this run",
                    subject=name,
                    in_user_call=self._is_open,
                )
        if watched is not None:
            watched.remove(modules)

    def _seen_by_watch(self) -> dict[str, Any]:
        """Give what joins the row that is being logged; ``log`` is short again."""
        if self._watched is None:
            return {}
        # First this: what a hook counts from now on, the next call takes.
        if self._learns and self._is_open:
            self._known = self._checked
        return self._watched.rows()

    def _keep_structure(self, key: str, model: Module) -> None:
        import json

        from nbtrack._gradients.structure import structure
        from nbtrack._store.blobs import put

        try:
            found = structure(model)
            content = json.dumps(found).encode()
            path = put(self._directory, content, ".graph.json")
        except Exception as error:  # noqa: BLE001  (a user's class may raise anything)
            self.faults.add(
                "watch", f"watch(): {key} could not be stored", subject=key, error=error
            )
            return
        self.summary[key] = {
            "_type": "graph-file",
            "path": path,
            "size": len(content),
            "class": found["class_name"],
            "modules": len(found["nodes"]),
            "parameters": found["num_parameters"],
        }

    def _end_watch(self) -> None:
        """Give what still waits for a row one of its own; never raises."""
        watched = self._watched
        if watched is None:
            return
        try:
            watched.remove(None)
            if watched.waits and self._is_open:
                self._log_any({}, self.step)
        except Exception as error:  # noqa: BLE001  (finish() must come to its end)
            self.faults.add(
                "watch",
                "the last histograms of watch() are lost",
                error=error,
                in_user_call=False,
            )


def _check_number(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number, or too small."""
    is_whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_whole or int(value) < least:  # type: ignore[call-overload]
        allowed = f"a whole number, {least} or more"
        raise errors.SettingError(name, value, [allowed])


def _has_torch() -> bool:
    """Say whether torch is installed, without loading it."""
    from importlib.util import find_spec

    try:
        return find_spec("torch") is not None
    except (ImportError, ValueError):  # somebody keeps it from being imported
        return False


def _modules(models: object, call: str) -> list[Module]:
    """Give the models as a list.

    Raises
    ------
    WatchError
        One of them is no torch module.
    MissingPackageError
        There is no torch to have made one.
    """
    listed: list[Any]
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    torch = sys.modules.get("torch")  # whoever has a module of torch's, has loaded it
    for model in listed:
        if torch is None or not isinstance(model, torch.nn.Module):
            library = type(model).__module__.partition(".")[0]
            if library not in _OTHERS and torch is None and not _has_torch():
                raise errors.MissingPackageError("torch", extra="torch", why=call)
            raise errors.WatchError.foreign(call, model, _OTHERS.get(library, ""))
    if not listed:
        raise errors.WatchError.foreign(call, models, "")
    return listed
