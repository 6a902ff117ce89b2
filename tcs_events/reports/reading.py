"""How reports read: on a connection of the engine's pool, from counts at most a minute old."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from datetime import datetime, timedelta
from functools import cached_property
from time import monotonic
from typing import Any, Self
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.counts.meaning import meaning_of
from tcs_events.counts.pending import events_to_count
from tcs_events.counts.refresh import Refresher
from tcs_events.counts.snapshot import hold_still
from tcs_events.counts.spans import built_spans, in_pieces, pieces_of
from tcs_events.counts.time_limit import OutOfTime, ended_at
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.schemas import missing_tables
from tcs_events.database.sums import whole_sum
from tcs_events.database.transactions import with_transactions
from tcs_events.errors import NotCounted, QuestionTimeout, StoreUnavailable, TableMissing
from tcs_events.models import OPTIONAL_TABLES, own_metadata
from tcs_events.reports.period import Period
from tcs_events.settings import Settings
from tcs_events.watch.log import log

FRESH_FOR = timedelta(seconds=60)
COUNTED_PER_MS = 10
"""How many events are counted in a millisecond, with room to spare: 27 and 40 were measured."""
COUNTING_SHARE = 0.75
"""The share of the time left for an answer that counting may take; the rest is for reading."""
FUNNEL_SECONDS = 1.0
"""How long a question waits for new funnels to be counted. A day that was begun is finished."""
TABLE_NAMES_SECONDS = 0.5
"""How long the database may take to list its tables, after it refused a question."""

RunSelect = Callable[[sa.Select[Any]], Iterable[Any]]
"""Runs a query for one column, and returns its values."""


class Deadline:
    """The end of the time for one answer. The time starts when `until` is first read."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @cached_property
    def until(self) -> float:
        """The end, in `monotonic()` seconds."""
        return monotonic() + self._seconds


