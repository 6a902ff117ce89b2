"""Days are as long as in the time zone, and each event is on exactly one day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from tcs_events import reports
from tcs_events.counts.days import date_in, dates, day
from tcs_events.event import Event
from tcs_events.reports import Period
from tests.conftest import MakeHost
from tests.reports import truth
from tests.reports.support import fill
from tests.reports.test_against_truth import plain
from tests.reports.truth import World

CHANGES = [
    ("Europe/Berlin", date(2024, 3, 31), 23.0),
    ("Europe/Berlin", date(2024, 10, 27), 25.0),
    ("Asia/Kathmandu", date(2024, 3, 31), 24.0),
    ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
    ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
    ("America/Sao_Paulo", date(2018, 11, 4), 23.0),
    ("America/Sao_Paulo", date(2018, 2, 17), 25.0),
]


@pytest.mark.parametrize(("name", "changed", "hours"), CHANGES)
def test_a_day_is_as_long_as_its_clocks_say(name: str, changed: date, hours: float) -> None:
    zone = ZoneInfo(name)
    its_day = day(changed, zone)
    assert (its_day.end - its_day.start) / timedelta(hours=1) == hours
    for neighbour in (changed - timedelta(days=1), changed + timedelta(days=1)):
        other = day(neighbour, zone)
        assert other.end - other.start == timedelta(days=1)


@pytest.mark.parametrize(("name", "changed", "hours"), CHANGES)
def test_every_moment_is_in_the_one_day_of_its_date(name: str, changed: date, hours: float) -> None:
    zone = ZoneInfo(name)
    days = [day(of, zone) for of in dates(changed - timedelta(days=2), changed + timedelta(days=2))]
    for before, after in pairwise(days):
        assert before.end == after.start
    at = days[0].start
    while at < days[-1].end:
        for moment in (at, at + timedelta(minutes=1) - timedelta(microseconds=1)):
            [holds] = [one.date for one in days if one.start <= moment < one.end]
            assert holds == date_in(zone, moment)
        at += timedelta(minutes=1)


def test_where_midnight_is_skipped_the_day_begins_with_the_change() -> None:
    its_day = day(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo"))
    assert its_day.start == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert its_day.start.astimezone(its_day.zone).hour == 1


def every_ten_minutes(changed: date, zone: ZoneInfo) -> World:
    """Return a click every ten minutes, from the day before a clock change to the day after."""
    first = day(changed - timedelta(days=1), zone).start
    last = day(changed + timedelta(days=1), zone).end
    times = [first + timedelta(minutes=10) * n for n in range((last - first) // timedelta(0, 600))]
    payload: dict[str, object] = {"expert_id": "ada", "context": "grid"}
    clicks = [
        Event(uuid4(), f"s{n % 3}", "card_click", payload, None, at, at)
        for n, at in enumerate(times)
    ]
    return World(zone, clicks)


@pytest.mark.parametrize(("name", "changed", "hours"), CHANGES)
def test_days_and_hours_add_up_to_all_events_over_a_change_of_clocks(
    make_host: MakeHost, database_url: str, name: str, changed: date, hours: float
) -> None:
    zone = ZoneInfo(name)
    world = every_ten_minutes(changed, zone)
    app = make_host(database_url, TCS_EVENTS_TIMEZONE=zone)
    period = Period(changed - timedelta(days=1), changed + timedelta(days=1))
    with app.app_context():
        fill(app, world.events)
        by_day = [row for row in reports.activity(period, "day") if not row.event_type]
        by_hour = [row for row in reports.activity(period, "hour") if not row.event_type]
    assert [row.events for row in by_day] == [144, hours * 6, 144]
    assert sum(row.events for row in by_hour) == len(world.events)
    assert plain(by_hour) == plain(
        [row for row in truth.activity(world, period, "hour") if not row.event_type]
    )


def hours_of(app_hours: list[reports.Activity], of: date) -> list[tuple[str, int]]:
    return [
        (f"{row.starts_at:%H:%M %z}", row.events)
        for row in app_hours
        if not row.event_type and row.starts_at.date() == of and row.starts_at.hour < 4
    ]


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        (
            "Europe/Berlin",
            date(2024, 10, 27),
            [
                ("00:00 +0200", 6),
                ("01:00 +0200", 6),
                ("02:00 +0200", 6),
                ("02:00 +0100", 6),
                ("03:00 +0100", 6),
            ],
        ),
        (
            "Europe/Berlin",
            date(2024, 3, 31),
            [("00:00 +0100", 6), ("01:00 +0100", 6), ("03:00 +0200", 6)],
        ),
        (
            "Australia/Lord_Howe",
            date(2024, 4, 7),
            [("00:00 +1100", 6), ("01:00 +1100", 9), ("02:00 +1030", 6), ("03:00 +1030", 6)],
        ),
        (
            "Australia/Lord_Howe",
            date(2024, 10, 6),
            [("00:00 +1030", 6), ("01:00 +1030", 6), ("02:30 +1100", 3), ("03:00 +1100", 6)],
        ),
        (
            "America/Sao_Paulo",
            date(2018, 11, 4),
            [("01:00 -0200", 6), ("02:00 -0200", 6), ("03:00 -0200", 6)],
        ),
        (
            "Asia/Kathmandu",
            date(2024, 3, 31),
            [("00:00 +0545", 6), ("01:00 +0545", 6), ("02:00 +0545", 6), ("03:00 +0545", 6)],
        ),
    ],
)
def test_an_hour_is_what_the_local_clock_shows(
    make_host: MakeHost, sqlite_url: str, name: str, changed: date, expected: list[tuple[str, int]]
) -> None:
    """If a whole hour is repeated it comes twice. If half an hour is, the hour is longer."""
    zone = ZoneInfo(name)
    app = make_host(sqlite_url, TCS_EVENTS_TIMEZONE=zone)
    with app.app_context():
        fill(app, every_ten_minutes(changed, zone).events)
        hours = reports.activity(Period(changed, changed), "hour")
    assert hours_of(hours, changed) == expected
