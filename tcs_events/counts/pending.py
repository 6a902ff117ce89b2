"""Estimates how much a refresh would have to count, before a user is made to wait for it."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.adding import MIN_EVENTS
from tcs_events.counts.agreement import Configuration
from tcs_events.counts.changes import touched_by
from tcs_events.counts.position import IDS_IN_FLIGHT
from tcs_events.database.batches import batches
from tcs_events.database.sums import whole_sum
from tcs_events.models import UserEvent

READ_FOR_ONE = 20
"""How many events are read for a new one. A visit has about ten, and each is counted twice."""


def events_to_count(
    connection: Connection, zone: ZoneInfo, ours: Configuration, enough: int
) -> int:
    """Return about how many events a refresh would read.

    These are all events of the days that changed. On a large day, they are those of the sessions
    with new events, about `READ_FOR_ONE` for each new event. The result is at most `enough`. No
    payloads are read. Events that were stored while the last refresh ran may be counted twice.
    """
    state = connection.execute(select(tables.state)).one_or_none()
    if state is None or Configuration(state.version, state.zone) != ours:
        first_ids = select(UserEvent.id).limit(enough).subquery()
        return int(connection.scalar(select(sa.func.count()).select_from(first_ids)) or 0)
    max_rows = enough + IDS_IN_FLIGHT
    rows = connection.execute(
        select(UserEvent.id, UserEvent.created_at)
        .where(UserEvent.id > state.safe_id)
        .order_by(UserEvent.id)
        .limit(max_rows)
    ).all()
    seen_id: int = state.seen_id
    new_events = sum(event_id > seen_id for event_id, _ in rows)
    if len(rows) == max_rows or new_events >= enough:
        return enough
    new_of_day = Counter(day for _, at in rows for day in touched_by(zone, at))
    days = tables.days.c
    old_events = 0
    for batch in batches(list(new_of_day)):
        changed = select(days.day, days.events).where(days.day.in_(batch), ~days.is_stale)
        for day, day_events in connection.execute(changed):
            added = READ_FOR_ONE * new_of_day[day]
            old_events += day_events if day_events < MIN_EVENTS else min(day_events, added)
    stale_events = connection.scalar(select(whole_sum(days.events)).where(days.is_stale))
    return min(enough, new_events + old_events + int(stale_events or 0))
