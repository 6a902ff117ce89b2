"""The store that the blueprint uses: events in the host's own database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, Protocol

from sqlalchemy import Engine, Table, exc

from tcs_events.database.asking import briefly
from tcs_events.database.connection import OwnConnection
from tcs_events.database.host_database import CHECK_SECONDS, HostDatabase
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.numbering import Numbering, numberings
from tcs_events.database.pools import is_lasting
from tcs_events.database.problems import Problem
from tcs_events.database.schemas import full_name, in_its_schema
from tcs_events.database.troubles import (
    driver_error,
    is_about_one_row,
    is_final,
    sqlstate_of,
    unavailable,
)
from tcs_events.errors import ColumnsMissing, EventInvalid, StoreUnavailable
from tcs_events.event import Record
from tcs_events.settings import Settings
from tcs_events.stores.columns import unique_id
from tcs_events.stores.contract import Result, State
from tcs_events.stores.generic import GenericCommitter
from tcs_events.stores.group_commit import GroupCommit
from tcs_events.stores.postgresql import UNIQUE_VIOLATION, PostgresCommitter
from tcs_events.stores.postgresql_drivers import DRIVERS
from tcs_events.stores.sqlite import SqliteCommitter, is_busy

NEW_CONNECTION_HELPS = ("0A000", "25006", "57P01", "57P02", "57P05")
"""SQLSTATEs after which a new connection may succeed.

