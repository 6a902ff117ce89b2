"""The number of events to count is known before they are counted."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import delete

from tcs_events import UserEvent
from tcs_events.counts import tables
from tcs_events.counts.pending import events_to_count
from tcs_events.counts.stale import mark_stale
from tcs_events.host import registration_of
from tests.conftest import MakeHost
from tests.counts.counting import click
from tests.dashboard.visitors import noon_today, visitors
from tests.reports.support import append

ZONE = ZoneInfo("UTC")


def pending(app: Flask, enough: int = 10_000, zone: ZoneInfo = ZONE) -> int:
    registration = registration_of(app)
    ours = registration.refresher.configuration._replace(zone=zone.key)
    with registration.database.engine.connect() as connection:
        return events_to_count(connection, zone, ours, enough)


def test_it_is_what_a_refresh_reads(make_host: MakeHost, database_url: str) -> None:
    app = make_host(database_url)
    events = list(visitors(60, 10, noon_today()))
    first, more = events[:-20], events[-20:]
    with app.app_context():
        refresher = registration_of(app).refresher
        assert pending(app) == 0
        append(app, first)
        assert pending(app) == len(first)
        assert pending(app, 7) == 7
        refresher.refresh()
        append(app, more)
        expected = pending(app)
        assert refresher.refresh().events == expected
        assert pending(app, 7) == 7
        assert pending(app, zone=ZoneInfo("Asia/Tokyo")) == len(events)  # everything again


def test_days_of_deleted_events_are_to_be_counted(make_host: MakeHost, database_url: str) -> None:
    app = make_host(database_url)
    events = list(visitors(60, 10, noon_today()))
    with app.app_context():
        registration = registration_of(app)
        append(app, events)
        registration.refresher.refresh()
        with registration.database.engine.begin() as connection:
            connection.execute(delete(UserEvent).where(UserEvent.id > 0))
            mark_stale(connection, ZONE, [events[0].created_at + timedelta(hours=0)])
        assert 0 < pending(app) < len(events)


def test_of_a_large_day_only_visits_with_new_events_are_to_be_counted(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url)
    noon = noon_today()
    events = [click(noon, session_id=f"visitor-{number // 5}") for number in range(1_200)]
    with app.app_context():
        append(app, events[:-2])
        registration_of(app).refresher.refresh()
        with registration_of(app).database.engine.begin() as connection:
            connection.execute(tables.state.update().values(safe_id=tables.state.c.seen_id))
        append(app, events[-2:])
        assert 2 < pending(app) < len(events) / 10
