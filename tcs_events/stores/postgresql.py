"""Stores events in PostgreSQL, through any of its drivers, with or without a pooler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from sqlalchemy import Engine, Table

from tcs_events.database.connection import ATTEMPT_MAX_SECONDS, OwnConnection
from tcs_events.database.pooler import is_pooled
from tcs_events.database.troubles import sqlstate_of
from tcs_events.event import Outcome, Record
from tcs_events.settings import LOST_ON_POWER_CUT, Settings
from tcs_events.stores.columns import data_columns, holds_events, unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import not_kept
from tcs_events.stores.postgresql_drivers import DRIVERS, as_hex, transaction

COPY_FROM_EVENTS = 6
"""From this many events on, COPY is quicker than an INSERT of several rows (measured)."""
COPY_SECONDS = 1.0
"""How long COPY may be used after the server has shown that the unique index exists.

COPY has no ON CONFLICT. Without a unique index it would store duplicates, where INSERT fails.
"""
UNIQUE_VIOLATION = "23505"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_SERVER = """
SELECT pg_backend_pid(), setting, reset_val FROM pg_settings WHERE name = 'synchronous_commit'
"""


class PostgresConnection:
    """A connection to the server, for all tables.

    Behind a pooler, such as PgBouncer, the next transaction may meet another process of the server,
    and another client may get the one we had. So all our settings end with their transaction there,
    and nothing is prepared. A direct connection has them for good, which saves work.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.driver = DRIVERS[engine.dialect.driver]()
        self.before = ""
        """What each transaction begins with. Nothing on a direct connection."""
        self.copy_until: dict[str, float] = {}
        """Until when COPY may be used for a table, in `monotonic()` time."""
        self._durability = settings.durability
        self._timeout_ms = settings.timeout_ms
        self.own = OwnConnection(engine, self._prepare)

    def _prepare(self, connection: Any) -> None:
        driver = self.driver
        driver.prepare(connection)
        with driver.until(connection, monotonic() + ATTEMPT_MAX_SECONDS):
            [(pid, synchronous, default)] = driver.run(connection, _SERVER)
            pooled = is_pooled(connection, pid)
            # Another client's setting may be left on a pooler's connection.
            synchronous = self._synchronous_commit(default if pooled else synchronous)
            settings = {"statement_timeout": self._timeout_ms, "synchronous_commit": synchronous}
            self.before = ""
            if pooled:
                driver.prepare_nothing(connection)
                self.before = _set("SET LOCAL", settings)
            else:
                driver.run(connection, _set("SET", settings))
        self.copy_until = {}

    def _synchronous_commit(self, default: str) -> str:
        """Return the setting that our commits need.

        It is set even if it is right already. A session's own setting stays when the server's
        configuration is reloaded and turns it off.
        """
        if self._durability == LOST_ON_POWER_CUT:
            return "off"
        return "on" if default == "off" else default

    @property
    def is_pooled(self) -> bool:
        """Whether the connection goes through a pooler. False if no connection was ever opened."""
        return bool(self.before)

    def synchronous_commit(self, deadline: float) -> str:
        """Return the `synchronous_commit` of our own transactions.

        Raises:
            Exception: the driver's error, if the connection cannot be opened.
        """
        self.own.get(deadline)
        # A setting of a transaction is only seen in it.
        return str(self._ask(f"{self.before}SHOW synchronous_commit", deadline))

    def server_pid(self, deadline: float) -> int:
        """Return the id of the server's process that runs our statement now.

        Raises:
            Exception: the driver's error, if the connection cannot be opened.
        """
        return int(self._ask("SELECT pg_backend_pid()", deadline))

    def _ask(self, statements: str, deadline: float) -> Any:
        connection = self.own.get(deadline)
        with self.driver.until(connection, deadline):
            [(value,)] = self.driver.run(connection, statements)
        return value


