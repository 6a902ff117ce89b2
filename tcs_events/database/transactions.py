"""Transactions of ours that are such, whatever the host's connections are set to."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

OURS = "tcs_events_transactions"
"""The execution option of our connections, and what is noted of one that was in autocommit."""


def with_transactions(engine: Engine) -> Engine:
    """Return an engine on the same pool on which a transaction is one, and may meet others.

    A host may have its connections in autocommit, where each statement is committed by itself and
    PostgreSQL gives no rows a few at a time; or in an isolation in which a transaction fails where
    it has waited for another one. Each connection goes back to the pool as it came.
    """
    # Not on the engine that is returned, whose listeners come before those of the host's: what the
    # host says by `create_engine(execution_options=...)` would be set after it.
    if not event.contains(engine, "engine_connect", _set_up):
        event.listen(engine, "engine_connect", _set_up)

        @event.listens_for(engine, "checkin")
        def _give_back(driver: Any, entry: ConnectionPoolEntry) -> None:
            # Later versions of SQLAlchemy do so by themselves; 2.0.16 forgets about autocommit.
            if entry.info.pop(OURS, False) and driver is not None:
                engine.dialect.set_isolation_level(driver, "AUTOCOMMIT")

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
        # Where nothing is set it is that of the server, which hardly anybody changes.
        if is_autocommit or getattr(driver, "isolation_level", None) is not None:
            connection.execution_options(isolation_level="READ COMMITTED")


def _is_begun(connection: Connection, driver: sqlite3.Connection) -> bool:
    """Tell whether SQLAlchemy was told to begin transactions in the place of the driver.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    """
    if driver.in_transaction:  # of the host, which shares a database in memory with us
        return True
    with connection.begin():
        return driver.in_transaction
