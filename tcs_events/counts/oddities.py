"""Finds oddities in how the counts are made, and says what to do. `doctor` prints them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import agreement, tables
from tcs_events.counts.agreement import Configuration


class Oddity(NamedTuple):
    """Something unusual that goes away by itself, or that the operator can repair."""

    what: str
    remedy: str


def find_oddities(connection: Connection, ours: Configuration, now: datetime) -> Iterator[Oddity]:
    """Yield the oddities of the counts.

    Args:
        connection: to the tables of the counts.
        ours: the version and time zone of this process.
        now: the time of the database.
    """
    state = connection.execute(sa.select(tables.state)).one_or_none()
    if state is None:
        return
    if state.refreshed_at is not None and state.refreshed_at > now + agreement.SKEW:
        yield Oddity(
            "clock of the counts",
            f"the last count was at {state.refreshed_at:%Y-%m-%d %H:%M} UTC, but it is only"
            f" {now:%Y-%m-%d %H:%M} now: a clock was or is wrong; set the clocks by NTP."
            " The next report counts again, and nothing is lost",
        )
    active = [sighting for sighting in agreement.sightings(connection) if sighting.is_active(now)]
    if len(active) > 1:
        names = " and ".join(_name(sighting.configuration) for sighting in active)
        yield Oddity(
            "configuration of the counts",
            f"processes of the last hours have {names}; reports are counted with the first."
            " Give all processes the same TCS_EVENTS_TIMEZONE and the same release, and restart"
            " the old processes; `flask tcs-events rollup --rebuild` puts its own configuration"
            " first",
        )
    counted = Configuration(state.version, state.zone)
    if state.version and counted != ours and len(active) < 2:
        yield Oddity(
            "configuration of the counts",
            f"the reports were counted with {_name(counted)}, and this process has {_name(ours)};"
            " the next report counts everything again",
        )


def _name(configuration: Configuration) -> str:
    return f"{configuration.zone} (version {configuration.version})"
