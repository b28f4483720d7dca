"""The same table of two runs: what is only in one, and the first rows that differ.

Rows are held to each other by their place. Cells of media are alike when their files
are, which their names say; nothing is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nbtrack._media.table_page import Rows

MOST_CELLS: Final = 20_000_000  # that are compared
MOST_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What became of a table.

    Attributes
    ----------
    gone, new
        Columns that only the first has, that only the second has.
    rows
        How many rows each has.
    compared
        How many of them were held to each other.
    differing
        How many of these differ in a column that both have.
    first
        The first of them: row, column, and page cells of both.
    """

    gone: tuple[str, ...]
    new: tuple[str, ...]
    rows: tuple[int, int]
    compared: int
    differing: int
    first: tuple[tuple[int, str, Any, Any], ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        alone = self.gone or self.new or self.rows[0] != self.rows[1]
        return not alone and not self.differing


def diff_tables(a: Rows, b: Rows) -> TableDiff:
    """Compare two tables row by row.

    Raises
    ------
    MediaError
        One of them cannot be read.
    """
    import numpy as np

    from nbtrack._media.table_page import page

    shared = [name for name in a.names if name in set(b.names)]
    count = min(a.n_rows, b.n_rows, MOST_CELLS // max(1, len(shared)))
    differs = np.zeros(count, dtype=bool)
    by_column = {}
    for name in shared:
        left = a.rows([name], 0, count)[name]
        right = b.rows([name], 0, count)[name]
        found = _differ(left, right)
        if found is not None and found.any():
            by_column[name] = found
            differs |= found
    first = []
    for row in np.flatnonzero(differs)[:MOST_SHOWN].tolist():
        name = next(name for name, found in by_column.items() if found[row])
        sides = [
            page(one, offset=row, limit=1, first_column=one.names.index(name)).head
            for one in (a, b)
        ]
        first.append((row, name, *(side["rows"][0][0] for side in sides)))
    return TableDiff(
        tuple(name for name in a.names if name not in set(b.names)),
        tuple(name for name in b.names if name not in set(a.names)),
        (a.n_rows, b.n_rows),
        count,
        int(differs.sum()),
        tuple(first),
    )


def _differ(left: Any, right: Any) -> Any:
    """Say which cells differ; what is missing, or NaN, in both does not."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    left, right = _plain(left), _plain(right)
    if left.type != right.type:
        try:
            right = right.cast(left.type)
        except pa.ArrowException:
            left, right = left.cast(pa.large_string()), right.cast(pa.large_string())
    if pa.types.is_null(left.type):
        return None
    if pa.types.is_floating(left.type):
        a, b = (side.to_numpy(zero_copy_only=False) for side in (left, right))
        return ~((a == b) | (np.isnan(a) & np.isnan(b)))
    differs = pc.fill_null(pc.not_equal(left, right), False)  # noqa: FBT003
    missing = pc.xor(pc.is_null(left), pc.is_null(right))
    return np.asarray(pc.or_(differs, missing))


def _plain(array: Any) -> Any:
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array
