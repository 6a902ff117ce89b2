"""Where something of a person is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tcs_events.models import UserEvent, UserEventIdentity


@dataclass(frozen=True, slots=True)
class Place:
    """A table whose rows belong to sessions and to persons."""

    name: str
    """What its rows are called, in JSON too,"""
    one: str
    """and one of them."""
    table: sa.Table
    session: str = "session_id"
    """The column with the session; it may be null."""
    email: str = "email"
    """The column with the address; it may be null."""
    is_counted: bool = False
    """Whether reports count its rows, by `created_at`."""

    @property
    def id(self) -> sa.Column[Any]:
        """The primary key."""
        [column] = self.table.primary_key.columns
        return column

    def counted(self, rows: int) -> str:
        """Return "1 event", or "2 events"."""
        return f"{rows:,} {self.one if rows == 1 else self.name}"

    @property
    def session_column(self) -> sa.Column[Any]:
        return self.table.c[self.session]

    @property
    def email_column(self) -> sa.Column[Any]:
        return self.table.c[self.email]


EVENTS = Place("events", "event", UserEvent.__table__, is_counted=True)
IDENTITIES = Place("identities", "identity", UserEventIdentity.__table__)
PLACES = (EVENTS, IDENTITIES)
"""All there are. The identities come last: they say which sessions are a person's, and whoever is
stopped while forgetting one has to find the rest of it again."""
