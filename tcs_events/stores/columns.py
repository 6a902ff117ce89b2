"""What the stores need to know of a table: any of ours, as it is in the host's metadata."""

from __future__ import annotations

from sqlalchemy import Column, Table


def data_columns(table: Table) -> list[Column[object]]:
    """Return the columns that a record fills, in the order of its fields."""
    return [column for column in table.columns if not column.primary_key]


def unique_id(table: Table) -> Column[object]:
    """Return the column that holds the id of a record, the first of its fields."""
    return data_columns(table)[0]
