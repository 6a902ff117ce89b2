"""How reports read: on a connection of the host's pool, from counts of the last minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from flask import current_app
from sqlalchemy import Connection

from tcs_events.registration import Registration, registration_of
from tcs_events.reports.period import Period

FRESH_FOR = timedelta(seconds=60)
log = structlog.get_logger("tcs_events")


def this_registration() -> Registration:
    """Return what the current app has of us."""
    return registration_of(current_app)


@contextmanager
def reading_counts() -> Iterator[Connection]:
    """Give a connection, after the counts were refreshed if they are older than a minute.

    Where they cannot be, for the database is locked or read-only, they are read as they are.

    Raises:
        RuntimeError: there is no app context.
        sqlalchemy.exc.DBAPIError: the database does not answer, or has not our tables.
    """
    refresher = this_registration().refresher
    refreshed_at = refresher.refreshed_at()
    if refreshed_at is None or datetime.now(UTC) - refreshed_at > FRESH_FOR:
        try:
            refresher.refresh()
        except sa.exc.DBAPIError as error:
            if refreshed_at is None:
                raise
            log.warning("tcs_events.counts_not_refreshed", reason=type(error.orig).__name__)
    with reading_events() as connection:
        yield connection


@contextmanager
def reading_events() -> Iterator[Connection]:
    """Give a connection to read the events themselves."""
    with this_registration().store.engine.connect() as connection:
        yield connection


def within(table: sa.Table, period: Period) -> sa.ColumnElement[bool]:
    """Return the condition for the rows of a period."""
    condition: sa.ColumnElement[bool] = table.c.day.between(period.first, period.last)
    return condition


def total(column: sa.Column[Any]) -> sa.Label[int]:
    """Return the sum of a count over the days, under the name of its column."""
    return sa.func.coalesce(sa.func.sum(column), 0).label(column.name)
