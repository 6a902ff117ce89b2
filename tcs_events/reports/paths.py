"""What visitors did before and after an event, in the same visit."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import Where, conditions_of
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import not_of_a_bot, payload_of
from tcs_events.counts.steps import Step
from tcs_events.counts.time_limit import in_time
from tcs_events.database.batches import batches
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.models import UserEvent
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.names import look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.who import Who, is_of

Direction = Literal["after", "before"]
MAX_DEPTH = 5
DEFAULT_DEPTH = 3
START, END = "(start of the visit)", "(end of the visit)"

Visit = tuple[str, date]
"""A session id and a day."""
Place = tuple[datetime, int]
"""The time and the id of an event. Events of a visit are in this order."""


@dataclass(frozen=True, slots=True)
class Path:
    """Event types that followed each other, and how many visits had just these."""

    path: tuple[str, ...]
    """In the order of time, without the event that was asked about. Empty if it was the last event
    of the visit, or the first one for `direction="before"`."""
    is_start: bool
    """Whether the visit begins with the path. Only for `direction="before"`."""
    is_end: bool
    """Whether the visit ends with the path. Only for `direction="after"`."""
    visits: int
    """Visits with this path."""
    share: float
    """The share of all visits with the event, 0 to 1."""

    def __str__(self) -> str:
        parts = (*([START] if self.is_start else []), *self.path, *([END] if self.is_end else []))
        return " → ".join(parts)


PATH_COLUMNS: Columns = (
    Column(
        "path",
        "Path",
        "the event types in the order of time, without the event itself",
        value=str,
    ),
    Column("visits", "Visits", "visits with just this path", "bar", value=lambda row: row.visits),
    Column("share", "Share", "share of all visits with the event", "share"),
    Column("is_start", "Starts", "whether the visit begins with the path", is_extra=True),
    Column("is_end", "Ends", "whether the visit ends with the path", is_extra=True),
)


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths before or after an event."""

    visits: int
    """All visits with the event."""
    rows: list[Path]
    """The paths of the most visits first; those of as many visits by their types."""
    other_visits: int
    """The visits whose path is not among the rows, because of the limit."""
    notices: list[str]
    """Sentences for the reader, such as one about a property that no event has."""

    def first(self, limit: int) -> Paths:
        """Return the same with at most `limit` rows."""
        rows = self.rows[:limit]
        return replace(self, rows=rows, other_visits=self.visits - sum(row.visits for row in rows))


