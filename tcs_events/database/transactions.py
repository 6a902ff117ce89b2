"""Real transactions for our queries, even if the host's connections autocommit."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from tcs_events.database import mysql
from tcs_events.database.pooler import is_pooled

OURS = "tcs_events_transactions"
"""The execution option that marks our connections. In a connection's `info` it is True if the
connection was in autocommit mode and must be set back."""
MYSQL_SETTINGS = "tcs_events_mysql_settings"
"""In a connection's `info`: the settings that it must be given back."""

POOLED = "tcs_events_pooled"
"""In a connection's `info`: whether a pooler is between us and PostgreSQL."""
HOSTS_THRESHOLD = "tcs_events_prepare_threshold"
"""In a connection's `info`: the host's value, which is set back."""


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
            if (
                threshold := entry.info.pop(HOSTS_THRESHOLD, None)
            ) is not None and driver is not None:
                driver.prepare_threshold = threshold

        if engine.dialect.driver == "pg8000":
            event.listen(engine, "begin", _begin_as_usual)

    return engine.execution_options(**{OURS: True})


def _set_up(connection: Connection) -> None:
    if not connection.get_execution_options().get(OURS):
        return
    dbapi = connection.dialect.loaded_dbapi
    try:
        _give_our_settings(connection)
    except dbapi.Error as error:
        # The driver's own error: it is a lost connection, which those who ask know from SQLAlchemy.
        connection.invalidate(error)
        raise exc.DBAPIError.instance(
            "the settings of a connection", None, error, dbapi.Error, dialect=connection.dialect
        ) from error


def _give_our_settings(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        if driver.isolation_level is None and not _is_begun(connection, driver):
            connection.connection.info[OURS] = True
            connection.execution_options(isolation_level="SERIALIZABLE")
    elif connection.dialect.name == "postgresql" and driver is not None:
        is_autocommit = bool(getattr(driver, "autocommit", False))
        connection.connection.info[OURS] = is_autocommit
        # Not by SQLAlchemy's option: with pg8000 and psycopg2 it also sets a level for the session,
        # where another client of a pooler would find it.
        if is_autocommit:
            driver.autocommit = False
        _prepare_nothing_in_a_pooler(connection, driver)
        # If no level is set the server's default applies: READ COMMITTED, and rarely changed.
        if getattr(driver, "isolation_level", None) is not None:
            connection.execution_options(isolation_level="READ COMMITTED")
    elif mysql.is_mysql(connection.dialect) and connection.dialect.driver in mysql.DRIVERS:
        connection.connection.info[MYSQL_SETTINGS] = mysql.set_up(driver, connection.dialect)


def _prepare_nothing_in_a_pooler(connection: Connection, driver: Any) -> None:
    """Keep psycopg 3 from preparing our statements in processes that serve other clients too.

    It prepares a statement that it has run five times, under a name that others use, too.
    """
    threshold = getattr(driver, "prepare_threshold", None)
    if threshold is None:
        return
    info = connection.connection.info  # lives as long as the driver's connection
    if POOLED not in info:
        driver.autocommit = True  # one round trip, where a transaction would take three
        try:
            server_pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            connection.rollback()
        finally:
            with contextlib.suppress(Exception):  # it is closed, and the first error says why
                driver.autocommit = False
        info[POOLED] = is_pooled(driver, server_pid)
    if info[POOLED]:
        info[HOSTS_THRESHOLD] = threshold
        driver.prepare_threshold = None


def _begin_as_usual(connection: Connection) -> None:
    """Use PostgreSQL's usual level in one transaction, whatever the session has."""
    if connection.get_execution_options().get(OURS):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


def _is_begun(connection: Connection, driver: sqlite3.Connection) -> bool:
    """Return whether the host has SQLAlchemy emit BEGIN instead of the driver.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    """
    if driver.in_transaction:  # the host's transaction: we share its in-memory database
        return True
    with connection.begin():
        return driver.in_transaction
