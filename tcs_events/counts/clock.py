"""What time it is to those who count: the same to all processes, and never running backwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import sqlalchemy as sa
from sqlalchemy import Connection

Clock = Callable[[], datetime]
"""Gives the time in UTC."""

_QUESTIONS = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
}


def database_time(connection: Connection) -> datetime:
    """Return the time of the database server, in UTC.

    Web hosts share a database, and their clocks differ. SQLite has the clock of the process.
    """
    question = _QUESTIONS.get(connection.dialect.name)
    if question is None:
        return datetime.now(UTC)
    at: datetime = connection.execute(sa.text(question)).scalar_one()
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def steady(now: datetime) -> Clock:
    """Return a clock that goes on from `now`, even if somebody sets the clock of the machine."""
    started = monotonic()
    return lambda: now + timedelta(seconds=monotonic() - started)