def paths(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    event_type: str,
    direction: Direction = "after",
    depth: int = DEFAULT_DEPTH,
    *,
    where: Where = None,
    who: Who | None = None,
    collapse: bool = False,
    limit: int = 20,
) -> Paths:
    """Return what visits did after an event, or before it, and how many did just that.

    A visit is a visitor's day. The event is the first one of the visit that has the type and meets
    the conditions, in both directions. The path is the types of up to `depth` events that come next
    to it in the visit, in the order of time. A path with fewer events reaches the end of the visit,
    or its start. Events at the same moment are in the order in which they were stored.

    Each visit with such an event has one path, so the visits of all paths add up. The events
    themselves are read: this takes longer, the more events these visits have.

    Args:
        period: the days of the visits.
        event_type: the type of the event.
        direction: "after" or "before".
        depth: the most events of a path, 1 to 5.
        where: conditions on the payload of the event, such as `{"plan": "pro"}` or
            `"result_count>0"`.
        who: only the visits of these visitors: `"new"` ones had no visit before the period,
            `"returning"` ones had, and `"known"` ones have an address or a user id.
        collapse: whether events of one type that follow each other count once. Those next to the
            event with its own type are left out, too.
        limit: the most paths. Those of the other paths are in `other_visits`.

    Raises:
        ValueError: `direction`, `depth` or `who` is something else, `limit` is less than 1, or
            `where` is not a condition.
        UnknownEventType: a `ValueError`; the type is neither accepted nor stored.
        QuestionTimeout: reading took longer than `TCS_EVENTS_REPORT_TIMEOUT_MS`.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction is after or before, not {direction!r}")
    if depth not in range(1, MAX_DEPTH + 1):
        raise ValueError(f"depth is 1 to {MAX_DEPTH}, not {depth!r}")
    if limit < 1:
        raise ValueError(f"limit is at least 1, not {limit!r}")
    if who not in (None, *get_args(Who)):
        raise ValueError(f"who is one of {', '.join(get_args(Who))}, not {who!r}")
    step = Step(event_type, conditions_of(where))
    # Who is new is known from the counts.
    with reading.events() if who in (None, "known") else reading.counts() as connection:
        notices = look_at_names(reading, connection, [step])
        firsts = _first_places(reading, connection, period, step, who)
        counts = Counter(
            _path(events, firsts[visit], step.event_type, direction, int(depth), collapse)
            for visit, events in _visits(reading, connection, period, firsts)
        )
    total = counts.total()
    rows = [
        Path(
            path,
            is_start=direction == "before" and len(path) < depth,
            is_end=direction == "after" and len(path) < depth,
            visits=visits,
            share=visits / total,
        )
        for path, visits in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Paths(total, rows, 0, notices).first(limit)


def _first_places(
    reading: Reading, connection: Connection, period: Period, step: Step, who: Who | None
) -> dict[Visit, Place]:
    """Return the first event of each visit that is the step."""
    zone, roles = reading.zone, reading.refresher.meaning.roles
    event = UserEvent.__table__.c
    # Payloads are most of what is stored, so they are read only where a condition needs them.
    payload = text_of_json(event.payload) if step.conditions else sa.null()
    query = sa.select(event.session_id, event.created_at, event.id, payload).where(
        event.event_type == step.event_type,
        *_in_days(reading, period),
        *not_of_a_bot(connection),
    )
    if who is not None:
        query = query.where(is_of(connection, who, period, event.session_id))
    firsts: dict[Visit, Place] = {}
    with stream(connection, query) as rows:
        for session_id, at, event_id, text in in_time(connection, rows):
            if not step.conditions or step.matches(step.event_type, payload_of(text), roles):
                visit, place = (session_id, date_in(zone, at)), (at, event_id)
                firsts[visit] = min(firsts.get(visit, place), place)
    return firsts


def _visits(
    reading: Reading, connection: Connection, period: Period, firsts: dict[Visit, Place]
) -> Iterator[tuple[Visit, Iterator[tuple[Place, str]]]]:
    """Yield the visits that have such an event, and the places and types of their events."""
    event = UserEvent.__table__.c
    for batch in batches(sorted({session_id for session_id, _ in firsts})):
        query = (
            sa.select(event.session_id, event.created_at, event.id, event.event_type)
            .where(event.session_id.in_(batch), *_in_days(reading, period))
            .order_by(event.session_id, event.created_at, event.id)
        )
        with stream(connection, query) as rows:
            visits = groupby(
                in_time(connection, rows), lambda row: (row[0], date_in(reading.zone, row[1]))
            )
            for visit, events in visits:
                if visit in firsts:
                    yield visit, (((at, event_id), name) for _, at, event_id, name in events)


def _in_days(reading: Reading, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    at, zone = UserEvent.__table__.c.created_at, reading.zone
    return at >= day(period.first, zone).start, at < day(period.last, zone).end


def _path(
    events: Iterator[tuple[Place, str]],
    first: Place,
    event_type: str,
    direction: Direction,
    depth: int,
    collapse: bool,
) -> tuple[str, ...]:
    """Return the types next to the event of a visit, at most `depth`, in the order of time."""
    # One visit may have any number of events: only as many types as can be needed are kept.
    before: deque[str] = deque(maxlen=depth + 1)
    after: list[str] = []
    for place, name in events:
        if place < first:
            if not (collapse and before and before[-1] == name):
                before.append(name)
        elif direction == "before":
            break
        elif place > first:
            if collapse and name == (after[-1] if after else event_type):
                continue
            after.append(name)
            if len(after) == depth:
                break
    if direction == "after":
        return tuple(after)
    if collapse and before and before[-1] == event_type:
        before.pop()
    return tuple(before)[-depth:]
