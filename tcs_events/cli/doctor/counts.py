"""Checks the newest events, the counts of the reports, and the outcomes."""

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
from tcs_events.counts.events import event_types, not_of_a_bot
from tcs_events.counts.refresh import Refresher
from tcs_events.database.asking import briefly
from tcs_events.models import UserEvent

AHEAD = timedelta(seconds=5)
OLD = timedelta(minutes=10)
DAYS_LOOKED_AT = 3
"""How many of the newest days are counted again and compared."""
EVENTS_SAMPLED = 20


def count_findings(engine: Engine, refresher: Refresher) -> list[Finding]:
    """Check the times of the newest events, the counts of the reports, and the outcomes.

    Args:
        engine: the engine of the database with the events.
        refresher: the object that keeps this app's counts.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
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
    # Ordered by id, because no index has `received_at`.
    newest = sa.select(UserEvent.received_at).order_by(UserEvent.id.desc()).limit(1)
    stored_at = connection.execute(newest).scalar()
    latest = [
        sa.select(sa.func.max(UserEvent.created_at)).where(UserEvent.event_type == event_type)
        for event_type in event_types(connection)
    ]
    times = [stored_at, *(connection.execute(query).scalar() for query in latest)]
    last = max((at for at in times if at is not None), default=None)
    if last is None or last <= now + AHEAD:
        return Finding("times of events")
    remedy = f"the newest time is {(last - now).total_seconds():,.0f} s in the future; set the"
    return Finding("times of events", HINT, f"{remedy} clocks of all web hosts by NTP")


def _reports(connection: Connection, now: datetime, zone: ZoneInfo) -> Finding:
    """Check that the counts are fresh, then that a few days of them match the events."""
    what = "counts of reports"
    state = connection.execute(sa.select(tables.state)).one_or_none()
    if connection.execute(sa.select(UserEvent.id).limit(1)).first() is None:
        return Finding(what)
    if state is None or state.refreshed_at is None:
        return Finding(what, HINT, _slow("there are none yet"))
    if now - state.refreshed_at > OLD:
        return Finding(what, HINT, _slow(f"they are {_words(now - state.refreshed_at)} old"))
    if wrong := _wrong_days(connection, zone, state.refreshed_at - OLD):
        named = ", ".join(map(str, wrong))
        remedy = f"they lack events of {named}; run `flask tcs-events rollup --rebuild`"
        return Finding(what, HINT, remedy)
    return Finding(what)


def _slow(why: str) -> str:
    return f"{why}; the next report has to wait for them; run `flask tcs-events worker`"


def _wrong_days(connection: Connection, zone: ZoneInfo, until: datetime) -> list[date]:
    """Return the days whose count is below the number of stored events.

    Looks at the newest days, and at the days of the newest events.
    """
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
        count = sa.select(days.c.events).where(days.c.day == date_in(zone, at), ~days.c.is_stale)
        counted.setdefault(date_in(zone, at), connection.scalar(count) or 0)
    return sorted(
        day
        for day, events in counted.items()
        if events <= EVENTS_LOOKED_AT and _stored(connection, zone, day, until) > events
    )


def _stored(connection: Connection, zone: ZoneInfo, day: date, until: datetime) -> int:
    """Return the number of a day's events that were stored before `until`."""
    bounds = day_of(day, zone)
    query = sa.select(sa.func.count()).where(
        UserEvent.event_type.in_(event_types(connection)),
        UserEvent.created_at >= bounds.start,
        UserEvent.created_at < bounds.end,
        UserEvent.received_at < until,
        *not_of_a_bot(connection),
    )
    return connection.scalar(query) or 0


def _words(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours * 60:,.0f} minutes" if hours < 2 else f"{hours:,.0f} hours"
