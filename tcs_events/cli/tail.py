"""The command that prints the newest events, and new ones as they are stored."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import click
import sqlalchemy as sa
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.visible import visible, visible_json
from tcs_events.database.stored_json import read_columns
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.models import UserEvent

POLL_SECONDS = 0.5
LATE_SECONDS = 5.0
"""How long a row may become visible after one with a higher id: its insert commits by then."""
IDS_IN_FLIGHT = 1_000
"""How far below the newest id a row may still be in an open transaction when we start."""


class _Row(NamedTuple):
    """An event. The fields are the columns of `user_events` that are printed."""

    id: int
    session_id: str
    event_type: str
    payload: dict[str, Any]
    email: str | None
    created_at: datetime


@command("tail")
@options.limit(20, "events at first")
@options.types
@click.option("--follow", "-f", is_flag=True, help="Keep printing new events as they are stored.")
@click.option("--with-email", is_flag=True, help="Print the e-mail addresses of events, too.")
@options.as_json
def tail(limit: int, types: tuple[str, ...], follow: bool, with_email: bool, as_json: bool) -> None:
    """Print the newest events, and with --follow new ones as well.

    Payloads are printed as they were stored. With --follow, JSON is one document per line.
    """
    options.check_types(types)
    newest = _Newest(types)
    events = newest.first(limit)
    if as_json and not follow:
        print_json([_document(event, with_email) for event in events])
        return
    try:
        while True:
            for event in events:
                if as_json:
                    print_json(_document(event, with_email), is_line=True)
                else:
                    print_line(_line(event, with_email))
            if not follow:
                return
            time.sleep(POLL_SECONDS)
            events = newest.more()
    except KeyboardInterrupt:
        return  # Ctrl+C is the usual way to stop it


class _Newest:
    """Reads each event once, in the order in which events become visible.

    Ids alone do not give that order: a row with a lower id may be committed later.
    """

    def __init__(self, types: Sequence[str]) -> None:
        self._of_types = UserEvent.event_type.in_(types) if types else sa.true()
        self._polls: deque[tuple[float, int]] = deque()
        """Each poll's time, and the id up to which all rows are visible `LATE_SECONDS` later."""
        self._read: set[int] = set()
        """The ids that were read, above the id of the oldest poll."""

    def first(self, limit: int) -> list[_Row]:
        """Return the newest events, oldest first. `more` goes on from here."""
        with current_reports().without_limit() as connection:
            newest_id = _newest_id(connection)
            above = newest_id - IDS_IN_FLIGHT
            # Rows that are visible now must not be printed as new later, even if not printed now.
            visible_ids = connection.scalars(sa.select(UserEvent.id).where(UserEvent.id > above))
            self._read = set(visible_ids)
            query = self._query().order_by(UserEvent.id.desc()).limit(limit)
            events = [_Row(*row) for row in connection.execute(query)]
        self._read |= {event.id for event in events}
        self._polls.extend([(time.monotonic(), above), (time.monotonic(), newest_id)])
        return events[::-1]

    def more(self) -> list[_Row]:
        """Return the events that have become visible since the last call, by id."""
        now = time.monotonic()
        while len(self._polls) > 1 and now - self._polls[1][0] > LATE_SECONDS:
            self._polls.popleft()
        above = self._polls[0][1]
        with current_reports().without_limit() as connection:
            self._polls.append((now, _newest_id(connection)))
            query = self._query().where(UserEvent.id > above).order_by(UserEvent.id)
            events = [_Row(*row) for row in connection.execute(query)]
        new = [event for event in events if event.id not in self._read]
        self._read = {event_id for event_id in self._read if event_id > above}
        self._read |= {event.id for event in new}
        return new

    def _query(self) -> sa.Select[Any]:
        columns = read_columns(UserEvent.__table__, _Row._fields)
        return sa.select(*columns).where(self._of_types)


def _newest_id(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.max(UserEvent.id))) or 0


def _document(event: _Row, with_email: bool) -> dict[str, object]:
    document: dict[str, object] = event._asdict()
    if not with_email:
        del document["email"]
    return document


def _line(event: _Row, with_email: bool) -> str:
    zone = registration_of(current_app).settings.timezone
    at = f"{event.created_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    parts = [at, visible(event.session_id), visible(event.event_type), visible_json(event.payload)]
    if with_email and event.email is not None:
        parts.append(visible(event.email))
    return "  ".join(parts)
