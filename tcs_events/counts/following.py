"""Follows some visitors through funnels over days, from the first steps of each of their days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.courses import Course, FurthestCourse, StepFinder, Taken
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import StoredRow, payload_of, rows_between
from tcs_events.counts.fingerprints import NEVER
from tcs_events.counts.kept_courses import KeptFunnel
from tcs_events.event_types.roles import Roles

Span = tuple[date, date]
"""The first and the last day of the first steps."""


ALL_IDS = 2**63
"""Above the ids of all events."""
Courses = dict[str, dict[date, Course]]
"""The courses of a funnel, by session and day of the first step."""


def follow(
    connection: Connection,
    asked: Sequence[tuple[KeptFunnel, Mapping[str, Span]]],
    zone: ZoneInfo,
    roles: Roles,
) -> list[Courses]:
    """Return the courses of sessions, for each funnel. Marked sessions have none.

    Args:
        connection: to the events.
        asked: funnels, and for each of at most a few hundred sessions the days of the first steps.
        zone: the time zone of the days.
        roles: what the event types mean.

    Raises:
        OutOfTime: the time limit of the connection is over.
    """
    finders = [StepFinder(funnel.steps, roles) for funnel, _ in asked]
    types = {event_type for finder in finders for event_type in finder.types}
    with_payload = {event_type for finder in finders for event_type in finder.with_conditions}
    sessions = sorted({session_id for _, spans in asked for session_id in spans})
    bounds = [
        (day(first, zone).start, day(last, zone).end + funnel.within)
        for funnel, spans in asked
        for first, last in set(spans.values())
    ]
    if not bounds:
        return [{} for _ in asked]
    start, end = min(first for first, _ in bounds), max(last for _, last in bounds)
    # By session, and not in the order of the rows: some collations treat different ids as equal.
    followers: dict[str, list[_Follower | None]] = {
        session_id: [
            _Follower(funnel, finder, spans[session_id], zone) if session_id in spans else None
            for (funnel, spans), finder in zip(asked, finders, strict=True)
        ]
        for session_id in sessions
    }
    counted = _counted_until(connection, sessions, date_in(zone, start), date_in(zone, end))
    with rows_between(connection, start, end, sessions=sessions) as rows:
        for row in rows:
            if row.id > counted.get((row.session_id, date_in(zone, row.at)), 0):
                continue  # not counted yet: the refresh that counts it has its visitor followed
            if row.event_type in types and row.session_id in followers and not row.is_marked:
                payload = payload_of(row.json) if row.event_type in with_payload else {}
                for follower in followers[row.session_id]:
                    if follower is not None:
                        follower.take(row, payload)
    return [
        {
            session_id: courses
            for session_id, theirs in followers.items()
            if (of_funnel := theirs[place]) and (courses := of_funnel.courses())
        }
        for place in range(len(asked))
    ]


def _counted_until(
    connection: Connection, sessions: Sequence[str], first: date, last: date
) -> dict[tuple[str, date], int]:
    """Return the id of the last event that is counted, by session and day."""
    counted = tables.sessions.c
    query = sa.select(counted.session_id, counted.day, counted.events, counted.last_id).where(
        counted.session_id.in_(sessions), counted.day.between(first, last)
    )
    return {
        (row.session_id, row.day): ALL_IDS if row.events == NEVER.events else row.last_id
        for row in connection.execute(query)
    }


class _Follower:
    """Follows one visitor through one funnel. Events are not kept in memory."""

    def __init__(self, funnel: KeptFunnel, finder: StepFinder, span: Span, zone: ZoneInfo) -> None:
        self._funnel, self._finder, self._span, self._zone = funnel, finder, span, zone
        self._days: dict[date, FurthestCourse] = {}
        self._open: dict[date, datetime] = {}
        """The days whose first steps may still be followed by others, and until when."""

    def take(self, row: StoredRow, payload: dict[str, Any]) -> None:
        """Go on by the next event, in the order of time."""
        places = self._finder.places(row.event_type, payload)
        if not places:
            return
        began = date_in(self._zone, row.at) if places[-1] == 0 else None
        if began is not None and self._span[0] <= began <= self._span[1]:
            steps, within = len(self._funnel.steps), self._funnel.within
            self._days.setdefault(began, FurthestCourse(steps, within))
            self._open[began] = row.at + within
        later = places[:-1] if began is not None else places
        for day_, until in list(self._open.items()):
            if row.at > until:
                del self._open[day_]
            elif of_day := places if day_ == began else later:
                self._days[day_].take(Taken(row.at, row.id, of_day, None))

    def courses(self) -> dict[date, Course]:
        """Return the furthest course from the first steps of each day."""
        found = {day_: furthest.course() for day_, furthest in self._days.items()}
        return {day_: course for day_, course in found.items() if course is not None}
