"""Reads and writes JSON columns in the same way, whatever codec the host's engine has.

A host may give its engine a `json_serializer` and a `json_deserializer`, for example to read
numbers as `Decimal`. But what the endpoint checked must be what is stored, and what is stored must
be what reports read. So we write and read the JSON text ourselves. The column's type is unchanged:
the host's own queries, such as `UserEvent` in its session, use the host's codec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from tcs_events.database import mysql
from tcs_events.strict_json import dumps, loads


class StoredJson(sa.TypeDecorator[Any]):
    """Stores a value as JSON text, and reads the text as a value again."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else dumps(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        try:
            return None if value is None else loads(value)
        except (ValueError, RecursionError):
            return value  # not JSON: the host's own code has written it


def is_json(column: sa.ColumnElement[Any]) -> bool:
    """Return whether a column holds JSON."""
    return isinstance(column.type, sa.JSON)


class _JsonText(sa.Cast[str]):
    """A JSON column as text. MariaDB and MySQL give their JSON as text anyway."""

    inherit_cache = True


def _column_itself(element: _JsonText, compiler: Any, **options: Any) -> Any:
    # A cast would convert the text to the character set of the connection, and copy all of it.
    return compiler.process(element.clause, **options)


for _name in mysql.NAMES:
    compiles(_JsonText, _name)(_column_itself)


def text_of_json(column: sa.ColumnElement[Any]) -> sa.Cast[str]:
    """Return a JSON column as text, so that the driver does not decode it."""
    return _JsonText(column, sa.Text())


def read_columns(table: sa.FromClause, names: Iterable[str]) -> list[sa.ColumnElement[Any]]:
    """Return the named columns for a SELECT, in this order. JSON columns use our own codec."""
    return [
        sa.type_coerce(text_of_json(column), StoredJson()).label(column.name)
        if is_json(column)
        else column
        for column in (table.c[name] for name in names)
    ]


def insert_values(table: sa.Table, names: Iterable[str], dialect: str) -> dict[str, Any]:
    """Return the argument of `insert(table).values(...)`: a parameter for each of the columns.

    JSON columns use our own codec.
    """
    return {name: _parameter(table.c[name], dialect) for name in names}


def _parameter(column: sa.Column[Any], dialect: str) -> sa.ColumnElement[Any]:
    if not is_json(column):
        return sa.bindparam(column.name, type_=column.type)
    parameter = sa.bindparam(column.name, type_=StoredJson())
    # PostgreSQL does not convert a text parameter to JSON without a cast.
    return sa.cast(parameter, column.type) if dialect == "postgresql" else parameter
