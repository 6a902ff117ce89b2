"""Events into PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Table

from tcs_events.database.connection import OwnConnection
from tcs_events.event import Event, Outcome, Record
from tcs_events.settings import LOST_ON_POWER_CUT
from tcs_events.stores.columns import data_columns, unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import not_kept
from tcs_events.strict_json import dumps

COPY_FROM_EVENTS = 6
"""From this many events on, COPY is quicker than an INSERT of several rows (measured)."""
COPY_SECONDS = 1.0
"""For so long after an INSERT has shown that ids are unique, COPY is trusted to keep them so.

COPY has no ON CONFLICT: without a unique index it would store repeats, where an INSERT fails.
"""


class PostgresCommitter:
    """Writes groups of events on one connection, each in one statement and so one transaction."""

    max_committers = 2  # while one waits for its sync, the other is at work

    def __init__(
        self, engine: Engine, table: Table, durability: str, timeout_seconds: float
    ) -> None:
        import psycopg

        self._driver = psycopg
        preparer = engine.dialect.identifier_preparer
        names = [preparer.quote(column.name) for column in data_columns(table)]
        columns = ", ".join(names)
        into = f"{preparer.format_table(table)} ({columns})"
        self._insert_into = f"INSERT INTO {into}"
        record_id = preparer.quote(unique_id(table).name)
        self._do_nothing = f"ON CONFLICT ({record_id}) DO NOTHING RETURNING {record_id}"
        self._copy = f"COPY {into} FROM STDIN"
        self._copy_until = 0.0
        where = f"{preparer.format_table(table)} WHERE {record_id} = ANY(%s::uuid[])"
        self._which = f"SELECT {record_id} FROM {where}"  # noqa: S608  (quoted names)
        self._table = table
        self._one_row = "(" + ", ".join(["%s"] * len(names)) + ")"
        self._synchronous = durability != LOST_ON_POWER_CUT
        self._timeout_ms = int(timeout_seconds * 1000)
        self._deadline = 0.0
        self.own = OwnConnection(engine, self._prepare)

    def _prepare(self, driver: Any) -> None:
        # The server's own limit is the shorter one: a statement that waits for a lock ends there
        # with an answer, and the connection stays in use.
        driver.execute(f"SET statement_timeout = {self._timeout_ms}")
        [setting] = driver.execute("SHOW synchronous_commit").fetchone()
        if not self._synchronous:
            driver.execute("SET synchronous_commit = off")
        else:
            # Also where it is right: a setting of the session's own outlives a reload of the
            # server's configuration that turns it off.
            synchronous = "on" if setting == "off" else setting
            driver.execute(f"SET synchronous_commit = {synchronous}")
        self._copy_until = 0.0
        patient_wait = driver.wait

        def wait(generator: Any, *args: Any, **kwargs: Any) -> Any:
            return patient_wait(self._until_deadline(generator), *args, **kwargs)

        driver.wait = wait

    def _until_deadline(self, generator: Any) -> Generator[Any, Any, Any]:
        """Pass psycopg's waiting on, and stop it at the deadline.

        A server that is stopped, or gone without a word, answers nothing, and the kernel keeps the
        connection up. psycopg looks up every tenth of a second; here is who tells it to give up.
        """
        try:
            state = next(generator)
            while True:
                ready = yield state
                if not ready and monotonic() > self._deadline:
                    raise self._driver.OperationalError("no answer in time")
                state = generator.send(ready)
        except StopIteration as stop:
            return stop.value

    def connection(self, deadline: float) -> Any:
        """Return the connection, on which nothing takes longer than until `deadline`."""
        self._deadline = deadline
        return self.own.get(deadline)

    def problem(self) -> None:
        """Return nothing: what is wrong only the server knows."""

    def write(self, records: Sequence[Record], deadline: float) -> list[Result]:
        """Write records in one transaction."""
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
                    pass  # COPY knows no ON CONFLICT: all are away again, and INSERT sorts them out
            results = self._insert(cursor, records)
            self._copy_until = monotonic() + COPY_SECONDS
            return results

    def _may_copy(self, records: Sequence[Record]) -> bool:
        return (
            len(records) >= COPY_FROM_EVENTS
            and isinstance(records[0], Event)
            and monotonic() < self._copy_until
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
            stored.discard(row[0])  # a second one of the same id in this group is a duplicate
        return results

    def _lost(self, cursor: Any, not_stored: set[UUID]) -> set[UUID]:
        """Return the ids that are not in the table: no repeats, but rows that a trigger dropped."""
        if not not_stored:
            return set()
        cursor.execute(self._which, [list(not_stored)])
        return not_stored - {record_id for (record_id,) in cursor.fetchall()}


def _copy_line(event: Event) -> str:
    """Return a row as COPY reads it: https://www.postgresql.org/docs/current/sql-copy.html.

    Written out here because it costs a third of what the driver's own way does. JSON text and
    printable text hold no tab and no line end; a backslash is all there is to escape.
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
