"""What is odd about how the counts are made, and what to do about it: `doctor` says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import agreement, tables
from tcs_events.counts.agreement import Configuration


class Oddity(NamedTuple):
    """Something that is not as it should be, and heals or can be healed."""

    what: str
    remedy: str


def find_oddities(connection: Connection, ours: Configuration, now: datetime) -> Iterator[Oddity]:
    """Give what is odd about the counts.

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
            f"the reports were last counted at {state.refreshed_at:%Y-%m-%d %H:%M} UTC, and it is"
            f" {now:%Y-%m-%d %H:%M}: a clock was wrong then, or is now; set the clocks by NTP."
            " The next report counts again, and nothing is lost",
        )
    there = [seen for seen in agreement.sightings(connection) if seen.is_there(now)]
    if len(there) > 1:
        names = " and ".join(_name(seen.configuration) for seen in there)
        yield Oddity(
            "configuration of the counts",
            f"processes of the last hours have {names}; reports are counted with the first."
            " Give all processes the same TCS_EVENTS_TIMEZONE and release, and restart the old"
            " ones; `flask tcs-events rollup --rebuild` makes the configuration it runs with"
            " the first",
        )
    counted = Configuration(state.version, state.zone)
    if state.version and counted != ours and len(there) < 2:
        yield Oddity(
            "configuration of the counts",
            f"the reports were counted with {_name(counted)}, and this process has {_name(ours)};"
            " the next report counts everything again",
        )


def _name(configuration: Configuration) -> str:
    return f"{configuration.zone} (version {configuration.version})"
