"""Events into any other database SQLAlchemy speaks to, and into SQLite in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, Table, exc, insert, select

from tcs_events.event import Event, Outcome
from tcs_events.stores.connection import OwnConnection
from tcs_events.stores.contract import Result


class GenericCommitter:
    """Writes groups of events, row by row, on connections of the host's pool."""

    max_committers = 1
    own: OwnConnection | None = None

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine = engine
        self._table = table

    def write(self, events: Sequence[Event], deadline: float) -> list[Result]:
        """Write events in one transaction."""
        with self._engine.begin() as connection:
            return [self._insert(connection, asdict(event)) for event in events]

    def _insert(self, connection: Connection, row: dict[str, Any]) -> Outcome:
        same_id = select(self._table.c.id).where(self._table.c.event_id == row["event_id"])
        try:
            with connection.begin_nested():
                connection.execute(insert(self._table), row)
        except exc.IntegrityError:
            if connection.execute(same_id).first() is None:
                raise
            return Outcome.DUPLICATE
        return Outcome.ACCEPTED
