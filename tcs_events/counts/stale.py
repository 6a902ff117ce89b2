"""Marks the days of deleted events, so that they are counted again.

This happens in the transaction that deletes the events.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.changes import touched_by
from tcs_events.counts.days import runs
from tcs_events.counts.fingerprints import forget_fingerprints
from tcs_events.counts.kept_courses import forget_courses
from tcs_events.counts.visits import forget_visits
from tcs_events.models import UserEvent

# The statements are built only once. They run after every few deleted rows, while the deleting
# transaction holds locks.
_state, _days = tables.state.c, tables.days.c
_first, _last = sa.bindparam("first", type_=sa.Date()), sa.bindparam("last", type_=sa.Date())
_newest_id = sa.select(sa.func.coalesce(sa.func.max(UserEvent.id), 0)).scalar_subquery()
_TAKE_DAYS_AWAY = tables.state.update().values(
    # A process that is counting one of these days may have read events that are now deleted.
    counting=sa.case((~_state.counting.between(_first, _last), _state.counting)),
    # SQLite uses the newest row's id again after that row is deleted.
    safe_id=sa.case((_state.safe_id > _newest_id, _newest_id), else_=_state.safe_id),
    seen_id=sa.case((_state.seen_id > _newest_id, _newest_id), else_=_state.seen_id),
)
_MARK_DAYS = (
    tables.days.update()
    .where(_days.day.between(_first, _last), ~_days.is_stale)
    .values(is_stale=True)
)
_FORGET_FILES = tables.day_versions.delete().where(tables.day_versions.c.day.between(_first, _last))


def mark_stale(connection: Connection, zone: ZoneInfo, times: Sequence[datetime]) -> None:
    """Mark the days of deleted events, so that they are counted again, and no file of them is read.

    Call it in the transaction that deletes the events, after they are deleted.

    Args:
        connection: in that transaction.
        zone: the time zone of the days.
        times: the times of the deleted events.
    """
    days = {day for at in times for day in touched_by(zone, at)}
    for first, last in runs(sorted(days)):
        for statement in (_TAKE_DAYS_AWAY, _MARK_DAYS, _FORGET_FILES):
            connection.execute(statement, {"first": first, "last": last})


def forget_sessions(
    connection: Connection, zone: ZoneInfo, session_ids: Collection[str], times: Sequence[datetime]
) -> None:
    """Delete the visits, fingerprints and courses of sessions whose events were all deleted.

    They are gone at once. The next refresh counts their days again. Call it instead of
    `mark_stale`, in the transaction that deletes the events, after they are deleted.

    Args:
        connection: in that transaction.
        zone: the time zone of the days.
        session_ids: the sessions that have no events left.
        times: the times of all events that were deleted, including those of other sessions.
    """
    mark_stale(connection, zone, times)
    # A running refresh loses its lease: it may have read the visits that are now deleted.
    connection.execute(tables.state.update().values(lease_holder=None))
    forget_fingerprints(connection, session_ids)
    forget_courses(connection, session_ids)
    for first, last in runs(sorted(forget_visits(connection, session_ids))):
        for statement in (_MARK_DAYS, _FORGET_FILES):
            connection.execute(statement, {"first": first, "last": last})
