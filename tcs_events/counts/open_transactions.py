"""Which rows may still come with ids that a refresh has passed: those of transactions still open.

A transaction takes ids when it writes, and its rows can be seen when it commits. On PostgreSQL a
host's own transaction may stay open for hours meanwhile. So each refresh notes the transactions
that are open. When one of them has ended, the next refresh looks again at all ids since before it
began. SQLite has one writer, so that rows come there in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.models import UserEvent

Floors = dict[int, int]
"""By the ids of transactions: all events of the transaction have larger ids than this."""


class Look(NamedTuple):
    """What can be seen at one moment."""

    newest_id: int
    """The largest id of an event, 0 where there is none."""
    open: frozenset[int]
    """The ids of the transactions that have written something and are not over."""


def look(connection: Connection) -> Look:
    """Return the newest event, and the transactions that are open at the same moment."""
    newest_id = sa.select(sa.func.coalesce(sa.func.max(UserEvent.id), 0)).scalar_subquery()
    if connection.dialect.name != "postgresql":
        return Look(connection.execute(sa.select(newest_id)).scalar_one(), frozenset())
    # One statement sees one moment. Prepared transactions are among those in progress; savepoints
    # are not, and end with their transaction. The function is there in every version:
    # https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
    snapshot = sa.cast(sa.func.txid_current_snapshot(), sa.Text)
    newest, written = connection.execute(sa.select(newest_id, snapshot)).one()
    in_progress = written.split(":")[2]
    return Look(newest, frozenset(map(int, in_progress.split(","))) if in_progress else frozenset())


def noted(connection: Connection) -> Floors:
    """Return the transactions that were open at the last refresh."""
    rows = connection.execute(sa.select(tables.open_transactions))
    return {row.xid: row.above_id for row in rows}


def note(connection: Connection, floors: Mapping[int, int]) -> None:
    """Note the transactions that are open now, in the place of those before."""
    if noted(connection) == floors:
        return
    connection.execute(tables.open_transactions.delete())
    if floors:
        rows = [{"xid": xid, "above_id": above_id} for xid, above_id in floors.items()]
        connection.execute(tables.open_transactions.insert(), rows)