class Reading:
    """The database that questions are asked of, and the time there is for their answers.

    Args:
        engine: of the database that holds the events.
        settings: those of the web app.
        refresher: keeps the counts up to date, on the same engine; made here where it is None.
        run_select: runs the host's query for a catalogue; on `engine` where it is None.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        refresher: Refresher | None = None,
        run_select: RunSelect | None = None,
    ) -> None:
        if refresher is None:
            engine = with_transactions(engine)
            refresher = Refresher(engine, settings.timezone, meaning_of(settings.event_types))
        self.engine, self.settings, self.refresher = engine, settings, refresher
        self._run_select = run_select
        self._deadline: Deadline | None = None
        self._is_refreshed = False
        self.most_events: int | None = None
        """The most events that one answer may read. Of more, the events of some visitors are read,
        and the answer is an estimate. None for no limit."""

    def for_one_answer(self, most_events: int | None = None) -> Self:
        """Return the same, with one `TCS_EVENTS_REPORT_TIMEOUT_MS` for all that is asked of it.

        Use it for an answer that somebody waits for. The counts are refreshed at most once. If that
        would leave too little time to read, older counts are read instead. If nothing is counted
        yet, counting and reading may each take that long; if that is too short, questions raise
        `NotCounted`.

        Args:
            most_events: the most events that the answer may read: of more, it is an estimate. None
                for no limit.
        """
        reading = copy(self)
        reading.most_events = most_events
        reading._deadline, reading._is_refreshed = self._new_deadline(), False
        return reading

    def _new_deadline(self) -> Deadline:
        return Deadline(self.settings.report_timeout_ms / 1000)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the days in reports."""
        return self.settings.timezone

    @contextmanager
    def counts(self, share: float = 1) -> Iterator[Connection]:
        """Yield a connection for reading counts; those older than a minute are refreshed first.

        If the database is locked or read-only, the counts are read as they are. All reads on the
        connection see the same moment, whatever is counted meanwhile.

        Args:
            share: the share of the time that is left after refreshing which this may take.

        Raises:
            NotCounted: somebody waits for the answer, and there is too much to be counted.
            QuestionTimeout: reading took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`. The time for
                refreshing does not count.
            TableMissing: the database has not all of our tables.
            sqlalchemy.exc.DBAPIError: the database does not answer.
        """
        self.refresh_if_old()
        with self.events(share) as connection:
            # The list of spans is read before their rows. In between, a refresh may delete a span,
            # to count one of its days again, and its rows would be missing.
            hold_still(connection)
            yield connection

    @contextmanager
    def events(self, share: float = 1) -> Iterator[Connection]:
        """Yield a connection for reading the events themselves, for a limited time.

        Args:
            share: the share of the time that is left which this may take.

        Raises:
            QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
        """
        deadline, now = self._deadline or self._new_deadline(), monotonic()
        until = now + share * (deadline.until - now)
        try:
            with self.without_limit() as connection, ended_at(connection, until):
                yield connection
        except OutOfTime as error:
            raise QuestionTimeout(self.settings.report_timeout_ms) from error

    @contextmanager
    def without_limit(self) -> Iterator[Connection]:
        """Yield a connection for reading the events themselves, without a time limit."""
        with self._naming_a_missing_table(), self.engine.connect() as connection:
            yield connection

    def refresh_if_old(self) -> None:
        """Refresh the counts if they are older than a minute; for one answer, at most once.

        Raises:
            NotCounted: somebody waits for the answer, and there is too much to be counted.
            TableMissing: the database has not all of our tables.
            sqlalchemy.exc.DBAPIError: they cannot be refreshed, and there are none yet.
        """
        if self._is_refreshed:
            return
        with self._naming_a_missing_table():
            self._refresh()
        self._is_refreshed = self._deadline is not None

    def counted_at(self) -> datetime | None:
        """Return the time up to which the counts are complete; None if nothing is counted yet."""
        return self.refresher.refreshed_at()

    def time_to_count(self) -> float | None:
        """Return when counting must end to leave time to read, in `monotonic()` seconds.

        None if there is no shared time limit.
        """
        if self._deadline is None:
            return None
        now = monotonic()
        return now + COUNTING_SHARE * (self._deadline.until - now)

    def select(self, query: sa.Select[Any]) -> Iterable[Any]:
        """Return the values of the host's own query for one column."""
        if self._run_select is not None:
            return self._run_select(query)
        with self.engine.connect() as connection:
            return connection.scalars(query).all()

    def _refresh(self) -> None:
        """Refresh old counts; for an answer that somebody waits for, only if there is time."""
        before, is_waited_for = self.counted_at(), self._deadline is not None
        if before is not None and self.refresher.is_fresh(FRESH_FOR):
            return
        until = self.time_to_count()
        if is_waited_for and before is None:
            # There are no older counts to show, so all of the time may go into counting.
            until = self._new_deadline().until
        if is_waited_for and self._takes_long():
            if before is None:
                raise NotCounted
            return
        try:
            self.refresher.refresh(funnel_seconds=FUNNEL_SECONDS, until=until)
        except OutOfTime:
            pass  # older counts are read; if there are none, NotCounted is raised below
        except sa.exc.DBAPIError as error:
            if before is None:
                raise
            log.warning("tcs_events.counts_not_refreshed", reason=type(error.orig).__name__)
        if is_waited_for and before is None and self.counted_at() is None:
            raise NotCounted  # out of time, or another process is still counting

    def _takes_long(self) -> bool:
        many = int(self.settings.report_timeout_ms * COUNTED_PER_MS)
        with self.without_limit() as connection:
            return (
                events_to_count(connection, self.zone, self.refresher.configuration, many) >= many
            )

    @contextmanager
    def _naming_a_missing_table(self) -> Iterator[None]:
        """Name the missing table if that is why the database refused."""
        try:
            yield
        except sa.exc.DBAPIError:
            missing: list[str] = []
            with suppress(StoreUnavailable, sa.exc.SQLAlchemyError):
                missing = self._missing_tables()  # otherwise the database's own error is raised
            if missing:
                raise TableMissing(missing[0]) from None
            raise

    def _missing_tables(self) -> list[str]:
        tables = own_metadata.tables
        needed = [tables[name] for name in tables if name not in OPTIONAL_TABLES]
        return run_with_timeout(TABLE_NAMES_SECONDS, lambda: missing_tables(self.engine, needed))


def in_period(connection: Connection, table: sa.Table, period: Period) -> sa.ColumnElement[bool]:
    """Return the condition for the rows that add up to a period.

    These are rows of whole months and weeks, as far as they are summed up, and of single days. Read
    the rows on the same connection, one of `Reading.counts`.
    """
    built = built_spans(connection, period.first, period.last)
    return in_pieces(table, pieces_of(period.first, period.last, built))


def total(column: sa.Column[Any]) -> sa.Label[int]:
    """Return the sum of a count over the rows of a period, under the name of its column."""
    return sa.func.coalesce(whole_sum(column), 0).label(column.name)


def by_code_points(connection: Connection, column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return a text column that is ordered as in Python and SQLite: "B" before "a".

    PostgreSQL orders by the collation of the database, so ties would come in another order.
    """
    return sa.collate(column, "C") if connection.dialect.name == "postgresql" else column
