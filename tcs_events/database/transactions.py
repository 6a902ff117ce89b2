"""Real transactions for our queries, even if the host's connections autocommit."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from tcs_events.database import mysql

OURS = "tcs_events_transactions"
"""The execution option that marks our connections. In a connection's `info` it is True if the
connection was in autocommit mode and must be set back."""
MYSQL_SETTINGS = "tcs_events_mysql_settings"
"""In a connection's `info`: the settings that it must be given back."""


def with_transactions(engine: Engine) -> Engine:
    """Return an engine with the same pool whose connections begin real transactions.

    The host's connections may be in autocommit mode: then each statement is committed by itself,
    and PostgreSQL has no server-side cursors. Or they may use a strict isolation level, in which a
    transaction fails if it had to wait for another one. Each connection returns to the pool with
    its old settings.
    """
    # Listen on the host's engine. Listeners of the returned engine would run first, and options of
    # the host's `create_engine(execution_options=...)` would then overrule ours.
    if not event.contains(engine, "engine_connect", _set_up):
        event.listen(engine, "engine_connect", _set_up)

        @event.listens_for(engine, "checkin")
        def _give_back(driver: Any, entry: ConnectionPoolEntry) -> None:
            # Later versions of SQLAlchemy do this themselves. 2.0.16 does not restore autocommit.
            if entry.info.pop(OURS, False) and driver is not None:
                engine.dialect.set_isolation_level(driver, "AUTOCOMMIT")
            if (before := entry.info.pop(MYSQL_SETTINGS, None)) and driver is not None:
                try:
                    mysql.give_back(driver, before)
                except Exception as error:
                    entry.invalidate(error)  # the pool then opens another one

    return engine.execution_options(**{OURS: True})


def _set_up(connection: Connection) -> None:
    if not connection.get_execution_options().get(OURS):
        return
    driver = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        if driver.isolation_level is None and not _is_begun(connection, driver):
            connection.connection.info[OURS] = True
            connection.execution_options(isolation_level="SERIALIZABLE")
    elif connection.dialect.name == "postgresql":
        is_autocommit = bool(getattr(driver, "autocommit", False))
        connection.connection.info[OURS] = is_autocommit
        # If no level is set the server's default applies: READ COMMITTED, and rarely changed.
        if is_autocommit or getattr(driver, "isolation_level", None) is not None:
            connection.execution_options(isolation_level="READ COMMITTED")
    elif mysql.is_mysql(connection.dialect) and connection.dialect.driver in mysql.DRIVERS:
        connection.connection.info[MYSQL_SETTINGS] = mysql.set_up(driver, connection.dialect)


def _is_begun(connection: Connection, driver: sqlite3.Connection) -> bool:
    """Return whether the host has SQLAlchemy emit BEGIN instead of the driver.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    """
    if driver.in_transaction:  # the host's transaction: we share its in-memory database
        return True
    with connection.begin():
        return driver.in_transaction
