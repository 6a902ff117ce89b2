"""Stores events in PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Table

from tcs_events.database.connection import OwnConnection
from tcs_events.event import Event, Outcome, Record
from tcs_events.settings import LOST_ON_POWER_CUT, Settings
from tcs_events.stores.columns import data_columns, unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import not_kept
from tcs_events.strict_json import dumps

COPY_FROM_EVENTS = 6
"""From this many events on, COPY is quicker than an INSERT of several rows (measured)."""
COPY_SECONDS = 1.0
"""How long COPY may be used after an INSERT has shown that the unique index exists.

COPY has no ON CONFLICT. Without a unique index it would store duplicates, where INSERT fails.
"""


class PostgresConnection:
    """A connection to the server, for all tables."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        import psycopg

        self.driver = psycopg
        self.engine = engine
        self.copy_until: dict[str, float] = {}
        """Until when COPY may be used for a table, in `monotonic()` time."""
        self._synchronous = settings.durability != LOST_ON_POWER_CUT
        self._timeout_ms = settings.timeout_ms
        self._deadline = 0.0
        self.own = OwnConnection(engine, self._prepare)

    def _prepare(self, driver: Any) -> None:
        # The server's limit ends a statement that waits for a lock. That is an answer, so the
        # connection can still be used; our own deadline would drop it.
        driver.execute(f"SET statement_timeout = {self._timeout_ms}")
        [setting] = driver.execute("SHOW synchronous_commit").fetchone()
        if not self._synchronous:
            driver.execute("SET synchronous_commit = off")
        else:
            # Set it even if it is right already. A session's own setting stays when the server's
            # configuration is reloaded and turns it off.
            synchronous = "on" if setting == "off" else setting
            driver.execute(f"SET synchronous_commit = {synchronous}")
        self.copy_until = {}
        patient_wait = driver.wait

        def wait(generator: Any, *args: Any, **kwargs: Any) -> Any:
            return patient_wait(self._until_deadline(generator), *args, **kwargs)

        driver.wait = wait

    def _until_deadline(self, generator: Any) -> Generator[Any, Any, Any]:
        """Run psycopg's wait loop, and stop it at the deadline.

        If the server is stopped or unreachable, no answer comes, and the kernel keeps the
        connection open. psycopg wakes up every tenth of a second; this generator checks the time.
        """
        try:
            state = next(generator)
            while True:
                ready = yield state
                if not ready and monotonic() > self._deadline:
                    raise self.driver.OperationalError("no answer in time")
                state = generator.send(ready)
        except StopIteration as stop:
            return stop.value

    def get(self, deadline: float) -> Any:
        """Return the connection. Its statements end at `deadline`, a `monotonic()` time."""
        self._deadline = deadline
        return self.own.get(deadline)


class PostgresCommitter:
    """Writes groups of records of one table: each in one statement, so in one transaction."""

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
        self._one_row = "(" + ", ".join(["%s"] * len(names)) + ")"
        self._connection = connection
        self._driver = connection.driver
        self.own = connection.own

    def connection(self, deadline: float) -> Any:
        """Return the driver's connection. Its statements end at `deadline`."""
        return self._connection.get(deadline)

    def problem(self) -> None:
        """Return None: only the server can tell whether something is wrong."""

    def write(self, records: Sequence[Record], deadline: float) -> list[Result]:
        """Write the records in one transaction, and return one result for each."""
        driver = self.connection(deadline)
        with driver.cursor() as cursor:
            if self._may_copy(records):
                lines = "".join(map(_copy_line, records))  # type: ignore[arg-type]
                try:
                    with cursor.copy(self._copy) as copy:
                        copy.write(lines)
                    if cursor.rowcount == len(records):
                        return [Outcome.ACCEPTED] * len(records)
                except self._driver.errors.UniqueViolation:
                    pass  # COPY was rolled back; INSERT skips the duplicates with ON CONFLICT
            results = self._insert(cursor, records)
            self._connection.copy_until[self._table.name] = monotonic() + COPY_SECONDS
            return results

    def _may_copy(self, records: Sequence[Record]) -> bool:
        return (
            len(records) >= COPY_FROM_EVENTS
            and isinstance(records[0], Event)
            and monotonic() < self._connection.copy_until.get(self._table.name, 0.0)
        )

    def _insert(self, cursor: Any, records: Sequence[Record]) -> list[Result]:
        rows = [
            tuple(dumps(value) if isinstance(value, dict) else value for value in record)
            for record in records
        ]
        values = ", ".join([self._one_row] * len(rows))
        cursor.execute(
            f"{self._insert_into} VALUES {values} {self._do_nothing}",
            [value for row in rows for value in row],
        )
        stored = {record_id for (record_id,) in cursor.fetchall()}
        lost = self._lost(cursor, {record[0] for record in records} - stored)
        results: list[Result] = []
        for row in rows:
            if row[0] in lost:
                results.append(not_kept(self._table))
                continue
            results.append(Outcome.ACCEPTED if row[0] in stored else Outcome.DUPLICATE)
            stored.discard(row[0])  # another row with this id in the group is a duplicate
        return results

    def _lost(self, cursor: Any, not_stored: set[UUID]) -> set[UUID]:
        """Return the ids that are missing from the table, because a trigger dropped their rows."""
        if not not_stored:
            return set()
        cursor.execute(self._select_ids, [list(not_stored)])
        return not_stored - {record_id for (record_id,) in cursor.fetchall()}


def _copy_line(event: Event) -> str:
    """Return a row in COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html.

    This takes a third of the time that the driver's `write_row` takes. JSON text and printable text
    contain no tabs and no line ends, so only backslashes need escaping.
    """
    created_at = event.created_at.isoformat()
    received_at = (
        created_at if event.received_at is event.created_at else event.received_at.isoformat()
    )
    session_id, payload, email = event.session_id, dumps(event.payload), event.email
    if "\\" in session_id:
        session_id = session_id.replace("\\", r"\\")
    if "\\" in payload:
        payload = payload.replace("\\", r"\\")
    email = r"\N" if email is None else email.replace("\\", r"\\")
    event_type = event.event_type.replace("\\", r"\\")
    return (
        f"{event.event_id.hex}\t{session_id}\t{event_type}\t{payload}\t{email}"
        f"\t{created_at}\t{received_at}\n"
    )
