"""Has days counted again of which events were deleted, in the transaction that has deleted them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import date_in
from tcs_events.counts.facts import LOOK_AHEAD
from tcs_events.counts.visits import forget_visits
from tcs_events.models import UserEvent

# Made once: whoever deletes holds a lock meanwhile, and this is done after every few rows.
_state, _days = tables.state.c, tables.days.c
_first, _last = sa.bindparam("first", type_=sa.Date()), sa.bindparam("last", type_=sa.Date())
_newest_id = sa.select(sa.func.coalesce(sa.func.max(UserEvent.id), 0)).scalar_subquery()
_TAKE_DAYS_AWAY = tables.state.update().values(
    # Whoever counts one of these days has perhaps read what is now deleted.
    counting=sa.case((~_state.counting.between(_first, _last), _state.counting)),
    # SQLite gives the newest row's id once more after that row is gone.
    safe_id=sa.case((_state.safe_id > _newest_id, _newest_id), else_=_state.safe_id),
    seen_id=sa.case((_state.seen_id > _newest_id, _newest_id), else_=_state.seen_id),
)
_MARK_DAYS = (
    tables.days.update()
    .where(_days.day.between(_first, _last), ~_days.is_stale)
    .values(is_stale=True)
)


def mark_stale(connection: Connection, zone: ZoneInfo, times: Sequence[datetime]) -> None:
    """Have the days of deleted events counted again, in the transaction that has deleted them.

    Call it after the events were deleted.
    """
    # The minutes after midnight say how the queries of the day before have ended.
    changed = {date_in(zone, at) for at in times} | {date_in(zone, at - LOOK_AHEAD) for at in times}
    for first, last in _runs(changed):
        for statement in (_TAKE_DAYS_AWAY, _MARK_DAYS):
            connection.execute(statement, {"first": first, "last": last})


def forget_sessions(
    connection: Connection, zone: ZoneInfo, session_ids: Collection[str], times: Sequence[datetime]
) -> None:
    """Forget who was there, in the transaction that has deleted all events of some sessions.

    At once it is no longer kept on which days they were there; these days are counted again by the
    next refresh. Call it instead of `mark_stale`, after the events were deleted.

    Args:
        connection: the one that has deleted the events.
        zone: whose days are counted.
        session_ids: the sessions of which no event is left.
        times: when the deleted events happened; those of other sessions included.
    """
    mark_stale(connection, zone, times)
    # Who came back on whatever day is read from what is now deleted.
    connection.execute(tables.state.update().values(lease_holder=None))
    for first, last in _runs(forget_visits(connection, session_ids)):
        connection.execute(_MARK_DAYS, {"first": first, "last": last})


def _runs(days: Collection[date]) -> list[tuple[date, date]]:
    """Return the first and the last of days that follow each other."""
    runs: list[tuple[date, date]] = []
    for of_day in sorted(days):
        if runs and of_day - runs[-1][1] == timedelta(days=1):
            runs[-1] = (runs[-1][0], of_day)
        else:
            runs.append((of_day, of_day))
    return runs
