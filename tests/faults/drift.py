"""The schema of the database moves away under a server that runs, and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, NullPool, create_engine, event, text

from tests.faults import host
from tests.faults.clients import Visitors
from tests.faults.load import Fault

DRIFTED_SECONDS = 1.2
KEPT = "event_id, session_id, event_type, payload, email, created_at, received_at"


@contextmanager
def migration(database_url: str) -> Iterator[Connection]:
    """Give a connection whose statements are one transaction, also those of SQLite's DDL."""
    engine = create_engine(database_url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def no_implicit_begin(driver, _):  # type: ignore[no-untyped-def]
            driver.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        yield connection


def migrate(database_url: str, *statements: str) -> None:
    with migration(database_url) as connection:
        for statement in statements:
            connection.execute(text(statement))


def _there_and_back(there: list[str], back: list[str]) -> Callable[[str], Fault]:
    def make(database_url: str) -> Fault:
        def fault(visitors: Visitors) -> None:
            migrate(database_url, *there)
            time.sleep(DRIFTED_SECONDS)
            migrate(database_url, *back)

        return fault

    return make


def drop_table(database_url: str) -> Fault:
    """Drop the table and make it anew; its rows are put back, for the balance to find."""

    def fault(visitors: Visitors) -> None:
        lock = "LOCK TABLE user_events" if database_url.startswith("postgresql") else "SELECT 1"
        keep = f"CREATE TABLE kept AS SELECT {KEPT} FROM user_events"
        migrate(database_url, lock, keep, "DROP TABLE user_events")
        time.sleep(DRIFTED_SECONDS)
        host.create_tables(database_url)
        migrate(database_url, f"INSERT INTO user_events ({KEPT}) SELECT {KEPT} FROM kept")

    return fault


BREAKING: dict[str, Callable[[str], Fault]] = {
    "column_renamed": _there_and_back(
        ["ALTER TABLE user_events RENAME COLUMN session_id TO visitor"],
        ["ALTER TABLE user_events RENAME COLUMN visitor TO session_id"],
    ),
    "column_dropped": _there_and_back(
        ["DROP INDEX ix_user_events_email", "ALTER TABLE user_events DROP COLUMN email"],
        [
            "ALTER TABLE user_events ADD COLUMN email VARCHAR(320)",
            "CREATE INDEX ix_user_events_email ON user_events (email)",
        ],
    ),
    "table_renamed": _there_and_back(
        ["ALTER TABLE user_events RENAME TO visits"], ["ALTER TABLE visits RENAME TO user_events"]
    ),
    "table_dropped": drop_table,
}
EXPANDING: dict[str, Callable[[str], Fault]] = {
    "column_added": _there_and_back(
        ["ALTER TABLE user_events ADD COLUMN country VARCHAR(2)"],
        ["ALTER TABLE user_events DROP COLUMN country"],
    ),
    "index_added": _there_and_back(
        ["CREATE INDEX ix_user_events_new ON user_events (received_at)"],
        ["DROP INDEX ix_user_events_new"],
    ),
}
"""What a migration may do while an older version of the code still runs."""
FAULTS = {**BREAKING, **EXPANDING}
