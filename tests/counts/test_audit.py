"""A refresh compares days with their events, also days that get new events all the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.event import listen, remove

from tcs_events import UserEvent
from tcs_events.counts import adding, audit
from tcs_events.counts.position import SETTLED_AFTER
from tcs_events.event import Event
from tests.counts.counting import Counting, ask, click, insert_event

MONDAY = datetime(2024, 5, 6, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTLED = SETTLED_AFTER.total_seconds() + 1


@pytest.fixture(autouse=True)
def _adds_to_small_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a day with a few events is counted as a whole, because that is as fast."""
    monkeypatch.setattr(adding, "MIN_EVENTS", 0)
    monkeypatch.setattr(adding, "MAX_SHARE", math.inf)


def busy_day(counting: Counting) -> None:
    for number in range(4):
        session_id = f"s{number}"
        counting.add(ask(MONDAY, "go", session_id), click(MONDAY + MINUTE, "bo", session_id))
    for _ in range(3):  # until no rows are read again
        counting.refresher.refresh()
        counting.clock.advance(SETTLED)


def delete_one(counting: Counting, event: Event) -> None:
    with counting.engine.begin() as connection:
        connection.execute(delete(UserEvent).where(UserEvent.event_id == event.event_id))


def insert_with_an_older_id(counting: Counting, event: Event) -> None:
    with counting.engine.begin() as connection:
        older = click(event.created_at, "cy", "older")
        connection.execute(insert_event(older).values(id=-1))


def swap(counting: Counting, event: Event) -> None:
    delete_one(counting, event)
    insert_with_an_older_id(counting, event)


@pytest.mark.parametrize("edit", [delete_one, insert_with_an_older_id, swap])
def test_an_edit_by_hand_is_found_while_the_day_gets_new_events(
    counting: Counting, edit: Callable[[Counting, Event], None]
) -> None:
    busy_day(counting)
    edit(counting, counting.world().events[0])
    for number in range(3):
        counting.add(click(MONDAY + number * MINUTE, "dee", "new"))
    counting.refresher.refresh()
    counting.assert_true()


def test_a_day_of_many_events_is_not_compared_by_each_refresh(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_day(counting)
    compared: list[Any] = []

    def note(*statement: Any) -> None:
        if "GROUP BY user_events.event_type" in statement[2]:
            compared.append(statement)

    monkeypatch.setattr(audit, "AUDIT_EVENTS", 2)  # the day has eight events
    refresher = counting.another_refresher()
    listen(counting.engine, "before_cursor_execute", note)
    try:
        for _ in range(8):
            refresher.refresh()
    finally:
        remove(counting.engine, "before_cursor_execute", note)
    assert len(compared) == 2

    delete_one(counting, counting.world().events[0])
    for _ in range(4):
        refresher.refresh()
    counting.assert_true()
