"""The lease: the right to count, which one process has at a time. It is kept in the state row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, select

from tcs_events.counts import tables
from tcs_events.counts.clock import Clock
from tcs_events.counts.state import ensure_state

LEASE = timedelta(minutes=5)
"""How long a lease lasts: if a process dies during a refresh, others can continue after this."""
MAX_LEASE = 2 * LEASE
"""A lease that ends later than this was taken with a wrong clock, and is ignored."""


class LeaseLost(Exception):
    """The lease has ended, or another process has taken it."""


class DayChanged(Exception):
    """Events of the day were deleted while it was being counted."""


class Lease:
    """A lease that this process holds. Its methods raise `LeaseLost` if another process has it.

    Args:
        engine: the engine of the events' database.
        clock: returns the time in UTC.
        holder: the id under which the lease was taken.
        state: the state row when it was taken.
    """

    def __init__(self, engine: Engine, clock: Clock, holder: UUID, state: sa.Row[Any]) -> None:
        self.clock = clock
        self.state = state
        self._engine = engine
        self._holder = holder

    def begin(self, day: date) -> None:
        """Note which day is being counted, before any of its events are read."""
        with self._engine.begin() as connection:
            self.update(connection, counting=day)

    def extend(self, connection: Connection, day: date | None = None) -> None:
        """Extend the lease. Other processes cannot change counts until the transaction ends."""
        self.update(connection, day, lease_until=self.clock() + LEASE)

    def update(self, connection: Connection, day: date | None = None, **values: object) -> None:
        """Change the state row, which others then cannot change until the transaction ends.

        Args:
            connection: in a transaction.
            day: the day that is being counted, if its counts are about to be stored.
            **values: columns of the state. Without any, the row is only locked.

        Raises:
            LeaseLost: this process does not hold the lease.
            DayChanged: events of `day` were deleted since its counting began.
        """
        state = tables.state
        is_ours = state.c.lease_holder == self._holder
        condition = is_ours if day is None else is_ours & (state.c.counting == day)
        values = values or {"lease_holder": self._holder}
        if connection.execute(state.update().where(condition).values(**values)).rowcount == 1:
            return
        if day is not None and connection.scalar(select(state.c.id).where(is_ours)) is not None:
            raise DayChanged
        raise LeaseLost

    def give_back(self, now: datetime) -> None:
        """Let other processes count from now on, unless one has taken the lease already."""
        with contextlib.suppress(LeaseLost), self._engine.begin() as connection:
            self.update(connection, lease_until=now, lease_holder=None, counting=None)


@contextlib.contextmanager
def leased(engine: Engine, zone: ZoneInfo, now: datetime, clock: Clock) -> Iterator[Lease | None]:
    """Take the lease for the block, and yield it, or None if another process has it.

    If the lease is lost, the block ends without an error.
    """
    holder = uuid4()
    state = take(engine, zone, holder, now)
    if state is None:
        yield None
        return
    lease = Lease(engine, clock, holder, state)
    try:
        yield lease
    except LeaseLost:
        return
    except BaseException:
        # Raise the first error, not that of giving back: the lease ends by itself anyway.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            lease.give_back(now)
        raise
    lease.give_back(now)


def take(engine: Engine, zone: ZoneInfo, holder: UUID, now: datetime) -> sa.Row[Any] | None:
    """Take the lease, and return the state row, or None if another process has the lease."""
    lease = tables.state.c
    is_over = lease.lease_holder.is_(None) | (lease.lease_until <= now)
    is_from_wrong_clock = lease.lease_until > now + MAX_LEASE
    with engine.connect() as connection:
        ensure_state(connection, zone, now)
        with connection.begin():
            taken = connection.execute(
                tables.state.update()
                .where(is_over | is_from_wrong_clock)
                .values(lease_until=now + LEASE, lease_holder=holder, counting=None)
            )
            return connection.execute(select(tables.state)).one() if taken.rowcount == 1 else None
