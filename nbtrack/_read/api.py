"""``nbtrack.Api``: all runs under a root, as objects and as frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from nbtrack import settings
from nbtrack._read.filters import matches, ordered, sort_key
from nbtrack._read.stored import StoredRun
from nbtrack._store.rundir import RunDir, list_projects, list_runs, project_directory
from nbtrack.errors import NbtrackError, RunNotFoundError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd


class Api:
    """Reads run directories; needs no run to be open.

    Parameters
    ----------
    root
        Root of all projects; by default what ``init`` would use.

    Examples
    --------
    >>> for run in nbtrack.Api().runs("digits"):  # doctest: +SKIP
    ...     print(run.name, run.summary["val/acc"])
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(settings.load(dir=root).dir).expanduser().absolute()

    def projects(self) -> list[str]:
        """List the projects that have runs, by name."""
        return sorted(map(_project_name, list_projects(self.root)))

    def runs(
        self,
        path: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str = "+created_at",
        per_page: int = 50,  # noqa: ARG002  (W&B's; there are no pages on disk)
    ) -> Runs:
        """List the runs of a project, or of all projects.

        Parameters
        ----------
        path
            A project, or "entity/project", or the parts of such a path.
        filters
            W&B's Mongo style: ``{"config.lr": {"$lt": 0.01}, "tags": "baseline"}``.
        order
            A field with "+" (rising, the default: oldest first) or "-" before it.

        Raises
        ------
        RunNotFoundError
            There is no such project.
        """
        if path is None:
            return Runs(list_projects(self.root), filters, order)
        path = _joined("runs", path)
        for project in _tails(path):
            directory = project_directory(self.root, project)
            if directory.is_dir():
                return Runs([directory], filters, order)
        raise RunNotFoundError(path, self.root, self.projects())

    def run(self, path: str | Sequence[str]) -> StoredRun:
        """Give one run: "project/id", "entity/project/id", or an id alone.

        The parts of such a path are taken, too, as ``StoredRun.path`` has them.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """
        path = _joined("run", path)
        above, _, run_id = path.strip("/").replace(":", "/").rpartition("/")
        parents = path.strip("/")[: len(above)]  # a project's name may hold ":"
        places = [project_directory(self.root, name) for name in _tails(parents)]
        for place in places or list_projects(self.root):
            if (place / run_id / "run.json").is_file():
                return StoredRun(RunDir(place / run_id))
        known = [
            f"{project.name}/{run.run_id}"
            for project in list_projects(self.root)
            for run in list_runs(project)
        ]
        raise RunNotFoundError(path, self.root, known)


def _joined(call: str, path: object) -> str:
    """Give a path as text.

    Raises
    ------
    TypeError
        It is neither text nor a list of texts.
    """
    if isinstance(path, str):
        return path
    parts: list[Any] = list(path) if isinstance(path, Sequence) else [None]
    if not all(isinstance(part, str) for part in parts):
        msg = (
            f'Api().{call}() takes a path such as "project/id", or its parts, not '
            f"{path!r}."
        )
        raise TypeError(msg)
    return "/".join(parts)


def _project_name(place: Path) -> str:
    """Give a project's name as any one of its runs knows it."""
    try:
        for directory in list_runs(place):
            try:
                return StoredRun(directory).project
            except NbtrackError:
                continue  # a damaged run; another one may know
    except StorageError:
        pass
    return place.name


def _tails(path: str) -> list[str]:
    """Give what of a path may be a project's name, longest first.

    Entities come before it, W&B's "runs" after it, and a name may hold slashes.

    >>> _tails("me/a/b/runs")
    ['me/a/b/runs', 'a/b/runs', 'b/runs', 'runs', 'me/a/b', 'a/b', 'b']
    """
    parts = path.split("/") if path else []
    tails = ["/".join(parts[at:]) for at in range(len(parts))]
    return tails + (_tails("/".join(parts[:-1])) if parts[-1:] == ["runs"] else [])


class Runs(Sequence[StoredRun]):
    """Runs of one or more projects, read when they are first looked at.

    Attributes
    ----------
    damaged
        Directories that could not be read, with the reason; they hide nothing else.
    """

    def __init__(
        self, places: list[Path], filters: Mapping[str, Any] | None, order: str
    ) -> None:
        self.damaged: dict[str, str] = {}
        self._places = places
        self._filters = filters
        self._order = order

    @cached_property
    def _runs(self) -> list[StoredRun]:
        runs = [run for place in self._places for run in self._read(place)]
        runs.sort(key=lambda run: run.started_at)
        field = self._order.lstrip("+-")
        falling = self._order.startswith("-")
        by_time = field in ("created_at", "createdAt")
        if by_time and falling:
            runs.reverse()
        if by_time and not self._filters:
            return runs  # without opening a file more: there may be ten thousand
        asks_summary = "summary" in f"{self._filters} {self._order}"
        facts = {id(run): run.facts(with_summary=asks_summary) for run in runs}
        if self._filters:
            runs = [run for run in runs if matches(facts[id(run)], self._filters)]
        if by_time:
            return runs
        return ordered(runs, [sort_key(facts[id(run)], field) for run in runs], falling)

    def _read(self, place: Path) -> Iterator[StoredRun]:
        try:
            directories = list(list_runs(place))
        except StorageError as error:
            if len(self._places) == 1:
                raise  # an empty list would be a lie
            self.damaged[str(place)] = str(error)
            return
        for directory in directories:
            try:
                yield StoredRun(directory)
            except NbtrackError as error:
                self.damaged[str(directory.path)] = str(error)

    @overload
    def __getitem__(self, at: int) -> StoredRun: ...
    @overload
    def __getitem__(self, at: slice) -> list[StoredRun]: ...
    def __getitem__(self, at: int | slice) -> StoredRun | list[StoredRun]:
        return self._runs[at]

    def __len__(self) -> int:
        return len(self._runs)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per run: name, state, times, tags, config and summary."""
        import pandas as pd

        from nbtrack._config import flatten
        from nbtrack._read.frames import config_cell

        rows = []
        for run in self:
            row: dict[str, Any] = {
                "id": run.id,
                "name": run.name,
                "project": run.project,
                "state": run.state,
                "created_at": run.created_at,
                "duration_s": run.duration_s,
                "tags": run.tags,
                "notes": run.notes,
            }
            for prefix, tree in (("config", run.config), ("summary", run.summary)):
                for key, value in flatten(tree).items():
                    row[f"{prefix}.{key}"] = config_cell(value)
            rows.append(row)
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<{len(self)} runs>"
