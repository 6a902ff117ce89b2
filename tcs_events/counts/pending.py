"""Estimates how much a refresh would have to count, before a user is made to wait for it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.agreement import Configuration
from tcs_events.counts.changes import touched_by
from tcs_events.counts.position import IDS_IN_FLIGHT
from tcs_events.database.sums import whole_sum
from tcs_events.models import UserEvent


def events_to_count(
    connection: Connection, zone: ZoneInfo, ours: Configuration, enough: int
) -> int:
    """Return about how many events a refresh would read: all events of the days that changed.

    The result is at most `enough`. No payloads are read. Events that were stored while the last
    refresh ran may be counted twice.
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
    changed_days = {day for _, at in rows for day in touched_by(zone, at)}
    old_events = connection.scalar(
        select(whole_sum(tables.days.c.events)).where(
            tables.days.c.is_stale | tables.days.c.day.in_(changed_days)
        )
    )
    return min(enough, new_events + int(old_events or 0))
