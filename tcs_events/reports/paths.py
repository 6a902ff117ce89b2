"""What visitors did before and after an event, in the same visit."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import Where, conditions_of
from tcs_events.counts.days import date_in, day
from tcs_events.counts.events import not_of_a_bot, payload_of
from tcs_events.counts.sampled import drawn_sessions
from tcs_events.counts.steps import Step
from tcs_events.counts.time_limit import in_time
from tcs_events.database.batches import batches
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.event_types.roles import Roles
from tcs_events.models import UserEvent
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.estimates import (
    halvings_of_visits,
    margin_of_total,
    of_sessions,
)
from tcs_events.reports.names import look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import in_words
from tcs_events.reports.who import Who, is_of

Direction = Literal["after", "before"]
MAX_DEPTH = 5
DEFAULT_DEPTH = 3
START, END = "(start of the visit)", "(end of the visit)"

StoredType = tuple[str, str | None]
"""The type of an event, and the text of its payload if that was read."""
Visit = tuple[str, Iterator[StoredType]]
"""A session id, and the events of one day, oldest first."""


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
    margin: float | None = None
    """In an estimate, the true number of visits is within this distance in 95 of 100 cases. None if
    exact."""

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
    Column(
        "margin",
        "Margin",
        "in an estimate, the true number is within this distance in 95 of 100 cases",
        "number",
        is_extra=True,
    ),
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
    sampled: float | None = None
    """The share of the visitors that an estimate is made from; None if it is exact."""

    @property
    def is_estimate(self) -> bool:
        """Whether the numbers are estimates from some visitors."""
        return self.sampled is not None

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
    halvings = halvings_of_visits(reading, period, event_type)
    is_counted = halvings or who not in (None, "known")
    with reading.counts() if is_counted else reading.events() as connection:
        notices = look_at_names(reading, connection, [step])
        roles, sampled = reading.refresher.meaning.roles, 2**-halvings if halvings else None
        counts: Counter[tuple[str, ...]] = Counter()
        by_visitor: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        with closing(_visits(reading, connection, period, step, who, halvings)) as visits:
            for session_id, events in visits:
                path = _path(events, step, roles, direction, int(depth), collapse)
                if path is None:
                    continue
                counts[path] += 1
                if sampled is not None:  # its margin depends on how much visitors differ
                    by_visitor[path][session_id] += 1
    if sampled is not None:
        notices.append(in_words(sampled) + ".")
    total = counts.total()
    rows = [
        Path(
            path,
            is_start=direction == "before" and len(path) < depth,
            is_end=direction == "after" and len(path) < depth,
            visits=visits << halvings,
            share=visits / total,
            margin=margin_of_total(by_visitor[path].values(), sampled),
        )
        for path, visits in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    margins = [row.margin for row in rows if row.margin is not None]
    if margins:
        notices.append(
            f"The visits of each path are within {round(max(margins)):,} of the true number in 95"
            " of 100 cases."
        )
    return Paths(total << halvings, rows, 0, notices, sampled).first(limit)


def _visits(
    reading: Reading,
    connection: Connection,
    period: Period,
    step: Step,
    who: Who | None,
    halvings: int,
) -> Generator[Visit]:
    """Yield the visits of all visitors who have an event of the step's type, or of a sample."""
    if not halvings:
        yield from _visits_of(reading, connection, period, step, who)
        return
    drawn = drawn_sessions(connection, period.first, period.last, [step.event_type], halvings)
    for sessions in batches(drawn):
        yield from _visits_of(reading, connection, period, step, who, sessions)


def _visits_of(
    reading: Reading,
    connection: Connection,
    period: Period,
    step: Step,
    who: Who | None,
    sessions: Sequence[str] | None = None,
) -> Generator[Visit]:
    """Yield the visits of all sessions that have an event of the step's type, or of some sessions.

    The database sorts them, so that neither a visit nor a list of the visits is in memory.
    """
    event = UserEvent.__table__.c
    is_step = event.event_type == step.event_type
    with_type = sa.select(event.session_id).where(
        *([is_step] if sessions is None else of_sessions(sessions, step.event_type)),
        *_in_days(reading, period),
        *not_of_a_bot(connection),
        *([] if who is None else [is_of(connection, who, period, event.session_id)]),
    )
    # Payloads are most of what is stored, so they are read only where a condition needs them.
    payload = sa.case((is_step, text_of_json(event.payload))) if step.conditions else sa.null()
    query = (
        sa.select(event.session_id, event.created_at, event.event_type, payload)
        .where(event.session_id.in_(with_type), *_in_days(reading, period))
        .order_by(event.session_id, event.created_at, event.id)
    )
    with stream(connection, query) as rows:
        visits = groupby(
            in_time(connection, rows), lambda row: (row[0], date_in(reading.zone, row[1]))
        )
        for (session_id, _), events in visits:
            yield session_id, ((name, text) for _, _, name, text in events)


def _in_days(reading: Reading, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    at, zone = UserEvent.__table__.c.created_at, reading.zone
    return at >= day(period.first, zone).start, at < day(period.last, zone).end


def _path(
    events: Iterator[StoredType],
    step: Step,
    roles: Roles,
    direction: Direction,
    depth: int,
    collapse: bool,
) -> tuple[str, ...] | None:
    """Return the types next to the step in a visit, at most `depth`, in the order of time.

    None if the visit has no such event.
    """
    # One visit may have any number of events: only as many types as can be needed are kept.
    before: deque[str] = deque(maxlen=depth + 1)
    for name, text in events:
        if name == step.event_type and (
            not step.conditions or step.matches(name, payload_of(text), roles)
        ):
            break
        if not (collapse and before and before[-1] == name):
            before.append(name)
    else:
        return None
    if direction == "before":
        if collapse and before and before[-1] == step.event_type:
            before.pop()
        return tuple(before)[-depth:]
    after: list[str] = []
    for name, _ in events:
        if collapse and name == (after[-1] if after else step.event_type):
            continue
        after.append(name)
        if len(after) == depth:
            break
    return tuple(after)
