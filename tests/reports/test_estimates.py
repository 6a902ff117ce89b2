"""Estimates: what the drawn visitors did stands for all, and small numbers are exact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from flask import Flask

from tcs_events.counts.sampled import halvings_of
from tcs_events.event import Event
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, Reports, step
from tests.conftest import MakeHost
from tests.dashboard.visitors import visit
from tests.reports.support import fill

START = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
PERIOD = Period((START + timedelta(days=7)).date(), (START + timedelta(days=27)).date())
TYPES = ["home", "search", "book", "rare"]


@pytest.fixture
def app(make_host: MakeHost, database_url: str) -> Iterator[Flask]:
    app = make_host(database_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    with app.app_context():
        yield app


def events_of_visitors(count: int) -> list[Event]:
    """Return events of visitors over four weeks, some of which came before the period."""
    random, number, events = Random(1), 0, []
    for visitor in range(count):
        first = random.randrange(26)
        for day in {first, min(27, first + random.randrange(1, 9))}:
            for place in range(random.randrange(1, 5)):
                number += 1
                at = START + timedelta(days=day, minutes=place)
                plan = random.choice(["pro", "free"])
                session, event_type = f"visitor-{visitor}", random.choice(TYPES[:3])
                events.append(visit(session, event_type, at, number, plan=plan))
    return events


def quick(most_events: int) -> Reports:
    return current_reports().for_one_answer(most_events)


def drawn(events: list[Event], sampled: float | None) -> list[Event]:
    """Return the events of the visitors from whom an estimate was made."""
    assert sampled is not None
    return [event for event in events if 2 ** -halvings_of(event.session_id) <= sampled]


@pytest.mark.parametrize("most_events", [300, 60])
@pytest.mark.parametrize("direction", ["after", "before"])
def test_estimated_paths_are_those_of_the_drawn_visitors(
    app: Flask, direction: str, most_events: int
) -> None:
    events = events_of_visitors(300)
    fill(app, events)
    asked = (PERIOD, "home", direction, 2)
    about = quick(most_events).paths(*asked, where="plan=pro", limit=1000)  # type: ignore[arg-type]
    assert about.is_estimate
    assert about.sampled is not None
    assert about.notices[0] == f"These are estimates from 1 in {1 / about.sampled:.0f} visitors."
    fill(app, drawn(events, about.sampled))
    exact = current_reports().paths(*asked, where="plan=pro", limit=1000)  # type: ignore[arg-type]
    assert (exact.is_estimate, {row.margin for row in exact.rows}) == (False, {None})
    assert about.visits * about.sampled == exact.visits > 0
    assert [(row.path, row.visits * about.sampled, row.share) for row in about.rows] == [
        (row.path, row.visits, row.share) for row in exact.rows
    ]
    assert all(row.margin is not None and row.margin > 0 for row in about.rows)


@pytest.mark.parametrize("most_events", [200, 40])
@pytest.mark.parametrize("where", [None, "plan=pro"])
@pytest.mark.parametrize("returning", [None, "book", "book[plan=free]"])
def test_estimated_retention_is_that_of_the_drawn_visitors(
    app: Flask, returning: str | None, where: str | None, most_events: int
) -> None:
    events = events_of_visitors(300)
    fill(app, events)
    asked = (PERIOD, "week", step(returning) if returning else None, "home", where)
    about = quick(most_events).retention(*asked)  # type: ignore[arg-type]
    sampled = about.sampled
    assert sampled is not None
    assert about.notices[0] == f"These are estimates from 1 in {1 / sampled:.0f} visitors."
    fill(app, drawn(events, sampled))
    exact = current_reports().retention(*asked)  # type: ignore[arg-type]
    assert exact.sampled is None
    assert len(exact) > 1
    assert [
        (row.starts_on, row.size * sampled, [number * sampled for number in row.returned])
        for row in about
    ] == [(row.starts_on, row.size, row.returned) for row in exact]


def test_few_events_are_read_exactly(app: Flask) -> None:
    events = events_of_visitors(20)
    fill(app, events)
    most_events = len(events)
    assert quick(most_events).paths(PERIOD, "home") == current_reports().paths(PERIOD, "home")
    for asked in ((None, None), ("home", None), ("home", "plan=pro")):
        exact = current_reports().retention(PERIOD, "week", None, *asked)
        assert quick(most_events).retention(PERIOD, "week", None, *asked) == exact
    found = quick(most_events).explore(PERIOD, "home", "plan")
    assert not found.is_estimate
    assert quick(10).explore(PERIOD, "home", "plan").is_estimate


def test_not_more_visitors_come_back_than_there_were(app: Flask) -> None:
    """The cohorts are exact. How many of them came back with the event is estimated."""
    events = events_of_visitors(300)
    fill(app, events)
    asked = (PERIOD, "day", step("book[plan=free]"))
    about, exact = quick(40).retention(*asked), current_reports().retention(*asked)  # type: ignore[arg-type]
    sampled = about.sampled
    assert sampled is not None
    assert [row.size for row in about] == [row.size for row in exact]
    fill(app, drawn(events, sampled))
    of_drawn = {row.starts_on: row.returned for row in current_reports().retention(*asked)}  # type: ignore[arg-type]
    for row in about:
        theirs = of_drawn.get(row.starts_on, [0] * len(row.returned))
        assert row.returned[1:] == [min(row.size, number / sampled) for number in theirs[1:]]
    assert any(row.returned[1:] for row in about)
    assert len(about.notices) == 2


def test_estimated_funnels_are_those_of_the_drawn_visitors(app: Flask) -> None:
    events = events_of_visitors(300)
    fill(app, events)
    asked = (PERIOD, [step("home"), step("book")], "7d")
    about = quick(100).funnel(*asked)
    sampled = about.sampled
    assert sampled is not None
    assert about.notices == [
        f"These are estimates from 1 in {1 / sampled:.0f} visitors. The true numbers are within the"
        " margins in 95 of 100 cases."
    ]
    fill(app, drawn(events, sampled))
    exact = current_reports().funnel(*asked)
    assert exact.sampled is None
    assert [row.count * sampled for row in about.steps] == [row.count for row in exact.steps]
    assert exact.steps[1].count > 0


def test_visits_with_a_rare_event_are_all_read(app: Flask) -> None:
    """Visits without it are not read for its paths, so they do not count."""
    events = events_of_visitors(300)
    rare = visit("visitor-7", "rare", START + timedelta(days=10), 99_999)
    with app.app_context():
        fill(app, [*events, rare])
    found = quick(60).paths(PERIOD, "rare")
    assert (found.visits, found.is_estimate) == (1, False)
