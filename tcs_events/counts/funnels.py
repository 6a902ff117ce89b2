"""The funnels that somebody asked for: kept, and counted with each day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.facts import Seen
from tcs_events.counts.steps import Step, definition_of, step, steps_of

MAX_FUNNELS = 20
"""How many are kept: each is counted with every day. The least recently asked one goes."""
DEFAULT_FUNNEL = (step("sage_query[result_count>0]"), step("card_click"))
"""What the dashboard asks by itself. It is counted from the beginning, and always kept."""
WITHIN = timedelta(hours=24)
"""So long after the first step the others may follow, whether midnight lies between them or not."""
TOUCHED_AFTER = timedelta(minutes=1)
"""Whoever asks again sooner does not cost a write."""


Reached = dict[tuple[int, int], int]
"""Sessions by the number of the funnel and the place of the step."""


class Funnel(NamedTuple):
    """A funnel that is kept."""

    id: int
    digest: str
    steps: tuple[Step, ...]


class Advance(NamedTuple):
    """A session takes a step."""

    entered_at: datetime
    """When it took the first step that this one follows."""
    at: datetime
    place: int


class Course:
    """How far a session gets in a funnel, event by event. No event is kept.

    A step follows the last first step that it can follow, at most `WITHIN` before. So a step
    counts once: for one day on which the session entered the funnel, and not for two.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._entered: list[datetime | None] = [None] * len(steps)

    def take(self, seen: Seen) -> Iterator[Advance]:
        """Give the steps that an event takes. Events come in order, the oldest first."""
        entered = self._entered
        # From the last one back: an event is one step, and not the next one, too.
        for place in range(len(entered) - 1, -1, -1):
            start = entered[place - 1] if place else seen.at
            if start is None or start == entered[place] or seen.at - start > WITHIN:
                continue
            if self._steps[place].matches(seen.event_type, seen.payload):
                entered[place] = start
                yield Advance(start, seen.at, place)


def advances(steps: Sequence[Step], events: Iterable[Seen]) -> Iterator[Advance]:
    """Give each step that a session takes, in the order of its events, oldest first."""
    course = Course(steps)
    for seen in events:
        yield from course.take(seen)


class FunnelCounter:
    """Counts, session by session, how many took the steps of funnels. No event is kept.

    Args:
        funnels: those to be counted.
        is_long: whether the day has more than 24 hours, as where clocks are set back.
    """

    def __init__(self, funnels: Sequence[Funnel], *, is_long: bool = False) -> None:
        self.reached: Reached = {
            (funnel.id, place): 0 for funnel in funnels for place in range(len(funnel.steps))
        }
        self._funnels = funnels
        self._is_long = is_long
        # An event is only held against the funnels that have a step of its type.
        self._by_type: dict[str, list[Funnel]] = defaultdict(list)
        for funnel in funnels:
            for event_type in {one.event_type for one in funnel.steps}:
                self._by_type[event_type].append(funnel)

    def count(self, within: Iterable[Seen]) -> None:
        """Count the events of one session on one day, oldest first. Each is looked at once."""
        if self._is_long:
            furthest: dict[int, int] = defaultdict(int)
            for funnel, advance in self._advances(within):
                furthest[funnel.id] = max(furthest[funnel.id], advance.place + 1)
            for funnel in self._funnels:
                self._add(funnel, 0, furthest[funnel.id])
            return
        # The first event that is the next step will do: all steps are near enough to each other.
        taken: dict[int, int] = defaultdict(int)
        for seen in within:
            for funnel in self._by_type.get(seen.event_type, ()):
                place = taken[funnel.id]
                if place < len(funnel.steps) and funnel.steps[place].matches(
                    seen.event_type, seen.payload
                ):
                    taken[funnel.id] = place + 1
                    self.reached[funnel.id, place] += 1

    def count_crossing(self, session: Iterable[Seen], end: datetime) -> None:
        """Count the steps that a session took after a day only, having entered on the day.

        Args:
            session: its events on the day and `WITHIN` after it, oldest first.
            end: of the day.
        """
        for _ in self.crossing(session, end):
            pass

    def crossing(self, session: Iterable[Seen], end: datetime) -> Iterator[Seen]:
        """Count as `count_crossing` does, and give the events of the day to somebody else."""
        on_the_day: dict[int, int] = defaultdict(int)
        in_all: dict[int, int] = defaultdict(int)
        courses: dict[int, Course] = {}
        for seen in session:
            for funnel, advance in self._advances_of(seen, courses):
                if advance.entered_at < end:
                    in_all[funnel.id] = max(in_all[funnel.id], advance.place + 1)
                if advance.at < end:
                    on_the_day[funnel.id] = max(on_the_day[funnel.id], advance.place + 1)
            if seen.at < end:
                yield seen
        for funnel in self._funnels:
            self._add(funnel, on_the_day[funnel.id], in_all[funnel.id])

    def _advances(self, events: Iterable[Seen]) -> Iterator[tuple[Funnel, Advance]]:
        courses: dict[int, Course] = {}
        for seen in events:
            yield from self._advances_of(seen, courses)

    def _advances_of(
        self, seen: Seen, courses: dict[int, Course]
    ) -> Iterator[tuple[Funnel, Advance]]:
        for funnel in self._by_type.get(seen.event_type, ()):
            course = courses.get(funnel.id)
            if course is None:
                course = courses[funnel.id] = Course(funnel.steps)
            for advance in course.take(seen):
                yield funnel, advance

    def _add(self, funnel: Funnel, first: int, end: int) -> None:
        for place in range(first, end):
            self.reached[funnel.id, place] += 1


