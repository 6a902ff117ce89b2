"""Funnels. Each funnel that was asked for is stored, and then counted with each day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.deltas import Deltas, add_deltas
from tcs_events.counts.facts import Seen
from tcs_events.counts.rows import Place
from tcs_events.counts.state import lock_state
from tcs_events.counts.steps import Step, definition_of, steps_of
from tcs_events.event_types.roles import Roles

MAX_FUNNELS = 20
"""The most funnels that are stored, because each is counted with every day. If there are more, the
one that was not asked for the longest is deleted."""
WITHIN = timedelta(hours=24)
"""How long after the first step the other steps count, also if midnight lies between them."""
TOUCHED_AFTER = timedelta(minutes=1)
"""How long `asked_at` of a funnel is not written again."""


Reached = dict[tuple[int, int], int]
"""The number of sessions that took a step, by the funnel's id and the step's index."""


class Funnel(NamedTuple):
    """A funnel that is stored."""

    id: int
    digest: str
    """The SHA-256 of its definition."""
    steps: tuple[Step, ...]


class Advance(NamedTuple):
    """One step that a session takes."""

    entered_at: datetime
    """The time of the first step that this step belongs to."""
    at: datetime
    place: int
    """The index of the step, from 0."""


class Course:
    """Follows one session through a funnel, event by event. Events are not kept in memory.

    Each step belongs to the latest possible first step, at most `WITHIN` before it. So it counts
    for one day on which the session entered the funnel, never for two.
    """

    def __init__(self, steps: Sequence[Step], roles: Roles) -> None:
        self._steps = steps
        self._roles = roles
        self._entered: list[datetime | None] = [None] * len(steps)

    def take(self, event: Seen, places: Sequence[int]) -> Iterator[Advance]:
        """Yield the steps that an event takes. Events must come in order, oldest first.

        Args:
            event: the next event of the session.
            places: those of `places_by_type` for the type of the event.
        """
        entered = self._entered
        for place in places:
            start = entered[place - 1] if place else event.at
            if start is None or start == entered[place] or event.at - start > WITHIN:
                continue
            if self._steps[place].matches(event.event_type, event.payload, self._roles):
                entered[place] = start
                yield Advance(start, event.at, place)


def places_by_type(steps: Sequence[Step]) -> dict[str, list[int]]:
    """Return the indexes of the steps of each event type, the last step first.

    In this order one event is not also the step after it.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place in reversed(range(len(steps))):
        places[steps[place].event_type].append(place)
    return places


def advances(steps: Sequence[Step], events: Iterable[Seen], roles: Roles) -> Iterator[Advance]:
    """Yield each step that a session takes. Its events must come in order, oldest first."""
    course, places = Course(steps, roles), places_by_type(steps)
    for event in events:
        yield from course.take(event, places.get(event.event_type, ()))


class FunnelCounter:
    """Counts how many sessions took each step of funnels that they entered on a day.

    Args:
        funnels: the funnels to count.
        end: the end of the day.
        roles: what the event types mean.
    """

    def __init__(self, funnels: Sequence[Funnel], end: datetime, roles: Roles) -> None:
        self.reached: Reached = {
            (funnel.id, place): 0 for funnel in funnels for place in range(len(funnel.steps))
        }
        """The sessions that took each step on the day."""
        self.crossed: Reached = defaultdict(int)
        """The sessions that took a step only after the day. Steps without any are left out."""
        self._end = end
        self._roles = roles
        # An event is only compared with the steps of its type: half the time of comparing with all.
        self._by_type: dict[str, list[tuple[Funnel, list[int]]]] = defaultdict(list)
        for funnel in funnels:
            for event_type, places in places_by_type(funnel.steps).items():
                self._by_type[event_type].append((funnel, places))

    def count(self, session: Iterable[Seen]) -> None:
        """Count the events of a session, oldest first. Each event is read once.

        Steps taken after the day are counted as far as its later events are among them.
        """
        courses: dict[int, Course] = {}
        on_the_day: dict[int, int] = defaultdict(int)
        in_total: dict[int, int] = defaultdict(int)
        for event in session:
            for funnel, places in self._by_type.get(event.event_type, ()):
                course = courses.get(funnel.id)
                if course is None:
                    course = courses[funnel.id] = Course(funnel.steps, self._roles)
                for advance in course.take(event, places):
                    steps = advance.place + 1
                    if advance.entered_at < self._end and steps > in_total[funnel.id]:
                        in_total[funnel.id] = steps
                    if advance.at < self._end and steps > on_the_day[funnel.id]:
                        on_the_day[funnel.id] = steps
        for funnel_id, steps in in_total.items():
            for place in range(steps):
                counts = self.reached if place < on_the_day[funnel_id] else self.crossed
                counts[funnel_id, place] += 1


def kept_funnels(connection: Connection) -> list[Funnel]:
    """Return the stored funnels."""
    funnels = tables.funnels.c
    rows = connection.execute(sa.select(funnels.id, funnels.digest, funnels.definition))
    return [Funnel(id_, digest, steps_of(definition)) for id_, digest, definition in rows]


