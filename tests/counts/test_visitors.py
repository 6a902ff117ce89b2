"""The visitors of any period are exact, whatever has happened to the events."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

from tcs_events import reports
from tcs_events.counts import counting as counting_module
from tcs_events.counts import tables
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.event import Event
from tcs_events.reports import DayVisitors, Period
from tests.counts.counting import Counting, ask, click
from tests.reports import truth

FIRST = date(2024, 1, 25)
DAYS = 75
"""Parts of January and April, and all of February and March."""
TYPES = ("card_click", "sage_query", "sign_up")
SETTLED = SETTLED_AFTER.total_seconds() + 1
MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)


def some_events(random: Random, count: int) -> list[Event]:
    """Return events of a few sessions, most of them days or weeks apart."""
    events = []
    for _ in range(count):
        at = datetime(FIRST.year, FIRST.month, FIRST.day, 12, tzinfo=UTC)
        at += timedelta(days=random.randrange(DAYS), hours=random.randrange(-12, 12))
        event_id = UUID(int=random.getrandbits(128), version=4)
        session_id = f"visitor-{random.randrange(12)}"
        events.append(Event(event_id, session_id, random.choice(TYPES), {}, None, at, at))
    return events


def some_periods(random: Random) -> list[Period]:
    firsts = [FIRST + timedelta(days=random.randrange(DAYS)) for _ in range(6)]
    return [
        Period(FIRST, FIRST + timedelta(days=DAYS)),
        Period(date(2024, 2, 1), date(2024, 3, 31)),
        *(Period(first, first + timedelta(days=random.randrange(40))) for first in firsts),
    ]


def visitors_on(counting: Counting, first: int, last: int) -> reports.Visitors:
    days = [MONDAY.date() + timedelta(days=day) for day in (first, last)]
    with counting.app.app_context():
        return reports.visitors(Period(*days))


def check(counting: Counting, random: Random) -> None:
    counting.refresher.refresh()
    counting.clock.advance(SETTLED)
    world = counting.world()
    with counting.app.app_context():
        for period in some_periods(random):
            for event_type in (None, "sign_up"):
                said = reports.visitors(period, event_type)
                assert said == truth.visitors(world, period, event_type)


@pytest.mark.parametrize("seed", range(2))
def test_they_are_what_the_events_say_after_each_change(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(counting_module, "VISITS_AT_ONCE", 2)
    random = Random(seed)
    for count in (40, 25, 1):  # the second and the third are late
        counting.add(*some_events(random, count))
        check(counting, random)
    counting.delete(*random.sample(counting.world().events, 20))
    check(counting, random)
    counting.forget("visitor-1", "visitor-2")
    check(counting, random)
    counting.delete(*(event for event in counting.world().events if event.created_at.month < 3))
    check(counting, random)
    kept = counting.kept()
    counting.another_refresher().refresh(rebuild=True)
    assert counting.kept() == kept


def test_a_visitor_is_new_once_and_counts_once_in_each_period(counting: Counting) -> None:
    counting.add(click(MONDAY), click(MONDAY + timedelta(days=2)))
    counting.add(ask(MONDAY + timedelta(days=2), session_id="bo"))
    counting.refresher.refresh()
    said = visitors_on(counting, 0, 2)
    assert (said.visitors, said.new, said.returning, said.visits, said.events) == (2, 2, 0, 3, 3)
    assert [(row.event_type, row.visitors) for row in said.by_type] == [
        ("card_click", 1),
        ("sage_query", 1),
    ]
    monday = MONDAY.date()
    assert said.by_day == [
        DayVisitors(monday, 1, 1, 0, 1),
        DayVisitors(monday + timedelta(days=1), 0, 0, 0, 0),
        DayVisitors(monday + timedelta(days=2), 2, 1, 1, 2),
    ]
    later = visitors_on(counting, 1, 2)
    assert (later.visitors, later.new, later.returning) == (2, 1, 1)


def test_who_sends_a_type_later_than_the_first_visit_is_new_only_with_that_visit(
    counting: Counting,
) -> None:
    counting.add(ask(MONDAY), click(MONDAY + timedelta(days=3)))
    counting.refresher.refresh()
    with counting.app.app_context():
        for first, new in ((0, 1), (1, 0)):
            days = [MONDAY.date() + timedelta(days=day) for day in (first, 3)]
            said = reports.visitors(Period(*days), "card_click")
            assert (said.visitors, said.new, said.returning) == (1, new, 1 - new)


def test_a_forgotten_visitor_is_gone_at_once(counting: Counting) -> None:
    counting.add(click(MONDAY, session_id="ada"), click(MONDAY, session_id="bo"))
    counting.add(click(MONDAY + timedelta(days=40), session_id="ada"))
    counting.refresher.refresh()
    counting.forget("ada")
    assert visitors_on(counting, 0, 40).visitors == 1
    counting.refresher.refresh()
    assert visitors_on(counting, 0, 40).visitors == 1


def test_a_rebuild_repairs_the_counts(counting: Counting) -> None:
    random = Random(7)
    counting.add(*some_events(random, 40))
    counting.refresher.refresh()
    kept = counting.kept()
    is_odd = tables.visitors.c.id % 2 == 1
    with counting.engine.begin() as connection:
        connection.execute(update(tables.visitors).values(visitors=7))
        connection.execute(delete(tables.visitors).where(is_odd))
    counting.refresher.refresh(rebuild=True)
    assert counting.kept() == kept


def test_a_month_has_only_those_who_were_not_there_in_it_before(counting: Counting) -> None:
    """So a year reads few rows: those of its months, and of the days at its ends."""
    for day in range(25):
        counting.add(click(MONDAY + timedelta(days=day), session_id=f"visitor-{day % 4}"))
    counting.refresher.refresh()
    rows = tables.visitors.c
    with counting.engine.connect() as connection:
        is_of_month = (rows.unit == "month") & (rows.event_type == "")
        query = select(func.count(), func.sum(rows.visitors)).where(is_of_month)
        assert tuple(connection.execute(query).one()) == (1, 4)
