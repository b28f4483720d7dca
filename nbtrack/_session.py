"""The composition root: ``init`` puts a run together, and this knows the current one.

Layers that do not know each other meet here: settings, store, run, captured cells and
view. Nothing below imports this.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from nbtrack import _notebook, errors, settings
from nbtrack._about import as_tags, check_name
from nbtrack._capture.background import Wanted, background
from nbtrack._config import normalise, plain_json
from nbtrack._faults import Faults
from nbtrack._names import new_name, shown
from nbtrack._options import (
    check_id,
    choose,
    default_label,
    read_settings,
    resume_mode,
    sort_keywords,
)
from nbtrack._run import Run
from nbtrack._sources import read_config
from nbtrack._store import rundir
from nbtrack._store.alive import state_of
from nbtrack._store.journal import DurableJournal, Journal
from nbtrack._store.process import this_process
from nbtrack._ticker import Ticker
from nbtrack._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Never

    from nbtrack._read.stored import StoredRun
    from nbtrack._store.rundir import RunDir

_NOT_GIVEN: Final[Any] = None  # as in Run.log
_REINIT: Final = ("return_previous", "create_new", "finish_previous", "default")
AnyRun = TypeVar("AnyRun", bound=Run)

_lock = threading.RLock()
_told: set[frozenset[str]] = set()  # keywords that were said to mean nothing
_open_runs: list[Run] = []
_current: Run | None = None


def init(
    project: str | None = None,
    name: str | None = None,
    id: str | None = None,  # noqa: A002  (W&B's name)
    config: object = None,
    tags: str | Iterable[str] | None = None,
    notes: str | None = None,
    *,
    group: str | None = None,
    job_type: str | None = None,
    dir: str | Path | None = None,  # noqa: A002  (W&B's name)
    resume: str | bool | None = None,
    reinit: str | bool | None = None,
    mode: str | None = None,
    save_code: bool | None = None,
    settings: object = None,
    view: str | None = None,
    total_steps: int | None = None,
    strict: bool | None = None,
    label: str | None = None,
    allow_val_change: bool | None = None,
    config_exclude_keys: str | Iterable[str] | None = None,
    config_include_keys: str | Iterable[str] | None = None,
    **others: object,
) -> Run:
    """Start a run, make its directory, and show its board under the cell.

    Parameters
    ----------
    project
        The set of experiments it belongs to.
    name, id
        By default a pronounceable name, and eight letters and digits.
    config
        Hyperparameters: a mapping, a namespace, a dataclass, or a JSON or YAML file.
    tags, notes, group, job_type
        What to find and tell runs by. One text is one tag.
    dir
        Root directory of all projects (``./nbruns``).
    resume
        "allow" goes on with the run of that id if there is one, "must" insists,
        "never" refuses; "auto" goes on with the project's last run that did not
        finish.
    reinit
        What happens to an unfinished run: "finish_previous" (the default in a
        notebook, so that a cell can be run again), "return_previous" (in a script),
        "create_new".
    mode
        "disabled" records nothing; "online" and "offline" both record locally;
        "shared" lets several processes write the run of one ``id``, each its own steps.
    view
        "live", "static", "text" or "off"; by default what the place allows.
    total_steps
        How many steps there will be, for progress and time left.
    strict
        Raise on the tracker's own faults instead of warning.
    label
        What this process is called among those that share a run.
    allow_val_change
        Config values may change in strict mode too.
    config_exclude_keys, config_include_keys
        Which of ``config`` to leave out, or the only ones to take.
    others
        Any other of ``Settings``, such as ``sync="always"``; it ranks above
        ``settings=``. Keywords that only W&B has a use for are ignored.

    Returns
    -------
    Run
        Also as ``nbtrack.run``.

    Raises
    ------
    StorageError, RunExistsError, RunNotFoundError, SettingError, UnknownOptionError
    """
    known, ignored = sort_keywords(others)
    options, more = read_settings(
        settings,
        **known,
        project=project,
        dir=dir,
        mode=mode,
        save_code=save_code,
        view=view,
        strict=strict,
        label=label,
        allow_val_change=allow_val_change,
    )
    _say_meaningless(options, frozenset([*ignored, *more]))
    meant = {
        "name": name and check_name(name),
        "tags": as_tags(tags),
        "notes": notes,
        "group": group,
        "job_type": job_type,
        "total_steps": total_steps,
    }
    lost: list[str] = []
    chosen = choose(read_config(config), config_include_keys, config_exclude_keys)
    given = normalise(chosen, allowed=options.allow_secrets, note=lost.append)
    check_id(id, options.mode)
    asked = {"project": project, "id": id, "config": config, **meant}
    with _lock:
        if options.mode == "disabled":
            from nbtrack._disabled import DisabledRun

            _make_current(DisabledRun(options, meant, given))
            return _noted(require("init"), lost)
        how = _reinit(reinit)
        if how == "return_previous":
            _say_ignored(options, [name for name, value in asked.items() if value])
            return require("init")
        # Before the open run is ended: a call that is refused changes nothing.
        resumes = resume_mode(resume)
        root = Path(options.dir).expanduser().absolute()
        found = _find(root, options, id, resumes)
        if how == "finish_previous":
            ended = require("init")
            _say(options, f"finished {ended.name} to start a new run")
            ended.finish()
        if options.mode == "shared":
            _make_current(_shared_run(options, root, str(id), meant, given, resumes))
        elif found is not None:
            _make_current(_resume(options, found, meant, given))
        else:
            run_id = id or rundir.new_run_id()
            directory = rundir.claim(root, options.project, run_id)
            _make_current(_new_run(options, directory, meant, given, Run))
        return _noted(require("init"), lost)


def _noted(run: Run, lost: list[str]) -> Run:
    """Say once what of the config is kept as text."""
    if lost:
        more = f" So are {len(lost) - 1} more" if len(lost) > 1 else ""
        run.note_config(f"{lost[0]}.{more}")
    return run


def _say_meaningless(options: settings.Settings, keywords: frozenset[str]) -> None:
    """Say once per set of keywords that they do nothing: code for W&B has many."""
    if keywords and keywords not in _told:
        _told.add(keywords)
        named = ", ".join(f"{keyword}=" for keyword in sorted(keywords))
        _say(options, f"{named} means nothing without a server and is ignored")


def _reinit(asked: str | bool | None) -> str:
    """Say what happens to the run that is still open: "create_new" if there is none."""
    if isinstance(asked, bool):
        asked = "finish_previous" if asked else "return_previous"
    if asked not in (None, *_REINIT):
        raise errors.SettingError("reinit", asked, _REINIT)
    if _current is None or not _current.is_open:
        return "create_new"
    if asked in (None, "default"):
        in_notebook = _notebook.shell() is not None
        return "finish_previous" if in_notebook else "return_previous"
    return str(asked)


def _say_ignored(options: settings.Settings, names: list[str]) -> None:
    ignored = ", ".join(f"{name}=" for name in names)
    _say(
        options,
        f"run {require('init').name} is still open, so init() gives it back"
        + (f" and ignores {ignored}" if ignored else "")
        + '. Call run.finish() first, or pass reinit="finish_previous", to start a '
        "new run",
    )


def _resume(
    options: settings.Settings,
    found: RunDir,
    meant: dict[str, Any],
    config: dict[str, Any],
) -> Run:
    from nbtrack._resume import resumed  # loads pyarrow

    parts = resumed(found, meant, config)
    return _assemble(options, found, kind_of_run=Run, **parts)


def _find(
    root: Path, options: settings.Settings, run_id: str | None, resume: str | None
) -> RunDir | None:
    """Find the run to go on with, or None for a new one."""
    project = options.project
    place = rundir.project_directory(root, project)
    if resume == "auto" and run_id is None:
        unfinished = [
            (document["created"], run)
            for run, document in _documents(place)
            if state_of(run, document) not in ("finished", "running")
        ]
        return max(unfinished, default=(0, None), key=lambda entry: entry[0])[1]
    run = rundir.RunDir(place / run_id) if run_id else None
    exists = run is not None and run.path.is_dir()
    is_joined = options.mode == "shared" and resume is None
    if exists and resume in (None, "never") and not is_joined:
        raise errors.RunExistsError(place / str(run_id))
    if not exists and resume == "must" and run_id is None:
        msg = 'resume="must" needs to know which run: pass id=…'
        raise ValueError(msg)
    if not exists and resume == "must":
        known = [f"{project}/{other.run_id}" for other in rundir.list_runs(place)]
        raise errors.RunNotFoundError(f"{project}/{run_id}", root, known)
    return run if exists else None


def _documents(place: Path) -> Iterable[tuple[RunDir, dict[str, Any]]]:
    for run in rundir.list_runs(place):
        try:
            yield run, run.read_run()
        except errors.NbtrackError:
            continue  # a damaged run is no candidate; readers report it


def _shared_run(
    options: settings.Settings,
    root: Path,
    run_id: str,
    meant: dict[str, Any],
    config: dict[str, Any],
    resume: str | None,
) -> Run:
    """Begin a run that others join, or join it: who makes the directory, begins."""
    from nbtrack._shared import SharedRun, joined, next_step

    options = replace(options, label=options.label or default_label())
    try:
        directory = rundir.claim(root, options.project, run_id)
    except errors.RunExistsError:
        directory = rundir.RunDir(
            rundir.project_directory(root, options.project) / run_id
        )
    else:
        return _new_run(options, directory, meant, config, SharedRun)
    document = joined(directory)
    first_step = next_step(directory, options.label) if resume else 0
    known = directory.read("config.json")
    run = _assemble(
        options,
        directory,
        document=document,
        config=known,
        first_step=first_step,
        kind_of_run=SharedRun,
    )
    joined(directory)  # once more: the others may have ended it just before we began
    run.take_config(config)
    other = [
        name for name, told in meant.items() if told and told != document.get(name)
    ]
    if other:
        named = ", ".join(f"{name}=" for name in other)
        _say(options, f"joined {run.name}, which has its own {named}")
    return run


def _new_run(
    options: settings.Settings,
    run: RunDir,
    meant: dict[str, Any],
    config: dict[str, Any],
    kind_of_run: type[AnyRun],
) -> AnyRun:
    number = rundir.count_runs(run.path.parent)
    document = {
        **meant,
        "id": run.run_id,
        "name": meant["name"] or new_name(number),
        "project": options.project,
        "format": rundir.FORMAT,
        "state": "running",
        "created": time.time(),
        "user": _user(),
        "writer": this_process(),
        "nbtrack": __version__,
        "python": sys.version.split()[0],
    }
    try:
        run.write("config.json", config)
        run.write("run.json", document)
        return _assemble(
            options, run, document=document, config=config, kind_of_run=kind_of_run
        )
    except BaseException:
        rundir.discard(run)  # nothing was recorded in it
        raise


def _assemble(
    options: settings.Settings,
    directory: RunDir,
    *,
    document: dict[str, Any],
    config: dict[str, Any],
    kind_of_run: type[AnyRun],
    first_step: int = 0,
    offset_us: int = 0,
) -> AnyRun:
    """Wire journal, run, ticker, cells and view together."""
    faults = Faults(strict=options.strict)
    kind = DurableJournal if options.sync == "always" else Journal
    opening = {"format": rundir.FORMAT, "run": directory.run_id}
    opening |= {"label": options.label} if options.label else {}
    journal = kind(directory.log, opening, faults, offset_us=offset_us)
    ticker = Ticker(directory, journal, faults, syncs=options.sync != "off")
    run = kind_of_run(
        directory,
        document,
        config,
        journal,
        faults,
        first_step=first_step,
        options=options,
    )
    run.at_alert(lambda line: _say(options, line))
    run.at_finish("stop the background thread", ticker.stop)
    run.at_finish("compact the long history", lambda: _compact(directory, _LONG_BYTES))
    run.at_finish("write summary.json", lambda: _write_summary(run, directory))
    run.reads_by(lambda: _stored(directory))
    end_capture = _capture(run, directory, journal, options)
    run.at_finish("write down what was printed", background.take)
    try:
        view = _notebook.attach(run, directory, options)
    except BaseException:
        end_capture()  # the directory is about to be removed
        raise
    # After the view, which may have put something over the streams as well.
    run.at_finish("end the record of machine and console", end_capture)
    run.at_finish("say how it ended", lambda: _say_ending(run, journal, options, view))
    run.at_finish("compact the history", lambda: _compact(directory))
    if _notebook.shell() is None:
        _watch_exit()
    _open_runs.append(run)
    ticker.start()
    return run


def _stored(directory: RunDir) -> StoredRun:
    from nbtrack._read.stored import StoredRun

    return StoredRun(directory)


def _capture(
    run: Run, directory: RunDir, journal: Journal, options: settings.Settings
) -> Callable[[], None]:
    """Have the machine and the console recorded as far as wanted; give what ends it."""
    system_s = options.system_s if options.captures("system") else 0.0
    console = options.console if options.captures("console") else "off"
    if system_s <= 0 and console == "off":
        return lambda: None
    opening = {"format": rundir.FORMAT, "run": directory.run_id}
    opening |= {"label": options.label} if options.label else {}
    return background.begin(
        Wanted(
            path=directory.path,
            writer=journal.writer,
            opening=opening | {"t0": time.time() - journal.elapsed_us() / 1e6},
            elapsed_us=journal.elapsed_us,
            report=lambda subject, message, error: run.faults.add(
                "capture", message, subject=subject, error=error, in_user_call=False
            ),
            system_s=system_s,
            cores=options.system_cores,
            console=console,
            takes_turns=options.mode == "shared",
        )
    )


def _write_summary(run: Run, directory: RunDir) -> None:
    if run in _open_runs:
        _open_runs.remove(run)
    if not run.ends_for_all:
        return
    directory.write("summary.json", plain_json(run.following.values()))


def _say_ending(
    run: Run, journal: Journal, options: settings.Settings, view: str
) -> None:
    """Say what was recorded where there is no board, and what was lost anywhere."""
    lost = journal.lost + journal.waiting
    told = f"{run.name} {run.state}, {_reached(run)}, in {shown(run.dir)}"
    if lost:
        told += f"; {lost} records could not be written and are lost"
    if len(run.faults):
        kinds = "1 kind" if len(run.faults) == 1 else f"{len(run.faults)} kinds"
        told += f"; {kinds} of faults, see run.faults"
    if lost or view == "text":
        _say(options, told)


#: A long log is compacted before the summary is folded, so that its rows are decoded
#: once. A short one after the board is frozen: loading pyarrow takes longer than both.
_LONG_BYTES: Final = 4 * 2**20


def _compact(directory: RunDir, least_bytes: int = 0) -> None:
    if _is_exiting:
        return  # pyarrow cannot be loaded any more, and readers do without
    if sum(log.stat().st_size for log in directory.log.iterdir()) < least_bytes:
        return
    from nbtrack._store.compact import compact

    compact(directory)


def _reached(run: Run) -> str:
    last = run.following.last_step
    return "no rows" if last is None else f"last step {last}"


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a passwd entry
        return "user"


def _say(options: settings.Settings, message: str) -> None:
    if not options.quiet and options.view != "off":
        # Plain news in a notebook; not in the way of a script's own output.
        where = sys.stderr if _notebook.shell() is None else sys.stdout
        print(f"nbtrack: {message}", file=where)


def login(*_: object, **__: object) -> bool:
    """Do nothing, successfully: there is no account. For code written for W&B."""
    return True


# -- the current run -----------------------------------------------------------------


def _make_current(run: Run) -> None:
    global _current  # noqa: PLW0603  (this module's one piece of state)
    _current = run


def current() -> Run | None:
    """Give the run that module-level calls act on, if there is one."""
    return _current


def require(call: str) -> Run:
    """Give the current run.

    Raises
    ------
    NotInitializedError
        There is none yet.
    """
    if _current is None:
        raise errors.NotInitializedError(call)
    return _current


def log(
    data: dict[str, Any] = _NOT_GIVEN,
    step: int | None = None,
    commit: bool | None = None,
    **others: Never,
) -> None:
    """Record values in the current run; see ``Run.log``."""
    require("log").log(data, step, commit, **others)


def define_metric(name: str, *args: Any, **keywords: Any) -> Any:
    """Say how a metric of the current run is summarised; see ``Run.define_metric``."""
    return require("define_metric").define_metric(name, *args, **keywords)


def save(glob_str: str, *args: Any, **keywords: Any) -> list[str]:
    """Keep files with the current run; see ``Run.save``."""
    return require("save").save(glob_str, *args, **keywords)


def alert(title: str, *args: Any, **keywords: Any) -> None:
    """Record and print an alert of the current run; see ``Run.alert``."""
    require("alert").alert(title, *args, **keywords)


def log_artifact(*args: Any, **keywords: Any) -> Any:
    """Say that artifacts are not in this version; see ``Run.log_artifact``."""
    return require("log_artifact").log_artifact(*args, **keywords)


def use_artifact(*args: Any, **keywords: Any) -> Any:
    """Say that artifacts are not in this version; see ``Run.use_artifact``."""
    return require("use_artifact").use_artifact(*args, **keywords)


def finish(exit_code: int | None = None) -> None:
    """End the current run, if one is open; see ``Run.finish``."""
    if _current is not None:
        _current.finish(exit_code)


_is_exiting = False
_exit_code = 0


@cache
def _watch_exit() -> None:
    """Learn what a script says to ``sys.exit``: at exit nobody tells any more."""
    leave = sys.exit

    def exit_(status: object = None) -> NoReturn:
        global _exit_code  # noqa: PLW0603
        _exit_code = status if isinstance(status, int) else int(status is not None)
        if leave is _SYS_EXIT:
            raise _Exit(status)
        leave(status)  # type: ignore[arg-type]  # somebody else's own business

    sys.exit = exit_


_SYS_EXIT: Final = sys.exit


class _Exit(SystemExit):
    """What ``sys.exit`` raises; it notices when the script catches it and goes on."""

    def __del__(self) -> None:
        global _exit_code  # noqa: PLW0603
        # An exit that nobody catches is let go of by the interpreter, not by a script.
        if sys._getframe().f_back is not None:  # noqa: SLF001
            _exit_code = 0


def _finish_all() -> None:
    """End what is open when the interpreter exits, with the state it deserves."""
    global _is_exiting  # noqa: PLW0603
    _is_exiting = True
    error = None if _notebook.shell() else getattr(sys, "last_value", None)
    while _open_runs:
        run = _open_runs.pop()
        if error is None:
            run.finish(_exit_code)
        else:
            run.__exit__(type(error), error, error.__traceback__)


atexit.register(_finish_all)
