"""A session that goes through a funnel across midnight counts for the day on which it entered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from tcs_events import reports
from tcs_events.counts import tables
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, step
from tcs_events.reports.funnel import funnel_so_far
from tests.conftest import MakeHost
from tests.counts.counting import Counting, ask, click
from tests.reports.support import append
from tests.reports.worlds import make_world

MIDNIGHT = datetime(2024, 5, 6, 22, tzinfo=UTC)  # in Berlin
MONDAY, TUESDAY = date(2024, 5, 6), date(2024, 5, 7)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TEXTS = ("sage_query", "card_click")
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Los_Angeles", "Pacific/Kiritimati"]


def sessions(
    counting: Counting, first: date, last: date, texts: tuple[str, ...] = TEXTS
) -> list[int]:
    with counting.app.app_context():
        rows = reports.funnel(Period(first, last), [step(text) for text in texts])
    return [row.sessions for row in rows]


def every_way(counting: Counting, first: date, last: date) -> list[int]:
    """Return the report of a stored funnel, after comparing it with one read from the events.

    With an added condition that always holds the steps are a different funnel, which is not stored.
    """
    counting.refresher.refresh()
    kept = sessions(counting, first, last)
    read = sessions(counting, first, last, ("sage_query[query_text!=0]", "card_click"))
    assert kept == read
    return kept


@pytest.mark.parametrize("zone", ZONES)
def test_two_minutes_before_and_after_midnight_are_a_conversion(
    make_host: MakeHost, sqlite_url: str, zone: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_TIMEZONE=zone, TCS_EVENTS_EVENT_TYPES=["a", "b"])
    midnight = datetime(2024, 5, 7, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    entered = ask(midnight - 2 * MINUTE)._replace(event_type="a")
    gone_on = click(midnight + 2 * MINUTE)._replace(event_type="b")
    with app.app_context():
        append(app, [entered, gone_on])
        steps = [step("a"), step("b")]
        for ask_funnel in (
            lambda period: reports.funnel(period, steps),
            lambda period: funnel_so_far(current_reports(), period, steps, 60).steps,
            lambda period: reports.funnel(period, steps),  # which is kept now
        ):
            for period, expected in (
                (Period(MONDAY, MONDAY), [1, 1]),
                (Period(MONDAY, TUESDAY), [1, 1]),
                (Period(TUESDAY, TUESDAY), [0, 0]),
            ):
                assert [row.sessions for row in ask_funnel(period)] == expected


def test_a_click_that_comes_by_a_later_refresh_is_counted_for_the_day_before(
    counting: Counting,
) -> None:
    counting.add(ask(MIDNIGHT - 2 * MINUTE))
    assert every_way(counting, MONDAY, MONDAY) == [1, 0]
    late = click(MIDNIGHT + 2 * MINUTE)
    counting.add(late)
    assert every_way(counting, MONDAY, MONDAY) == [1, 1]
    counting.delete(late)
    assert every_way(counting, MONDAY, MONDAY) == [1, 0]
    counting.add(click(MIDNIGHT + 3 * MINUTE))
    assert every_way(counting, MONDAY, MONDAY) == [1, 1]
    counting.assert_true()


def test_the_first_step_may_come_late(counting: Counting) -> None:
    counting.add(click(MIDNIGHT + 2 * MINUTE))
    assert every_way(counting, MONDAY, TUESDAY) == [0, 0]
    counting.add(ask(MIDNIGHT - 2 * MINUTE))
    assert every_way(counting, MONDAY, TUESDAY) == [1, 1]
    counting.assert_true()


@pytest.mark.parametrize(("after", "goes_on"), [(DAY, 1), (DAY + timedelta(microseconds=1), 0)])
def test_later_steps_may_follow_for_24_hours(
    counting: Counting, after: timedelta, goes_on: int
) -> None:
    at = MIDNIGHT - 5 * MINUTE
    counting.add(ask(at), click(at + after))
    assert every_way(counting, MONDAY, MONDAY) == [1, goes_on]
    counting.assert_true()


def test_a_session_that_enters_on_two_days_counts_on_both_and_goes_on_once(
    counting: Counting,
) -> None:
    counting.add(ask(MIDNIGHT - 9 * MINUTE), ask(MIDNIGHT + 9 * MINUTE))
    counting.add(click(MIDNIGHT + 10 * MINUTE))
    assert every_way(counting, MONDAY, MONDAY) == [1, 0]
    assert every_way(counting, TUESDAY, TUESDAY) == [1, 1]
    assert every_way(counting, MONDAY, TUESDAY) == [2, 1]
    counting.add(click(MIDNIGHT + 8 * MINUTE))  # before it entered again
    assert every_way(counting, MONDAY, MONDAY) == [1, 1]
    assert every_way(counting, MONDAY, TUESDAY) == [2, 2]
    counting.assert_true()


def test_of_a_session_that_was_forgotten_nothing_stays(counting: Counting) -> None:
    counting.add(ask(MIDNIGHT - 2 * MINUTE), click(MIDNIGHT + 2 * MINUTE), ask(MIDNIGHT, "x", "t"))
    assert every_way(counting, MONDAY, TUESDAY) == [2, 1]
    counting.forget("s")
    counting.refresher.refresh()
    with counting.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.funnel_crossings)) == 0
    counting.assert_true()


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(4))
def test_bit_by_bit_in_any_order_is_counted_as_at_once(counting: Counting, seed: int) -> None:
    events = make_world(seed + 70, counting.zone).events
    for start in range(0, len(events), 15):
        counting.add(*events[start : start + 15])
        counting.refresher.refresh()
        counting.clock.advance(20)
    for event in events[::7]:
        counting.delete(event)
    counting.refresher.refresh()
    counting.assert_true()
