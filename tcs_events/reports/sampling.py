"""Answers of some visitors, for questions whose events cannot all be read in time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from math import ceil, log2
from time import monotonic
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.time_limit import OutOfTime, in_time, time_of
from tcs_events.database.streaming import stream
from tcs_events.database.sums import whole_sum
from tcs_events.reports.period import Period

EXACT_SHARE = 0.5
"""The share of the time for an answer in which all events are tried. The rest is for a sample."""
SURE_AFTER = 1.0
"""After so many seconds it is clear how fast events are read. If all take more than twice the time
that there is, the rest of it is saved."""
CHECKED_EVERY = 1_000
"""After how many events that is looked at."""
SAMPLE_SHARE = 0.25
"""How many events a sample has of those that were read in vain: an event that is found by its
session takes longer."""
SAMPLE_MIN = 2_000
"""The events that a sample has at least. Fewer would say little."""

Row = TypeVar("Row")


class Attempt:
    """An attempt to read all events of a question in time."""

    def __init__(self) -> None:
        self.read = 0
        """How many events were read."""
        self._begun = monotonic()

    def watched(self, connection: Connection, rows: Iterable[Row], events: int) -> Iterator[Row]:
        """Yield the rows, and give up as soon as it is clear that they will not be read in time.

        Args:
            connection: that of the rows, with its time limit.
            rows: one for each event.
            events: how many events there are, as far as they are counted.

        Raises:
            OutOfTime: there is no hope.
        """
        until = time_of(connection)
        for row in rows:
            self.read += 1
            yield row
            if self.read % CHECKED_EVERY == 0 and until is not None:
                seconds = monotonic() - self._begun
                if is_hopeless(self.read, events, seconds, until - self._begun):
                    raise OutOfTime

    def halvings(self, events: int) -> int | None:
        """Return how often to halve the visitors so that the rest can be read after the attempt.

        None if the counts have none of these events: then no sample can be drawn.
        """
        target = max(ceil(self.read * SAMPLE_SHARE), SAMPLE_MIN)
        return max(1, ceil(log2(events / target))) if events else None


def is_hopeless(read: int, events: int, seconds: float, most_seconds: float) -> bool:
    """Return whether so many events will by far not be read in time.

    Args:
        read: how many have been read.
        events: how many there are, as far as they are counted.
        seconds: how long that took.
        most_seconds: how long it may take in all.
    """
    return seconds > SURE_AFTER and events * seconds > 2 * most_seconds * read


def counted_events(connection: Connection, types: Collection[str], period: Period) -> int:
    """Return how many events of some types and a period are counted so far."""
    counts = tables.activity.c
    events = connection.scalar(
        sa.select(whole_sum(counts.events)).where(
            counts.day.between(period.first, period.last),
            counts.event_type.in_(types),
            counts.starts_at.is_(None),
        )
    )
    return int(events or 0)


def drawn_sessions(
    connection: Connection,
    types: Collection[str],
    period: Period,
    halvings: int,
    name_of: Callable[[str], str] | None = None,
) -> list[str]:
    """Return the sessions of a sample: one visitor in 2, 4, 8 ... of those with visits.

    They are the same for each question and in each database: those whose MD5 is among the smallest.

    Args:
        connection: one of `Reading.counts`.
        types: the visits are those with an event of one of these types.
        period: the days of the visits.
        halvings: how often the visitors are halved.
        name_of: returns the text that a session is drawn by; None for the session id. Sessions with
            the same text are drawn together.
    """
    visits = tables.visits.c
    limit = f"{(1 << 128) >> halvings:032x}"
    query = (
        sa.select(visits.session_id)
        .where(visits.day.between(period.first, period.last), visits.event_type.in_(types))
        .distinct()
    )
    if name_of is None and connection.dialect.name != "sqlite":  # which has no MD5
        query = query.where(sa.func.md5(visits.session_id) < limit)
    with stream(connection, query) as rows:
        return [
            session_id
            for session_id in in_time(connection, rows.scalars())
            if _md5(name_of(session_id) if name_of else session_id) < limit
        ]


def estimate_notice(sampled: float, units: str = "visitors") -> str:
    """Return the sentences that say what an estimate is made from.

    Args:
        sampled: the share of the visitors that were read.
        units: what is drawn, such as "visitors".
    """
    return (
        f"These are estimates from 1 in {round(1 / sampled):,} {units}: reading all"
        " events would take too long. The true numbers are within the margins in 95 of 100"
        " cases. Ask for fewer days to get exact numbers."
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
