"""Notes open transactions, because their rows may appear later with ids below the newest id.

A transaction takes ids when it writes, but its rows become visible only when it commits. On
PostgreSQL a host's transaction may stay open for hours. So each refresh notes the transactions that
are open. After one of them has ended, the next refresh looks again at all ids since before that
transaction began.

SQLite has one writer at a time, so rows appear in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.models import UserEvent

Floors = dict[int, int]
"""For each transaction id, an event id that is smaller than the ids of all its events."""


class Look(NamedTuple):
    """The newest event and the open transactions at one moment."""

    newest_id: int
    """The largest id of an event, 0 if there are no events."""
    open: frozenset[int]
    """The ids of the transactions that have written something and have not ended."""


def look(connection: Connection) -> Look:
    """Return the newest event, and the transactions that are open at the same moment."""
    newest_id = sa.select(sa.func.coalesce(sa.func.max(UserEvent.id), 0)).scalar_subquery()
    if connection.dialect.name != "postgresql":
        return Look(connection.execute(sa.select(newest_id)).scalar_one(), frozenset())
    # One statement, so that both values are of the same moment. Prepared transactions are included.
    # Savepoints are not, but they end with their transaction. All versions have this function:
    # https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
    snapshot = sa.cast(sa.func.txid_current_snapshot(), sa.Text)
    newest, snapshot_text = connection.execute(sa.select(newest_id, snapshot)).one()
    in_progress = snapshot_text.split(":")[2]
    return Look(newest, frozenset(map(int, in_progress.split(","))) if in_progress else frozenset())


def noted(connection: Connection) -> Floors:
    """Return the transactions that the last refresh has noted as open."""
    rows = connection.execute(sa.select(tables.open_transactions))
    return {row.xid: row.above_id for row in rows}


def note(connection: Connection, floors: Mapping[int, int]) -> None:
    """Replace the noted transactions by those that are open now."""
    if noted(connection) == floors:
        return
    connection.execute(tables.open_transactions.delete())
    if floors:
        rows = [{"xid": xid, "above_id": above_id} for xid, above_id in floors.items()]
        connection.execute(tables.open_transactions.insert(), rows)
