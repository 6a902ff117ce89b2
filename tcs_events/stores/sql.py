"""The store that the blueprint uses: events in the host's own database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Table, exc

from tcs_events.database import mysql
from tcs_events.database.asking import briefly
from tcs_events.database.host_database import CHECK_SECONDS, HostDatabase
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.numbering import numberings
from tcs_events.database.privileges import grants_remedy, missing_grants
from tcs_events.database.problems import NO_RIGHT, Problem
from tcs_events.database.schemas import full_name, in_its_schema
from tcs_events.database.sqlite_journal import Journal
from tcs_events.database.troubles import (
    driver_error,
    is_about_one_row,
    is_deadlock,
    is_final,
    mysql_code_of,
    problem_of,
    sqlstate_of,
    unavailable,
)
from tcs_events.errors import ColumnsMissing, EventInvalid, StoreUnavailable, TableMissing
from tcs_events.event import Record
from tcs_events.settings import Settings
from tcs_events.stores.columns import unique_id
from tcs_events.stores.connections import Committer, WriteConnections
from tcs_events.stores.contract import Result, State
from tcs_events.stores.group_commit import GroupCommit
from tcs_events.stores.postgresql import UNIQUE_VIOLATION
from tcs_events.stores.sqlite_connection import is_busy

NEW_CONNECTION_HELPS = ("0A000", "25006", "57P01", "57P02", "57P05")
"""SQLSTATEs after which a new connection may succeed.

0A000: a cached plan does not fit its changed table. 25006: the server has become a standby. 57P:
the server has ended the connection, which SQLAlchemy does not know of pg8000.
"""
NEW_CONNECTION_HELPS_MYSQL = (1053, 1290, 1792, 1836, 1927)
"""The same by error numbers: the server ends, has become read-only, or ended the connection."""
NO_PRIVILEGE = "42501"  # https://www.postgresql.org/docs/current/errcodes-appendix.html


class SqlStore:
    """Stores events with its own connections and transactions.

    The host's session is never used. So an event never commits the host's pending changes, and a
    rollback in the host never removes an event.
    """

    def __init__(
        self,
        database: HostDatabase,
        table: Table,
        settings: Settings,
        connections: WriteConnections,
        *,
        only_last: bool = False,
    ) -> None:
        self._database = database
        self._engine = database.engine
        self._table = in_its_schema(self._engine, table)
        self._trouble: StoreUnavailable | None = None
        self.connections = connections
        self.committers = connections.committers(self._table)
        """What writes into this table. Each can write at the same time."""
        self._group_commit = GroupCommit(
            [partial(self._write, committer) for committer in self.committers],
            lanes=connections.lanes,
            only_last=only_last,
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

    def journal(self) -> Journal | None:
        """Return the journal of the connection that events are written on. None if not SQLite."""
        return self.connections.journal

    def problem(self) -> Problem | None:
        """Return a problem that shows without a query, such as a deleted file, else None."""
        return self.committers[0].problem()

    def close(self) -> None:
        """Close the connections, which other tables share. The next event opens new ones."""
        self.connections.close()

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
        self.connections.lanes.close_when_idle()
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
            if is_deadlock(error) and monotonic() < deadline:
                return self._try_to_write(committer, events, deadline)
            if committer.own is not None and not (is_busy(error) or is_about_one_row(error)):
                was_lost = was_open and (
                    self._is_disconnect(error, committer.own.driver)
                    or sqlstate_of(error) in NEW_CONNECTION_HELPS
                    or mysql_code_of(error) in NEW_CONNECTION_HELPS_MYSQL
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
        look = {UNIQUE_VIOLATION: self._numbering_problem, NO_PRIVILEGE: self._grants_problem}
        if (find := look.get(sqlstate_of(error))) and (found := self._looked_up(find)):
            return StoreUnavailable(type(driver_error(error)).__name__, found.remedy)
        # Look for missing columns only if the error names our table, as every database's error
        # about a missing column does, except MariaDB's.
        if self._table.name in str(error) or mysql_code_of(error) == mysql.UNKNOWN_COLUMN:
            try:
                if columns := self._database.missing_columns(self._table):
                    return ColumnsMissing(table, columns)
            except StoreUnavailable as failure:
                # The app's user may not be allowed to look. The first error then says more.
                if isinstance(failure, TableMissing) or problem_of(error) is None:
                    return failure
        return unavailable(error, table, record_id)

    def _looked_up(self, find: Callable[[Connection], Problem | None]) -> Problem | None:
        """Return the problem that a query finds, None if there is none or no answer in time."""

        def look() -> Problem | None:
            with briefly(self._engine, int(CHECK_SECONDS * 1000)) as connection:
                return find(connection)

        try:
            return run_with_timeout(CHECK_SECONDS, look)
        except (exc.SQLAlchemyError, StoreUnavailable):
            return None

    def _numbering_problem(self, connection: Connection) -> Problem | None:
        problems = [numbering.problem() for numbering in numberings(connection, [self._table])]
        return next(filter(None, problems), None)

    def _grants_problem(self, connection: Connection) -> Problem | None:
        grants = missing_grants(connection, self._table, unique_id(self._table).name)
        return replace(NO_RIGHT, remedy=grants_remedy(grants)) if grants else None

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
