"""The state row: how far counting has come, who holds the lease, and which day is being counted."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables


class LeaseLost(Exception):
    """The lease has ended, or another process has taken it."""


class DayChanged(Exception):
    """Events of the day were deleted while it was being counted."""


def ensure_state(connection: Connection, zone: ZoneInfo, now: datetime) -> None:
    """Insert the state row if it is missing. Processes lock it to take turns."""
    if connection.execute(select(tables.state.c.id)).first() is not None:
        return
    nothing = {"safe_id": 0, "seen_id": 0, "seen_at": now, "lease_until": now}
    row = {"id": 1, "version": 0, "zone": zone.key, **nothing}
    # If another process inserts the row at the same time, the row exists all the same.
    with contextlib.suppress(sa.exc.IntegrityError), connection.begin_nested():
        connection.execute(tables.state.insert().values(row))


def update_state(
    connection: Connection, holder: UUID, day: date | None = None, **values: object
) -> None:
    """Change the state row, which other processes then cannot change until the transaction ends.

    Args:
        connection: in a transaction.
        holder: the id under which this process holds the lease.
        day: the day that is being counted, if its counts are about to be stored.
        **values: columns of the state. Without any, the row is only locked.

    Raises:
        LeaseLost: this process does not hold the lease.
        DayChanged: events of `day` were deleted since its counting began.
    """
    state = tables.state
    is_ours = state.c.lease_holder == holder
    condition = is_ours if day is None else is_ours & (state.c.counting == day)
    values = values or {"lease_holder": holder}
    if connection.execute(state.update().where(condition).values(**values)).rowcount == 1:
        return
    if day is not None and connection.scalar(select(state.c.id).where(is_ours)) is not None:
        raise DayChanged
    raise LeaseLost
