"""Decides which version and time zone are used for counting, if processes have different ones.

During a rolling deploy old and new processes run at the same time, and a setting may differ between
web hosts for ever. If each process counted everything again with its own configuration, they would
undo each other's work, and the counts would never be complete. So each process notes its
configuration in a table. Processes with the newest configuration count. The others only read, until
the newest configuration has not been seen for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables

SILENCE = timedelta(hours=1)
"""How long a newer configuration must be absent before an older one counts again, for example after
a deploy was rolled back. It doubles each time the newer configuration comes back."""
MAX_DOUBLINGS = 10
NOTED_AFTER = timedelta(minutes=1)
"""How long a noted configuration is not written again."""
SKEW = timedelta(minutes=1)
"""How far times may be in the future. Times beyond that come from a clock that was wrong."""


class Configuration(NamedTuple):
    """What the counts depend on. If it changes, everything is counted again."""

    version: int
    zone: str


class Sighting(NamedTuple):
    """A configuration, and when a process last had it."""

    configuration: Configuration
    number: int
    """Newer configurations have larger numbers."""
    seen_at: datetime
    takeovers: int
    """How often everything was counted again with it after another configuration was in use."""

    def is_active(self, now: datetime) -> bool:
        """Return whether a process had it recently. Sightings in the future do not count."""
        silence = SILENCE * 2 ** min(max(self.takeovers - 1, 0), MAX_DOUBLINGS)
        return bool(now - silence < self.seen_at <= now + SKEW)


def sightings(connection: Connection) -> list[Sighting]:
    """Return all configurations that were ever noted, the newest first."""
    rows = connection.execute(
        sa.select(tables.configurations).order_by(tables.configurations.c.number.desc())
    )
    return [
        Sighting(Configuration(row.version, row.zone), row.number, row.seen_at, row.takeovers)
        for row in rows
    ]


def decides(all_sightings: Sequence[Sighting], ours: Configuration, now: datetime) -> bool:
    """Return whether our configuration is used for counting: no newer one is active."""
    if all(sighting.configuration != ours for sighting in all_sightings):
        return True  # it is about to be the newest
    newest = next(
        sighting
        for sighting in all_sightings
        if sighting.configuration == ours or sighting.is_active(now)
    )
    return newest.configuration == ours


def is_noted(all_sightings: Sequence[Sighting], ours: Configuration, now: datetime) -> bool:
    """Return whether our configuration was noted less than `NOTED_AFTER` ago."""
    return any(
        sighting.configuration == ours and timedelta(0) <= now - sighting.seen_at < NOTED_AFTER
        for sighting in all_sightings
    )


def note(connection: Connection, ours: Configuration, now: datetime, *, insists: bool) -> bool:
    """Note our configuration, and return whether it is used for counting.

    Args:
        connection: in a transaction that has written to the state, so that others wait.
        ours: our configuration.
        now: the time of the database.
        insists: whether ours becomes the newest configuration, because an operator wants that.
    """
    all_sightings = sightings(connection)
    by_configuration = {sighting.configuration: sighting for sighting in all_sightings}
    newest_number = all_sightings[0].number if all_sightings else 0
    if ours not in by_configuration:
        row = {"number": newest_number + 1, "seen_at": now, "takeovers": 0, **ours._asdict()}
        connection.execute(tables.configurations.insert().values(**row))
        return True
    number = by_configuration[ours].number
    if insists and number < newest_number:
        number = newest_number + 1
    connection.execute(_update_row(ours).values(seen_at=now, number=number))
    return insists or decides(all_sightings, ours, now)


def note_takeover(connection: Connection, ours: Configuration) -> None:
    """Note that everything is counted again with our configuration instead of another one."""
    connection.execute(_update_row(ours).values(takeovers=tables.configurations.c.takeovers + 1))


def _update_row(configuration: Configuration) -> sa.Update:
    columns = tables.configurations.c
    return tables.configurations.update().where(
        columns.version == configuration.version, columns.zone == configuration.zone
    )
