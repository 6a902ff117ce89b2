"""JSON columns as we write and read them, whatever codec the engine of the host has.

A host may give its engine a `json_serializer` and a `json_deserializer`: numbers that come as
`Decimal`, or go as text. What the endpoint checked must be what is stored, and what is stored must
be what reports read. So we write and read the JSON text ourselves. The type of the column is as
the host's engine has it: the host's own queries, `UserEvent` in its session among them, go through
the host's codec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from tcs_events.strict_json import dumps, loads


class StoredJson(sa.TypeDecorator[Any]):
    """The JSON text of a column: written from a value, and read as one."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else dumps(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        try:
            return None if value is None else loads(value)
        except (ValueError, RecursionError):
            return value  # no text of ours: a host's own code has written it


def is_json(column: sa.ColumnElement[Any]) -> bool:
    """Return whether a column holds JSON."""
    return isinstance(column.type, sa.JSON)


def json_text(column: sa.ColumnElement[Any]) -> sa.Cast[str]:
    """Return the text of a JSON column, which no driver reads before we do."""
    return sa.cast(column, sa.Text())


def read_columns(table: sa.FromClause, names: Iterable[str]) -> list[sa.ColumnElement[Any]]:
    """Return columns to be selected, in this order, under their names; JSON in our own codec."""
    return [
        sa.type_coerce(json_text(column), StoredJson()).label(column.name)
        if is_json(column)
        else column
        for column in (table.c[name] for name in names)
    ]


def insert_values(table: sa.Table, names: Iterable[str], dialect: str) -> dict[str, Any]:
    """Return what `insert(table).values(...)` takes for these columns: parameters of their names.

    Those of JSON are written by our own codec.
    """
    return {name: _parameter(table.c[name], dialect) for name in names}


def _parameter(column: sa.Column[Any], dialect: str) -> sa.ColumnElement[Any]:
    if not is_json(column):
        return sa.bindparam(column.name, type_=column.type)
    parameter = sa.bindparam(column.name, type_=StoredJson())
    # PostgreSQL makes no JSON of what a driver sends as text.
    return sa.cast(parameter, column.type) if dialect == "postgresql" else parameter
