"""Connection pools after a fork: a child process must not use its parent's connections."""

from __future__ import annotations

from sqlalchemy import Engine


def is_lasting(engine: Engine) -> bool:
    """Return whether the database outlives its connections: False for SQLite in memory."""
    if engine.dialect.name != "sqlite":
        return True
    database = engine.url.database or ""
    return database not in ("", ":memory:") and "mode=memory" not in str(engine.url)


def leave_pool_of_parent(engine: Engine) -> None:
    """Give the engine a new, empty pool. The parent's connections stay open.

    https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    """
    if is_lasting(engine):
        engine.dispose(close=False)
