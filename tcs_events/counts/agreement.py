"""Which version and time zone the counts are made with, while processes have different ones.

In a rolling deploy old and new processes run beside each other for a while, and a setting may
differ between web hosts for ever. If each counted everything again with its own, they would do so
in turns, and no counts would ever be complete. So each notes that it is there. The one that came
last counts; the others read what it counts, until it has not been seen for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables

SILENCE = timedelta(hours=1)
"""For so long the newer one must not have been seen before an older one counts again, as after a
deploy that was taken back. It is twice as long each time that the newer one has come back."""
MAX_DOUBLINGS = 10
NOTED_AFTER = timedelta(minutes=1)
"""Whoever looks in again sooner does not cost a write."""
SKEW = timedelta(minutes=1)
"""A time that lies further ahead is of a clock that was wrong."""


class Configuration(NamedTuple):
    """What counts depend on. Where it changes, everything is counted again."""

    version: int
    zone: str


class Sighting(NamedTuple):
    """A configuration that a process has, or had."""

    configuration: Configuration
    number: int
    """The larger, the later it came."""
    seen_at: datetime
    takeovers: int
    """How often it has counted everything after another one had."""

    def is_there(self, now: datetime) -> bool:
        """Return whether it has been seen lately. Whoever was seen in the future was not."""
        silence = SILENCE * 2 ** min(max(self.takeovers - 1, 0), MAX_DOUBLINGS)
        return bool(now - silence < self.seen_at <= now + SKEW)


def sightings(connection: Connection) -> list[Sighting]:
    """Return all configurations that have ever been there, the newest one first."""
    rows = connection.execute(
        sa.select(tables.configurations).order_by(tables.configurations.c.number.desc())
    )
    return [
        Sighting(Configuration(row.version, row.zone), row.number, row.seen_at, row.takeovers)
        for row in rows
    ]


def decides(seen: Sequence[Sighting], ours: Configuration, now: datetime) -> bool:
    """Return whether counts are made with our configuration: no newer one is there."""
    if all(sighting.configuration != ours for sighting in seen):
        return True  # it is about to be the newest
    newest = next(
        sighting for sighting in seen if sighting.configuration == ours or sighting.is_there(now)
    )
    return newest.configuration == ours


def is_noted(seen: Sequence[Sighting], ours: Configuration, now: datetime) -> bool:
    """Return whether it was noted a moment ago that we are there."""
    return any(
        sighting.configuration == ours and timedelta(0) <= now - sighting.seen_at < NOTED_AFTER
        for sighting in seen
    )


def note(connection: Connection, ours: Configuration, now: datetime, *, insists: bool) -> bool:
    """Note that we are there; returns whether counts are made with our configuration.

    Args:
        connection: in a transaction that has written to the state, so that nobody else does this.
        ours: our configuration.
        now: the time of the database.
        insists: whether somebody wants it so: it becomes the newest one.
    """
    seen = sightings(connection)
    known = {sighting.configuration: sighting for sighting in seen}
    newest = seen[0].number if seen else 0
    if ours not in known:
        row = {"number": newest + 1, "seen_at": now, "takeovers": 0, **ours._asdict()}
        connection.execute(tables.configurations.insert().values(**row))
        return True
    mine = known[ours]
    number = newest + 1 if insists and mine.number < newest else mine.number
    connection.execute(_row_of(ours).values(seen_at=now, number=number))
    return insists or decides(seen, ours, now)


def note_takeover(connection: Connection, ours: Configuration) -> None:
    """Note that everything is counted with our configuration, after it was with another one."""
    connection.execute(_row_of(ours).values(takeovers=tables.configurations.c.takeovers + 1))


def _row_of(configuration: Configuration) -> sa.Update:
    columns = tables.configurations.c
    return tables.configurations.update().where(
        columns.version == configuration.version, columns.zone == configuration.zone
    )
