"""Which rows of a table fulfil an expression such as ``lr < 0.01 and "cat" in label``.

Python's grammar, and of it only what is listed here: the expression is parsed, never
run, and every part of it is a function over whole Arrow columns. Names are columns;
one that is no word of Python's stands between backticks: ```val/loss` < 1``.

The rules are those of ``Api.runs(filters=…)``: text and numbers compare as false, not
as an error; what is missing is neither less nor greater, and equal to None alone.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nbtrack.errors import MediaError, TableColumnError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_CHARS: Final = 2_000
_MOST_POWER: Final = 64
_BACKTICKS: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`([^`]+)`""")


class FilterError(MediaError):
    """A filter that cannot be understood, and why."""

    def __init__(self, text: str, why: str) -> None:
        self.text = text
        super().__init__(f"The filter {text[:200]!r} cannot be used: {why}.")


class Filter:
    """A parsed expression.

    Raises
    ------
    FilterError
        It is no expression, or has parts that are not allowed.
    TableColumnError
        It names a column that is not there.
    """

    def __init__(self, text: str, known: Sequence[str]) -> None:
        self.text = text
        self._known = known
        self._quoted: dict[str, str] = {}
        if len(text) > MOST_CHARS:
            raise FilterError(text, f"it is longer than {MOST_CHARS} characters")
        try:
            tree = ast.parse(_BACKTICKS.sub(self._quote, text.strip()), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = f"{getattr(error, 'msg', error)}".rstrip(".")
            raise FilterError(text, f"it is no expression ({why})") from error
        self._tree = tree.body
        #: The columns that it reads.
        called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        names = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
        self.columns = sorted(
            {self._column_name(name) for name in names if id(name) not in called}
        )

    def _quote(self, found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        name = f"column_{len(self._quoted)}_"
        self._quoted[name] = found[2]
        return name

    def _column_name(self, node: ast.Name) -> str:
        name = self._quoted.get(node.id, node.id)
        if name not in self._known:
            raise TableColumnError(name, self._known)
        return name

    def mask(self, columns: Callable[[str], Any], rows: int) -> Any:
        """Give an Arrow array of bools, one for each row.

        Parameters
        ----------
        columns
            Gives a column by its name.
        rows
            How many there are.
        """
        self._columns, self._rows = columns, rows
        try:
            found = self._truth(self._value(self._tree))
        except (pa.ArrowException, OverflowError, ZeroDivisionError) as error:
            raise FilterError(self.text, str(error).rstrip(".")) from error
        except RecursionError as error:
            raise FilterError(self.text, "it is nested too deeply") from error
        if isinstance(found, bool):
            return pa.array(np.full(rows, found))
        return found

    # -- parts -------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            what = ast.unparse(node)[:60]
            raise FilterError(self.text, f"{what!r} is not among what it may hold")
        return method(node)

    def _name(self, node: ast.Name) -> Any:
        return _plain(self._columns(self._column_name(node)))

    def _constant(self, node: ast.Constant) -> Any:
        if not isinstance(node.value, (int, float, str, bool, type(None))):
            raise FilterError(self.text, f"{node.value!r} is no number and no text")
        return node.value

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> list[Any]:
        values = [self._value(item) for item in node.elts]
        if any(_is_column(value) for value in values):
            raise FilterError(self.text, "a list holds numbers and text only")
        return values

    _tuple = _set = _list

    def _boolop(self, node: ast.BoolOp) -> Any:
        join = pc.and_ if isinstance(node.op, ast.And) else pc.or_
        values = [self._truth(self._value(part)) for part in node.values]
        found = values[0]
        for value in values[1:]:
            found = join(found, value)
        return found.as_py() if isinstance(found, pa.Scalar) else found

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self._value(node.operand)
        if isinstance(node.op, ast.Not):
            truth = self._truth(value)
            return not truth if isinstance(truth, bool) else pc.invert(truth)
        if isinstance(node.op, ast.USub):
            number = self._numbers(value)
            return pc.negate(number) if _is_column(number) else -number
        raise FilterError(self.text, "of + - ~ before a value only - is known")

    def _binop(self, node: ast.BinOp) -> Any:
        apply = _ARITHMETIC.get(type(node.op))
        if apply is None:
            raise FilterError(self.text, "it may hold + - * / // % and ** only")
        left = self._numbers(self._value(node.left))
        right = self._numbers(self._value(node.right))
        is_high = not _is_column(right) and abs(right) > _MOST_POWER
        if isinstance(node.op, ast.Pow) and is_high:
            raise FilterError(self.text, f"a power beyond {_MOST_POWER}")
        found = apply(left, right)
        return found.as_py() if isinstance(found, pa.Scalar) else found

    def _numbers(self, value: Any) -> Any:
        """Give numbers to reckon with: doubles, so that nothing overflows."""
        if _is_column(value):
            if pa.types.is_boolean(value.type):
                value = value.cast(pa.int8())
            if not _is_number(value.type):
                raise FilterError(self.text, f"{value.type} is nothing to reckon with")
            return value.cast(pa.float64(), safe=False)
        if isinstance(value, (int, float)):
            return float(value)
        raise FilterError(self.text, f"{value!r} is nothing to reckon with")

    def _compare(self, node: ast.Compare) -> Any:
        found: Any = None
        left = self._value(node.left)
        for operator, right_node in zip(node.ops, node.comparators, strict=True):
            right = self._value(right_node)
            one = self._compared(left, operator, right)
            found = one if found is None else pc.and_(found, one)
            left = right
        return found.as_py() if isinstance(found, pa.Scalar) else found

    def _compared(self, left: Any, operator: ast.cmpop, right: Any) -> Any:
        if isinstance(operator, (ast.In, ast.NotIn)):
            found = self._within(left, right)
            return _not(found) if isinstance(operator, ast.NotIn) else found
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if right is not None:
                raise FilterError(self.text, "'is' takes None; write == for a value")
            operator = ast.Eq() if isinstance(operator, ast.Is) else ast.NotEq()
        if isinstance(operator, ast.NotEq):
            return _not(self._equal(left, right))
        if isinstance(operator, ast.Eq):
            return self._equal(left, right)
        return self._ordered(left, _ORDERS[type(operator)], right)

    def _equal(self, left: Any, right: Any) -> Any:
        if right is None or left is None:
            other = left if right is None else right
            return other is None if not _is_column(other) else _missing(other)
        left, right = _alike(left, right)
        if left is None:
            return False
        return _filled(pc.equal(left, right))

    def _ordered(self, left: Any, order: str, right: Any) -> Any:
        left, right = _alike(left, right)
        if left is None:  # text against a number, or against nothing
            return False
        return _filled(getattr(pc, order)(left, right))

    def _within(self, item: Any, whole: Any) -> Any:
        if isinstance(whole, list):
            if not _is_column(item):
                return item in whole
            parts = [self._equal(item, value) for value in whole]
            return _any(parts)
        if isinstance(item, str) and _is_column(whole):
            return _filled(pc.match_substring(_text(whole), item))
        if isinstance(item, str) and isinstance(whole, str):
            return item in whole
        why = (
            "'in' takes text on its left and a column of text, or a list, on its right"
        )
        raise FilterError(self.text, why)

    def _call(self, node: ast.Call) -> Any:
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise FilterError(self.text, "a function takes plain arguments only")
        values = [self._value(arg) for arg in node.args]
        if isinstance(node.func, ast.Attribute):
            values.insert(0, self._value(node.func.value))
            name, known = node.func.attr, _METHODS
        else:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            known = _FUNCTIONS
        if name not in known:
            listed = ", ".join([*_FUNCTIONS, *(f".{name}" for name in _METHODS)])
            raise FilterError(self.text, f"of functions it may hold {listed}")
        count, apply = known[name]
        if len(values) != count:
            raise FilterError(self.text, f"{name} takes {count} argument(s)")
        if not _is_column(values[0]):
            raise FilterError(self.text, f"{name} takes a column")
        if count > 1 and not isinstance(values[1], str):
            raise FilterError(self.text, f"{name} takes text")
        try:
            return apply(*values)
        except (pa.ArrowException, TypeError) as error:
            what = f"{name} cannot be had of cells of type {values[0].type}"
            raise FilterError(self.text, what) from error

    def _truth(self, value: Any) -> Any:
        """Say which cells count as true, as Python has it."""
        if not _is_column(value):
            return bool(value)
        if pa.types.is_boolean(value.type):
            return _filled(value)
        if _is_number(value.type):
            return _filled(pc.not_equal(value, 0))
        return _filled(pc.greater(pc.utf8_length(_text(value)), 0))


# --- whole columns -------------------------------------------------------------------


def _is_column(value: Any) -> bool:
    return isinstance(value, (pa.Array, pa.ChunkedArray))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(column: Any) -> Any:
    """Give a column of a type to compute with."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if str(column.type) == "string_view":
        return column.cast(pa.large_string())
    return column


def _text(column: Any) -> Any:
    """Give a column's cells as text to search in."""
    if _is_text(column.type):
        return column
    return column.cast(pa.large_string())


def _filled(truth: Any) -> Any:
    return pc.fill_null(truth, False)  # noqa: FBT003  (what is missing fulfils nothing)


def _not(truth: Any) -> Any:
    return not truth if isinstance(truth, bool) else pc.invert(truth)


def _any(parts: list[Any]) -> Any:
    found: Any = False
    for part in parts:
        found = pc.or_(part, found)
    return found.as_py() if isinstance(found, pa.Scalar) else found


def _missing(column: Any) -> Any:
    return pc.is_null(column, nan_is_null=_is_floating(column.type))


def _is_floating(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Give two sides as one type; None where they have nothing in common."""
    if _is_column(right) and not _is_column(left):
        right, left = _alike(right, left)
        return left, right
    if not _is_column(left):
        both_text = isinstance(left, str) and isinstance(right, str)
        alike = both_text or not (isinstance(left, str) or isinstance(right, str))
        return (pa.scalar(left), pa.scalar(right)) if alike else (None, None)
    if _is_column(right):
        return _alike_columns(left, right)
    if right is None or isinstance(right, list):
        return None, None
    return _with_constant(left, right)


def _alike_columns(left: Any, right: Any) -> tuple[Any, Any]:
    left, right = _without_bools(left), _without_bools(right)
    if left.type == right.type or (_is_number(left.type) and _is_number(right.type)):
        return left, right
    if _is_text(left.type) and _is_text(right.type):
        return left.cast(pa.large_string()), right.cast(pa.large_string())
    return None, None


def _without_bools(column: Any) -> Any:
    return column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column


def _with_constant(column: Any, value: Any) -> tuple[Any, Any]:
    column = _without_bools(column)
    if isinstance(value, str):
        if _is_text(column.type):
            return column, pa.scalar(value, column.type)
        if pa.types.is_temporal(column.type):
            return column, pa.scalar(_moment(value), pa.timestamp("us")).cast(
                column.type
            ) if pa.types.is_date(column.type) else _zoned(value, column.type)
        return None, None
    if not _is_number(column.type):
        return None, None
    if isinstance(value, int) and abs(value) >= 2**63:
        value = float(value)
    if isinstance(value, float) and not _is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    return column, pa.scalar(value)


def _moment(text: str) -> Any:
    """Read a moment, as ``2026-01-31`` or ``2026-01-31T12:00``.

    Raises
    ------
    pyarrow.ArrowInvalid
    """
    from datetime import datetime

    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is no date such as '2026-01-31' or '2026-01-31T12:00'"
        raise pa.ArrowInvalid(msg) from error


def _zoned(text: str, kind: Any) -> Any:
    """Give a moment as cells of a type have it: in their time zone, if it says none."""
    if not pa.types.is_timestamp(kind):
        msg = f"cells of type {kind} are no moments"
        raise pa.ArrowInvalid(msg)
    moment = _moment(text)
    if kind.tz is None or moment.tzinfo is not None:
        if kind.tz is None and moment.tzinfo is not None:
            moment = moment.replace(tzinfo=None)
        return pa.scalar(moment, kind)
    local = pa.scalar(moment, pa.timestamp(kind.unit))
    return pc.assume_timezone(local, kind.tz)


def _divided(left: Any, right: Any) -> Any:
    if not _is_column(right):
        right = np.float64(right)
    return pc.divide(left, right)


_ARITHMETIC: Final = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: _divided,
    ast.FloorDiv: lambda left, right: pc.floor(_divided(left, right)),
    ast.Mod: lambda left, right: pc.subtract(
        left, pc.multiply(pc.floor(_divided(left, right)), right)
    ),
    ast.Pow: pc.power,
}
_ORDERS: Final[dict[type, str]] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "abs": (1, pc.abs),
    "len": (1, lambda column: pc.utf8_length(_text(column))),
    "lower": (1, lambda column: pc.utf8_lower(_text(column))),
    "isnull": (1, _missing),
}
_METHODS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "lower": (1, lambda column: pc.utf8_lower(_text(column))),
    "startswith": (2, lambda column, text: pc.starts_with(_text(column), text)),
    "endswith": (2, lambda column, text: pc.ends_with(_text(column), text)),
    "contains": (2, lambda column, text: pc.match_substring(_text(column), text)),
}
