"""The row that says how far the counting has come and who is at it: its lease, and its day."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables


class LeaseLost(Exception):
    """Somebody else refreshes."""


class DayChanged(Exception):
    """Something of the day at hand was deleted since it was begun."""


def ensure_state(connection: Connection, zone: ZoneInfo, now: datetime) -> None:
    """Have the row be there, with nothing counted: whoever writes to it waits for its writers."""
    if connection.execute(select(tables.state.c.id)).first() is not None:
        return
    nothing = {"safe_id": 0, "seen_id": 0, "seen_at": now, "lease_until": now}
    first = {"id": 1, "version": 0, "zone": zone.key, **nothing}
    # Where somebody else does the same at this very moment, it is there as well.
    with contextlib.suppress(sa.exc.IntegrityError), connection.begin_nested():
        connection.execute(tables.state.insert().values(first))


def update_state(
    connection: Connection, holder: UUID, of_day: date | None = None, **values: object
) -> None:
    """Change the state, if the lease is still ours and nothing of `of_day` was deleted.

    Without any value it only holds off everybody else until the transaction ends.
    """
    state = tables.state
    is_ours = state.c.lease_holder == holder
    condition = is_ours if of_day is None else is_ours & (state.c.counting == of_day)
    values = values or {"lease_holder": holder}
    if connection.execute(state.update().where(condition).values(**values)).rowcount == 1:
        return
    if of_day is not None and connection.scalar(select(state.c.id).where(is_ours)) is not None:
        raise DayChanged
    raise LeaseLost