def kept_funnels(connection: Connection) -> list[Funnel]:
    """Return the funnels that are kept."""
    funnels = tables.funnels.c
    rows = connection.execute(sa.select(funnels.id, funnels.digest, funnels.definition))
    return [Funnel(number, digest, steps_of(definition)) for number, digest, definition in rows]


def find_funnel(connection: Connection, steps: Sequence[Step]) -> Funnel | None:
    """Return the funnel of these steps, None where it is not kept."""
    funnels, digest = tables.funnels.c, _digest(steps)
    number = connection.scalar(sa.select(funnels.id).where(funnels.digest == digest))
    return None if number is None else Funnel(number, digest, tuple(steps))


def is_kept(connection: Connection, steps: Sequence[Step], at: datetime) -> bool:
    """Return whether a funnel is kept, and known to be asked for these days."""
    funnels = tables.funnels.c
    asked_at = connection.scalar(
        sa.select(funnels.asked_at).where(funnels.digest == _digest(steps))
    )
    # One that was asked for in the future, by a clock that was wrong, is asked for now.
    return asked_at is not None and timedelta(0) <= at - asked_at < TOUCHED_AFTER


def keep_funnel(connection: Connection, steps: Sequence[Step], at: datetime) -> None:
    """Keep a funnel that is asked for now, in a transaction of its own."""
    # Holds off whoever is writing the counts of a day: those of a funnel that goes must not stay.
    connection.execute(tables.state.update().values(id=tables.state.c.id))
    funnels, digest = tables.funnels, _digest(steps)
    # What a clock that was wrong has put into the future would be kept before all that is new.
    connection.execute(funnels.update().where(funnels.c.asked_at > at).values(asked_at=at))
    asked = funnels.update().where(funnels.c.digest == digest).values(asked_at=at)
    if connection.execute(asked).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(
                funnels.insert().values(digest=digest, definition=definition_of(steps), asked_at=at)
            )
    except sa.exc.IntegrityError:
        return  # somebody else asks for it at this very moment
    rest = connection.execute(
        sa.select(funnels.c.id)
        .where(funnels.c.digest != _digest(DEFAULT_FUNNEL))
        .order_by(funnels.c.asked_at.desc(), funnels.c.id.desc())
    ).scalars()
    too_many = list(rest)[MAX_FUNNELS - 1 :]
    for counts in (tables.funnel_counts, tables.funnel_crossings):
        connection.execute(counts.delete().where(counts.c.funnel_id.in_(too_many)))
    connection.execute(funnels.delete().where(funnels.c.id.in_(too_many)))


def replace_counts(
    connection: Connection,
    of_day: date,
    funnels: Sequence[Funnel],
    reached: Reached,
) -> None:
    """Put what was counted of a day in the place of what was kept of it.

    That of funnels that are no longer kept is dropped: another may have their number by now.
    """
    counts = tables.funnel_counts
    rows, ids = rows_of(connection, of_day, funnels, reached)
    connection.execute(counts.delete().where(counts.c.day == of_day, counts.c.funnel_id.in_(ids)))
    if rows:
        connection.execute(counts.insert(), rows)


def rows_of(
    connection: Connection, of_day: date, funnels: Sequence[Funnel], reached: Reached
) -> tuple[list[dict[str, Any]], set[int]]:
    """Return what was counted of a day in rows, and the funnels of these that are still kept."""
    still = {
        (number, digest)
        for number, digest in connection.execute(
            sa.select(tables.funnels.c.id, tables.funnels.c.digest)
        )
    }
    ids = {funnel.id for funnel in funnels if (funnel.id, funnel.digest) in still}
    rows = [
        {"day": of_day, "funnel_id": number, "step": place, "sessions": sessions}
        for (number, place), sessions in reached.items()
        if number in ids
    ]
    return rows, ids


def uncounted_days(connection: Connection, funnel: Funnel, first: date, last: date) -> list[date]:
    """Return the counted days from the first to the last one that it is not counted for yet."""
    counts, days = tables.funnel_counts.c, tables.days.c
    counted = sa.select(counts.day).where(
        counts.funnel_id == funnel.id, counts.step == 0, counts.day.between(first, last)
    )
    return list(
        connection.scalars(
            sa.select(days.day)
            .where(days.day.between(first, last), days.day.not_in(counted))
            .order_by(days.day.desc())
        )
    )


def unfinished_funnels(connection: Connection) -> list[Funnel]:
    """Return the funnels that are not counted for all days yet."""
    counts = tables.funnel_counts.c
    days = connection.scalar(sa.select(sa.func.count()).select_from(tables.days))
    rows = connection.execute(
        sa.select(counts.funnel_id, sa.func.count())
        .where(counts.step == 0)
        .group_by(counts.funnel_id)
    )
    counted = {number: of for number, of in rows}  # noqa: C416 - dict() of rows is not typed
    return [funnel for funnel in kept_funnels(connection) if counted.get(funnel.id, 0) != days]


def _digest(steps: Sequence[Step]) -> str:
    return sha256(definition_of(steps).encode()).hexdigest()
