"""Funnels that were asked for are counted with each day, whatever else happens."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from tcs_events import UserEvent, reports
from tcs_events.counts import funnels as funnels_module
from tcs_events.counts import tables
from tcs_events.counts.funnels import MAX_FUNNELS, find_funnel, uncounted_days
from tcs_events.counts.meaning import MARKETPLACE_MEANING
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, Step, step
from tcs_events.reports.funnel import FunnelSoFar, funnel_so_far
from tests.counts.counting import Clock, Counting, ask, click

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
DAYS = 10
PERIOD = Period(MONDAY.date(), MONDAY.date() + timedelta(days=DAYS - 1))
NEW = ("sage_query", "card_click[expert_id=ada]", "card_click[expert_id=bo]")
STEPS = [step(text) for text in NEW]


def ten_days(counting: Counting) -> None:
    for number in range(DAYS):
        at = MONDAY + timedelta(days=number)
        counting.add(ask(at), click(at + timedelta(minutes=1)))
        counting.add(click(at + timedelta(minutes=2), "bo" if number % 2 else "ada"))
    for _ in range(3):
        counting.refresher.refresh()
        counting.clock.advance(SETTLED_AFTER.total_seconds() + 1)


def uncounted(counting: Counting, steps: list[Step]) -> list[date]:
    with counting.engine.connect() as connection:
        funnel = find_funnel(connection, steps)
        assert funnel is not None
        return uncounted_days(connection, funnel, PERIOD.first, PERIOD.last)


def sessions(counting: Counting, steps: list[Step] = STEPS) -> list[int]:
    with counting.app.app_context():
        return [row.sessions for row in reports.funnel(PERIOD, steps)]


def so_far(counting: Counting, seconds: float) -> FunnelSoFar:
    with counting.app.app_context():
        return funnel_so_far(current_reports(), PERIOD, STEPS, seconds)


def test_the_default_is_counted_from_the_first_refresh_on(counting: Counting) -> None:
    with counting.engine.begin() as connection:
        connection.execute(delete(tables.funnels))
    ten_days(counting)
    assert uncounted(counting, list(MARKETPLACE_MEANING.default_funnel)) == []
    with counting.engine.begin() as connection:  # without the events: they are not read
        connection.execute(delete(UserEvent))
    assert sessions(counting, list(MARKETPLACE_MEANING.default_funnel)) == [DAYS, DAYS]


def test_a_day_on_which_nobody_took_a_step_is_counted(counting: Counting) -> None:
    counting.keep("nobody_sends_this")
    ten_days(counting)
    assert uncounted(counting, [step("nobody_sends_this")]) == []
    assert sessions(counting, [step("nobody_sends_this")]) == [0]


def test_days_that_are_not_counted_are_read(counting: Counting) -> None:
    ten_days(counting)
    counting.keep(*NEW)
    assert sessions(counting) == [DAYS, DAYS, DAYS // 2]
    counting.add(click(MONDAY + timedelta(minutes=3), "bo"))
    with counting.app.app_context():  # one day is counted with it, the others are not
        counting.refresher.refresh(funnel_seconds=-1)
    assert len(uncounted(counting, STEPS)) == DAYS - 1
    assert sessions(counting) == [DAYS, DAYS, DAYS // 2 + 1]


def test_a_refresh_counts_the_days_before_it_was_asked_for(counting: Counting) -> None:
    ten_days(counting)
    counting.keep(*NEW)
    refreshed = counting.refresher.refresh()
    assert refreshed is not None
    assert refreshed.days == []
    assert uncounted(counting, STEPS) == []
    with counting.engine.begin() as connection:
        connection.execute(update(tables.funnel_counts).values(sessions=3))
    assert sessions(counting) == [3 * DAYS] * 3


def test_whoever_asks_first_sees_the_newest_days_first_and_then_all(counting: Counting) -> None:
    ten_days(counting)
    for done in range(1, DAYS + 1):
        found = so_far(counting, seconds=0)
        assert (found.days_counted, found.days) == (done, DAYS)
        assert found.steps[0].sessions == done
        assert uncounted(counting, STEPS) == PERIOD.dates()[: DAYS - done][::-1]
    assert so_far(counting, seconds=0) == found
    assert [row.sessions for row in found.steps] == sessions(counting)
    counting.assert_true()


def test_late_and_deleted_events_have_their_day_counted_again(counting: Counting) -> None:
    ten_days(counting)
    so_far(counting, seconds=60)
    late = click(MONDAY + timedelta(minutes=3), "bo")
    counting.add(late)
    counting.refresher.refresh()
    assert sessions(counting) == [DAYS, DAYS, DAYS // 2 + 1]
    counting.delete(late)
    counting.refresher.refresh()
    assert sessions(counting) == [DAYS, DAYS, DAYS // 2]
    counting.forget("s")
    counting.refresher.refresh()
    assert sessions(counting) == [0, 0, 0]


def test_a_day_that_is_counted_for_whoever_asks_is_not_put_back_after_a_deletion(
    counting: Counting,
) -> None:
    ten_days(counting)
    gone = counting.world().events[-1]
    clock, looks = Clock(), []

    def delete_once() -> None:
        looks.append(1)
        if len(looks) == 2:  # the newest day is read, and not yet in its place
            counting.delete(gone)

    clock.on_look = delete_once
    clock.now = counting.clock.now
    counting.keep(*NEW)
    counting.another_refresher(clock).count_funnel(STEPS, PERIOD.first, PERIOD.last, 60)
    assert len(looks) > 2  # it goes on with the other days
    assert len(uncounted(counting, STEPS)) == 1
    counting.refresher.refresh()
    counting.assert_true()


def test_while_somebody_else_counts_whoever_asks_gets_what_there_is(counting: Counting) -> None:
    ten_days(counting)
    found: list[FunnelSoFar] = []
    counting.add(click(MONDAY))
    counting.refresher.refresh(progress=lambda done, of, events: found.append(so_far(counting, 60)))
    assert [of.days_counted for of in found] == [0, 1]  # the day that was counted meanwhile
    assert uncounted(counting, STEPS) == []  # the refresh has counted the rest
    counting.assert_true()


def test_the_least_recently_asked_goes_with_its_counts(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_days(counting)
    monkeypatch.setattr(funnels_module, "TOUCHED_AFTER", timedelta(0))
    so_far(counting, 60)
    for number in range(MAX_FUNNELS):
        counting.clock.advance(60)
        if number == MAX_FUNNELS - 3:
            counting.keep(*NEW)  # somebody asks for it again
        counting.keep(f"type_{number}")
    counting.refresher.refresh()
    with counting.engine.connect() as connection:
        definitions = list(connection.scalars(select(tables.funnels.c.definition)))
        ids = set(connection.scalars(select(tables.funnels.c.id)))
        counted = set(connection.scalars(select(tables.funnel_counts.c.funnel_id).distinct()))
        assert find_funnel(connection, MARKETPLACE_MEANING.default_funnel) is not None
        assert find_funnel(connection, STEPS) is not None
        assert find_funnel(connection, [step("type_1")]) is None
    assert len(definitions) == MAX_FUNNELS
    assert counted == ids
    counting.assert_true()


def test_counts_of_one_that_went_meanwhile_are_not_taken_for_those_of_another(
    counting: Counting,
) -> None:
    """SQLite uses the id of the newest row again after that row is deleted."""
    with counting.engine.begin() as connection:
        connection.execute(delete(tables.funnels))
    counting.keep(*NEW)
    counting.add(ask(MONDAY))
    counting.refresher.refresh()
    counting.clock.advance(120)
    counting.add(ask(MONDAY, session_id="other"))
    clock, looks = Clock(), []
    clock.now = counting.clock.now

    def replace() -> None:
        looks.append(1)
        if len(looks) == 4:  # the day is read, and not yet in its place
            with counting.engine.begin() as connection:
                funnel = find_funnel(connection, STEPS)
                assert funnel is not None
                its_row = tables.funnels.c.id == funnel.id
                its_counts = tables.funnel_counts.c.funnel_id == funnel.id
                connection.execute(delete(tables.funnel_counts).where(its_counts))
                connection.execute(delete(tables.funnels).where(its_row))
                other = {"id": funnel.id, "digest": "x" * 64, "definition": '[["card_click",[]]]'}
                connection.execute(tables.funnels.insert().values(**other, asked_at=clock.now))

    clock.on_look = replace
    counting.another_refresher(clock).refresh(funnel_seconds=-1)
    assert len(looks) >= 4
    with counting.engine.connect() as connection:
        numbers = set(connection.scalars(select(tables.funnel_counts.c.funnel_id)))
        replaced = connection.scalar(
            select(tables.funnels.c.id).where(tables.funnels.c.digest == "x" * 64)
        )
    assert replaced not in numbers
