"""A sample of the stored visits, so that an estimate finds its visitors without reading all visits.

Visitors are drawn by the MD5 of their session id: each bit 0 that it begins with halves them. So
the visitors are the same for each question and in each database. The visits of those who are halved
`KEPT_FROM` times are kept twice. They change with the stored visits, in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.time_limit import in_time
from tcs_events.database.batches import batches
from tcs_events.database.streaming import stream

KEPT_FROM = 3
"""Of every 8 visitors one is kept twice. A sample with more of them is drawn from all visits."""
MD5_BITS = 128

Visit = tuple[str, str]
"""A session id, and an event type that the session sent on a day."""


def halvings_of(session_id: str) -> int:
    """Return with how many bits 0 the MD5 of a session id begins."""
    # Half of a surrogate pair, which a host may have stored, cannot be encoded otherwise.
    text = session_id.encode("utf-8", "surrogatepass")
    digest = hashlib.md5(text, usedforsecurity=False).digest()
    return MD5_BITS - int.from_bytes(digest).bit_length()


def change_sample(
    connection: Connection,
    day: date,
    new_visits: Sequence[Visit],
    gone_visits: Sequence[Visit],
) -> None:
    """Change the sample with the visits of a day, in the transaction that changes them."""
    gone_sessions = {session_id for session_id, _ in gone_visits if _is_kept(session_id)}
    if gone_sessions:
        sampled, gone = tables.sampled_visits, set(gone_visits)
        row_ids = [
            row.id
            for batch in batches(sorted(gone_sessions))
            for row in connection.execute(
                sa.select(sampled.c.id, sampled.c.session_id, sampled.c.event_type).where(
                    sampled.c.session_id.in_(batch), sampled.c.day == day
                )
            )
            if (row.session_id, row.event_type) in gone
        ]
        for batch in batches(row_ids):
            connection.execute(sampled.delete().where(sampled.c.id.in_(batch)))
    rows = [
        {"session_id": session_id, "day": day, "event_type": event_type, "halvings": halvings}
        for session_id, event_type in new_visits
        if (halvings := halvings_of(session_id)) >= KEPT_FROM
    ]
    if rows:
        connection.execute(tables.sampled_visits.insert(), rows)


def forget_without_visits(connection: Connection) -> None:
    """Delete what `forget` of an older version, which knows no sample, has left in it."""
    sampled, visits = tables.sampled_visits, tables.visits.c
    has_visit = sa.exists().where(
        visits.session_id == sampled.c.session_id,
        visits.day == sampled.c.day,
        visits.event_type == sampled.c.event_type,
    )
    connection.execute(sampled.delete().where(~has_visit))


def forget_sampled(connection: Connection, sessions: Collection[str]) -> None:
    """Delete all visits of the sessions from the sample."""
    sampled = tables.sampled_visits
    for batch in batches(sorted(filter(_is_kept, sessions))):
        connection.execute(sampled.delete().where(sampled.c.session_id.in_(batch)))


def drawn_sessions(
    connection: Connection,
    first: date,
    last: date,
    types: Collection[str],
    halvings: int,
    name_of: Callable[[str], str] | None = None,
) -> list[str]:
    """Return the sessions of a sample: one visitor in 2, 4, 8 ... of those with visits.

    Args:
        connection: to the counts.
        first: the first day of the visits.
        last: the last day.
        types: the visits are those with an event of one of these types.
        halvings: how often the visitors are halved; 0 for all.
        name_of: returns the text that a session is drawn by; None for the session id. Sessions with
            the same text are drawn together.

    Raises:
        OutOfTime: the time limit of the connection is over.
    """
    is_kept = name_of is None and halvings >= KEPT_FROM
    visits = tables.sampled_visits if is_kept else tables.visits
    query = (
        sa.select(visits.c.session_id)
        .where(visits.c.day.between(first, last), visits.c.event_type.in_(types))
        .distinct()
    )
    if is_kept:
        query = query.where(visits.c.halvings >= halvings)
    elif halvings and name_of is None and connection.dialect.name != "sqlite":  # which has no MD5
        query = query.where(
            sa.func.md5(visits.c.session_id) < f"{(1 << MD5_BITS) >> halvings:032x}"
        )
    with stream(connection, query) as rows:
        return [
            session_id
            for session_id in in_time(connection, rows.scalars())
            if halvings_of(name_of(session_id) if name_of else session_id) >= halvings
        ]


def _is_kept(session_id: str) -> bool:
    return halvings_of(session_id) >= KEPT_FROM
