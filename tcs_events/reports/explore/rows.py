"""Reads the events of a question from the database: all of them, or those of some visitors."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from math import ceil, log2
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.conditions import value_at
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import not_of_a_bot, payload_of
from tcs_events.counts.time_limit import OutOfTime, in_time, time_of
from tcs_events.database.batches import batches
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.database.sums import whole_sum
from tcs_events.errors import QuestionTimeout
from tcs_events.models import UserEvent
from tcs_events.reports.explore.cells import Cells, Matched
from tcs_events.reports.explore.question import Question
from tcs_events.reports.explore.source import Tally
from tcs_events.reports.explore.values import number_of, shown_value
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.who import is_of

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


@dataclass(frozen=True)
class DatabaseRows:
    """The database as a source. If there is no time for all events, it makes an estimate."""

    reading: Reading

    def tally(self, question: Question, period: Period) -> Tally:
        """Return what `Source.tally` says.

        Raises:
            NotCounted: somebody waits for the answer, and the counts that tell new from returning
                visitors, or from which a sample is drawn, are not there yet.
            QuestionTimeout: there was not even time for a sample.
        """
        if question.who in ("new", "returning"):
            self.reading.refresh_if_old()
        cells, read, begun = Cells(question, period), 0, monotonic()
        try:
            with (
                self.reading.events(share=EXACT_SHARE) as connection,
                closing(matched(self.reading, connection, question, period)) as events,
            ):
                counted, until = _counted(connection, question, period), time_of(connection)
                for event in events:
                    read += 1
                    if event is not None:
                        cells.add(event)
                    if read % CHECKED_EVERY == 0 and until is not None:
                        seconds = monotonic() - begun
                        if is_hopeless(read, counted, seconds, until - begun):
                            raise OutOfTime
                return cells.tally(until=until)
        except QuestionTimeout:
            halvings = self._halvings(question, period, ceil(read * SAMPLE_SHARE))
            if halvings is None:
                raise
        return self.sample(question, period, halvings)

    def sample(self, question: Question, period: Period, halvings: int) -> Tally:
        """Return an estimate from all events of one visitor in 2, 4, 8 ... of the period.

        The visitors are the same for each question and in each database.

        Raises:
            NotCounted: somebody waits for the answer, and nothing is counted yet.
            QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
        """
        cells = Cells(question, period)
        with self.reading.counts() as connection:
            for sessions in batches(_drawn(connection, question, period, halvings)):
                for event in matched(self.reading, connection, question, period, sessions):
                    if event is not None:
                        cells.add(event)
            return cells.tally(2**-halvings, time_of(connection))

    def _halvings(self, question: Question, period: Period, target: int) -> int | None:
        """Return how often to halve the visitors so that about `target` events are left.

        None if the counts have none of these events: then no sample can be drawn.
        """
        with self.reading.counts() as connection:
            events = _counted(connection, question, period)
        return max(1, ceil(log2(events / max(target, SAMPLE_MIN)))) if events else None


def is_hopeless(read: int, events: int, seconds: float, most_seconds: float) -> bool:
    """Return whether so many events will by far not be read in time.

    Args:
        read: how many have been read.
        events: how many there are, as far as they are counted.
        seconds: how long that took.
        most_seconds: how long it may take in all.
    """
    return seconds > SURE_AFTER and events * seconds > 2 * most_seconds * read


def _counted(connection: Connection, question: Question, period: Period) -> int:
    """Return how many events of the type and the period are counted so far."""
    counts = tables.activity.c
    events = connection.scalar(
        sa.select(whole_sum(counts.events)).where(
            counts.day.between(period.first, period.last),
            counts.event_type == question.event_type,
            counts.starts_at.is_(None),
        )
    )
    return int(events or 0)


def matched(
    reading: Reading,
    connection: Connection,
    question: Question,
    period: Period,
    sessions: Sequence[str] | None = None,
    part: Period | None = None,
) -> Generator[Matched | None]:
    """Yield each event of the type and the period, or None for one that does not match.

    Args:
        reading: says what days are.
        connection: one of `Reading.counts`, or of `Reading.events`.
        question: says which events match.
        period: the days.
        sessions: at most a few hundred session ids, or None for all sessions.
        part: the days of the period that are read, or None for all.

    Raises:
        OutOfTime: the time limit of the connection is over.
    """
    zone, role, measured = reading.zone, question.role, question.measure.field
    with _rows(reading, connection, question, period, sessions, part or period) as rows:
        for session_id, text, at in in_time(connection, rows):
            payload = payload_of(text)
            if not all(condition.holds(payload, role) for condition in question.where):
                yield None
                continue
            by = question.by
            value = None if by is None else shown_value(value_at(payload, by), by, role)
            number = None if measured is None else number_of(payload, measured)
            yield Matched(session_id, date_in(zone, at), value, number)


@contextmanager
def _rows(
    reading: Reading,
    connection: Connection,
    question: Question,
    period: Period,
    sessions: Sequence[str] | None,
    part: Period,
) -> Iterator[Iterator[Any]]:
    events = UserEvent.__table__.c
    start, end = day(part.first, reading.zone).start, day(part.last, reading.zone).end
    query = sa.select(events.session_id, text_of_json(events.payload), events.created_at).where(
        events.created_at >= start, events.created_at < end, *not_of_a_bot(connection)
    )
    if question.who is not None:
        query = query.where(is_of(connection, question.who, period, events.session_id))
    if sessions is None:
        query = query.where(events.event_type == question.event_type)
    else:
        # Not a plain column: SQLite would take the index on event types, and read the whole period
        # for each batch of sessions.
        event_type = sa.func.coalesce(events.event_type, "")
        query = query.where(events.session_id.in_(sessions), event_type == question.event_type)
    with stream(connection, query) as rows:
        yield chain.from_iterable(rows.partitions())


def _drawn(connection: Connection, question: Question, period: Period, halvings: int) -> list[str]:
    """Return the visitors of a sample: those whose MD5 is among the smallest 1 in 2, 4, 8 ..."""
    visits = tables.visits.c
    limit = f"{(1 << 128) >> halvings:032x}"
    query = (
        sa.select(visits.session_id)
        .where(
            visits.day.between(period.first, period.last), visits.event_type == question.event_type
        )
        .distinct()
    )
    if connection.dialect.name != "sqlite":  # which has no MD5
        query = query.where(sa.func.md5(visits.session_id) < limit)
    with stream(connection, query) as rows:
        return [
            session_id
            for session_id in in_time(connection, rows.scalars())
            if _md5(session_id) < limit
        ]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
