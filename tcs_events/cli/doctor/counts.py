"""What the tables say about the last days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from tcs_events.cli.doctor.database import SECONDS
from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.event import Outcome
from tcs_events.models import UserEvent
from tcs_events.rollups import tables
from tcs_events.stores.asking import briefly
from tcs_events.tally import read_days

AHEAD = timedelta(seconds=5)
OLD = timedelta(minutes=10)


def count_findings(engine: Engine) -> list[Finding]:
    """Look at the newest event, at the counts of the reports, and at what was not stored.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot answer.
    """
    now = datetime.now(UTC)
    with briefly(engine, int(SECONDS * 1000)) as connection:
        return [
            _newest_event(connection, now),
            _reports(connection, now),
            _outcomes(connection, now),
        ]


def _newest_event(connection: Connection, now: datetime) -> Finding:
    # By its id: no index has `received_at`.
    newest = sa.select(UserEvent.received_at).order_by(UserEvent.id.desc()).limit(1)
    at = connection.execute(newest).scalar()
    if at is None or at <= now + AHEAD:
        return Finding("times of events")
    remedy = f"the newest was stored {(at - now).total_seconds():,.0f} s in the future; set the"
    return Finding("times of events", HINT, f"{remedy} clocks of all web hosts by NTP")


def _reports(connection: Connection, now: datetime) -> Finding:
    what = "counts of reports"
    state = connection.execute(sa.select(tables.state.c.refreshed_at)).scalar()
    if state is not None and now - state <= OLD:
        return Finding(what)
    if connection.execute(sa.select(UserEvent.id).limit(1)).first() is None:
        return Finding(what)
    age = "were never made" if state is None else f"are {_words(now - state)} old"
    remedy = f"they {age}; the next report has to wait for them, unless `flask tcs-events worker`"
    return Finding(what, HINT, f"{remedy} runs")


def _words(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours * 60:,.0f} minutes" if hours < 2 else f"{hours:,.0f} hours"


def _outcomes(connection: Connection, now: datetime) -> Finding:
    yesterday = now.date() - timedelta(days=1)
    days = read_days(connection, yesterday)
    received, ended = sum(day.received for day in days), sum(day.ended for day in days)
    what = f"outcomes since yesterday: {received:,} received, {ended:,} ended"
    failed: dict[str, int] = {}
    for day in days:
        for reason, events in day.reasons.get(Outcome.FAILED, {}).items():
            failed[reason] = failed.get(reason, 0) + events
    if not failed:
        return Finding(what)
    reasons = ", ".join(f"{reason} {events:,}" for reason, events in sorted(failed.items()))
    remedy = f"{sum(failed.values()):,} were not stored at their first attempt ({reasons});"
    return Finding(what, HINT, f"{remedy} see `flask tcs-events outcomes` and the log")
