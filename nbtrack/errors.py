"""Every error nbtrack raises.

One tree: ``except nbtrack.errors.NbtrackError`` catches all of it. Each class also
inherits the builtin a caller would guess, keeps its operands as attributes, and its
message says what happened, where, and what to do next.

    NbtrackError
    ├── NotInitializedError (RuntimeError)   a module-level call before init()
    ├── RunFinishedError (RuntimeError)      a write to a run that has finished
    ├── RunExistsError (FileExistsError)     resume="never" met an existing id
    ├── RunNotFoundError (LookupError)       no such run, or no such project
    ├── ReservedKeyError (ValueError)        a metric key that begins with "_"
    ├── StepError (TypeError)                a step that is not a whole number
    ├── DataTypeError (TypeError)            log() was not given a mapping of str keys
    ├── MetricRuleError (ValueError)         define_metric() cannot mean that
    ├── ConfigError (ValueError)             a config value changed, in strict mode
    ├── SettingError (ValueError)            a setting's value is not one of its values
    ├── UnknownOptionError (TypeError)       a keyword nobody knows
    ├── NotAvailableError (NotImplementedError)  a part of W&B that is not here
    ├── RunActiveError (RuntimeError)        an edit of a run that is being written
    ├── StorageError (OSError)               the run directory cannot be made
    ├── HistorySizeError (ValueError)        a frame that would be huge and empty
    ├── FormatError (ValueError)             a run directory from a newer nbtrack
    └── StrictError (RuntimeError)           a fault, raised because strict mode asks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class NbtrackError(Exception):
    """Root of all errors that nbtrack raises."""


class NbtrackWarning(UserWarning):
    """A fault or a note that must be seen but must not stop the training."""


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class NotInitializedError(NbtrackError, RuntimeError, AttributeError):
    """A module-level call such as ``nbtrack.log`` came before ``init``."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nbtrack.{name} needs a run and there is none yet. "
            'Call run = nbtrack.init(project="…") first.'
        )
        self.name = name


class RunFinishedError(NbtrackError, RuntimeError):
    """Something was written to a run after it had finished."""

    def __init__(self, call: str, run_path: str, project: str, run_id: str) -> None:
        self.call, self.run_path = call, run_path
        super().__init__(
            f"{call}: run {run_path} has finished, so this would not be recorded. "
            "Start a new run with nbtrack.init(…), or go on with this one: "
            f'nbtrack.init(project={project!r}, id={run_id!r}, resume="allow").'
        )


class RunExistsError(NbtrackError, FileExistsError):
    """A run with this id is already there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__(
            f"There is already a run in {directory}. Leave id= out for a new id, or "
            'pass resume="allow" to go on with it.'
        )


class RunNotFoundError(NbtrackError, LookupError):
    """No run directory answers to that path."""

    def __init__(self, path: str, root: Path, known: Iterable[str] = ()) -> None:
        self.path, self.root = path, root
        hint = _did_you_mean(path, known)
        what = (
            f"No run or project {path!r} under {root}.{hint}"
            if path
            else (f"Nothing was named, or there are no runs under {root}.")
        )
        super().__init__(
            f'{what} A path is "project/run-id", with the id and not the name; '
            "nbtrack.Api().projects() lists the projects, nbtrack.runs() the runs."
        )


class ReservedKeyError(NbtrackError, ValueError):
    """A metric's key begins with an underscore."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"The key {key!r} begins with '_', which nbtrack keeps for its own columns "
            f"(_step, _runtime, _timestamp). Log it as {key.lstrip('_') or 'value'!r}."
        )


class StepError(NbtrackError, TypeError):
    """``step`` is not a whole number that fits."""

    def __init__(self, step: object) -> None:
        self.step = step
        super().__init__(
            f"step={step!r} ({type(step).__name__}) is not a whole number below 2**53. "
            'Pass an int, or log the value as a metric: run.log({"t": …}) and '
            'run.define_metric("*", step_metric="t").'
        )


class DataTypeError(NbtrackError, TypeError):
    """``log`` wants a mapping whose keys are strings."""


class MetricRuleError(NbtrackError, ValueError):
    """``define_metric`` was asked for something it cannot mean."""


class ConfigError(NbtrackError, ValueError):
    """A config value was to change in strict mode, and nobody said that it may."""

    def __init__(self, key: str, old: object, new: object) -> None:
        self.key, self.old, self.new = key, old, new
        super().__init__(
            f"config: {key!r} is {old!r} and strict mode does not let it become "
            f"{new!r}. If it is meant, call config.update({{…}}, allow_val_change=True)"
            ", or pass allow_val_change=True to init()."
        )


class SettingError(NbtrackError, ValueError):
    """A setting has a value that is not one of its values."""

    def __init__(self, name: str, value: object, allowed: Iterable[object]) -> None:
        self.name, self.value, self.allowed = name, value, tuple(allowed)
        choices = ", ".join(map(repr, self.allowed))
        super().__init__(f"{name}={value!r} is not one of: {choices}.")


class UnknownOptionError(NbtrackError, TypeError):
    """A keyword that neither nbtrack nor W&B knows."""

    def __init__(
        self, call: str, name: str, known: Iterable[str], advice: str = ""
    ) -> None:
        self.call, self.name = call, name
        hint = _did_you_mean(name, known) or advice
        super().__init__(f"{call} knows no {name!r}.{hint}")


class NotAvailableError(NbtrackError, NotImplementedError):
    """A part of W&B that this version does not have."""

    def __init__(self, name: str, instead: str) -> None:
        self.name, self.instead = name, instead
        super().__init__(f"{name} is not in this version of nbtrack; {instead}.")


class RunActiveError(NbtrackError, RuntimeError):
    """A stored run was to be edited while its writer lives."""

    def __init__(self, run_path: str, pid: object, host: object) -> None:
        self.run_path, self.pid, self.host = run_path, pid, host
        super().__init__(
            f"Run {run_path} is being written by process {pid} on {host}, so it cannot "
            "be edited here. Edit it there, or when it has ended."
        )


class StorageError(NbtrackError, OSError):
    """The run directory cannot be made or read."""


class HistorySizeError(NbtrackError, ValueError):
    """A history has so many different keys that a frame of it would be all holes."""

    def __init__(self, rows: int, keys: int) -> None:
        super().__init__(
            f"A frame of {rows:,} rows by {keys:,} metrics would need "
            f"{rows * keys * 8 / 2**30:.0f} GiB, nearly all of it empty. Name the "
            "metrics you need, history(keys=[…]), or go row by row: scan_history()."
        )
        self.rows = rows
        self.keys = keys


class FormatError(NbtrackError, ValueError):
    """A run directory was written by a newer nbtrack."""

    def __init__(self, directory: Path, found: object, known: int) -> None:
        self.directory, self.found, self.known = directory, found, known
        super().__init__(
            f"{directory} has format version {found!r}; this nbtrack reads up to "
            f"{known}. Upgrade nbtrack to read it: pip install -U nbtrack."
        )


class StrictError(NbtrackError, RuntimeError):
    """A fault that strict mode turned into an error."""
