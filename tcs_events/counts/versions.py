"""The versions of days: whether the files of a day hold what its events are now.

A file is written from a version that was stored before its events were read. Whatever changes the
day after that ends the version in the same transaction: deleting events deletes it, and counting
new ones changes the check that it was given for. Both lock the state row before, and so does giving
a version. So either the change is committed before the events are read, or it ends the version.
"""

from __future__ import annotations

import secrets
from datetime import date
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.state import lock_state

_MAX_VERSION = 2**63 - 1


def versions(connection: Connection, zone: ZoneInfo) -> dict[date, int]:
    """Return the version of each day that has one. None have, if the counts have another zone."""
    is_ours = select(tables.state.c.id).where(*_counted_in(zone)).exists()
    day_versions, checks, days = tables.day_versions.c, tables.checks.c, tables.days.c
    query = select(day_versions.day, day_versions.version).where(
        is_ours,
        days.day == day_versions.day,
        ~days.is_stale,  # an older version of the package marks days, and knows of no files
        checks.day == day_versions.day,
        checks.events == day_versions.events,
        checks.checksum == day_versions.checksum,
    )
    return {row.day: row.version for row in connection.execute(query)}


def unchanged_days(connection: Connection, before: date) -> list[date]:
    """Return the counted days before a date that have not changed since, the newest first."""
    days = tables.days.c
    query = select(days.day).where(~days.is_stale, days.day < before)
    return list(connection.scalars(query.order_by(days.day.desc())))


def give_version(connection: Connection, zone: ZoneInfo, day: date) -> int | None:
    """Return the version of a day, a new one if it has none; None if it must be counted again.

    Also None if the counts have another zone, in which the day begins at another time.

    Call it in a transaction of its own, and read the events of the day after its commit.
    """
    lock_state(connection)  # first: see above
    days, checks, day_versions = tables.days.c, tables.checks.c, tables.day_versions
    is_ours = select(tables.state.c.id).where(*_counted_in(zone)).exists()
    check = connection.execute(
        select(checks.events, checks.checksum).where(
            checks.day == day, checks.day == days.day, ~days.is_stale, is_ours
        )
    ).one_or_none()
    if check is None:
        return None
    is_of_day = day_versions.c.day == day
    given = connection.execute(select(day_versions).where(is_of_day)).one_or_none()
    if given is not None and (given.events, given.checksum) == tuple(check):
        return int(given.version)
    version = secrets.randbelow(_MAX_VERSION)
    connection.execute(day_versions.delete().where(is_of_day))
    connection.execute(
        day_versions.insert().values(
            day=day, version=version, events=check.events, checksum=check.checksum
        )
    )
    return version


def forget_all_versions(connection: Connection) -> None:
    """Say that all files are old. The transaction must have locked the state row."""
    connection.execute(tables.day_versions.delete())


def _counted_in(zone: ZoneInfo) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.state.c.version != 0, tables.state.c.zone == zone.key
