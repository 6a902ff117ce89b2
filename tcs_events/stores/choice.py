"""Chooses the store of each kind of record."""

from __future__ import annotations

from sqlalchemy import Table

from tcs_events.database.host_database import HostDatabase
from tcs_events.settings import Settings
from tcs_events.stores.connections import WriteConnections
from tcs_events.stores.contract import Store
from tcs_events.stores.sql import SqlStore


def store_for(
    table: Table,
    database: HostDatabase,
    settings: Settings,
    connections: WriteConnections,
    *,
    only_last: bool = False,
) -> Store:
    """Return the store that keeps the records of a table: events, identities, or refused events.

    A store other than `SqlStore` is chosen here. Reports, commands and health read the database,
    so what it keeps must get there in the end.

    Args:
        table: the table in the host's metadata.
        database: the host's database.
        settings: the settings of the app, or of this kind of record.
        connections: what all stores of the app write on.
        only_last: whether to leave all connections but the last to other stores.
    """
    return SqlStore(database, table, settings, connections, only_last=only_last)
