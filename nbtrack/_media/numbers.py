"""The numbers of what a user calls an array, whatever library it is from."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from nbtrack._record.arrays import as_numbers, opened
from nbtrack.errors import MediaTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_Got = TypeVar("_Got")


def numbers_of(data: Any, what: str) -> NDArray[Any] | None:
    """Give it as a numpy array; None where its elements are no real numbers.

    Parameters
    ----------
    what
        What is to be made of it, for the error: "An image".

    Raises
    ------
    MediaTypeError
        It raises itself, as a tensor does that has no data.
    """
    return _had(as_numbers, data, what)


def npy_of(array: NDArray[Any]) -> bytes:
    """Give an array as the content of a ``.npy`` file."""
    import numpy as np

    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def shape_of(data: Any, what: str) -> tuple[int, ...]:
    """Give the shape of an array, or of lists in a list, without fetching it.

    Raises
    ------
    MediaTypeError
        Rows have several lengths, or an element has none to be had.
    """
    import numpy as np

    found = getattr(data, "shape", None)
    return tuple(found) if found is not None else _had(np.shape, data, what)


def array_of(data: Any, what: str) -> Any:
    """Give the array of an object that has one and says no shape; others as they are.

    Raises
    ------
    MediaTypeError
        It raises itself.
    """
    return _had(opened, data, what)


def _had(get: Callable[[Any], _Got], data: Any, what: str) -> _Got:
    try:
        return get(data)
    except MemoryError:
        raise
    except Exception as error:  # an object of the user's may raise anything
        kind = type(data).__name__
        msg = (
            f"{what} is made of numbers, and this {kind} gives none: "
            f"{type(error).__name__}: {error}"
        )
        raise MediaTypeError(msg) from error
