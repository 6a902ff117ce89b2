"""Reads the events of a question from the database: all of them, or those of some visitors."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import value_at
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import not_of_a_bot, payload_of
from tcs_events.counts.sampled import drawn_sessions
from tcs_events.counts.time_limit import in_time, time_of
from tcs_events.database.batches import batches
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.errors import QuestionTimeout
from tcs_events.models import UserEvent
from tcs_events.reports import sampling
from tcs_events.reports.estimates import halvings_of_question, of_sessions
from tcs_events.reports.explore.cells import Cells, Matched
from tcs_events.reports.explore.question import Question
from tcs_events.reports.explore.source import Tally
from tcs_events.reports.explore.values import number_of, shown_value
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import Attempt, counted_events
from tcs_events.reports.who import is_of


@dataclass(frozen=True)
class DatabaseRows:
    """The database as a source. If there is no time for all events, it makes an estimate.

    It also does so if there are more events than `Reading.most_events`.
    """

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
        if chosen := halvings_of_question(self.reading, period, question.event_type):
            return self.sample(question, period, chosen)
        cells, attempt = Cells(question, period), Attempt()
        try:
            with (
                self.reading.events(share=sampling.EXACT_SHARE) as connection,
                closing(matched(self.reading, connection, question, period)) as events,
            ):
                counted = counted_events(connection, [question.event_type], period)
                for event in attempt.watched(connection, events, counted):
                    if event is not None:
                        cells.add(event)
                return cells.tally(until=time_of(connection))
        except QuestionTimeout:
            with self.reading.counts() as connection:
                counted = counted_events(connection, [question.event_type], period)
            halvings = attempt.halvings(counted)
            if halvings is None:
                raise
        return self.sample(question, period, max(1, halvings))

    def sample(self, question: Question, period: Period, halvings: int) -> Tally:
        """Return an estimate from all events of one visitor in 2, 4, 8 ... of the period.

        The visitors are the same for each question and in each database.

        Raises:
            NotCounted: somebody waits for the answer, and nothing is counted yet.
            QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
        """
        cells = Cells(question, period)
        with self.reading.counts() as connection:
            drawn = drawn_sessions(
                connection, period.first, period.last, [question.event_type], halvings
            )
            for sessions in batches(drawn):
                for event in matched(self.reading, connection, question, period, sessions):
                    if event is not None:
                        cells.add(event)
            return cells.tally(2**-halvings, time_of(connection))


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
        query = query.where(*of_sessions(sessions, question.event_type))
    with stream(connection, query) as rows:
        yield chain.from_iterable(rows.partitions())
