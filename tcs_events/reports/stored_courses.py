"""Reads how far visitors came through a funnel from the stored events: all of them, or a sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import value_at, value_key
from tcs_events.counts.courses import Course, FurthestCourse, StepFinder, Taken
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import not_of_a_bot, payload_of
from tcs_events.counts.sampled import drawn_sessions
from tcs_events.counts.steps import Step
from tcs_events.counts.time_limit import in_time
from tcs_events.database.batches import batches
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.errors import NotCounted
from tcs_events.event_types.roles import Role
from tcs_events.models import UserEvent
from tcs_events.reports import sampling
from tcs_events.reports.estimates import halvings_to
from tcs_events.reports.explore.values import shown_value
from tcs_events.reports.period import MAX_DAYS, Period
from tcs_events.reports.persons import Name, persons
from tcs_events.reports.reached import Per
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import Attempt, counted_events
from tcs_events.reports.who import Who, is_of


class CourseQuestion(NamedTuple):
    """Whose courses are asked for."""

    period: Period
    """The days of the first step."""
    steps: Sequence[Step]
    within: timedelta
    per: Per
    break_down: str | None
    """The property of the first step whose value each `Entry` has."""
    who: Who | None
    """Which visitors are read, also of a person's sessions; None for all."""


@dataclass(frozen=True)
class StoredCourses:
    """The courses of a question.

    Args:
        reading: where the events are.
        question: whose courses.
    """

    reading: Reading
    question: CourseQuestion

    def all(self, attempt: Attempt) -> Generator[Course]:
        """Yield the course of each visitor or person who took the first step in the period.

        Args:
            attempt: notes how many events were read.

        Raises:
            NotCounted: somebody waits for the answer, and the counts that tell new from returning
                visitors are not there yet.
            QuestionTimeout: they cannot be read in the part of the time that is for all.
        """
        if self.question.who in ("new", "returning"):
            self.reading.refresh_if_old()
        with self.reading.events(share=sampling.EXACT_SHARE) as connection:
            counted = self._counted(connection)
            events = _Events(self.reading, self.question, connection)
            people = self._people(events)
            with events.of() as taken:
                watched = attempt.watched(connection, taken, counted)
                yield from self._courses(connection, watched, people)

    def sample(self, halvings: int) -> Generator[Course]:
        """Yield the courses of one visitor or person in 2, 4, 8 ... of the period.

        Raises:
            NotCounted: somebody waits for the answer, and nothing is counted yet.
            QuestionTimeout: it took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
        """
        with self.reading.counts() as connection:
            people = self._people(_Events(self.reading, self.question, connection))
            drawn = self._drawn(connection, halvings, people)
            taken = self._taken_of(connection, drawn)
            yield from self._courses(connection, taken, people)

    def chosen_halvings(self) -> int:
        """Return how often to halve the visitors so that `Reading.most_events` is kept to.

        0 if all events may be read, or if it is not known yet how many there are.
        """
        if self.reading.most_events is None:
            return 0
        try:
            with self.reading.counts() as connection:
                return halvings_to(self.reading.most_events, self._counted(connection))
        except NotCounted:
            return 0

    def halvings(self, attempt: Attempt) -> int | None:
        """Return how often to halve the visitors for a sample after an attempt to read all.

        None if the counts have none of the events: then no sample can be drawn.

        Raises:
            NotCounted: somebody waits for the answer, and nothing is counted yet.
            QuestionTimeout: there is not even time to look at the counts.
        """
        with self.reading.counts() as connection:
            return attempt.halvings(self._counted(connection))

    def _people(self, events: _Events) -> dict[str, Name]:
        """Return the person of each session that has one in common with another session."""
        if self.question.per == "visitor":
            return {}
        return persons(events.connection, events.sessions())

    def _counted(self, connection: Connection) -> int:
        """Return how many of the events are counted so far."""
        first, *others = (step.event_type for step in self.question.steps)
        counted = counted_events(connection, {*others}, self._days) if others else 0
        if first not in others:
            counted += counted_events(connection, [first], self.question.period)
        return counted

    @property
    def _days(self) -> Period:
        """The days on which a step may be."""
        period, zone = self.question.period, self.reading.zone
        last = date_in(zone, day(period.last, zone).end + self.question.within)
        return Period(period.first, min(last, period.first + timedelta(days=MAX_DAYS - 1)))

    def _drawn(
        self, connection: Connection, halvings: int, people: Mapping[str, Name]
    ) -> list[str]:
        question = self.question
        if question.per == "visitor":
            types = [question.steps[0].event_type]
            first, last = question.period.first, question.period.last
            return drawn_sessions(connection, first, last, types, halvings)

        def name_of(session_id: str) -> str:
            return ":".join(people.get(session_id, (session_id,)))

        types = list({step.event_type for step in question.steps})
        days = self._days
        return drawn_sessions(connection, days.first, days.last, types, halvings, name_of)

    def _taken_of(
        self, connection: Connection, sessions: Sequence[str]
    ) -> Iterator[tuple[str, Taken | None]]:
        events = _Events(self.reading, self.question, connection)
        for batch in batches(sessions):
            with events.of(batch) as taken:
                yield from taken

    def _courses(
        self,
        connection: Connection,
        events: Iterable[tuple[str, Taken | None]],
        people: Mapping[str, Name],
    ) -> Iterator[Course]:
        """Yield courses. The events of a session must follow each other, oldest first."""
        steps, within = len(self.question.steps), self.question.within
        of_persons: dict[Hashable, list[Taken]] = defaultdict(list)
        session_id, furthest = None, FurthestCourse(steps, within)
        for next_id, event in events:
            if next_id != session_id:
                if course := furthest.course():
                    yield course
                session_id, furthest = next_id, FurthestCourse(steps, within)
            if event is None:
                continue
            person = people.get(next_id)
            if person is not None:
                # Sessions of a person may overlap, so their steps are put in order first.
                of_persons[person].append(event)
            else:
                furthest.take(event)
        if course := furthest.course():
            yield course
        for taken in in_time(connection, of_persons.values()):
            furthest = FurthestCourse(steps, within)
            for event in sorted(taken, key=lambda event: event[:2]):
                furthest.take(event)
            if course := furthest.course():
                yield course


