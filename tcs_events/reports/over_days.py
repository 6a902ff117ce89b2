"""How many visitors or persons go on from one step to the next, over hours, days or months."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Literal, NamedTuple, get_args

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts.conditions import check_field, value_at, value_key
from tcs_events.counts.days import day
from tcs_events.counts.events import not_of_a_bot, payload_of
from tcs_events.counts.steps import Step
from tcs_events.counts.time_limit import in_time
from tcs_events.database.stored_json import text_of_json
from tcs_events.database.streaming import stream
from tcs_events.event_types.roles import Role
from tcs_events.models import UserEvent
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.explore.values import order_text, shown_value, value_text
from tcs_events.reports.names import look_at_names
from tcs_events.reports.period import Period
from tcs_events.reports.persons import persons
from tcs_events.reports.reading import Reading

Per = Literal["visitor", "person"]
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=90)
_WITHIN = re.compile(r"([1-9][0-9]{0,3})([hd])")


@dataclass(frozen=True, slots=True)
class ReachedStep:
    """How many visitors or persons reached a step, and how long it took them."""

    step: Step
    visitors: int | None
    """How many visitors; None if persons are counted."""
    persons: int | None
    """How many persons; None if visitors are counted."""
    of_first: float | None
    """The share of those at the first step, 0 to 1; None if there were none."""
    of_previous: float | None
    """The share of those at the step before, 0 to 1; None at the first, or without any."""
    first_quartile_seconds: float | None
    """The time from the first step to this one within which a quarter of them took it. None at the
    first step, or if nobody took this one."""
    median_seconds: float | None
    """The time within which half of them took it."""
    third_quartile_seconds: float | None
    """The time within which three quarters of them took it."""

    @property
    def count(self) -> int:
        """How many visitors or persons, whichever are counted."""
        return (self.persons if self.visitors is None else self.visitors) or 0


@dataclass(frozen=True, slots=True)
class FunnelPart:
    """The part of a funnel whose first step had one value of a property."""

    kind: Literal["value", "other"]
    """"value" for one value, "other" for all that have no row of their own."""
    value: Any
    """The value, as JSON has it. None if the property is missing or null, and for the other row."""
    steps: list[ReachedStep]

    @property
    def name(self) -> str:
        """The value as text for people."""
        return "Other" if self.kind == "other" else value_text(self.value)


@dataclass(frozen=True, slots=True)
class PartStep(ReachedStep):
    """A row of a file: one step of one part of a funnel."""

    value: str
    kind: Literal["value", "other"]


OVER_DAYS_COLUMNS: Columns = (
    Column("step", "Step", "the event type and its conditions", value=lambda row: str(row.step)),
    Column("visitors", "Visitors", "visitors that reached the step, each counted once", "bar"),
    Column("persons", "Persons", "persons that reached the step, each counted once", "bar"),
    Column("of_previous", "Of the step before", "share of those at the step before", "share"),
    Column("of_first", "Of the first", "share of those at the first step", "share"),
    Column(
        "first_quartile_seconds",
        "A quarter within",
        "the time since the first step within which a quarter of them took this one",
        "duration",
    ),
    Column(
        "median_seconds",
        "Half within",
        "the time since the first step within which half of them took this one",
        "duration",
    ),
    Column(
        "third_quartile_seconds",
        "Three quarters within",
        "the time since the first step within which three quarters of them took this one",
        "duration",
    ),
)
PART_COLUMNS: Columns = (
    Column("value", "Value", "the value of the property in the first step"),
    Column("kind", "Kind", "whether it is one value, or all others together", is_extra=True),
    *OVER_DAYS_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class FunnelOverDays:
    """A funnel whose steps may be days apart."""

    steps: list[ReachedStep]
    within: str
    """The time allowed between the first step and any other, such as `7d`."""
    per: Per
    """What is counted."""
    break_down: str | None
    """The property of the first step that `broken_down` is about."""
    broken_down: list[FunnelPart]
    """The values with the most visitors or persons first, then the other values together."""
    notices: list[str] = field(default_factory=list)
    """Sentences for the reader, such as one about a field that no event has."""

    def part_rows(self) -> list[PartStep]:
        """Return a row for each step of each part, for a file."""
        return [
            PartStep(
                **{each.name: getattr(row, each.name) for each in fields(row)},
                value=part.name,
                kind=part.kind,
            )
            for part in self.broken_down
            for row in part.steps
        ]


def within_of(text: str | timedelta) -> timedelta:
    """Return the time of a text such as `12h`, `7d` or `90d`. A day is 24 hours.

    Raises:
        ValueError: it is not a number of hours or days, or not from one hour to 90 days.
    """
    within = text
    if isinstance(text, str):
        if not (match := _WITHIN.fullmatch(text)):
            raise ValueError(f"{text!r} is not a time: write hours or days, such as 12h, 7d or 90d")
        number = int(match[1])
        within = timedelta(hours=number) if match[2] == "h" else timedelta(days=number)
    if not isinstance(within, timedelta) or not SHORTEST <= within <= LONGEST:
        raise ValueError(f"{text!r} is not a time from one hour (1h) to 90 days (90d)")
    return within


def time_allowed(
    within: str | timedelta | None, per: str, break_down: str | None
) -> timedelta | None:
    """Check what is asked of a funnel besides its steps, and return the time allowed.

    Raises:
        ValueError: an argument is not allowed, or needs `within`.
    """
    if per not in get_args(Per):
        raise ValueError(f"per is {per!r}; it is one of {', '.join(get_args(Per))}")
    if break_down is not None:
        check_field(break_down)
    if within is not None:
        return within_of(within)
    if per != "visitor" or break_down is not None:
        raise ValueError('per and break_down need the time allowed: within="7d"')
    return None


def text_of_within(within: timedelta) -> str:
    """Return the text that `within_of` reads as this time, if it is a number of hours or days."""
    hours = within / timedelta(hours=1)
    if hours % 24 == 0:
        return f"{hours / 24:g}d"
    return f"{hours:g}h"


def funnel_over_days(
    reading: Reading,
    period: Period,
    steps: Sequence[Step],
    within: timedelta,
    per: Per,
    break_down: str | None,
    limit: int,
) -> FunnelOverDays:
    """Read a funnel from the stored events. See `funnel`."""
    if limit < 1:
        raise ValueError(f"limit is {limit}; it is at least 1")
    funnel = _Funnel(reading, period, steps, within, break_down)
    with reading.events() as connection:
        notices = look_at_names(reading, connection, steps, [break_down] if break_down else [])
        whole, parts = _Tally(len(steps)), _Parts(len(steps))
        for course in funnel.courses(connection, per):
            whole.add(course)
            if break_down is not None:
                parts.add(course)
    return FunnelOverDays(
        whole.rows(steps, per),
        text_of_within(within),
        per,
        break_down,
        parts.rows(steps, per, limit),
        notices,
    )


class _Entry(NamedTuple):
    """A first step in the period."""

    at: datetime
    value: Any
    """The value that the funnel is broken down by."""


_Course = tuple[_Entry, *tuple[datetime, ...]]
"""The first step, and the times of the steps that followed, as far as they did."""


class _Taken(NamedTuple):
    """An event that is at least one step."""

    at: datetime
    id: int
    places: list[int]
    """The indexes of these steps, the last one first."""
    value: Any


class _Best:
    """Finds how far a visitor came, event by event. Events are not kept in memory.

    All first steps in the period count, and the one that got furthest is the one that is told. Of
    several that got as far, it is the latest. For each step this remembers the latest first step
    from which it was reached: if a later step is in time for any first step, it is for this one.
    """

    def __init__(self, steps: int, within: timedelta) -> None:
        self._courses: list[_Course | None] = [None] * steps
        self._within = within

    def take(self, event: _Taken) -> None:
        """Go on by the next event, in the order of time."""
        courses = self._courses
        for place in event.places:  # the last step first: so one event is not also the step after
            if place == 0:
                courses[0] = (_Entry(event.at, event.value),)
                continue
            before, now = courses[place - 1], courses[place]
            if before is None or event.at - before[0].at > self._within:
                continue
            if now is None or now[0] is not before[0]:
                courses[place] = (*before, event.at)

    def course(self) -> _Course | None:
        """Return the course that got furthest; None if the visitor did not take the first step."""
        return next((course for course in reversed(self._courses) if course), None)


class _Funnel:
    """Reads the courses of all visitors, one after the other."""

    def __init__(
        self,
        reading: Reading,
        period: Period,
        steps: Sequence[Step],
        within: timedelta,
        break_down: str | None,
    ) -> None:
        self._steps, self._within, self._break_down = steps, within, break_down
        self._start = day(period.first, reading.zone).start
        self._end = day(period.last, reading.zone).end
        self._roles = reading.refresher.meaning.roles
        places: dict[str, list[int]] = defaultdict(list)
        for place in reversed(range(len(steps))):
            places[steps[place].event_type].append(place)
        self._places = dict(places)
        self._with_payload = {step.event_type for step in steps if step.conditions}
        if break_down is not None:
            self._with_payload.add(steps[0].event_type)

    def courses(self, connection: Connection, per: Per) -> Iterator[_Course]:
        """Yield the course of each visitor or person who took the first step in the period."""
        person_of = persons(connection) if per == "person" else {}
        sessions = Counter(person_of.values())
        of_persons: dict[Hashable, list[_Taken]] = defaultdict(list)
        with self._events(connection) as events:
            session_id, best = None, _Best(len(self._steps), self._within)
            for next_id, event in events:
                if next_id != session_id:
                    if course := best.course():
                        yield course
                    session_id, best = next_id, _Best(len(self._steps), self._within)
                person = person_of.get(next_id)
                if person is not None and sessions[person] > 1:
                    # Sessions of a person may overlap, so their steps are put in order first.
                    of_persons[person].append(event)
                else:
                    best.take(event)
            if course := best.course():
                yield course
        for taken in in_time(connection, of_persons.values()):
            best = _Best(len(self._steps), self._within)
            for event in sorted(taken, key=lambda event: event[:2]):
                best.take(event)
            if course := best.course():
                yield course

    @contextmanager
    def _events(self, connection: Connection) -> Iterator[Iterator[tuple[str, _Taken]]]:
        """Yield an iterator over the session ids and the steps, session by session, in order."""
        table = UserEvent.__table__.c
        first, others = self._steps[0].event_type, {step.event_type for step in self._steps[1:]}
        is_later = table.event_type.in_(others) & (table.created_at <= self._end + self._within)
        is_first = (table.event_type == first) & (table.created_at < self._end)
        payload = text_of_json(table.payload) if self._with_payload else sa.literal(None, sa.Text())
        query = (
            sa.select(table.session_id, table.event_type, payload, table.created_at, table.id)
            .where(
                # One range of the index for all types, unless most rows of it are not wanted.
                is_later if first in others else sa.or_(is_first, is_later),
                table.created_at >= self._start,
                *not_of_a_bot(connection),
            )
            .order_by(table.session_id, table.created_at, table.id)
        )
        with stream(connection, query) as rows:
            yield self._taken(in_time(connection, rows))

    def _taken(self, rows: Iterator[Any]) -> Iterator[tuple[str, _Taken]]:
        first, break_down = self._steps[0].event_type, self._break_down
        role = self._roles.get(first)
        for session_id, event_type, text, at, id_ in rows:
            payload = payload_of(text) if event_type in self._with_payload else {}
            places = [
                place
                for place in self._places[event_type]
                if (place or at < self._end)
                and self._steps[place].matches(event_type, payload, self._roles)
            ]
            if places:
                enters = break_down is not None and places[-1] == 0
                value = _value(payload, break_down, role) if enters and break_down else None
                yield session_id, _Taken(at, id_, places, value)


def _value(payload: dict[str, Any], break_down: str, role: Role | None) -> Any:
    """Return the value of a property, in the form in which equal values are the same."""
    try:
        value = shown_value(value_at(payload, break_down), break_down, role)
        value_key(value, break_down)
    except RecursionError:  # the host's own code may have stored a list in a list in a list ...
        return None
    return value


class _Tally:
    """Counts courses by how far they got."""

    def __init__(self, steps: int) -> None:
        self.reached = [0] * steps
        self.seconds = [array("d") for _ in range(steps)]

    def add(self, course: _Course) -> None:
        entry, *later = course
        self.reached[0] += 1
        for place, at in enumerate(later, start=1):
            self.reached[place] += 1
            self.seconds[place].append((at - entry.at).total_seconds())

    def merge(self, other: _Tally) -> None:
        for place, seconds in enumerate(other.seconds):
            self.reached[place] += other.reached[place]
            self.seconds[place].extend(seconds)

    def rows(self, steps: Sequence[Step], per: Per) -> list[ReachedStep]:
        reached = self.reached
        rows = []
        for place, step in enumerate(steps):
            seconds = sorted(self.seconds[place])
            rows.append(
                ReachedStep(
                    step,
                    reached[place] if per == "visitor" else None,
                    reached[place] if per == "person" else None,
                    reached[place] / reached[0] if reached[0] else None,
                    reached[place] / reached[place - 1] if place and reached[place - 1] else None,
                    *(_within_which(seconds, quarters / 4) for quarters in (1, 2, 3)),
                )
            )
        return rows


def _within_which(seconds: Sequence[float], share: float) -> float | None:
    """Return the shortest time within which at least this share of them took the step."""
    return seconds[ceil(share * len(seconds)) - 1] if seconds else None


class _Parts:
    """Counts courses by the value that their first step had."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._tallies: dict[Hashable, tuple[Any, _Tally]] = {}

    def add(self, course: _Course) -> None:
        value = course[0].value
        key = value_key(value, "")
        if key not in self._tallies:
            self._tallies[key] = value, _Tally(self._steps)
        self._tallies[key][1].add(course)

    def rows(self, steps: Sequence[Step], per: Per, limit: int) -> list[FunnelPart]:
        ranked = sorted(
            self._tallies.values(), key=lambda part: (-part[1].reached[0], order_text(part[0]))
        )
        rows = [
            FunnelPart("value", value, tally.rows(steps, per)) for value, tally in ranked[:limit]
        ]
        if len(ranked) > limit:
            other = _Tally(self._steps)
            for _, tally in ranked[limit:]:
                other.merge(tally)
            rows.append(FunnelPart("other", None, other.rows(steps, per)))
        return rows
