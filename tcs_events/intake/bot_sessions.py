"""Remembers which sessions a crawler has used, so that reports can leave them out."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exc, select

from tcs_events.counts.stale import mark_stale
from tcs_events.database.connection import within
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.troubles import unavailable
from tcs_events.errors import TableMissing
from tcs_events.event import Outcome
from tcs_events.intake.bots import is_crawler
from tcs_events.intake.sender import Sender
from tcs_events.models import UserEvent, UserEventBotSession
from tcs_events.stores import SqlStore
from tcs_events.stores.generic import insert_once

REMEMBERED = 10_000
"""Sessions that this process knows to be marked, and does not mark again."""


class BotSessions:
    """Marks the sessions of crawlers in the host's database.

    Args:
        store: of the table of marked sessions, in the database that holds the events.
        zone: whose days are counted.
        timeout_seconds: how long the database may take.
    """

    def __init__(self, store: SqlStore, zone: ZoneInfo, timeout_seconds: float) -> None:
        self._store = store
        self._zone = zone
        self._timeout_seconds = timeout_seconds
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._marked: dict[str, None] = {}

    def mark(self, sender: Sender, session_ids: Iterable[str], at: datetime) -> None:
        """Mark the sessions if a crawler sends them, before anything of theirs is stored.

        What was counted of them before is counted again.

        Raises:
            StoreUnavailable: that could not be done in time.
        """
        if not is_crawler(sender.user_agent):
            return
        ensure_own_state()
        with self._lock:
            new = {session_id: None for session_id in session_ids if session_id not in self._marked}
        if not new:
            return
        try:
            within(self._timeout_seconds, lambda: self._mark(sorted(new), at))
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if self._store.table_name in str(error) and not self._store.has_table():
                raise TableMissing(self._store.table_name) from None
            raise unavailable(error, self._store.table_name, "session_id") from None
        with self._lock:
            self._marked |= new
            while len(self._marked) > REMEMBERED:
                del self._marked[next(iter(self._marked))]

    def _mark(self, session_ids: list[str], at: datetime) -> None:
        """Mark them in one transaction with what says that their days are to be counted again."""
        table = UserEventBotSession.__table__
        with self._store.engine.begin() as connection:
            # Sorted: two that mark the same ones wait for each other in the same order.
            new = [
                session_id
                for session_id in session_ids
                if insert_once(connection, table, {"session_id": session_id, "marked_at": at})
                is Outcome.ACCEPTED
            ]
            times = select(UserEvent.created_at).where(UserEvent.session_id.in_(new))
            if new and (counted := connection.scalars(times).all()):
                mark_stale(connection, self._zone, counted)
