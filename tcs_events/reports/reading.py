"""How reports read: on a connection of the host's pool, from counts of the last minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy import Connection

from tcs_events.counts.pending import events_to_count
from tcs_events.counts.spans import built_spans, in_pieces, pieces_of
from tcs_events.counts.time_limit import OutOfTime, ended_at
from tcs_events.errors import NotCounted, QuestionTimeout, StoreUnavailable, TableMissing
from tcs_events.host import Registration, registration_of
from tcs_events.reports.period import Period
from tcs_events.watch.log import log

FRESH_FOR = timedelta(seconds=60)
COUNTED_PER_MS = 10
"""How many events are counted in a millisecond, with room to spare: 27 and 40 were measured."""
COUNTING_SHARE = 0.75
"""Of the time that is left for an answer, so much may go into counting; the rest is for reading."""
FUNNEL_SECONDS = 1.0
"""So long whoever asks waits for funnels that are new to be counted, and for a day more at most."""


class _Answer:
    """What all readings for one answer share."""

    def __init__(self) -> None:
        self._until: float | None = None
        self.is_refreshed = False

    @property
    def until(self) -> float:
        """When time is over, in `monotonic()` seconds; it runs from the first look on."""
        if self._until is None:
            self._until = monotonic() + this_registration().settings.report_timeout_ms / 1000
        return self._until


_answer: ContextVar[_Answer | None] = ContextVar("tcs_events_answer", default=None)


def this_registration() -> Registration:
    """Return what the current app has of us."""
    return registration_of(current_app)


@contextmanager
def one_answer() -> Iterator[None]:
    """Have all that is asked inside share one `TCS_EVENTS_REPORT_TIMEOUT_MS`: somebody waits.

    The counts are refreshed at most once, and only as far as that leaves time to read: else older
    counts are read. Where nothing is counted yet, counting and reading may each take as long.

    Raises:
        NotCounted: they would have to be, for there are none.
    """
    token = _answer.set(_Answer())
    try:
        yield
    finally:
        _answer.reset(token)


@contextmanager
def reading_counts() -> Iterator[Connection]:
    """Give a connection, after the counts were refreshed if they are older than a minute.

    Where they cannot be, for the database is locked or read-only, they are read as they are. All
    that is read on the connection is of one moment, whatever is counted meanwhile.

    Raises:
        RuntimeError: there is no app context.
        ConfigError: the app has not registered the blueprint, or has no database.
        QuestionTimeout: reading took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`; refreshing may.
        TableMissing: the database has not all of our tables.
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    refresh_if_old()
    with reading_events() as connection:
        _hold_still(connection)
        yield connection


def refresh_if_old() -> None:
    """Refresh the counts if they are older than a minute, where they can be refreshed.

    For one answer that is done at most once.

    Raises:
        NotCounted: somebody waits for the answer, and there is too much to be counted.
        TableMissing: the database has not all of our tables.
        sqlalchemy.exc.DBAPIError: they cannot be, and never were.
    """
    answer = _answer.get()
    if answer is None or not answer.is_refreshed:
        with _naming_a_missing_table():
            _refresh(answer)
    if answer is not None:
        answer.is_refreshed = True


def counted_at() -> datetime | None:
    """Return until when the counts are complete; None where everything is still to be counted."""
    return this_registration().refresher.refreshed_at()


def _refresh(answer: _Answer | None) -> None:
    """Refresh old counts; where somebody waits for an answer, only as far as there is time."""
    before, refresher = counted_at(), this_registration().refresher
    if before is not None and refresher.is_fresh(FRESH_FOR):
        return
    until = time_to_count()
    if answer is not None and before is None:
        # There is nothing else to show: all of the time goes into counting. Reading is quick then.
        until = monotonic() + this_registration().settings.report_timeout_ms / 1000
    if answer is not None and _takes_long():
        if before is None:
            raise NotCounted
        return
    try:
        refresher.refresh(funnel_seconds=FUNNEL_SECONDS, until=until)
    except OutOfTime:
        pass  # the older counts are read; where there are none, that is said below
    except sa.exc.DBAPIError as error:
        if before is None:
            raise
        log.warning("tcs_events.counts_not_refreshed", reason=type(error.orig).__name__)
    if answer is not None and before is None and counted_at() is None:
        raise NotCounted  # it takes longer, or somebody else is at it and has not got far enough


def time_to_count() -> float | None:
    """Return until when to count, in `monotonic()` seconds, so that there is time left to read.

    None where nobody waits for an answer.
    """
    answer, now = _answer.get(), monotonic()
    return None if answer is None else now + COUNTING_SHARE * (answer.until - now)


def _takes_long() -> bool:
    settings = this_registration().settings
    many = int(settings.report_timeout_ms * COUNTED_PER_MS)
    with reading_everything() as connection:
        return events_to_count(connection, settings.timezone, many) >= many


def _hold_still(connection: Connection) -> None:
    """Have everything that is read from here on be of one moment.

    Which spans there are is read before their rows. In between, a refresh may delete a span to
    count one of its days again: its rows would be missing. So both are read from one snapshot.
    """
    if connection.dialect.name == "postgresql":
        # As its first statement, so that it ends with the transaction that the time limit began.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if connection.dialect.name != "sqlite":
        return  # of MySQL and MariaDB it is the default
    # Python's driver begins no transaction for a SELECT: each would see a moment of its own. A host
    # may have told SQLAlchemy to begin one by itself.
    connection.begin()
    driver = connection.connection.dbapi_connection
    if not getattr(driver, "in_transaction", False):
        connection.exec_driver_sql("BEGIN")


@contextmanager
def reading_events() -> Iterator[Connection]:
    """Give a connection to read the events themselves, for a limited time.

    Raises:
        QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
    """
    timeout_ms = this_registration().settings.report_timeout_ms
    answer = _answer.get() or _Answer()
    try:
        with reading_everything() as connection, ended_at(connection, answer.until):
            yield connection
    except OutOfTime as error:
        raise QuestionTimeout(timeout_ms) from error


@contextmanager
def reading_everything() -> Iterator[Connection]:
    """Give a connection to read the events themselves, for as long as that takes."""
    with _naming_a_missing_table(), this_registration().store.engine.connect() as connection:
        yield connection


@contextmanager
def _naming_a_missing_table() -> Iterator[None]:
    """Say what to do where the database refuses because a table of ours is not there."""
    try:
        yield
    except sa.exc.DBAPIError:
        missing: list[str] = []
        with suppress(StoreUnavailable):  # then it is the database's own error that is told
            missing = this_registration().missing_tables()
        if missing:
            raise TableMissing(missing[0]) from None
        raise


def within(connection: Connection, table: sa.Table, period: Period) -> sa.ColumnElement[bool]:
    """Return the condition for the rows that add up to a period.

    These are rows of whole months and weeks, where they are summed up, and of the days between.
    Its rows are to be read on the same connection, one of `reading_counts`.
    """
    built = built_spans(connection, period.first, period.last)
    return in_pieces(table, pieces_of(period.first, period.last, built))


def total(column: sa.Column[Any]) -> sa.Label[int]:
    """Return the sum of a count over the rows of a period, under the name of its column."""
    return sa.func.coalesce(sa.func.sum(column), 0).label(column.name)


def by_code_points(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return a text to be ordered as Python and SQLite order it: "B" before "a".

    PostgreSQL orders by the collation of the database, so that ties would come in another order.
    """
    if this_registration().store.engine.dialect.name != "postgresql":
        return column
    return sa.collate(column, "C")
