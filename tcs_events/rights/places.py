"""The tables that hold data of persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.database.schemas import has_table
from tcs_events.models import (
    OPTIONAL_TABLES,
    UserEvent,
    UserEventBotSession,
    UserEventIdentity,
    UserEventRejection,
    UserEventUser,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A table whose rows belong to sessions and persons."""

    name: str
    """The plural name of its rows, also in JSON."""
    one: str
    """The name of one row."""
    table: sa.Table
    unique: str
    """The unique column besides `id`."""
    session: str = "session_id"
    """The column with the session; may be null."""
    email: str | None = "email"
    """The column with the e-mail address, which may be null; None if there is no such column."""
    user: str | None = None
    """The column with the id of a logged-in user; None if there is no such column."""
    at: str = "created_at"
    """The column with the time that gives a row its age."""
    is_counted: bool = False
    """Whether reports count its rows, by the time in `at`."""

    @property
    def id(self) -> sa.Column[Any]:
        """The primary key."""
        [column] = self.table.primary_key.columns
        return column

    def key(self, connection: Connection) -> sa.Column[Any]:
        """Return a column whose values are never used twice.

        Where possible that is `id`, because rows with neighbouring ids are stored together. On
        SQLite it is `unique`: after the newest row is deleted, SQLite uses its id again.
        """
        return self.table.c[self.unique] if connection.dialect.name == "sqlite" else self.id

    def counted(self, rows: int) -> str:
        """Return a text such as "1 event" or "2 events"."""
        return f"{rows:,} {self.one if rows == 1 else self.name.replace('_', ' ')}"

    @property
    def session_column(self) -> sa.Column[Any]:
        return self.table.c[self.session]

    @property
    def email_column(self) -> sa.Column[Any] | None:
        return self.table.c[self.email] if self.email else None

    @property
    def user_column(self) -> sa.Column[Any] | None:
        return self.table.c[self.user] if self.user else None

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
USERS = Place("user_links", "user link", UserEventUser.__table__, "link_id", user="user_id")
PLACES = (EVENTS, REJECTIONS, BOT_SESSIONS, IDENTITIES, USERS)
"""All places, in the order of deletion.

Identities and user links come last, because they say which sessions are a person's: after an
interruption, `forget` needs them to find the rest. A user link may also name the address by which
identities are found.
"""


def places_in(connection: Connection) -> tuple[Place, ...]:
    """Return the places that this database has, in the order of deletion.

    A feature that is off may have left its table, and a person's rows in it.
    """
    return tuple(
        place
        for place in PLACES
        if place.table.name not in OPTIONAL_TABLES or has_table(connection, place.table)
    )


def counted(rows: Mapping[str, int]) -> list[str]:
    """Return texts such as "2 events" and "1 identity", in the order of `PLACES`.

    Events and identities are always listed, other places only if they have rows.
    """
    always = (EVENTS, IDENTITIES)
    return [
        place.counted(rows[place.name]) for place in PLACES if rows[place.name] or place in always
    ]
