"""The clock used for counting. It is the same for all processes, and never goes backwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import sqlalchemy as sa
from sqlalchemy import Connection

Clock = Callable[[], datetime]
"""Returns the time in UTC."""

_QUERIES = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
}


def database_time(connection: Connection) -> datetime:
    """Return the time of the database server, in UTC.

    The clocks of web hosts differ, but they share one database. SQLite uses this process's clock.
    """
    query = _QUERIES.get(connection.dialect.name)
    if query is None:
        return datetime.now(UTC)
    at: datetime = connection.execute(sa.text(query)).scalar_one()
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def steady(now: datetime) -> Clock:
    """Return a clock that starts at `now`, and ignores changes of the machine's clock."""
    started = monotonic()
    return lambda: now + timedelta(seconds=monotonic() - started)