0A000: a cached plan does not fit its changed table. 25006: the server has become a standby. 57P:
the server has ended the connection, which SQLAlchemy does not know of pg8000.
"""


class Committer(Protocol):
    """Writes to one kind of database. Errors of the driver are raised unchanged."""

    @property
    def own(self) -> OwnConnection | None: ...

    def connection(self, deadline: float) -> Any: ...

    def problem(self) -> Problem | None: ...

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]: ...


def make_committers(engine: Engine, table: Table, settings: Settings) -> list[Committer]:
    """Return the committers for this database. They can write at the same time."""
    dialect, durability = engine.dialect, settings.durability
    # Another file that the host has attached is written as the host writes it.
    if dialect.name == "sqlite" and is_lasting(engine) and table.schema is None:
        return [SqliteCommitter(engine, table, durability)]
    if dialect.name == "postgresql" and dialect.driver in DRIVERS:
        seconds = settings.timeout_ms / 1000
        return [
            PostgresCommitter(engine, table, durability, seconds)
            for _ in range(PostgresCommitter.max_committers)
        ]
    return [GenericCommitter(engine, table)]


class SqlStore:
    """Stores events with its own connections and transactions.

    The host's session is never used. So an event never commits the host's pending changes, and a
    rollback in the host never removes an event.
    """

    def __init__(self, database: HostDatabase, table: Table, settings: Settings) -> None:
        self._database = database
        self._engine = database.engine
        self._table = in_its_schema(self._engine, table)
        self._trouble: StoreUnavailable | None = None
        self.committers = make_committers(self._engine, self._table, settings)
        """What writes into this kind of database. Each can write at the same time."""
        self._group_commit = GroupCommit(
            [partial(self._write, committer) for committer in self.committers],
            max_events=settings.queue_max_events,
            max_bytes=settings.queue_max_bytes,
            timeout_seconds=settings.timeout_ms / 1000,
        )

    def append(self, events: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        return self._group_commit.append(events, size_bytes) if events else []

    def state(self) -> State:
        """Return how much is waiting in this process, and how its last commits ended."""
        return self._group_commit.state()

    def own_connection(self, deadline: float) -> Any:
        """Return the driver's connection that events are written on, to inspect it.

        Returns None if events are written on the host's connections. Use it only in a process that
        stores no events at the same time.

        Raises:
            Exception: the driver's error, if the connection cannot be opened.
        """
        return self.committers[0].connection(deadline)

    def problem(self) -> Problem | None:
        """Return a problem that shows without a query, such as a deleted file, else None."""
        return self.committers[0].problem()

    def close(self) -> None:
        """Close the store's connections. The next event opens new ones."""
        for committer in self.committers:
            if committer.own is not None:
                committer.own.drop()

    def _write(
        self, committer: Committer, events: Sequence[Record], deadline: float
    ) -> list[Result]:
        """Write a group, on a connection without an unfinished transaction."""
        own = committer.own
        if own is None:
            return self._try_to_write(committer, events, deadline)
        if own.is_in_use:
            own.drop()  # a request was interrupted, and may have left the driver's lock held
        own.is_in_use = True
        try:
            results = self._try_to_write(committer, events, deadline)
        except Exception:
            own.is_in_use = False  # the database answered, so no transaction is left open
            raise
        except BaseException:
            # Now, not with the next group: the open transaction may hold locks.
            own.drop()
            raise
        own.is_in_use = False
        return results

    def _try_to_write(
        self, committer: Committer, events: Sequence[Record], deadline: float
    ) -> list[Result]:
        """Write a group, and try again if the connection had died since its last use."""
        was_open = committer.own is not None and committer.own.is_open
        try:
            results = committer.write(events, deadline)
            return self._checked(results)
        except StoreUnavailable as error:
            raise self._noted(error) from None
        except Exception as error:
            if is_about_one_row(error) and len(events) > 1:
                return self._checked(self._write_one_by_one(committer, events, deadline))
            if is_final(error):
                return [_refused()]
            if _is_deadlock(error) and monotonic() < deadline:
                return self._try_to_write(committer, events, deadline)
            if committer.own is not None and not (is_busy(error) or is_about_one_row(error)):
                was_lost = was_open and (
                    self._is_disconnect(error, committer.own.driver)
                    or sqlstate_of(error) in NEW_CONNECTION_HELPS
                )
                committer.own.drop()
                if was_lost and monotonic() < deadline:
                    # If the lost connection has stored the events, their ids make this safe: they
                    # are then duplicates.
                    return self._try_to_write(committer, events, deadline)
            raise self._noted(self._unavailable(error)) from None

    def _write_one_by_one(
        self, committer: Committer, events: Sequence[Record], deadline: float
    ) -> list[Result]:
        """Write each event in its own transaction, so that a refused one fails alone."""
        results: list[Result] = []
        causes: dict[str, StoreUnavailable] = {}
        for event in events:
            try:
                results += committer.write([event], deadline)
            except Exception as error:
                # Finding the cause takes queries. Do it once for each kind of error, because every
                # event of the group may meet the same one.
                reason = type(driver_error(error)).__name__ + sqlstate_of(error)
                if not is_final(error) and reason not in causes:
                    causes[reason] = self._unavailable(error)
                results.append(_refused() if is_final(error) else causes[reason])
                if not is_about_one_row(error):
                    if committer.own is not None:
                        committer.own.drop()
                    return results + [causes[reason]] * (len(events) - len(results))
        return results

    def _is_disconnect(self, error: Exception, connection: Any) -> bool:
        if isinstance(error, OSError):
            return True  # pg8000 passes on what its socket raises
        dialect = self._engine.dialect
        return isinstance(error, dialect.loaded_dbapi.Error) and dialect.is_disconnect(
            error, connection, None
        )

    def _checked(self, results: list[Result]) -> list[Result]:
        """Return the results, or raise the first error if no event could be stored."""
        errors = [result for result in results if isinstance(result, StoreUnavailable)]
        if len(errors) == len(results):
            raise errors[0]
        self._trouble = None
        return results

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        record_id = unique_id(self._table).name
        table = full_name(self._engine, self._table)
        if sqlstate_of(error) == UNIQUE_VIOLATION and (behind := self._numbering_problem()):
            return StoreUnavailable(type(driver_error(error)).__name__, behind.remedy)
        # Look for missing columns only if the error names our table, as every database's error
        # about a missing column does.
        if self._table.name in str(error):
            try:
                if columns := self._database.missing_columns(self._table):
                    return ColumnsMissing(table, columns)
            except StoreUnavailable as failure:
                return failure
        return unavailable(error, table, record_id)

    def _numbering_problem(self) -> Problem | None:
        """Return the problem with our table's ids, None if there is none or no answer in time."""

        def read_numberings() -> list[Numbering]:
            with briefly(self._engine, int(CHECK_SECONDS * 1000)) as connection:
                return numberings(connection, [self._table])

        try:
            table_numberings = run_with_timeout(CHECK_SECONDS, read_numberings)
            problems = [numbering.problem() for numbering in table_numberings]
        except (exc.SQLAlchemyError, StoreUnavailable):
            return None
        return next(filter(None, problems), None)

    def _noted(self, trouble: StoreUnavailable) -> StoreUnavailable:
        """Remember an error. If it repeats the one before, return it marked as already logged."""
        before, self._trouble = self._trouble, trouble
        return trouble.again() if str(trouble) == str(before) else trouble

    @property
    def trouble(self) -> StoreUnavailable | None:
        """The error of the last events, or None if they were stored."""
        return self._trouble


def _refused() -> EventInvalid:
    return EventInvalid({"_schema": ["The database does not take this value."]})


def _is_deadlock(error: Exception) -> bool:
    """Return whether PostgreSQL has ended our statement because of a deadlock.

    Two groups with the same ids in a different order can wait for each other. The code is from
    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    return sqlstate_of(error) == "40P01"
