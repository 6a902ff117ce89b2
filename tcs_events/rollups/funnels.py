"""The funnels that somebody asked for: kept, and counted with each day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.rollups import tables
from tcs_events.rollups.facts import Seen
from tcs_events.rollups.steps import Step, definition_of, step, steps_of

MAX_FUNNELS = 20
"""How many are kept: each is counted with every day. The least recently asked one goes."""
DEFAULT_FUNNEL = (step("sage_query[result_count>0]"), step("card_click"))
"""What the dashboard asks by itself. It is counted from the beginning, and always kept."""
TOUCHED_AFTER = timedelta(minutes=1)
"""Whoever asks again sooner does not cost a write."""


class Funnel(NamedTuple):
    """A funnel that is kept."""

    id: int
    digest: str
    steps: tuple[Step, ...]


class FunnelCounter:
    """Counts, session by session, how many took the steps of funnels."""

    def __init__(self, funnels: Sequence[Funnel]) -> None:
        self.reached: dict[tuple[int, int], int] = {
            (funnel.id, place): 0 for funnel in funnels for place in range(len(funnel.steps))
        }
        """Sessions by the funnel and the place of the step."""
        # An event is only held against the funnels that have a step of its type.
        self._by_type: dict[str, list[Funnel]] = defaultdict(list)
        for funnel in funnels:
            for event_type in {one.event_type for one in funnel.steps}:
                self._by_type[event_type].append(funnel)

    def count(self, within: Iterable[Seen]) -> None:
        """Count the events of one session on one day, oldest first."""
        taken: dict[int, int] = defaultdict(int)
        for seen in within:
            for funnel in self._by_type.get(seen.event_type, ()):
                place = taken[funnel.id]
                if place < len(funnel.steps) and funnel.steps[place].matches(
                    seen.event_type, seen.payload
                ):
                    taken[funnel.id] = place + 1
        for number, places in taken.items():
            for place in range(places):
                self.reached[number, place] += 1


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
    return asked_at is not None and at - asked_at < TOUCHED_AFTER


def keep_funnel(connection: Connection, steps: Sequence[Step], at: datetime) -> None:
    """Keep a funnel that is asked for now, in a transaction of its own."""
    # Holds off whoever is writing the counts of a day: those of a funnel that goes must not stay.
    connection.execute(tables.state.update().values(id=tables.state.c.id))
    funnels, digest = tables.funnels, _digest(steps)
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
    counts = tables.funnel_counts
    connection.execute(counts.delete().where(counts.c.funnel_id.in_(too_many)))
    connection.execute(funnels.delete().where(funnels.c.id.in_(too_many)))


def replace_counts(
    connection: Connection,
    of_day: date,
    funnels: Sequence[Funnel],
    reached: dict[tuple[int, int], int],
) -> None:
    """Put what was counted of a day in the place of what was kept of it.

    That of funnels that are no longer kept is dropped: another may have their number by now.
    """
    counts = tables.funnel_counts
    still = {
        (number, digest)
        for number, digest in connection.execute(
            sa.select(tables.funnels.c.id, tables.funnels.c.digest)
        )
    }
    ids = {funnel.id for funnel in funnels if (funnel.id, funnel.digest) in still}
    connection.execute(counts.delete().where(counts.c.day == of_day, counts.c.funnel_id.in_(ids)))
    rows = [
        {"day": of_day, "funnel_id": number, "step": place, "sessions": sessions}
        for (number, place), sessions in reached.items()
        if number in ids
    ]
    if rows:
        connection.execute(counts.insert(), rows)


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
