"""Reading back the tables of a run, for open and stored runs alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbtrack.errors import TableNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from nbtrack._media.table import Table
    from nbtrack._store.rundir import RunDir


class LoggedTables:
    """What ``Run`` and ``StoredRun`` share: both have a directory."""

    _directory: RunDir

    def table(self, key: str, step: int | None = None) -> pd.DataFrame:
        """Give a table that was logged, or a chart's, as a DataFrame.

        Parameters
        ----------
        key
            What it was logged under.
        step
            Of this step; by default the last one. Of a table that was logged in
            increments, all up to this step.

        Returns
        -------
        pandas.DataFrame
            Cells that hold media are objects that can be opened.

        Raises
        ------
        TableNotFoundError
            Nothing was logged under that key, or no table.
        MediaFileError
            Its file is gone or damaged.
        """
        import pandas as pd

        tables = tables_of(self._directory, key, step)
        if len(tables) == 1:
            return tables[0].get_dataframe()
        frames = [table.get_dataframe() for table in tables]
        return pd.concat(frames, ignore_index=True)


def tables_of(directory: RunDir, key: str, step: int | None = None) -> list[Table]:
    """Give the table of a key, in its increments.

    Raises
    ------
    TableNotFoundError
    """
    parts: list[Table] = []
    steps: list[int] = []
    for at, table in _logged(directory, key):
        steps.append(at)
        if step is not None and at > step:
            continue
        if not _first_row(table):
            parts.clear()
        parts.append(table)
    is_whole = bool(parts) and table_increments(parts)
    if not parts or (step is not None and step not in steps and not is_whole):
        raise _not_found(directory, key, steps)
    return parts


def table_increments(parts: list[Table]) -> bool:
    """Say whether these are increments of one table."""
    return parts[0].log_mode == "INCREMENTAL"


def _first_row(table: Table) -> int:
    found = table.get("first_row", 0)
    return found if isinstance(found, int) else 0


def _logged(directory: RunDir, key: str) -> Iterator[tuple[int, Table]]:
    """Give each step's table under a key, in order."""
    found = list(_values(directory, key))
    if not found and key.endswith("_table"):  # where W&B keeps a chart's table
        found = list(_values(directory, key.removesuffix("_table")))
    yield from found


def _values(directory: RunDir, key: str) -> Iterator[tuple[int, Table]]:
    from nbtrack._store.parts import read_history

    for record in read_history(directory, [key]).rows():
        table = table_in(record.data.get(key), directory.path)
        if table is not None:
            yield record.step or 0, table


def table_in(value: Any, run_path: Path) -> Table | None:
    """Give the table that a row's value is, or that it was drawn of; else None."""
    from nbtrack._media.base import restored
    from nbtrack._media.table import Table

    found = restored(value, run_path)
    if isinstance(found, Table):
        return found
    table = getattr(found, "table", None)
    return table if isinstance(table, Table) else None


def _not_found(directory: RunDir, key: str, steps: list[int]) -> TableNotFoundError:
    from nbtrack._store.parts import read_history

    history = read_history(directory)
    known = history.keys()
    if key in known and not steps:
        return TableNotFoundError(key, directory.run_id, (), "no table")
    if steps:
        shown = ", ".join(map(str, steps[:12])) + (", …" if len(steps) > 12 else "")  # noqa: PLR2004
        return TableNotFoundError(key, directory.run_id, (), f"at step {shown}")
    tables = {
        name
        for record in history.rows()
        for name, value in record.data.items()
        if isinstance(value, dict) and table_in(value, directory.path) is not None
    }
    return TableNotFoundError(key, directory.run_id, sorted(tables), "")
