"""Adds differences to the rows of a table of counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from operator import add, sub
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.rows import Place, as_key
from tcs_events.database.batches import batches

Key = tuple[Any, ...]
Deltas = dict[Key, tuple[int, ...]]
"""What to add to the counts of each row, in the order of the table's columns."""

INSERT_ROWS = 1_000


class CountsDiffer(Exception):
    """The stored counts are not what was counted before, so nothing can be added to them."""


def deltas_of(new: Mapping[Any, Any], old: Mapping[Any, Any]) -> Deltas:
    """Return the new counts minus the old ones, without those that stay.

    Args:
        new: counts by what is counted: numbers, or dataclasses of numbers.
        old: the counts of before.
    """
    deltas: Deltas = {}
    for key in new.keys() | old.keys():
        counted, counted_before = new.get(key), old.get(key)
        if counted == counted_before:
            continue
        after, before = _numbers(counted), _numbers(counted_before)
        width = max(len(after), len(before))
        delta = tuple(map(sub, after or (0,) * width, before or (0,) * width))
        if any(delta):
            deltas[as_key(key)] = delta
    return deltas


def _numbers(counted: Any) -> tuple[int, ...]:
    if counted is None:
        return ()
    if isinstance(counted, int):
        return (counted,)
    kind: Any = type(counted)
    return tuple(getattr(counted, name) for name in _names_of(kind))


@cache  # `dataclasses.astuple` copies each number, which took a sixth of a refresh
def _names_of(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def add_deltas(
    connection: Connection, place: Place, deltas: Deltas, *, keeps_zeros: bool = False
) -> None:
    """Add to the counts of a table. Rows are made where there are none, and deleted at zero.

    Args:
        connection: in a transaction.
        place: has an `id`, and one row for each key.
        deltas: what to add.
        keeps_zeros: whether rows of zeros are kept.

    Raises:
        CountsDiffer: a count would be less than zero.
    """
    if not deltas:
        return
    table, same, names, counts, _, signed = place
    stored = _stored_rows(connection, place, deltas)
    unsigned = [index for index, name in enumerate(counts) if name not in signed]
    gone_ids: list[int] = []
    rows: list[dict[str, object]] = []
    for key, delta in deltas.items():
        row_id, before = stored.get(key, (None, None))
        if row_id is not None:
            gone_ids.append(row_id)
        after = tuple(map(add, before, delta)) if before else delta
        if min(after[index] for index in unsigned) < 0:
            raise CountsDiffer(table.name)
        if keeps_zeros or any(after):
            row = dict(zip((*names, *counts), (*key, *after), strict=True))
            rows.append({**row, **same})
    for ids in batches(gone_ids):
        connection.execute(table.delete().where(table.c.id.in_(ids)))
    for batch in batches(rows, INSERT_ROWS):
        connection.execute(table.insert(), batch)


def _stored_rows(
    connection: Connection, place: Place, deltas: Deltas
) -> dict[Key, tuple[int, tuple[int, ...]]]:
    """Return the id and the counts of the rows that change. There may be other rows among them."""
    table, same, names, counts, narrow, _ = place
    query = sa.select(table.c.id, *(table.c[name] for name in (*names, *counts))).where(
        *(table.c[name] == value for name, value in same.items())
    )
    queries = [query]
    if narrow is not None:
        index = names.index(narrow)
        values = sorted({key[index] for key in deltas})
        queries = [query.where(table.c[narrow].in_(batch)) for batch in batches(values)]
    end = len(names) + 1
    return {
        tuple(row[1:end]): (row[0], tuple(row[end:]))
        for query in queries
        for row in connection.execute(query)
    }
