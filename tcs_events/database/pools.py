"""Connection pools after a fork: a child process must not use its parent's connections."""

from __future__ import annotations

from sqlalchemy import Engine

from tcs_events.database.sqlite_file import is_in_memory


def is_lasting(engine: Engine) -> bool:
    """Return whether the database outlives its connections: False for SQLite in memory."""
    return engine.dialect.name != "sqlite" or not is_in_memory(engine.url)


def leave_pool_of_parent(engine: Engine) -> None:
    """Give the engine a new, empty pool. The parent's connections stay open.

    https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    """
    if is_lasting(engine):
        engine.dispose(close=False)
