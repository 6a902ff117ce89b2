"""Marks the sessions that a crawler has used, so that reports can leave them out."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exc, select

from tcs_events.counts.stale import mark_stale
from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.database.host_database import HostDatabase
from tcs_events.database.in_thread import run_with_timeout
from tcs_events.database.troubles import unavailable
from tcs_events.errors import TableMissing
from tcs_events.event import Outcome
from tcs_events.intake.bots import is_crawler
from tcs_events.intake.sender import Sender
from tcs_events.models import UserEvent, UserEventBotSession
from tcs_events.stores.generic import insert_once

TABLE = UserEventBotSession.__table__
REMEMBERED = 10_000
"""How many marked sessions a process remembers, so that it does not mark them again."""


class BotSessions:
    """Marks the sessions of crawlers in the host's database.

    Args:
        database: the database of the events.
        zone: the time zone of the days that reports count.
        timeout_seconds: how long the database may take.
    """

    def __init__(self, database: HostDatabase, zone: ZoneInfo, timeout_seconds: float) -> None:
        self._database = database
        self._zone = zone
        self._timeout_seconds = timeout_seconds
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._marked: dict[str, None] = {}

    def mark(self, sender: Sender, session_ids: Iterable[str], at: datetime) -> None:
        """Mark the sessions if the sender is a crawler. Call this before their events are stored.

        The days of their earlier events are counted again.

        Raises:
            StoreUnavailable: the sessions could not be marked in time.
        """
        if not is_crawler(sender.user_agent):
            return
        ensure_own_state()
        with self._lock:
            new = {session_id: None for session_id in session_ids if session_id not in self._marked}
        if not new:
            return
        try:
            run_with_timeout(self._timeout_seconds, lambda: self._mark(sorted(new), at))
        except (exc.DBAPIError, exc.TimeoutError) as error:
            # has_table() is another query: it is only made if the error names the table.
            if TABLE.name in str(error) and not self._database.has_table(TABLE):
                raise TableMissing(TABLE.name) from None
            raise unavailable(error, TABLE.name, "session_id") from None
        with self._lock:
            self._marked |= new
            while len(self._marked) > REMEMBERED:
                del self._marked[next(iter(self._marked))]

    def _mark(self, session_ids: list[str], at: datetime) -> None:
        """Mark the sessions and the days to be counted again, in one transaction."""
        with self._database.engine.begin() as connection:
            # The ids are sorted: two transactions with the same ids then cannot deadlock.
            new = [
                session_id
                for session_id in session_ids
                if insert_once(connection, TABLE, {"session_id": session_id, "marked_at": at})
                is Outcome.ACCEPTED
            ]
            times = select(UserEvent.created_at).where(UserEvent.session_id.in_(new))
            if new and (event_times := connection.scalars(times).all()):
                mark_stale(connection, self._zone, event_times)
