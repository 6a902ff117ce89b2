"""Answers of some visitors, for questions whose events cannot all be read in time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from math import ceil, log2
from time import monotonic
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.time_limit import OutOfTime, time_of
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
        """How many events were read, the last time."""

    def watched(self, connection: Connection, rows: Iterable[Row], events: int) -> Iterator[Row]:
        """Yield the rows, and give up as soon as it is clear that they will not be read in time.

        Args:
            connection: that of the rows, with its time limit.
            rows: one for each event.
            events: how many events there are, as far as they are counted.

        Raises:
            OutOfTime: reading all rows would take more than twice the time that there is.
        """
        self.read = 0
        until, begun = time_of(connection), 0.0
        for row in rows:
            if not self.read:
                begun = monotonic()  # not before: a database that sorts them gives none until then
            self.read += 1
            yield row
            if self.read % CHECKED_EVERY == 0 and until is not None:
                seconds = monotonic() - begun
                if is_hopeless(self.read, events, seconds, until - begun):
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


def counted_visits(connection: Connection, event_type: str, period: Period) -> int:
    """Return how many visits with an event type, "" for any, are counted so far."""
    counts = tables.activity.c
    visits = connection.scalar(
        sa.select(whole_sum(counts.sessions)).where(
            counts.day.between(period.first, period.last),
            counts.event_type == event_type,
            counts.starts_at.is_(None),
        )
    )
    return int(visits or 0)


def in_words(sampled: float, units: str = "visitors") -> str:
    """Return the words that say that numbers are estimates, without a full stop.

    Args:
        sampled: the share of the visitors that were drawn.
        units: what is drawn, such as "visitors".
    """
    return f"These are estimates from 1 in {round(1 / sampled):,} {units}"


def estimate_notice(sampled: float, units: str = "visitors", *, is_by_choice: bool = False) -> str:
    """Return the sentences that say what an estimate with margins is made from.

    Args:
        sampled: the share of the visitors that were drawn.
        units: what is drawn, such as "visitors".
        is_by_choice: whether a page has chosen not to read all, and says how to get exact numbers.
    """
    margins = "The true numbers are within the margins in 95 of 100 cases."
    if is_by_choice:
        return f"{in_words(sampled, units)}. {margins}"
    return (
        f"{in_words(sampled, units)}: reading all events would take too long. {margins}"
        " Ask for fewer days to get exact numbers."
    )
