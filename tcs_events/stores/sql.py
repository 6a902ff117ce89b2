"""Events in the host's own database: the store that the blueprint uses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, Protocol

from sqlalchemy import Engine, Table, exc, inspect

from tcs_events.database.asking import briefly
from tcs_events.database.connection import OwnConnection, within
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.numbering import Numbering, numberings
from tcs_events.database.pools import is_lasting, leave_pool_of_parent
from tcs_events.database.problems import Problem
from tcs_events.database.transactions import with_transactions
from tcs_events.database.troubles import (
    driver_error,
    is_about_one_row,
    is_final,
    sqlstate_of,
    unavailable,
)
from tcs_events.errors import ColumnsMissing, EventInvalid, StoreUnavailable, TableMissing
from tcs_events.event import Record
from tcs_events.settings import Settings
from tcs_events.stores.columns import unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import GenericCommitter
from tcs_events.stores.group_commit import GroupCommit, State
from tcs_events.stores.postgresql import PostgresCommitter
from tcs_events.stores.sqlite import SqliteCommitter, is_busy

QUESTION_SECONDS = 0.5
OF_THE_CONNECTION = ("0A000", "25006")
"""SQLSTATEs of a server that has become a standby, and of a plan whose table has changed since: a
new connection may well be better."""


class Committer(Protocol):
    """Writes to one kind of database; raises what its driver raises."""

    @property
    def own(self) -> OwnConnection | None: ...

    def connection(self, deadline: float) -> Any: ...

    def problem(self) -> Problem | None: ...

    def write(self, events: Sequence[Record], deadline: float) -> list[Result]: ...


def make_committers(engine: Engine, table: Table, settings: Settings) -> list[Committer]:
    """Return as many committers as may usefully write to this database at once."""
    dialect, durability = engine.dialect, settings.durability
    if dialect.name == "sqlite" and is_lasting(engine):
        return [SqliteCommitter(engine, table, durability)]
    if dialect.name == "postgresql" and dialect.driver == "psycopg":
        seconds = settings.timeout_ms / 1000
        return [
            PostgresCommitter(engine, table, durability, seconds)
            for _ in range(PostgresCommitter.max_committers)
        ]
    return [GenericCommitter(engine, table)]


class SqlStore:
    """Writes on connections and in transactions of its own.

    The host's session is never used: what the host has pending is not committed with an event, and
    a rollback of the host takes no event away.
    """

    def __init__(self, engine: Engine, table: Table, settings: Settings) -> None:
        in_each_child(self._leave_pool_of_parent)
        self._engine = with_transactions(engine)
        self._table = table
        self._trouble: StoreUnavailable | None = None
        self._committers = make_committers(self._engine, table, settings)
        self._group_commit = GroupCommit(
            [partial(self._write, committer) for committer in self._committers],
            max_events=settings.queue_max_events,
            max_bytes=settings.queue_max_bytes,
            timeout_seconds=settings.timeout_ms / 1000,
        )

    def _leave_pool_of_parent(self) -> None:
        leave_pool_of_parent(self._engine)

    def append(self, events: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        return self._group_commit.append(events, size_bytes) if events else []

    def state(self) -> State:
        """Return what waits in this process, and how its last commits ended."""
        return self._group_commit.state()

    def own_connection(self, deadline: float) -> Any:
        """Return a connection of the driver as events are written on, to look at it.

        None where they are written on connections of the host. It is for a process that stores
        nothing meanwhile.

        Raises:
            Exception: whatever keeps it from being opened.
        """
        return self._committers[0].connection(deadline)

    def problem(self) -> Problem | None:
        """Return what is seen to be wrong without a question to the database: its file is gone."""
        return self._committers[0].problem()

    def close(self) -> None:
        """Close the store's connections; the next event opens new ones."""
        for committer in self._committers:
            if committer.own is not None:
                committer.own.drop()

    def _write(
        self, committer: Committer, events: Sequence[Record], deadline: float
    ) -> list[Result]:
        """Write a group, on a connection that nobody has left in the middle of a transaction."""
        own = committer.own
        if own is None:
            return self._try_to_write(committer, events, deadline)
        if own.is_in_use:
            own.drop()  # whoever was ended in there may have left a lock of the driver behind
        own.is_in_use = True
        try:
            results = self._try_to_write(committer, events, deadline)
        except Exception:
            own.is_in_use = False  # an error was answered, and has left nothing open
            raise
        except BaseException:
            # At once, though the next one would: others may wait for the locks of a transaction.
            own.drop()
            raise
        own.is_in_use = False
        return results

    def _try_to_write(
        self, committer: Committer, events: Sequence[Record], deadline: float
    ) -> list[Result]:
        """Write a group, once more where the connection had died since it was last used."""
        was_open = committer.own is not None and committer.own.is_open
        try:
            results = committer.write(events, deadline)
            return self._told(results)
        except StoreUnavailable as error:
            raise self._told_once(error) from None
        except Exception as error:
            if is_about_one_row(error) and len(events) > 1:
                return self._told(self._write_one_by_one(committer, events, deadline))
            if is_final(error):
                return [_refused()]
            if _is_deadlock(error) and monotonic() < deadline:
                return self._try_to_write(committer, events, deadline)
            if committer.own is not None and not (is_busy(error) or is_about_one_row(error)):
                was_lost = was_open and (
                    self._is_disconnect(error, committer.own.driver)
                    or sqlstate_of(error) in OF_THE_CONNECTION
                )
                committer.own.drop()
                if was_lost and monotonic() < deadline:
                    # What the dead connection may have stored, the same event_id finds again.
                    return self._try_to_write(committer, events, deadline)
            raise self._told_once(self._unavailable(error)) from None

    def _write_one_by_one(
        self, committer: Committer, events: Sequence[Record], deadline: float
    ) -> list[Result]:
        """Find the event that the database does not take; its neighbours are stored."""
        results: list[Result] = []
        known: dict[str, StoreUnavailable] = {}
        for event in events:
            try:
                results += committer.write([event], deadline)
            except Exception as error:
                # One question for each kind of error: all events of a group may meet it.
                reason = type(driver_error(error)).__name__
                if not is_final(error) and reason not in known:
                    known[reason] = self._unavailable(error)
                results.append(_refused() if is_final(error) else known[reason])
                if not is_about_one_row(error):
                    if committer.own is not None:
                        committer.own.drop()
                    return results + [known[reason]] * (len(events) - len(results))
        return results

    def _is_disconnect(self, error: Exception, connection: Any) -> bool:
        dialect = self._engine.dialect
        return isinstance(error, dialect.loaded_dbapi.Error) and dialect.is_disconnect(
            error, connection, None
        )

    def _told(self, results: list[Result]) -> list[Result]:
        """Note what keeps single rows out; raise it where there was only one."""
        lost = [one for one in results if isinstance(one, StoreUnavailable)]
        if len(lost) == len(results):
            raise lost[0]
        self._trouble = None
        return results

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        table, record_id = self._table.name, unique_id(self._table).name
        if sqlstate_of(error) == "23505" and (behind := self._numbering_problem()):
            return StoreUnavailable(type(driver_error(error)).__name__, behind.remedy)
        # Every database names the table that is not as it should be; only then is it worth a
        # second question.
        if self._table.name in str(error):
            try:
                if columns := self.missing_columns():
                    return ColumnsMissing(self._table.name, columns)
            except StoreUnavailable as failure:
                return failure
        return unavailable(error, table, record_id)

    def _numbering_problem(self) -> Problem | None:
        """Return what is wrong with the ids of our table, as far as the database says so now."""

        def look() -> list[Numbering]:
            with briefly(self._engine, int(QUESTION_SECONDS * 1000)) as connection:
                return numberings(connection, [self._table])

        try:
            problems = [numbering.problem() for numbering in within(QUESTION_SECONDS, look)]
        except (exc.SQLAlchemyError, StoreUnavailable):
            return None
        return next(filter(None, problems), None)

    def _told_once(self, trouble: StoreUnavailable) -> StoreUnavailable:
        trouble.is_news = str(trouble) != str(self._trouble)
        self._trouble = trouble
        return trouble

    @property
    def trouble(self) -> StoreUnavailable | None:
        """What keeps events from being stored, None where the last ones were."""
        return self._trouble

    def table_names(self) -> set[str]:
        """Return the names of all tables of the database, the host's too.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            return within(
                QUESTION_SECONDS,
                lambda: set(inspect(self._engine).get_table_names(self._table.schema)),
            )
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    def has_table(self) -> bool:
        """Return whether the database has our table.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            return within(
                QUESTION_SECONDS,
                lambda: inspect(self._engine).has_table(self._table.name, self._table.schema),
            )
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    def missing_columns(self) -> list[str]:
        """Return the columns that our table has and the database's has not.

        Raises:
            TableMissing: it has no such table.
            StoreUnavailable: the database does not answer.
        """
        if not self.has_table():
            raise TableMissing(self._table.name)
        try:
            found = within(
                QUESTION_SECONDS,
                lambda: inspect(self._engine).get_columns(self._table.name, self._table.schema),
            )
        except exc.NoSuchTableError:
            raise TableMissing(self._table.name) from None
        except (exc.DBAPIError, exc.TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None
        names = {column["name"] for column in found}
        return [column.name for column in self._table.columns if column.name not in names]

    @property
    def engine(self) -> Engine:
        """The host's pool, for questions and whatever else is not an event.

        Transactions are such on it. Events are written on connections of our own.
        """
        ensure_own_state()
        return self._engine

    @property
    def table_name(self) -> str:
        """The table it writes into."""
        return self._table.name

    @property
    def address(self) -> str:
        """The URL of the database, without its password."""
        return self._engine.url.render_as_string(hide_password=True)


def _refused() -> EventInvalid:
    return EventInvalid({"_schema": ["The database does not take this value."]})


def _is_deadlock(error: Exception) -> bool:
    """Tell two statements that waited for each other's ids: PostgreSQL ended one, which was ours.

    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    return getattr(error, "sqlstate", None) == "40P01"
