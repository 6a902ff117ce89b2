"""Who came lately, and what was refused lately: read from the newest rows, not from counts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.events import event_types
from tcs_events.database.schemas import has_table
from tcs_events.database.stored_json import read_columns
from tcs_events.errors import EventInvalid
from tcs_events.models import UserEvent, UserEventBotSession, UserEventRejection
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.reading import Reading
from tcs_events.reports.timeline import known_since

LIVE_EVENTS = 20_000
"""The most events that `live` reads: the newest rows, as no index is by time alone."""
LOOKED_BACK = tuple(timedelta(hours=hours) for hours in (0.25, 2, 24, 7 * 24, 30 * 24, 366 * 24))
"""How far back the latest visitors are looked for, the shortest time first."""
LATEST_EVENTS = 5_000
"""Among how many of the newest events `latest_visitors` looks for visitors."""
MAX_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class LiveMinute:
    """What happened within one minute."""

    starts_at: datetime
    """The start of the minute, in the time zone of the reports."""
    events: int
    visitors: int
    """Visitors with at least one event in the minute. One may be in several minutes."""


@dataclass(frozen=True, slots=True)
class Live:
    """What happened in the last minutes."""

    since: datetime
    """From when on events are counted, in the time zone of the reports."""
    until: datetime
    """When this was read."""
    visitors: int
    """Visitors with at least one event since then."""
    events: int
    by_minute: list[LiveMinute]
    """Every minute, oldest first. The last one is not over."""


@dataclass(frozen=True, slots=True)
class LatestVisitor:
    """A visitor who came lately."""

    last_at: datetime
    """When the visitor's last event happened, in the time zone of the reports."""
    session_id: str
    event_type: str
    """The type of that event."""
    is_known: bool
    """Whether the visitor's e-mail address or user id was known by then."""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that was answered 422."""

    received_at: datetime
    """When it was received, in the time zone of the reports."""
    event_type: str | None
    """The type as it was sent; None if it was not a text."""
    session_id: str | None
    reasons: list[str]
    """Each field that is wrong, and why: `payload.price: Not a valid number.`"""


LATEST_COLUMNS: Columns = (
    Column("session_id", "Visitor", "the session of the visitor"),
    Column("last_at", "Last seen", "when the visitor's last event happened", "moment"),
    Column("event_type", "Last event", "the type of the visitor's last event"),
    Column(
        "is_known",
        "Known",
        "whether the visitor's e-mail address or user id was known by then",
        value=lambda row: "yes" if row.is_known else "no",
    ),
)
REFUSED_COLUMNS: Columns = (
    Column("received_at", "Received", "when the event was received", "moment"),
    Column("event_type", "Event type", "the type that was sent"),
    Column("reasons", "Why", "each field that is wrong, and why", value=lambda row: why(row)),
    Column("session_id", "Visitor", "the session that sent it"),
)


def why(row: RefusedEvent) -> str:
    """Return the reasons in one text."""
    return "; ".join(row.reasons)


def live(reading: Reading, minutes: int = 30, event_type: str | None = None) -> Live:
    """Return the events and visitors of the last minutes, the current one included.

    With an `event_type`, only events of that type count.

    Events of crawlers are left out, as in all reports. At most the newest 20,000 events are read:
    if there were more, `since` is later than the minutes ask for.

    Raises:
        ValueError: `minutes` is not 1 to 1440.
    """
    if not 1 <= minutes <= MAX_MINUTES:
        raise ValueError(f"minutes must be 1 to {MAX_MINUTES}, not {minutes}")
    until = datetime.now(UTC)
    this_minute = until.replace(second=0, microsecond=0)
    since = this_minute - timedelta(minutes=minutes - 1)
    with reading.events() as connection:
        rows = _newest(connection, LIVE_EVENTS, since)
    if len(rows) == LIVE_EVENTS:
        # The oldest minute is not all there.
        oldest = min(row.created_at for row in rows).replace(second=0, microsecond=0)
        since = min(oldest + timedelta(minutes=1), this_minute)
    events: dict[datetime, int] = defaultdict(int)
    visitors: dict[datetime, set[str]] = defaultdict(set)
    everybody: set[str] = set()
    for row in rows:
        # The clock of the database may be ahead of ours.
        minute = min(row.created_at.astimezone(UTC).replace(second=0, microsecond=0), this_minute)
        is_asked_for = event_type in (None, row.event_type) and not row.is_crawler
        if minute >= since and is_asked_for:
            events[minute] += 1
            visitors[minute].add(row.session_id)
            everybody.add(row.session_id)
    starts = [since + timedelta(minutes=number) for number in range(minutes)]
    zone = reading.zone
    return Live(
        since.astimezone(zone),
        until.astimezone(zone),
        len(everybody),
        sum(events.values()),
        [
            LiveMinute(start.astimezone(zone), events[start], len(visitors[start]))
            for start in starts
            if start <= this_minute
        ],
    )


def latest_visitors(
    reading: Reading, limit: int = 20, event_type: str | None = None
) -> list[LatestVisitor]:
    """Return the visitors who came last, the latest first.

    They are those of the 5,000 events that happened last. Crawlers are left out, as in all reports.
    With an `event_type`, only events of that type count: the last event is the last of that type.
    """
    with reading.events() as connection:
        newest = [
            row
            for row in _latest(connection, LATEST_EVENTS)
            if event_type in (None, row.event_type) and not row.is_crawler
        ]
        newest.sort(key=lambda row: (row.created_at, row.session_id))
        last = {row.session_id: row for row in newest}
        rows = sorted(last.values(), key=lambda row: (row.created_at, row.session_id))
        rows = rows[::-1][:limit]
        known = known_since(connection, [row.session_id for row in rows])
    return [
        LatestVisitor(
            row.created_at.astimezone(reading.zone),
            row.session_id,
            row.event_type,
            bool(row.has_email)
            or (row.session_id in known and known[row.session_id] <= row.created_at),
        )
        for row in rows
    ]


def latest_refused(reading: Reading, limit: int = 20) -> list[RefusedEvent]:
    """Return the events that were refused last, the latest first.

    They are kept only if `TCS_EVENTS_KEEP_REJECTED` is set; without it there are none.
    """
    columns = ("received_at", "event_type", "session_id", "errors")
    newest = (
        sa.select(*read_columns(UserEventRejection.__table__, columns))
        .order_by(UserEventRejection.id.desc())
        .limit(limit)
    )
    with reading.events() as connection:
        if not has_table(connection, UserEventRejection.__table__):
            return []
        rows = connection.execute(newest).all()
    return [
        RefusedEvent(
            row.received_at.astimezone(reading.zone),
            row.event_type,
            row.session_id,
            [
                f"{detail['path'] or 'the event'}: {detail['message']}"
                for detail in EventInvalid(row.errors).details
            ],
        )
        for row in rows
    ]


def _latest(connection: Connection, limit: int) -> list[Any]:
    """Return the rows that happened last: of the shortest time that has enough of them.

    The index has the times by event type, so the last rows of a short time are found quickly. Only
    if there are few in a year, the rows that were stored last are taken instead.
    """
    now = datetime.now(UTC)
    for time in LOOKED_BACK:
        rows = _newest(connection, limit, now - time)
        if len(rows) == limit:
            return rows
    return rows or _newest(connection, limit)


def _newest(connection: Connection, limit: int, since: datetime | None = None) -> list[Any]:
    """Return the newest rows, those of crawlers marked as such.

    Those since a time are the ones that happened last. Without it, they are those stored last.
    """
    query = sa.select(
        UserEvent.session_id,
        UserEvent.event_type,
        UserEvent.created_at,
        UserEvent.email.is_not(None).label("has_email"),
    )
    if since is None:
        query = query.order_by(UserEvent.id.desc())
    else:
        # Not by id: a file that is imported has newer ids than what happens now.
        query = query.where(
            UserEvent.event_type.in_(event_types(connection)), UserEvent.created_at >= since
        ).order_by(UserEvent.created_at.desc(), UserEvent.id.desc())
    newest = query.limit(limit).subquery()
    is_crawler: sa.ColumnElement[bool] = sa.false()
    if has_table(connection, UserEventBotSession.__table__):
        is_crawler = sa.exists().where(UserEventBotSession.session_id == newest.c.session_id)
    return list(connection.execute(sa.select(newest, is_crawler.label("is_crawler"))))
