"""A forked process and the connections of its parent, which it must not use."""

from __future__ import annotations

from sqlalchemy import Engine


def is_lasting(engine: Engine) -> bool:
    """Tell a server or a file from a database in memory, which is gone with its one connection."""
    if engine.dialect.name != "sqlite":
        return True
    database = engine.url.database or ""
    return database not in ("", ":memory:") and "mode=memory" not in str(engine.url)


def leave_pool_of_parent(engine: Engine) -> None:
    """Give an engine an empty pool; the connections of the old one stay the parent's.

    https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    """
    if is_lasting(engine):
        engine.dispose(close=False)
