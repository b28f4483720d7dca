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
    ├── ExportError (OSError)                a file that was asked for cannot be written
    ├── MissingPackageError (ImportError)    a package of an extra is not installed
    ├── MediaError (ValueError)              an object to log, or of a run, is of no use
    │   ├── MediaTypeError (TypeError)       made of something it cannot be made of
    │   ├── MediaFileError (FileNotFoundError)  its file cannot be read
    │   ├── MediaSizeError (OverflowError)   it is too large to be stored or shown
    │   ├── TableNotFoundError (KeyError)    a run has no table of that key
    │   ├── TableColumnError (KeyError)      a table has no column of that name
    │   └── TableSizeError (OverflowError)   a table with too many rows or cells
    ├── WatchError (TypeError, ValueError)   watch() cannot hook that model
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

    @classmethod
    def empty_project(cls, value: str) -> SettingError:
        """Say that a project's name has no letters."""
        made = cls("project", value, ())
        told = f"project={value!r} is empty. Name the experiments, as in"
        made.args = (
            f'{told} init(project="digits"), or leave it out for "uncategorized".',
        )
        return made


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


class ExportError(NbtrackError, OSError):
    """A file that the user asked for cannot be written."""

    def __init__(self, what: str, path: object, why: str, advice: str) -> None:
        self.what, self.path, self.why = what, path, why
        super().__init__(f"Cannot write the {what} {path!r}: {why}. {advice}")


class MissingPackageError(NbtrackError, ImportError):
    """Something needs a package that is not installed."""

    def __init__(self, package: str, *, extra: str, why: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"{why} needs {package}, which is not installed: "
            f'pip install "nbtrack[{extra}]"'
        )


class MediaError(NbtrackError, ValueError):
    """An object to be logged, or one of a run, is of no use."""


class MediaTypeError(MediaError, TypeError):
    """A media object was made of something that it cannot be made of."""


class MediaFileError(MediaError, FileNotFoundError):
    """The file of a media object cannot be read."""

    def __init__(self, path: object, why: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"{path} cannot be read: {why}.")

    @classmethod
    def of(cls, path: object, error: Exception) -> MediaFileError:
        """Say it with the reason that the system gave."""
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return cls(path, told[:1].lower() + told[1:])

    def __str__(self) -> str:
        return str(self.args[0])


class MediaSizeError(MediaError, OverflowError):
    """An object is too large to be stored or shown."""

    def __init__(self, what: str, found: int, most: int, advice: str = "") -> None:
        self.found, self.most = found, most
        told = f"{what} has {found:,} bytes; at most {most:,} are stored."
        super().__init__(f"{told} {advice}".rstrip())

    @classmethod
    def to_show(cls, found: int, most: int) -> MediaSizeError:
        """Say it of what is stored and cannot be sent to a page."""
        made = cls.__new__(cls)
        made.found, made.most = found, most
        told = f"It has {found / 2**20:,.0f} MiB; up to {most / 2**20:,.0f} are shown."
        made.args = (f"{told} Its path leads to the file.",)
        return made

    @classmethod
    def of_count(cls, what: str, found: int, most: int) -> MediaSizeError:
        """Say it of elements."""
        made = cls.__new__(cls)
        made.found, made.most = found, most
        told = f"{what} of {found:,} elements is too large; at most {most:,} are taken."
        made.args = (f"{told} Take a part of it, such as every tenth: x[::10].",)
        return made

    @classmethod
    def of_pixels(cls, what: str, width: int, height: int, most: int) -> MediaSizeError:
        """Say it of a picture."""
        made = cls.__new__(cls)
        made.found, made.most = width * height, most
        told = f"{what} of {width:,} x {height:,} pixels is too large; at most {most:,}"
        made.args = (f"{told} are stored. Make it smaller, such as image[::4, ::4].",)
        return made


class TableColumnError(MediaError, KeyError):
    """A column of a table was named that it does not have."""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        listed = ", ".join(map(repr, self.known[:12]))
        more = f" and {len(self.known) - 12} more" if len(self.known) > 12 else ""  # noqa: PLR2004
        super().__init__(
            f"The table has no column {name!r}."
            f"{_did_you_mean(str(name), self.known)} It has: {listed or 'none'}{more}."
        )

    def __str__(self) -> str:
        return str(self.args[0])


class TableNotFoundError(MediaError, KeyError):
    """A run's table was asked for that it does not have."""

    def __init__(self, key: str, run: str, known: Iterable[str], found: str) -> None:
        self.key, self.run = key, run
        self.known = tuple(known)
        if found == "no table":
            told = f"what run {run} has under {key!r} is no table; see run.history()"
        elif found:
            told = f"run {run} has the table {key!r} {found}"
        else:
            listed = ", ".join(map(repr, self.known[:12])) or "none"
            hint = _did_you_mean(key, self.known)
            told = f"run {run} has no table {key!r}.{hint} Its tables: {listed}"
        super().__init__(f"{told[:1].upper()}{told[1:]}.")

    def __str__(self) -> str:
        return str(self.args[0])


class TableSizeError(MediaError, OverflowError):
    """A table has more rows or cells than can be stored and looked at."""

    def __init__(
        self, rows: int, columns: int, most_rows: int, most_cells: int
    ) -> None:
        self.rows, self.columns = rows, columns
        super().__init__(
            f"A table of {rows:,} rows by {columns:,} columns is too large; at most "
            f"{most_rows:,} rows and {most_cells:,} cells are stored. Log a part of "
            "it, frame.sample(100_000), or save the whole as a file: run.save(…)."
        )


class WatchError(NbtrackError, TypeError, ValueError):
    """``watch`` or ``unwatch`` was given what is no torch module, or one twice."""

    @classmethod
    def foreign(cls, call: str, value: object, advice: str) -> WatchError:
        """Say that this is no model, and what to do with it instead."""
        if isinstance(value, type):
            what = f"the class {value.__name__}"
            advice = f"make one of it: {value.__name__}()"
        else:
            what = f"{type(value).__module__}.{type(value).__qualname__}"
        advice = advice or 'A run that others write is watched as "project/id"'
        return cls(
            f"{call}() takes a torch.nn.Module or a list of them, not {what}. "
            f"{advice[:1].upper()}{advice[1:]}."
        )

    @classmethod
    def again(cls, name: str) -> WatchError:
        """Say that this model is watched already."""
        return cls(
            f"This {name} is watched by this run already; a model can be watched once. "
            "Call run.unwatch(model) first to watch it in another way."
        )


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
