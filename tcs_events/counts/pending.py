"""How much there is to count: asked before somebody who waits is made to wait for it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.days import date_in
from tcs_events.counts.facts import LOOK_AHEAD
from tcs_events.counts.refresh import IDS_IN_FLIGHT, VERSION
from tcs_events.models import UserEvent


def events_to_count(connection: Connection, zone: ZoneInfo, enough: int) -> int:
    """Return about how many events a refresh would read: those of all days that it counts again.

    Counts no further than `enough`, and reads no payloads. Events that were stored while the last
    refresh ran may be counted twice.
    """
    state = connection.execute(select(tables.state)).one_or_none()
    if state is None or (state.version, state.zone) != (VERSION, zone.key):
        some = select(UserEvent.id).limit(enough).subquery()
        return int(connection.scalar(select(sa.func.count()).select_from(some)) or 0)
    most = enough + IDS_IN_FLIGHT
    rows = connection.execute(
        select(UserEvent.id, UserEvent.created_at)
        .where(UserEvent.id > state.safe_id)
        .order_by(UserEvent.id)
        .limit(most)
    ).all()
    seen_id: int = state.seen_id
    new = sum(event_id > seen_id for event_id, _ in rows)
    if len(rows) == most or new >= enough:
        return enough
    changed = {date_in(zone, at) for _, at in rows}
    changed |= {date_in(zone, at - LOOK_AHEAD) for _, at in rows}
    counted = connection.scalar(
        select(sa.func.sum(tables.days.c.events)).where(
            tables.days.c.is_stale | tables.days.c.day.in_(changed)
        )
    )
    return min(enough, new + int(counted or 0))
