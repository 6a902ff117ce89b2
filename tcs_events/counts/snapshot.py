"""Reads of several statements from one moment."""

from __future__ import annotations

from sqlalchemy import Connection

from tcs_events.database import mysql


def hold_still(connection: Connection) -> None:
    """Make all reads from here on see the same moment. The connection has read nothing yet."""
    if connection.dialect.name == "postgresql":
        # As its first statement, so that it ends with the transaction that the time limit began.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if mysql.is_mysql(connection.dialect):
        # For the next transaction alone, which begins with the first read.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if connection.dialect.name != "sqlite":
        return
    # Python's driver begins no transaction for a SELECT, so each would see another moment. A host
    # may have told SQLAlchemy to begin one itself.
    connection.begin()
    driver = connection.connection.dbapi_connection
    if not getattr(driver, "in_transaction", False):
        connection.exec_driver_sql("BEGIN")
