"""Stores events in MariaDB and MySQL, through PyMySQL or mysqlclient."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Table

from tcs_events.database import mysql, mysql_tables, watchdog
from tcs_events.database.connection import OwnConnection
from tcs_events.database.problems import TOO_LARGE
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Outcome, Record
from tcs_events.settings import Settings
from tcs_events.stores.columns import data_columns, holds_events, unique_id
from tcs_events.stores.contract import Result
from tcs_events.stores.generic import not_kept

LOCK_SECONDS = 1
"""How long a statement waits for a lock: the shortest time that both servers accept."""
SETUP_SECONDS = 5.0
"""How long setting up a connection may take, in a thread that no request waits for by then."""
PACKET_SHARE = 0.9
"""The share of the server's `max_allowed_packet` that one statement may take."""
OTHERS_SYNC_SECONDS = 0.02
"""How long we wait for a commit of somebody else to sync the log, before we commit a change."""
SYNC_PAUSE_SECONDS = 0.005
"""The pause between two looks at whether the log is synced."""
NO_RIGHT = (1142, 1143)
"""The app's user may not change rows."""
DUPLICATE_ENTRY = 1062  # https://mariadb.com/kb/en/mariadb-error-code-reference/


class MariaConnection:
    """A connection to the server, for all tables."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.statement_max_bytes = 0
        """The longest statement that the server accepts."""
        self.times_opened = 0
        self._timeout_seconds = settings.timeout_ms / 1000
        self.own = OwnConnection(engine, self._prepare)

    def _prepare(self, driver: Any) -> None:
        with watchdog.until(monotonic() + SETUP_SECONDS, mysql.fileno_of(driver)):
            driver.set_character_set(mysql.CHARSET)
            cursor = driver.cursor()
            # The host may have turned all of these off, for the server or for its connections.
            settings = {
                "sql_mode": "'STRICT_ALL_TABLES'",  # refuse a value, and never cut it
                "unique_checks": 1,
                "innodb_lock_wait_timeout": LOCK_SECONDS,
                "lock_wait_timeout": LOCK_SECONDS,
            }
            if mysql.is_mariadb(self.engine.dialect):  # in MySQL it is for SELECT alone
                settings["max_statement_time"] = f"{self._timeout_seconds:.3f}"
            pairs = ", ".join(f"{name} = {value}" for name, value in settings.items())
            cursor.execute(f"SET SESSION {pairs}")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("SELECT @@max_allowed_packet")
            self.statement_max_bytes = int(PACKET_SHARE * cursor.fetchone()[0])
            cursor.close()
        self.times_opened += 1


class MariaCommitter:
    """Writes groups of records of one table: each in one INSERT, so in one transaction.

    `INSERT IGNORE` is not used, because it also cuts long values and stores them. If an INSERT
    meets an id that is stored already, it is undone, and the rows with other ids are inserted.
    """

    def __init__(self, connection: MariaConnection, table: Table) -> None:
        preparer = connection.engine.dialect.identifier_preparer
        columns = ", ".join(preparer.quote(column.name) for column in data_columns(table))
        name, record_id = preparer.format_table(table), preparer.quote(unique_id(table).name)
        self._insert_into = f"INSERT INTO {name} ({columns}) VALUES ".encode()  # noqa: S608
        self._record_id = record_id
        self._row = _event_row if holds_events(table) else _any_row
        self._update = f"UPDATE {name} SET"
        self._select_ids = f"SELECT {record_id} FROM {name} WHERE {record_id} IN ("  # noqa: S608
        self._table = table
        self._connection = connection
        self._checked_at = 0
        """How often the connection had been opened when the table was checked."""
        self.own = connection.own

    def connection(self, deadline: float) -> Any:
        """Return the driver's connection."""
        return self.own.get(deadline)

    def problem(self) -> None:
        """Return None: only the server can tell whether something is wrong."""

    def write(self, records: Sequence[Record], deadline: float) -> list[Result]:
        """Write the records in one transaction, and return one result for each.

        Raises:
            StoreUnavailable: the server does not answer in time.
        """
        driver = self.connection(deadline)
        try:
            watch = watchdog.until(deadline, mysql.fileno_of(driver))
        except OSError:  # closed since; the driver says so in its own words
            driver.ping(False)
            raise
        try:
            with watch:
                return self._write(driver, records, deadline)
        except Exception:
            if watch.has_ended:
                self.own.drop()
                raise StoreUnavailable("Timeout") from None
            raise

    def _write(self, driver: Any, records: Sequence[Record], deadline: float) -> list[Result]:
        rows: dict[str, bytes] = {}
        too_large: set[str] = set()
        for record in records:
            if record[0] not in rows:  # the first record of an id is kept
                rows[record[0]] = row = self._row(record).encode()
                if len(row) + len(self._insert_into) > self._connection.statement_max_bytes:
                    too_large.add(record[0])
        for record_id in too_large:
            del rows[record_id]
        cursor = driver.cursor()
        try:
            self._check_table(cursor)
            stored = self._insert_all(cursor, rows, deadline)
        finally:
            cursor.close()
        results: list[Result] = []
        for record in records:
            if record[0] in too_large:
                results.append(StoreUnavailable("TooLarge", TOO_LARGE.remedy))
                continue
            results.append(Outcome.ACCEPTED if record[0] in stored else Outcome.DUPLICATE)
            stored.discard(record[0])  # another record with this id in the group is a duplicate
        return results

    def _check_table(self, cursor: Any) -> None:
        """Refuse a table for which a 202 would promise nothing. Once for each new connection."""
        if self._checked_at == self._connection.times_opened:
            return
        unique = unique_id(self._table).name
        if problem := mysql_tables.storing_problem(cursor, self._table, unique):
            raise StoreUnavailable("WrongTable", problem.remedy)
        self._checked_at = self._connection.times_opened

    def _insert_all(self, cursor: Any, rows: dict[str, bytes], deadline: float) -> set[str]:
        """Insert the rows whose ids are new, and return these ids. All rows are then synced."""
        new = dict(rows)
        while new:
            try:
                self._insert(cursor, list(new.values()))
                return set(new)
            except Exception as error:
                if mysql.code_of(error) != DUPLICATE_ENTRY:
                    raise
                existing = self._existing(cursor, new)
                if not existing or monotonic() > deadline:
                    raise  # by another unique index of the host, or a writer comes between for ever
            for record_id in existing:
                del new[record_id]
        if rows:
            self._sync(cursor, next(iter(rows)))
        return set()

    def _insert(self, cursor: Any, rows: Sequence[bytes]) -> None:
        """Insert the rows in one transaction. The connection autocommits a single statement."""
        statements = list(self._statements(rows))
        if len(statements) > 1:
            cursor.execute("START TRANSACTION")
        inserted = 0
        try:
            for statement in statements:
                cursor.execute(statement)
                inserted += cursor.rowcount
            if inserted != len(rows):
                raise not_kept(self._table)
            if len(statements) > 1:
                cursor.execute("COMMIT")
        except BaseException:
            if len(statements) > 1:
                with contextlib.suppress(Exception):  # the connection may be lost
                    cursor.execute("ROLLBACK")
            raise

    def _sync(self, cursor: Any, record_id: str) -> None:
        """Return once the server's log is synced as far as it has been written by now.

        InnoDB shows a row to others before the log with its commit is synced, and our INSERT that
        met the row has committed nothing. Under load the next commit of anybody syncs the log soon.
        """
        written = self._log_position(cursor, "Innodb_lsn_current")
        soon = monotonic() + OTHERS_SYNC_SECONDS
        may_write = True
        # If nobody syncs it, the server does after a second. At the deadline the watchdog ends it.
        while written is None or self._synced(cursor) < written:
            if may_write and (written is None or monotonic() > soon):
                try:
                    self._commit_a_change(cursor, record_id)
                except Exception as error:
                    if written is None or mysql.code_of(error) not in NO_RIGHT:
                        raise
                    may_write = False
                else:
                    return
            time.sleep(SYNC_PAUSE_SECONDS)

    def _synced(self, cursor: Any) -> int:
        return self._log_position(cursor, "Innodb_lsn_flushed") or 0

    def _log_position(self, cursor: Any, name: str) -> int | None:
        """Return a position in the server's log, None if it does not tell: MySQL does not."""
        cursor.execute(f"SHOW GLOBAL STATUS LIKE '{name}'")
        row = cursor.fetchone()
        return None if row is None else int(row[1])

    def _commit_a_change(self, cursor: Any, record_id: str) -> None:
        """Change a row and change it back, in one transaction. Its commit syncs the log.

        A transaction that has changed nothing in the end, such as one with a failed INSERT, syncs
        nothing.
        """
        cursor.execute("START TRANSACTION")
        try:
            for sign in "+-":
                cursor.execute(
                    f"{self._update} received_at = received_at {sign} INTERVAL 1 MICROSECOND"
                    f" WHERE {self._record_id} = '{record_id}'"
                )
            cursor.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(Exception):
                cursor.execute("ROLLBACK")
            raise

    def _existing(self, cursor: Any, ids: Iterable[str]) -> set[str]:
        quoted = ", ".join(f"'{record_id}'" for record_id in ids)
        cursor.execute(f"{self._select_ids}{quoted})")
        return {UUID(str(stored)).hex for (stored,) in cursor.fetchall()}

    def _statements(self, rows: Iterable[bytes]) -> Iterator[bytes]:
        """Yield as few INSERTs as the server's limit on their length allows."""
        part: list[bytes] = []
        size = len(self._insert_into)
        for row in rows:
            if part and size + len(row) > self._connection.statement_max_bytes:
                yield self._insert_into + b", ".join(part)
                part, size = [], len(self._insert_into)
            part.append(row)
            size += len(row) + len(", ")
        yield self._insert_into + b", ".join(part)


def _any_row(record: Record) -> str:
    """Return the values of a row as SQL. This takes a third of the time that the drivers take."""
    return f"({', '.join(map(_literal, record))})"


def _event_row(record: Record) -> str:
    """Return the same for an event, in less time still."""
    event_id, session_id, event_type, payload, email, created_at, received_at = record
    created = _text(created_at)
    received = created if received_at is created_at else _text(received_at)
    address = "NULL" if email is None else _quoted(email)
    return (
        f"('{event_id}', {_quoted(session_id)}, {_quoted(event_type)},"
        f" {_quoted(payload)}, {address}, '{created}', '{received}')"
    )


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case datetime():
            return f"'{_text(value)}'"
        case int():
            return str(int(value))
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """Return a text as a literal of SQL. Our sql_mode has the backslash as the escape character.

    Only these two need escaping between single quotes, and in utf8mb4 no other character contains
    their bytes: https://mariadb.com/kb/en/string-literals/
    """
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "'" in text:
        text = text.replace("'", "\\'")
    return f"'{text}'"


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")
