"""Visitors who come back are counted by their first day, also if rows come late or are deleted."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tcs_events import reports
from tcs_events.counts import counting as counting_module
from tcs_events.counts import tables
from tcs_events.counts.counting import DayCounter
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.reports import Cohort, Period
from tests.counts.counting import Clock, Counting, ask, click

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
SETTLED = SETTLED_AFTER.total_seconds() + 1
FOUR_WEEKS = Period(MONDAY.date(), MONDAY.date() + timedelta(days=27))


def on(days: int) -> datetime:
    return MONDAY + timedelta(days=days)


def settle(counting: Counting) -> None:
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def weeks(counting: Counting, **options: object) -> dict[date, list[int]]:
    with counting.app.app_context():
        cohorts = reports.retention(FOUR_WEEKS, **options)  # type: ignore[arg-type]
    return {cohort.starts_on: cohort.returned for cohort in cohorts}


def came_back(counting: Counting) -> None:
    """Ada in three weeks and twice in one, Bo in the second, Cy long before and in the third."""
    for days in (1, 8, 9, 15):
        counting.add(click(on(days), session_id="ada"))
    counting.add(click(on(7), session_id="bo"))
    counting.add(ask(on(-40), session_id="cy"), click(on(14), session_id="cy"))
    settle(counting)


def test_a_visitor_is_new_once_and_counts_once_a_week(counting: Counting) -> None:
    came_back(counting)
    assert weeks(counting) == {on(0).date(): [1, 1, 1, 0], on(7).date(): [1, 0, 0]}
    counting.assert_true()


def test_a_late_event_moves_a_visitor_to_an_older_cohort_on_all_later_days(
    counting: Counting,
) -> None:
    came_back(counting)
    counting.add(click(on(3), session_id="bo"))
    refreshed = counting.refresher.refresh()
    assert refreshed is not None
    assert refreshed.days == [on(3).date()]  # only that day's events are read again
    assert weeks(counting) == {on(0).date(): [2, 2, 1, 0]}
    counting.assert_true()


def test_a_late_event_within_a_week_leaves_one_visit_of_it(counting: Counting) -> None:
    came_back(counting)
    counting.add(ask(on(7), session_id="ada"), click(on(7), session_id="ada"))
    counting.refresher.refresh()
    assert weeks(counting)[on(0).date()] == [1, 1, 1, 0]
    counting.assert_true()


def test_where_the_first_event_is_deleted_the_next_one_is_the_first(counting: Counting) -> None:
    came_back(counting)
    gone = [event for event in counting.world().events if event.created_at < on(7)]
    counting.delete(*gone)  # as a host does that keeps nothing for long
    counting.refresher.refresh()
    assert weeks(counting) == {on(7).date(): [2, 1, 0], on(14).date(): [1, 0]}
    counting.assert_true()


def test_a_forgotten_session_is_gone_at_once_and_not_counted_from_the_next_time_on(
    counting: Counting,
) -> None:
    came_back(counting)
    counting.forget("ada")
    with counting.engine.connect() as connection:
        sessions = set(connection.scalars(select(tables.visits.c.session_id)))
    assert sessions == {"bo", "cy"}
    refreshed = counting.refresher.refresh()
    assert refreshed is not None
    assert refreshed.days == [on(days).date() for days in (1, 8, 9, 15)]
    assert weeks(counting) == {on(7).date(): [1, 0, 0]}
    counting.assert_true()


def test_a_session_that_is_forgotten_while_its_day_is_counted_stays_forgotten(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_back(counting)
    counting.add(click(on(8), session_id="dee"), click(on(8), session_id="eve"))
    monkeypatch.setattr(counting_module, "VISITS_AT_ONCE", 1)
    clock, looks = Clock(), itertools.count(1)
    clock.now = counting.clock.now

    def forget_once() -> None:
        if next(looks) == 4:  # one of the two visits is written by then
            assert "dee" in str(counting.kept())
            counting.forget("dee")

    clock.on_look = forget_once
    assert counting.another_refresher(clock).refresh() is None
    assert next(looks) > 4
    assert "dee" not in str(counting.kept())
    counting.refresher.refresh()
    assert "dee" not in str(counting.kept())
    counting.assert_true()


@pytest.mark.parametrize("dies_in", ["count_retention", "count_stale_retention"])
def test_after_one_that_failed_the_next_counts_the_later_days(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    came_back(counting)
    counting.add(click(on(3), session_id="bo"))

    def die(*_: object) -> None:
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr(DayCounter, dies_in, die)
        with pytest.raises(KeyError):
            counting.refresher.refresh()
    counting.refresher.refresh()
    assert weeks(counting) == {on(0).date(): [2, 2, 1, 0]}
    counting.assert_true()


def test_by_day_visitors_are_followed_for_31_days(counting: Counting) -> None:
    for days in (0, 31, 32):
        counting.add(click(on(days)))
    counting.refresher.refresh()
    with counting.app.app_context():
        [cohort] = reports.retention(Period(on(0).date(), on(60).date()), "day")
    assert (len(cohort.returned), cohort.returned[31]) == (32, 1)
    counting.assert_true()


def test_what_is_not_over_is_said_not_to_be(counting: Counting) -> None:
    today = datetime.now(counting.zone).replace(hour=12)
    counting.add(*(click(today - timedelta(days=days)) for days in (0, 1, 2)))
    with counting.app.app_context():
        counting.refresher.refresh()
        [cohort] = reports.retention(reports.last_days(3), "day")
    assert cohort == Cohort(cohort.starts_on, 1, [1, 1, 1], [True, True, False])


def test_a_week_that_the_period_cuts_is_said_to_be_cut(counting: Counting) -> None:
    came_back(counting)
    with counting.app.app_context():
        cohorts = reports.retention(Period(on(-3).date(), on(8).date()))
    assert cohorts == [
        Cohort(on(0).date(), 1, [1, 1], [True, False]),
        Cohort(on(7).date(), 1, [1], [False]),
    ]


def test_the_answer_comes_from_what_is_kept(counting: Counting) -> None:
    """The events are read only for a step with conditions."""
    came_back(counting)
    with counting.engine.begin() as connection:
        connection.execute(update(tables.retention).values(sessions=7))
    assert weeks(counting)[on(0).date()][0] >= 7
    clicked = weeks(counting, returning=reports.step("card_click"))
    assert clicked[on(0).date()][2] >= 7
    in_grid = weeks(counting, returning=reports.step("card_click[context=grid]"))
    assert in_grid[on(0).date()][1:] == [1, 1, 0]
