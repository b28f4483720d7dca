"""Objects of other libraries, as the type they belong to, without asking the user.

Whether a value is one is said by the module its class comes from, so that no library
is loaded to find out, and a number costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from nbtrack._media.base import class_of
from nbtrack._record.arrays import is_frame

if TYPE_CHECKING:
    from nbtrack._media.base import Media

_LIBRARIES: Final = frozenset(
    ("PIL", "bokeh", "holoviews", "matplotlib", "modin", "mpl_toolkits", "pandas",
     "panel", "plotly", "polars", "rdkit", "seaborn"),
)  # fmt: skip
_PYPLOT: Final = "matplotlib.pyplot"


def may_wrap(value: object) -> bool:
    """Say whether a value comes from a library whose objects we know."""
    return _is_foreign(type(value)) or getattr(value, "__name__", "") == _PYPLOT


def _is_foreign(kind: type) -> bool:
    known = _known.get(kind)
    if known is None:
        # Bases as well: a class of the user's own may be a figure, a picture, a frame.
        names = (base.__module__ for base in kind.__mro__)
        known = any(str(name).partition(".")[0] in _LIBRARIES for name in names)
        _known[kind] = known
    return known


#: Classes that were looked at; those of a notebook come and go.
_known: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def is_figure(value: object) -> bool:
    """Say whether it may be wrapped, and is no column or scalar of such a library."""
    return may_wrap(value) and not hasattr(value, "dtype") and not is_scalar(value)


def is_scalar(value: object) -> bool:
    """Say whether it is a date or a missing value, as pandas has them."""
    return not hasattr(value, "__dict__") or hasattr(value, "isoformat")


def wrap(value: Any) -> Media | None:
    """Give an object of another library as ours; None for what is no such object.

    Raises
    ------
    MediaError
        It is one, and cannot be drawn or written.
    """
    if not may_wrap(value):
        return None
    if is_frame(value):
        table: Any = class_of("table-file")  # by name: its cells may be wrapped as well
        made: Media = table(dataframe=value)
        return made
    return _of_library(value, {b.__module__ for b in type(value).__mro__})


def _of_library(value: Any, modules: set[str]) -> Media | None:
    libraries = {module.partition(".")[0] for module in modules}
    if "PIL.Image" in modules:
        from nbtrack._media.image import Image

        return Image(value)
    if "plotly" in libraries and hasattr(value, "to_plotly_json"):
        from nbtrack._media.pages import Plotly

        return Plotly(value) if hasattr(value, "layout") else None
    if "rdkit" in libraries:
        from nbtrack._media.molecule import Molecule

        return Molecule.from_rdkit(value) if hasattr(value, "GetAtoms") else None
    if libraries & {"bokeh", "holoviews", "panel"}:
        from nbtrack._media.pages import Bokeh

        return Bokeh(value)
    from nbtrack._media.image import Image
    from nbtrack._media.pictures import figure_of

    figure = figure_of(value)
    return None if figure is None else Image(figure)