class PostgresCommitter:
    """Writes groups of records of one table, each in one transaction."""

    def __init__(self, connection: PostgresConnection, table: Table) -> None:
        preparer = connection.engine.dialect.identifier_preparer
        names = [preparer.quote(column.name) for column in data_columns(table)]
        columns = ", ".join(names)
        into = f"{preparer.format_table(table)} ({columns})"
        self._insert_into = f"INSERT INTO {into}"
        record_id = preparer.quote(unique_id(table).name)
        self._do_nothing = f"ON CONFLICT ({record_id}) DO NOTHING RETURNING {record_id}"
        self._copy = f"COPY {into} FROM STDIN"
        where = f"{preparer.format_table(table)} WHERE {record_id} = ANY(%s::uuid[])"
        self._select_ids = f"SELECT {record_id} FROM {where}"  # noqa: S608  (quoted names)
        self._table = table
        self._holds_events = holds_events(table)
        self._one_row = "(" + ", ".join(["%s"] * len(names)) + ")"
        self.server = connection
        self.own = connection.own
        self._driver = connection.driver

    def connection(self, deadline: float) -> Any:
        """Return the driver's connection, and open it if necessary."""
        return self.own.get(deadline)

    def problem(self) -> None:
        """Return None: only the server can tell whether something is wrong."""

    def write(self, records: Sequence[Record], deadline: float) -> list[Result]:
        """Write the records in one transaction, and return one result for each."""
        connection = self.connection(deadline)
        with self._driver.until(connection, deadline):
            if self._should_copy(records):
                copied = self._copied(connection, records)
                if copied is not None:
                    return copied
            return self._insert(connection, records)

    def _should_copy(self, records: Sequence[Record]) -> bool:
        return len(records) >= COPY_FROM_EVENTS and self._holds_events and self._driver.can_copy

    def _copied(self, connection: Any, records: Sequence[Record]) -> list[Result] | None:
        """Write the records by COPY. Return None if an id is stored already, or a row was lost.

        Once a second, the first record is written by INSERT in the same transaction, which fails if
        the unique index is gone. For a whole group, INSERT is much slower than COPY.
        """
        until, table = self.server.copy_until, self._table.name
        to_insert = [] if monotonic() < until.get(table, 0.0) else records[:1]
        to_copy = records[len(to_insert) :]
        lines = "".join(map(_copy_line, to_copy))
        results: list[Result] = []
        try:
            if not to_insert and not self.server.before:
                count = self._driver.copy(connection, self._copy, lines)
            else:
                with transaction(self._driver, connection, self.server.before):
                    if to_insert:
                        results = self._insert(connection, to_insert, before="")
                        until[table] = monotonic() + COPY_SECONDS
                    count = self._driver.copy(connection, self._copy, lines)
            all_copied = count == len(to_copy)
            return [*results, *[Outcome.ACCEPTED] * count] if all_copied else None
        except Exception as error:
            if sqlstate_of(error) != UNIQUE_VIOLATION:
                raise
            return None  # All was rolled back. INSERT skips the duplicates with ON CONFLICT.

    def _insert(
        self, connection: Any, records: Sequence[Record], before: str | None = None
    ) -> list[Result]:
        """Insert the records in a transaction of its own, or in the one that has begun.

        Args:
            connection: the driver's connection.
            records: what to insert.
            before: what the transaction begins with; "" in one that has begun.
        """
        before = self.server.before if before is None else before
        values = ", ".join([self._one_row] * len(records))
        found = self._driver.execute(
            connection,
            f"{self._insert_into} VALUES {values} {self._do_nothing}",
            [value for record in records for value in record],
            before,
        )
        stored = {as_hex(record_id) for (record_id,) in found}
        lost = self._lost(connection, {record[0] for record in records} - stored, before)
        results: list[Result] = []
        for record_id, *_ in records:
            if record_id in lost:
                results.append(not_kept(self._table))
                continue
            results.append(Outcome.ACCEPTED if record_id in stored else Outcome.DUPLICATE)
            stored.discard(record_id)  # another record with this id in the group is a duplicate
        return results

    def _lost(self, connection: Any, not_stored: set[str], before: str) -> set[str]:
        """Return the ids that are missing from the table, because a trigger dropped their rows."""
        if not not_stored:
            return set()
        ids = [list(not_stored)]
        found = self._driver.execute(connection, self._select_ids, ids, before)
        return not_stored - {as_hex(record_id) for (record_id,) in found}


def _set(set_: str, settings: Mapping[str, object]) -> str:
    """Return the statements that make these settings, each with its semicolon."""
    return "".join(f"{set_} {name} = {value}; " for name, value in settings.items())


def _copy_line(record: Record) -> str:
    """Return a row in COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html.

    This takes a third of the time that the driver's `write_row` takes. JSON text and printable text
    contain no tabs and no line ends, so only backslashes need escaping.
    """
    event_id, session_id, event_type, payload, email, created_at, received_at = record
    created = created_at.isoformat()
    received = created if received_at is created_at else received_at.isoformat()
    if "\\" in session_id:
        session_id = session_id.replace("\\", r"\\")
    if "\\" in payload:
        payload = payload.replace("\\", r"\\")
    email = r"\N" if email is None else email.replace("\\", r"\\")
    event_type = event_type.replace("\\", r"\\")
    return f"{event_id}\t{session_id}\t{event_type}\t{payload}\t{email}\t{created}\t{received}\n"
