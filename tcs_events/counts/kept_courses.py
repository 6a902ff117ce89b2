"""Keeps the courses of saved funnels over days: how far each visitor came from each day on.

A visitor's first steps of one day have one row: the one that got furthest, of several the latest.
The furthest of a period is the furthest of its days, so the rows answer for any period. A row
depends on the visitor's events of its day and of the time allowed after it. When some of these
events change, the visit is noted in the same transaction, and `course_counting` follows the visitor
again. So nothing is added up, and counting twice does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.courses import Course
from tcs_events.counts.steps import Step, definition_of, steps_of
from tcs_events.counts.time_limit import in_time
from tcs_events.counts.within import within_of
from tcs_events.database.batches import batches
from tcs_events.database.streaming import stream

MAX_KEPT = 20
"""The most saved funnels whose courses are kept, those that were saved last: each visitor with new
events is followed through all of them."""
ALL_DAYS = date(1899, 1, 1)
"""Before all days that are counted: `counted_from` of a funnel that is counted for all days."""
_MICROSECOND = timedelta(microseconds=1)


class KeptFunnel(NamedTuple):
    """A funnel over days whose courses are kept."""

    id: int
    steps: tuple[Step, ...]
    within: timedelta
    counted_from: date | None
    """The courses of first steps from this day on are kept. None if there are none yet."""


def definition_over_days(steps: Sequence[Step], within: timedelta) -> str:
    """Return the steps and the time allowed as JSON, without the order of conditions."""
    seconds = within // timedelta(seconds=1)
    return json.dumps({"steps": json.loads(definition_of(steps)), "within_seconds": seconds})


def kept_funnels_over_days(connection: Connection) -> list[KeptFunnel]:
    """Return the funnels whose courses are kept, or are to be kept."""
    return [_funnel(row) for row in connection.execute(sa.select(tables.course_funnels))]


def find_kept(
    connection: Connection, steps: Sequence[Step], within: timedelta
) -> KeptFunnel | None:
    """Return the funnel with these steps and this time, None if its courses are not kept."""
    digest = _digest(definition_over_days(steps, within))
    funnels = tables.course_funnels
    row = connection.execute(sa.select(funnels).where(funnels.c.digest == digest)).one_or_none()
    return None if row is None else _funnel(row)


def _funnel(row: sa.Row[Any]) -> KeptFunnel:
    read = json.loads(row.definition)
    steps, seconds = steps_of(json.dumps(read["steps"])), read["within_seconds"]
    return KeptFunnel(row.id, steps, timedelta(seconds=seconds), row.counted_from)


def are_kept(connection: Connection) -> bool:
    """Return whether just the saved funnels are kept."""
    return set(connection.scalars(sa.select(tables.course_funnels.c.digest))) == set(
        map(_digest, _saved_definitions(connection))
    )


def keep_saved(connection: Connection) -> list[KeptFunnel]:
    """Keep the saved funnels from now on, and return those that are not saved any more.

    Their courses are not read any more. Delete these, and then the funnels with `forget_funnel`.
    """
    kept, saved = tables.course_funnels, _saved_definitions(connection)
    stored = {row.digest: row for row in connection.execute(sa.select(kept))}
    for definition in saved:
        if (digest := _digest(definition)) not in stored:
            connection.execute(kept.insert().values(digest=digest, definition=definition))
    wanted = set(map(_digest, saved))
    gone = [_funnel(row) for digest, row in stored.items() if digest not in wanted]
    for funnel in gone:
        set_counted_from(connection, funnel, None)
    return gone


def _saved_definitions(connection: Connection) -> list[str]:
    """Return the definitions of the funnels over days that were saved last."""
    saved = tables.saved_funnels.c
    newest = saved.saved_at.desc(), saved.id.desc()
    definitions: list[str] = []
    for text in connection.scalars(sa.select(saved.definition).order_by(*newest)):
        read = json.loads(text)
        if read["within"] is None or read["per"] != "visitor" or read["break_down"] is not None:
            continue  # it is not answered by courses
        with suppress(ValueError):  # such as 1.5h, which cannot be asked by its name either
            within = within_of(read["within"])
            definition = definition_over_days(steps_of(json.dumps(read["steps"])), within)
            if definition not in definitions:
                definitions.append(definition)
    return definitions[:MAX_KEPT]


def set_counted_from(connection: Connection, funnel: KeptFunnel, day: date | None) -> None:
    """Note that the courses of first steps from this day on are kept; None for none."""
    kept = tables.course_funnels
    connection.execute(kept.update().where(kept.c.id == funnel.id).values(counted_from=day))


def forget_funnel(connection: Connection, funnel: KeptFunnel) -> None:
    """Delete a funnel. Its courses must be deleted before: SQLite uses its id again."""
    kept = tables.course_funnels
    connection.execute(kept.delete().where(kept.c.id == funnel.id))


def count_all_again(connection: Connection) -> None:
    """Have the courses of all funnels counted again."""
    connection.execute(tables.course_funnels.update().values(counted_from=None))
    connection.execute(tables.changed_visits.delete())


def note_changed(connection: Connection, day: date, sessions: Collection[str]) -> None:
    """Note that events of sessions on a day have changed, in the transaction that counts them."""
    counted_from = tables.course_funnels.c.counted_from
    is_kept = sa.select(counted_from).where(counted_from <= day).limit(1)
    if sessions and connection.execute(is_kept).first() is not None:
        rows = [{"session_id": session_id, "day": day} for session_id in sessions]
        connection.execute(tables.changed_visits.insert(), rows)


def forget_courses(connection: Connection, sessions: Collection[str]) -> None:
    """Delete all courses of sessions."""
    for table in (tables.courses, tables.changed_visits):
        for batch in batches(sorted(sessions)):
            connection.execute(table.delete().where(table.c.session_id.in_(batch)))


def replace_courses(
    connection: Connection,
    funnel: KeptFunnel,
    days: Mapping[str, tuple[date, date]],
    found: Mapping[str, Mapping[date, Course]],
) -> None:
    """Replace courses of a funnel.

    Args:
        connection: in a transaction.
        funnel: whose courses.
        days: the first and the last day of the first steps, by session.
        found: the courses of these days, by session and day of the first step.
    """
    courses = tables.courses
    columns = (courses.c.id, courses.c.session_id, courses.c.day)
    old_ids = [
        row_id
        for batch in batches(sorted(days))
        for row_id, session_id, day in connection.execute(
            sa.select(*columns).where(
                courses.c.session_id.in_(batch), courses.c.funnel_id == funnel.id
            )
        )
        if session_id in days and days[session_id][0] <= day <= days[session_id][1]
    ]
    for batch in batches(old_ids):
        connection.execute(courses.delete().where(courses.c.id.in_(batch)))
    rows = [
        {"funnel_id": funnel.id, "session_id": session_id, "day": day, "times": _times_of(course)}
        for session_id, by_day in found.items()
        for day, course in by_day.items()
    ]
    if rows:
        connection.execute(courses.insert(), rows)


def kept_seconds(
    connection: Connection,
    funnel: KeptFunnel,
    first: date,
    last: date,
    *conditions: sa.ColumnElement[bool],
) -> Iterator[list[float]]:
    """Yield for each visitor of a period the seconds from the first step to each other step.

    Args:
        connection: to the counts.
        funnel: one that is counted from `first` on.
        first: the first day of the first step.
        last: the last day of the first step.
        conditions: others on the rows.

    Raises:
        OutOfTime: the time limit of the connection is over.
    """
    courses = tables.courses.c
    query = (
        sa.select(courses.session_id, courses.times)
        .where(courses.funnel_id == funnel.id, courses.day.between(first, last), *conditions)
        .order_by(courses.session_id, courses.day.desc())
    )
    with stream(connection, query) as rows:
        for _, session in groupby(in_time(connection, rows), key=itemgetter(0)):
            # The furthest. Of several, `max` takes the first, which is that of the latest day.
            micros = max((times.split() for _, times in session), key=len)
            yield [int(number) / 1_000_000 for number in micros]


def _times_of(course: Course) -> str:
    entry, *later = course
    return " ".join(str(_micros(at - entry.at)) for at in later)


def _micros(time: timedelta) -> int:
    return time // _MICROSECOND


def _digest(definition: str) -> str:
    return sha256(definition.encode()).hexdigest()