def find_funnel(connection: Connection, steps: Sequence[Step]) -> Funnel | None:
    """Return the stored funnel with these steps, None if there is none."""
    funnels, digest = tables.funnels.c, _digest(steps)
    id_ = connection.scalar(sa.select(funnels.id).where(funnels.digest == digest))
    return None if id_ is None else Funnel(id_, digest, tuple(steps))


def is_kept(connection: Connection, steps: Sequence[Step], at: datetime) -> bool:
    """Return whether a funnel is stored, and was asked for less than `TOUCHED_AFTER` ago."""
    funnels = tables.funnels.c
    asked_at = connection.scalar(
        sa.select(funnels.asked_at).where(funnels.digest == _digest(steps))
    )
    # A time in the future comes from a wrong clock, and must be replaced.
    return asked_at is not None and timedelta(0) <= at - asked_at < TOUCHED_AFTER


def keep_funnel(
    connection: Connection, steps: Sequence[Step], at: datetime, default: Sequence[Step]
) -> None:
    """Store a funnel that is asked for now. The connection must be in a new transaction."""
    # A process that writes counts then waits, and cannot store counts of a funnel that is deleted
    # below.
    lock_state(connection)
    funnels, digest = tables.funnels, _digest(steps)
    # With a time in the future, from a wrong clock, an old funnel would outlive all newer ones.
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
        return  # another process has stored the same funnel at the same time
    other_ids = connection.execute(
        sa.select(funnels.c.id)
        .where(funnels.c.digest != _digest(default))
        .order_by(funnels.c.asked_at.desc(), funnels.c.id.desc())
    ).scalars()
    surplus_ids = list(other_ids)[MAX_FUNNELS - 1 :]
    for counts in (tables.funnel_counts, tables.funnel_crossings):
        connection.execute(counts.delete().where(counts.c.funnel_id.in_(surplus_ids)))
    connection.execute(funnels.delete().where(funnels.c.id.in_(surplus_ids)))


def replace_counts(
    connection: Connection, table: sa.Table, day: date, funnels: Sequence[Funnel], reached: Reached
) -> None:
    """Replace the stored counts of funnels on a day, in `funnel_counts` or `funnel_crossings`.

    Counts of funnels that were deleted meanwhile are dropped: another funnel may have the id now.
    """
    ids = _stored_ids(connection, funnels)
    connection.execute(table.delete().where(table.c.day == day, table.c.funnel_id.in_(ids)))
    rows = [
        {"day": day, "funnel_id": id_, "step": place, "sessions": sessions}
        for (id_, place), sessions in reached.items()
        if id_ in ids
    ]
    if rows:
        connection.execute(table.insert(), rows)


def add_counts(
    connection: Connection, table: sa.Table, day: date, funnels: Sequence[Funnel], deltas: Deltas
) -> None:
    """Add to the stored counts of those funnels that are counted for a day.

    Args:
        connection: in a transaction.
        table: `funnel_counts` or `funnel_crossings`.
        day: the day on which the funnels were entered.
        funnels: the stored funnels, when `deltas` were counted.
        deltas: what to add, by the funnel's id and the step's index.

    Raises:
        CountsDiffer: the stored counts are not what was counted before.
    """
    counts = tables.funnel_counts.c
    counted = sa.select(counts.funnel_id).where(counts.day == day, counts.step == 0)
    ids = _stored_ids(connection, funnels).intersection(connection.scalars(counted))
    deltas = {key: delta for key, delta in deltas.items() if key[0] in ids}
    place = Place(table, {"day": day}, ("funnel_id", "step"), ("sessions",))
    add_deltas(connection, place, deltas, keeps_zeros=table is tables.funnel_counts)


def _stored_ids(connection: Connection, funnels: Sequence[Funnel]) -> set[int]:
    """Return the ids of those funnels that are still stored. Another funnel may have an id now."""
    ids_and_digests = connection.execute(sa.select(tables.funnels.c.id, tables.funnels.c.digest))
    stored = {tuple(row) for row in ids_and_digests}
    return {funnel.id for funnel in funnels if (funnel.id, funnel.digest) in stored}


def uncounted_days(connection: Connection, funnel: Funnel, first: date, last: date) -> list[date]:
    """Return the counted days from `first` to `last` that lack the funnel, newest first."""
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
    """Return the funnels that are not counted for all counted days yet."""
    counts = tables.funnel_counts.c
    days = connection.scalar(sa.select(sa.func.count()).select_from(tables.days))
    rows = connection.execute(
        sa.select(counts.funnel_id, sa.func.count())
        .where(counts.step == 0)
        .group_by(counts.funnel_id)
    )
    counted = {id_: number for id_, number in rows}  # noqa: C416 - dict() of rows is not typed
    return [funnel for funnel in kept_funnels(connection) if counted.get(funnel.id, 0) != days]


def _digest(steps: Sequence[Step]) -> str:
    return sha256(definition_of(steps).encode()).hexdigest()
