"""The sample of visits agrees with the visits, whatever happens to the events."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from tcs_events.counts import tables
from tcs_events.counts.sampled import KEPT_FROM, drawn_sessions, halvings_of
from tests.counts.counting import Counting, ask, click

MONDAY = datetime(2024, 5, 6, 12, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
SESSIONS = [f"visitor-{number}" for number in range(60)]
KEPT = [session for session in SESSIONS if halvings_of(session) >= KEPT_FROM]
"""Six of them: `visitor-12` and others."""


def sampled(counting: Counting) -> set[tuple[str, date, str, int]]:
    with counting.engine.connect() as connection:
        columns = [column for column in tables.sampled_visits.c if column.name != "id"]
        return {(*row,) for row in connection.execute(select(*columns))}


def expected(counting: Counting) -> set[tuple[str, date, str, int]]:
    world = counting.world()
    return {
        (event.session_id, world.date(event), event.event_type, halvings_of(event.session_id))
        for event in world.events
        if event.session_id in KEPT
    }


def test_the_sample_follows_what_is_stored_deleted_and_forgotten(counting: Counting) -> None:
    clicks = [click(at, session_id=name) for name in SESSIONS for at in (MONDAY, TUESDAY)]
    counting.add(*clicks)
    counting.refresher.refresh()
    assert len(sampled(counting)) == 2 * len(KEPT) > 4
    counting.add(ask(TUESDAY, session_id=KEPT[0]))
    counting.clock.advance(60)
    counting.refresher.refresh()
    assert sampled(counting) == expected(counting)
    counting.delete(*(event for event in clicks if event.session_id == KEPT[1]))
    counting.forget(KEPT[2])
    assert KEPT[2] not in {row[0] for row in sampled(counting)}
    counting.clock.advance(60)
    counting.refresher.refresh()
    assert sampled(counting) == expected(counting)
    assert KEPT[1] not in {row[0] for row in sampled(counting)}
    counting.assert_true()


def test_fewer_visitors_are_drawn_from_those_that_more_are_drawn_from(counting: Counting) -> None:
    counting.add(*(click(MONDAY, session_id=name) for name in SESSIONS))
    counting.refresher.refresh()
    with counting.engine.connect() as connection:
        drawn = [
            set(drawn_sessions(connection, MONDAY.date(), MONDAY.date(), ["card_click"], halvings))
            for halvings in range(KEPT_FROM + 3)
        ]
        other_day = drawn_sessions(connection, TUESDAY.date(), TUESDAY.date(), ["card_click"], 3)
        other_type = drawn_sessions(connection, MONDAY.date(), MONDAY.date(), ["sage_query"], 3)
    for halvings, sessions in enumerate(drawn):
        assert sessions == {name for name in SESSIONS if halvings_of(name) >= halvings}
    assert other_day == other_type == []
