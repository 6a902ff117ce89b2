"""Keeps the stored counts of declared properties within bounds while others are added to them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import properties, tables
from tcs_events.counts.deltas import Deltas
from tcs_events.counts.properties import ALL_VALUES, UNCOUNTED


def countable_deltas(connection: Connection, day: date, deltas: Deltas) -> Deltas:
    """Return the deltas of a day's properties without those that are too much to be counted.

    The stored values of these are deleted. What is left is what counting the whole day would store.

    Args:
        connection: in a transaction.
        day: the day.
        deltas: by `SumKey`.
    """
    new: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event_type, name, value, _ in deltas:
        if name != ALL_VALUES:
            new[event_type, name].add(value)
    if not new:
        return deltas
    stored = _stored_values(connection, day)
    too_many = {key for key, values in new.items() if _is_too_much(values | stored[key])}
    kept = {key: delta for key, delta in deltas.items() if key[:2] not in too_many}
    table = tables.properties
    for event_type, name in too_many:
        if UNCOUNTED in stored[event_type, name]:
            continue
        connection.execute(
            table.delete().where(
                table.c.day == day, table.c.event_type == event_type, table.c.property == name
            )
        )
        kept[event_type, name, UNCOUNTED, ""] = (1, 0)
    return kept


def _is_too_much(values: set[str]) -> bool:
    return UNCOUNTED in values or len(values) > properties.MAX_VALUES


def _stored_values(connection: Connection, day: date) -> dict[tuple[str, str], set[str]]:
    """Return the stored values of a day by event type and property."""
    stored: dict[tuple[str, str], set[str]] = defaultdict(set)
    rows = tables.properties.c
    query = sa.select(rows.event_type, rows.property, rows.value)
    for event_type, name, value in connection.execute(
        query.where(rows.day == day, rows.added == "")
    ):
        stored[event_type, name].add(value)
    return stored
