"""Chooses the store of each kind of record."""

from __future__ import annotations

from sqlalchemy import Table

from tcs_events.database.host_database import HostDatabase
from tcs_events.settings import Settings
from tcs_events.stores.contract import Store
from tcs_events.stores.sql import SqlStore


def store_for(table: Table, database: HostDatabase, settings: Settings) -> Store:
    """Return the store that keeps the records of a table: events, identities, or refused events.

    A store other than `SqlStore` is chosen here. Reports, commands and health read the database,
    so what it keeps must get there in the end.
    """
    return SqlStore(database, table, settings)
