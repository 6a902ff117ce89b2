"""Where something of a person is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.models import (
    UserEvent,
    UserEventBotSession,
    UserEventIdentity,
    UserEventRejection,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A table whose rows belong to sessions and to persons."""

    name: str
    """What its rows are called, in JSON too,"""
    one: str
    """and one of them."""
    table: sa.Table
    unique: str
    """The column besides `id` that tells a row from all others."""
    session: str = "session_id"
    """The column with the session; it may be null."""
    email: str | None = "email"
    """The column with the address; it may be null. None: there is no such column."""
    at: str = "created_at"
    """The column with the time that says how old a row is."""
    is_counted: bool = False
    """Whether reports count its rows, by that time."""

    @property
    def id(self) -> sa.Column[Any]:
        """The primary key."""
        [column] = self.table.primary_key.columns
        return column

    def key(self, connection: Connection) -> sa.Column[Any]:
        """Return the column that tells a row from all others that ever were.

        That is `id` where it can be: rows that were stored one after the other lie side by side.
        But SQLite gives the newest row's id once more after that row is gone.
        """
        return self.table.c[self.unique] if connection.dialect.name == "sqlite" else self.id

    def counted(self, rows: int) -> str:
        """Return "1 event", or "2 events"."""
        return f"{rows:,} {self.one if rows == 1 else self.name.replace('_', ' ')}"

    @property
    def session_column(self) -> sa.Column[Any]:
        return self.table.c[self.session]

    @property
    def email_column(self) -> sa.Column[Any] | None:
        return self.table.c[self.email] if self.email else None

    @property
    def time_column(self) -> sa.Column[Any]:
        return self.table.c[self.at]


EVENTS = Place("events", "event", UserEvent.__table__, "event_id", is_counted=True)
REJECTIONS = Place(
    "rejections", "rejection", UserEventRejection.__table__, "rejection_id", at="received_at"
)
BOT_SESSIONS = Place(
    "bot_sessions",
    "bot session",
    UserEventBotSession.__table__,
    "session_id",
    email=None,
    at="marked_at",
)
IDENTITIES = Place("identities", "identity", UserEventIdentity.__table__, "identity_id")
PLACES = (EVENTS, REJECTIONS, BOT_SESSIONS, IDENTITIES)
"""All there are. The identities come last: they say which sessions are a person's, and whoever is
stopped while forgetting one has to find the rest of it again."""


def counted(rows: Mapping[str, int]) -> list[str]:
    """Return "2 events", ..., "1 identity"; of the places between them those with any rows."""
    always = (EVENTS, IDENTITIES)
    return [
        place.counted(rows[place.name]) for place in PLACES if rows[place.name] or place in always
    ]
