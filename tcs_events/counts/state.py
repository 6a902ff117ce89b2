"""The state row: how far counting has come, who holds the lease, and which day is being counted."""

from __future__ import annotations

import contextlib
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables


def ensure_state(connection: Connection, zone: ZoneInfo, now: datetime) -> None:
    """Insert the state row if it is missing. Processes lock it to take turns.

    Args:
        connection: outside a transaction. On MariaDB, the transaction of an insert that meets the
            row of another process goes on sharing a lock on it. If two such transactions then
            wrote to the row, each would wait for the other.
        zone: the time zone of the days.
        now: the time in UTC.
    """
    nothing = {"safe_id": 0, "seen_id": 0, "seen_at": now, "lease_until": now}
    row = {"id": 1, "version": 0, "zone": zone.key, **nothing}
    # If another process inserts the row at the same time, the row exists all the same.
    with contextlib.suppress(sa.exc.IntegrityError), connection.begin():
        if connection.execute(select(tables.state.c.id)).first() is None:
            connection.execute(tables.state.insert().values(row))


def lock_state(connection: Connection) -> None:
    """Make other processes that write the state row wait until the transaction ends."""
    connection.execute(tables.state.update().values(id=tables.state.c.id))
