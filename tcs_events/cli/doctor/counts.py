"""What the tables say about the last days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.cli.doctor.database import SECONDS
from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.cli.doctor.outcomes import EVENTS_LOOKED_AT, outcome_findings
from tcs_events.counts import tables
from tcs_events.counts.days import date_in
from tcs_events.counts.days import day as day_of
from tcs_events.counts.events import event_types
from tcs_events.counts.refresh import Refresher
from tcs_events.database.asking import briefly
from tcs_events.models import UserEvent, UserEventBotSession

AHEAD = timedelta(seconds=5)
OLD = timedelta(minutes=10)
DAYS_LOOKED_AT = 3
"""So many of the newest days are counted again, to compare."""
EVENTS_SAMPLED = 20


def count_findings(engine: Engine, refresher: Refresher) -> list[Finding]:
    """Look at the newest events, at the counts of the reports, and at what was not stored.

    Args:
        engine: of the database that holds the events.
        refresher: keeps the counts of this app.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot answer.
    """
    now = datetime.now(UTC)
    with briefly(engine, int(SECONDS * 1000)) as connection:
        return [
            _newest_event(connection, now),
            _reports(connection, now, refresher.zone),
            *outcome_findings(connection, now),
            *(Finding(odd.what, HINT, odd.remedy) for odd in refresher.oddities()),
        ]


def _newest_event(connection: Connection, now: datetime) -> Finding:
    # By its id: no index has `received_at`.
    newest = sa.select(UserEvent.received_at).order_by(UserEvent.id.desc()).limit(1)
    stored_at = connection.execute(newest).scalar()
    latest = [
        sa.select(sa.func.max(UserEvent.created_at)).where(UserEvent.event_type == event_type)
        for event_type in event_types(connection)
    ]
    times = [stored_at, *(connection.execute(one).scalar() for one in latest)]
    last = max((at for at in times if at is not None), default=None)
    if last is None or last <= now + AHEAD:
        return Finding("times of events")
    remedy = f"the newest was stored {(last - now).total_seconds():,.0f} s in the future; set the"
    return Finding("times of events", HINT, f"{remedy} clocks of all web hosts by NTP")


def _reports(connection: Connection, now: datetime, zone: ZoneInfo) -> Finding:
    """See that the counts follow the events: by what they say, then by counting a few days."""
    what = "counts of reports"
    state = connection.execute(sa.select(tables.state)).one_or_none()
    if connection.execute(sa.select(UserEvent.id).limit(1)).first() is None:
        return Finding(what)
    if state is None or state.refreshed_at is None:
        return Finding(what, HINT, _slow("they were never made"))
    if now - state.refreshed_at > OLD:
        return Finding(what, HINT, _slow(f"they are {_words(now - state.refreshed_at)} old"))
    if wrong := _wrong_days(connection, zone, state.refreshed_at - OLD):
        named = ", ".join(map(str, wrong))
        remedy = f"they do not hold the events of {named}; run `flask tcs-events rollup --rebuild`"
        return Finding(what, HINT, remedy)
    return Finding(what)


def _slow(why: str) -> str:
    return f"{why}; the next report has to wait for them, unless `flask tcs-events worker` runs"


def _wrong_days(connection: Connection, zone: ZoneInfo, until: datetime) -> list[date]:
    """Return which days hold fewer events than the table: the newest, and those just sent to."""
    days = tables.days
    counted = dict(
        connection.execute(
            sa.select(days.c.day, days.c.events)
            .where(~days.c.is_stale)
            .order_by(days.c.day.desc())
            .limit(DAYS_LOOKED_AT)
        ).all()
    )
    newest = sa.select(UserEvent.created_at).order_by(UserEvent.id.desc()).limit(EVENTS_SAMPLED)
    for at in connection.scalars(newest).all():
        of_event = sa.select(days.c.events).where(days.c.day == date_in(zone, at), ~days.c.is_stale)
        counted.setdefault(date_in(zone, at), connection.scalar(of_event) or 0)
    return sorted(
        on
        for on, events in counted.items()
        if events <= EVENTS_LOOKED_AT and _stored(connection, zone, on, until) > events
    )


def _stored(connection: Connection, zone: ZoneInfo, on: date, until: datetime) -> int:
    """Count the events of a day that were stored long enough ago to be counted."""
    bounds = day_of(on, zone)
    marked = sa.select(UserEventBotSession.session_id)
    query = sa.select(sa.func.count()).where(
        UserEvent.event_type.in_(event_types(connection)),
        UserEvent.created_at >= bounds.start,
        UserEvent.created_at < bounds.end,
        UserEvent.received_at < until,
        UserEvent.session_id.not_in(marked),
    )
    return connection.scalar(query) or 0


def _words(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours * 60:,.0f} minutes" if hours < 2 else f"{hours:,.0f} hours"
