"""The SQL about columns of files: the value of a property, its number, and conditions on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from tcs_events.counts.conditions import Condition
from tcs_events.day_files.columns import column_names, json_text, value_of
from tcs_events.day_files.duck import NotAnswered
from tcs_events.reports.explore.question import Measure
from tcs_events.reports.explore.source import Measured
from tcs_events.reports.explore.values import NUMBER_PATTERN
from tcs_events.strict_json import MAX_NUMBER

_GRID = 2.0**60
"""Sums are of whole numbers of 1, of 1/2^60 and of 1/2^120, so that nothing is rounded."""


class PropertyColumn:
    """A property in the SQL about files that have the same kinds of values for it."""

    def __init__(self, name: str, has_numbers: bool, has_texts: bool) -> None:
        numbers, texts = column_names(name)
        self.numbers = numbers if has_numbers else "NULL::DOUBLE"
        self.texts = texts if has_texts else "NULL::VARCHAR"

    @property
    def is_missing(self) -> str:
        return f"({self.numbers} IS NULL AND {self.texts} IS NULL)"

    def as_value(self) -> str:
        """Return the columns `n` and `t`, of which one is null. A missing property is null."""
        text = f"CASE WHEN {self.numbers} IS NULL THEN coalesce({self.texts}, 'null') END"
        return f"{self.numbers} AS n, {text} AS t"

    def as_number(self) -> str:
        """Return the number that `number_of` finds."""
        in_text = f"""'"{NUMBER_PATTERN}"'"""
        number = f"TRY_CAST(trim({self.texts}, '\"') AS DOUBLE)"
        return (
            f"coalesce({self.numbers},"
            f" CASE WHEN regexp_full_match({self.texts}, {in_text}) THEN {number} END)"
        )


PropertyColumns: TypeAlias = Mapping[str, PropertyColumn]
SqlOfColumns: TypeAlias = Callable[[PropertyColumns], str]
"""Gives the SQL of a condition on the columns of some files, for WHERE: null is like false."""


def condition_in_sql(condition: Condition) -> SqlOfColumns | None:
    """Return the SQL that says what `Condition.holds` says.

    None if only Python knows which values are equal: then a list or an object is in the condition.
    """
    name, value = condition.field, condition.value
    if condition.operator in ("=", "!=", "in"):
        values = value if condition.operator == "in" else [value]
        if any(isinstance(value, list | dict) for value in values):
            return None
        if condition.operator == "!=":
            return lambda columns: (
                f"NOT coalesce({_is_one_of(columns[name], values)}, false)"
                f" AND NOT {columns[name].is_missing}"
            )
        return lambda columns: _is_one_of(columns[name], values)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return lambda columns: "false"
    compared = f"{condition.operator} {_literal(value)}"
    return lambda columns: f"{columns[name].numbers} {compared}"


def _is_one_of(column: PropertyColumn, values: Iterable[Any]) -> str:
    """Return the SQL that a column has one of these values. It may be null if it has not."""
    found, texts, numbers = ["false"], list[str](), list[str]()
    for value in values:
        if value is None:
            found.append(f"{column.is_missing} OR {column.texts} = 'null'")
        elif isinstance(value, bool | str):
            quoted = json_text(value).replace("'", "''")
            texts.append(f"'{quoted}'")
        elif -MAX_NUMBER <= value <= MAX_NUMBER:  # no file with larger ones is read for this
            numbers.append(_literal(value))
    # The reader of the files can look for these by itself, unlike for a function of them.
    if texts:
        found.append(f"{column.texts} IN ({', '.join(texts)})")
    if numbers:
        found.append(f"{column.numbers} IN ({', '.join(numbers)})")
    return f"({' OR '.join(found[1:] or found)})"


def _literal(number: float) -> str:
    """Return a number in SQL. A whole number that is larger than all in files is infinite."""
    try:
        return f"'{float(number)!r}'::DOUBLE"
    except OverflowError:
        return f"'{math.copysign(math.inf, number)}'::DOUBLE"


def value_of_cells(number: float | None, text: str | None) -> Any:
    """Return the value of the columns `n` and `t`."""
    return value_of(text if number is None else number)  # type: ignore[arg-type]


@dataclass(frozen=True)
class MeasureSql:
    """The columns of a measure of some events, and how they are read. It agrees with `Cells`."""

    measure: Measure
    nothing: Measured = field(init=False)
    """What is measured of no events."""

    def __post_init__(self) -> None:
        nothing = {"average": None, "median": None, "sum": 0.0}.get(self.measure.kind, 0)
        object.__setattr__(self, "nothing", Measured(nothing))

    @property
    def of_events(self) -> str:
        """The columns from the events, after their number."""
        match self.measure.kind:
            case "median":
                low, high = "quantile_disc(num, 0.5)", "-quantile_disc(-num, 0.5)"
                return f"count(*) AS events, {low} AS low, {high} AS high"
            case "sum" | "average":
                return f"count(*) AS events, {_SUMS}"
            case _:
                return "count(*) AS events, count(*) AS measured"

    @property
    def of_parts(self) -> str:
        """The same columns from those of parts of the events. Not for a median."""
        match self.measure.kind:
            case "sum" | "average":
                return (
                    "sum(events) AS events, sum(numbers) AS numbers, sum(whole) AS whole,"
                    " sum(middle) AS middle, sum(small) AS small, bool_or(is_rounded) AS is_rounded"
                )
            case _:
                return "sum(events) AS events, sum(measured) AS measured"

    def measured(self, columns: Sequence[Any]) -> Measured:
        """Return the measure from the columns after the number of events.

        Raises:
            NotAnswered: numbers are too small to be added up without rounding them.
        """
        match self.measure.kind:
            case "visitors" | "visits" | "events":
                return Measured(int(columns[0]))
            case "median":
                low, high = columns
                return Measured(None if low is None else low if low == high else (low + high) / 2)
        numbers, whole, middle, small, is_rounded = columns
        if is_rounded:
            raise NotAnswered
        scale = int(_GRID)
        exact = Fraction(int(whole or 0)) + Fraction(int(middle or 0), scale)
        total = float(exact + Fraction(int(small or 0), scale * scale))
        if self.measure.kind == "sum":
            return Measured(total)
        return Measured(total / int(numbers) if numbers else None)


_PART = f"((num - trunc(num)) * {_GRID!r})"
_REST = f"(({_PART} - trunc({_PART})) * {_GRID!r})"
_SUMS = (
    "count(num) AS numbers, sum(trunc(num)::BIGINT) AS whole,"
    f" sum(trunc({_PART})::BIGINT) AS middle, sum(trunc({_REST})::BIGINT) AS small,"
    f" coalesce(bool_or({_REST} <> trunc({_REST})), false) AS is_rounded"
)
"""Numbers added up without rounding, as whole numbers of three sizes."""
