"""The columns of a table that the stores fill. The table is the one in the host's metadata."""

from __future__ import annotations

from sqlalchemy import Column, Table

from tcs_events.event import Event


def data_columns(table: Table) -> list[Column[object]]:
    """Return the columns that a record fills, in the order of the record's fields."""
    return [column for column in table.columns if not column.primary_key]


def holds_events(table: Table) -> bool:
    """Return whether the records of a table are those of events."""
    return tuple(column.name for column in data_columns(table)) == Event._fields


def unique_id(table: Table) -> Column[object]:
    """Return the column that holds a record's id, which is the record's first field."""
    return data_columns(table)[0]
