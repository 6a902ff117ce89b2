"""The fingerprint of a session's events: it tells which of them were counted on a day.

When a session gets new events, its old part of the counts is taken away, and its new part is added.
The old part must be counted from exactly the events that were counted before. So the number of a
session's events, their largest id and a checksum are stored for each day. If the events up to that
id do not agree with them, some were deleted, changed, or became visible late. The day is then
counted again as a whole.

The events of a day include those of `LOOK_AHEAD` after it. Events of sessions that are marked as
crawlers are not counted, but they have fingerprints: the checks of `audit` include them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import Day
from tcs_events.counts.events import StoredRow
from tcs_events.counts.facts import Seen
from tcs_events.counts.kept_courses import note_changed
from tcs_events.counts.visits import rows_of_sessions
from tcs_events.database.batches import batches

VISIT_MAX_EVENTS = 2_000
"""The most events of a session to which others are added. They are kept in memory."""


class CannotAdd(Exception):
    """The day must be counted as a whole: what was counted before is not known."""


class Fingerprint(NamedTuple):
    """Which events of a session were counted on a day."""

    events: int
    last_id: int
    """The largest id of these events."""
    checksum: int


Fingerprints = dict[str, Fingerprint]
"""The fingerprints of a day by session id."""

NEVER = Fingerprint(-1, 0, 0)
"""A fingerprint that agrees with no events."""


def in_memory(session: Iterable[StoredRow]) -> list[StoredRow]:
    """Return the events of a session as a list.

    Raises:
        CannotAdd: there are more than `VISIT_MAX_EVENTS`.
    """
    events = list(islice(session, VISIT_MAX_EVENTS + 1))
    if len(events) > VISIT_MAX_EVENTS:
        raise CannotAdd
    return events


class _Tally:
    """Makes the fingerprint of a session's events. They must come oldest first."""

    def __init__(self) -> None:
        self._events = 0
        self._last_id: int | None = None
        self._checksum = 0

    def noted(self, rows: Iterable[StoredRow]) -> Iterator[StoredRow]:
        """Yield the events, and note each of them."""
        for row in rows:
            self._events += 1
            self._last_id = row.id if self._last_id is None else max(row.id, self._last_id)
            text = f"{row.id} {row.event_type} {row.at} {row.is_marked} {row.json}"
            self._checksum = crc32(text.encode("utf-8", "surrogatepass"), self._checksum)
            yield row

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self._events, self._last_id or 0, self._checksum)


def fingerprint_of(rows: Iterable[StoredRow]) -> Fingerprint:
    """Return the fingerprint of a session's events, which must come oldest first."""
    tally = _Tally()
    for _ in tally.noted(rows):
        pass
    return tally.fingerprint


def fingerprinted_sessions(
    rows: Iterable[StoredRow], fingerprints: Fingerprints
) -> Iterator[tuple[str, Iterator[Seen]]]:
    """Yield the id and the events of each session to count, and add all to `fingerprints`.

    The events of a session must be read before the next session. They come from an iterator, not a
    list: one session may have sent most of them.
    """
    for (session_id, is_marked), session in groupby(
        rows, key=attrgetter("session_id", "is_marked")
    ):
        tally = _Tally()
        noted = tally.noted(session)
        if not is_marked:
            yield session_id, (row.seen() for row in noted)
        for _ in noted:
            pass
        # Some collations treat different ids as equal. Their events then come mixed.
        fingerprints[session_id] = NEVER if session_id in fingerprints else tally.fingerprint


def kept_fingerprints(
    connection: Connection, day: date, sessions: Sequence[str] | None = None
) -> Fingerprints:
    """Return the stored fingerprints of a day, of all sessions or of those given."""
    counted = tables.sessions.c
    columns = (counted.session_id, counted.events, counted.last_id, counted.checksum)
    query = sa.select(*columns).where(counted.day == day)
    rows = rows_of_sessions(connection, query, counted.session_id, sessions)
    return {row.session_id: Fingerprint(row.events, row.last_id, row.checksum) for row in rows}


def replace_fingerprints(
    connection: Connection, day: date, new: Mapping[str, Fingerprint], sessions: Sequence[str]
) -> None:
    """Replace the fingerprints of sessions on a day. Those that are not in `new` then have none.

    Whatever else depends on the events of these sessions is noted.
    """
    counted = tables.sessions
    for batch in batches(sessions):
        note_changed(connection, day, batch)
        is_theirs = (counted.c.day == day) & counted.c.session_id.in_(batch)
        connection.execute(counted.delete().where(is_theirs))
        rows = [
            {"session_id": session_id, "day": day, **new[session_id]._asdict()}
            for session_id in batch
            if session_id in new
        ]
        if rows:
            connection.execute(counted.insert(), rows)


def forget_fingerprints(connection: Connection, sessions: Collection[str]) -> None:
    """Delete all fingerprints of sessions."""
    counted = tables.sessions
    for batch in batches(sorted(sessions)):
        connection.execute(counted.delete().where(counted.c.session_id.in_(batch)))


class CountedEvents:
    """Tells which events of some days are counted, by the stored fingerprints of these days.

    What is read later than the day was counted must leave out the events that were stored since.
    Otherwise they would be counted twice when they are added.

    Args:
        connection: to the tables of the counts.
        days: days that follow each other, oldest first.
        sessions: the sessions whose events are asked for; None for all.
    """

    def __init__(
        self, connection: Connection, days: Sequence[Day], sessions: Sequence[str] | None = None
    ) -> None:
        self._days = days
        self._fingerprints = {
            day.date: kept_fingerprints(connection, day.date, sessions) for day in days
        }

    def replace(self, day: date, fingerprints: Fingerprints) -> None:
        """Ask with other fingerprints of a day from now on."""
        self._fingerprints[day] = fingerprints

    def among(self, rows: Iterable[StoredRow]) -> Iterator[StoredRow]:
        """Yield the events that are counted. All must be on one of the days."""
        for row in rows:
            day = next(day.date for day in self._days if row.at < day.end)
            fingerprint = self._fingerprints[day].get(row.session_id)
            if fingerprint is not None and row.id <= fingerprint.last_id and not row.is_marked:
                yield row