class _Events:
    """The events that may be steps, session by session, each session's oldest first."""

    def __init__(self, reading: Reading, question: CourseQuestion, connection: Connection) -> None:
        self._question, self.connection = question, connection
        period, roles = question.period, reading.refresher.meaning.roles
        self._start = day(period.first, reading.zone).start
        self._end = day(period.last, reading.zone).end
        self._finder = StepFinder(question.steps, roles)
        self._first = question.steps[0].event_type
        self._role = roles.get(self._first)
        self._with_payload = set(self._finder.with_conditions)
        if question.break_down is not None:
            self._with_payload.add(self._first)

    @contextmanager
    def of(
        self, sessions: Sequence[str] | None = None
    ) -> Iterator[Iterator[tuple[str, Taken | None]]]:
        """Yield an iterator over pairs of a session id and its step, None if the event is no step.

        Args:
            sessions: at most a few hundred session ids, or None for all sessions.
        """
        with stream(self.connection, self._query(sessions)) as rows:
            yield self._taken(in_time(self.connection, rows))

    def _query(self, sessions: Sequence[str] | None) -> sa.Select[Any]:
        table = UserEvent.__table__.c
        event_type: sa.ColumnElement[str] = table.event_type
        if sessions is not None:
            # Not a plain column: SQLite would take the index on event types, and read the whole
            # period for each batch of sessions.
            event_type = sa.func.coalesce(table.event_type, "")
        payload = text_of_json(table.payload) if self._with_payload else sa.literal(None, sa.Text())
        query = (
            sa.select(table.session_id, table.event_type, payload, table.created_at, table.id)
            .where(*self._wanted(event_type))
            .order_by(table.session_id, table.created_at, table.id)
        )
        return query if sessions is None else query.where(table.session_id.in_(sessions))

    def sessions(self) -> sa.Select[str]:
        """Return a statement for the ids of the sessions that have such events."""
        table = UserEvent.__table__.c
        return sa.select(table.session_id).where(*self._wanted(table.event_type))

    def _wanted(self, event_type: sa.ColumnElement[str]) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the conditions for events that may be steps."""
        table, question = UserEvent.__table__.c, self._question
        others = {step.event_type for step in question.steps[1:]}
        is_later = event_type.in_(others) & (table.created_at <= self._end + question.within)
        is_first = (event_type == self._first) & (table.created_at < self._end)
        # One range of the index for all types, unless most rows of it are not wanted.
        yield is_later if self._first in others else sa.or_(is_first, is_later)
        yield table.created_at >= self._start
        yield from not_of_a_bot(self.connection)
        if question.who is not None:
            yield is_of(self.connection, question.who, question.period, table.session_id)

    def _taken(self, rows: Iterator[Any]) -> Iterator[tuple[str, Taken | None]]:
        break_down = self._question.break_down
        for session_id, event_type, text, at, id_ in rows:
            payload = payload_of(text) if event_type in self._with_payload else {}
            places = self._finder.places(event_type, payload)
            if places and places[-1] == 0 and at >= self._end:
                places.pop()
            if not places:
                yield session_id, None
                continue
            enters = break_down is not None and places[-1] == 0
            value = _value(payload, break_down, self._role) if enters and break_down else None
            yield session_id, Taken(at, id_, places, value)


def _value(payload: dict[str, Any], break_down: str, role: Role | None) -> Any:
    """Return the value of a property, in the form in which equal values are the same."""
    try:
        value = shown_value(value_at(payload, break_down), break_down, role)
        value_key(value, break_down)
    except RecursionError:  # the host's own code may have stored a list in a list in a list ...
        return None
    return value
