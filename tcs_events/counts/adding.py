"""Adds what is new of some sessions to the counts of a day, without reading the rest of the day.

For each session with new events, what it contributed before is taken away, and what it contributes
now is added. `fingerprints` make sure that the former is what was counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection, select

from tcs_events.counts import tables
from tcs_events.counts.audit import add_to_check
from tcs_events.counts.changes import NewOfDay
from tcs_events.counts.crossings import CrossingChange
from tcs_events.counts.days import Day
from tcs_events.counts.deltas import add_deltas, deltas_of
from tcs_events.counts.events import StoredRow, rows_between
from tcs_events.counts.facts import LOOK_AHEAD, Facts
from tcs_events.counts.fingerprints import (
    CannotAdd,
    Fingerprint,
    Fingerprints,
    fingerprint_of,
    in_memory,
    replace_fingerprints,
)
from tcs_events.counts.funnels import Funnel, FunnelCounter, add_counts
from tcs_events.counts.meaning import Meaning
from tcs_events.counts.property_rows import countable_deltas
from tcs_events.counts.rows import FACT_TABLES
from tcs_events.counts.spans import forget_spans
from tcs_events.counts.visit import count_session
from tcs_events.counts.visits import (
    add_retention,
    change_visits,
    kept_visits,
    retention_of,
)
from tcs_events.database.batches import batches

MIN_EVENTS = 1_000
"""A day with fewer events is always counted as a whole, which is as fast as adding."""
MAX_SHARE = 1
"""The most events that adding may count, as a share of the day's events."""
SESSIONS_AT_ONCE = 500
"""How many sessions are added in one transaction, for which SQLite blocks all other writers."""


def is_worth_it(connection: Connection, day: date, new: NewOfDay, kept: Fingerprints) -> bool:
    """Return whether adding to a day takes less time than counting it as a whole.

    Args:
        connection: to the tables of the counts.
        day: the day.
        new: what is new of it.
        kept: the stored fingerprints of its sessions.
    """
    days = tables.days.c
    events = connection.scalar(select(days.events).where(days.day == day, ~days.is_stale))
    # The events of these sessions are counted twice: what they were, and what they are.
    to_count = 2 * sum(counted.events for counted in kept.values()) + new.events
    return events is not None and events >= MIN_EVENTS and to_count <= MAX_SHARE * events


class Change:
    """What is new of some sessions on a day.

    Args:
        day: a counted day.
        funnels: the stored funnels.
        meaning: what the event types mean.
    """

    def __init__(self, day: Day, funnels: Sequence[Funnel], meaning: Meaning) -> None:
        self._day = day
        self._meaning = meaning
        roles = meaning.roles
        self._funnels = funnels
        self._old, self._new = Facts(), Facts()
        self._old_funnels = FunnelCounter(funnels, day.end, roles)
        self._new_funnels = FunnelCounter(funnels, day.end, roles)
        self._crossings = CrossingChange(day, funnels, roles)
        self._fingerprints: Fingerprints = {}
        """The new fingerprints of the sessions that have changed."""
        self._new_ids: list[int] = []
        """The ids of the events that were not counted before."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is new."""
        return not self._fingerprints

    def read(self, connection: Connection, sessions: Sequence[str], kept: Fingerprints) -> None:
        """Read the events of sessions, and count what was counted before and what is to be counted.

        Args:
            connection: to the events.
            sessions: each session once.
            kept: their stored fingerprints.

        Raises:
            CannotAdd: the events do not agree with the fingerprints, or a session has too many.
        """
        start, end = self._day.start, self._day.end + LOOK_AHEAD
        for batch in batches(sessions):
            asked = set(batch)
            with rows_between(connection, start, end, sessions=batch) as rows:
                for session_id, session in groupby(rows, key=attrgetter("session_id")):
                    if session_id not in asked:  # some collations treat different ids as equal
                        raise CannotAdd
                    asked.remove(session_id)
                    self._compare(session_id, in_memory(session), kept.get(session_id))
        self._crossings.read(connection, self._fingerprints)

    def _compare(
        self, session_id: str, events: list[StoredRow], before: Fingerprint | None
    ) -> None:
        fingerprint = fingerprint_of(events)
        if fingerprint == before:
            return
        counted = [row for row in events if before is not None and row.id <= before.last_id]
        if before is not None and fingerprint_of(counted) != before:
            raise CannotAdd
        self._fingerprints[session_id] = fingerprint
        counted_ids = {row.id for row in counted}
        self._new_ids += [row.id for row in events if row.id not in counted_ids]
        if events[0].is_marked:
            return
        now = [row.seen() for row in events]  # reads each payload once
        old = [seen for row, seen in zip(events, now, strict=True) if row.id in counted_ids]
        for facts, funnels, session in (
            (self._old, self._old_funnels, old),
            (self._new, self._new_funnels, now),
        ):
            roles, declared = self._meaning.roles, self._meaning.declared
            count_session(facts, self._day, session_id, session, funnels, roles, declared)

    def store(self, connection: Connection) -> None:
        """Add what is new to all counts, in a transaction in which no other process changes them.

        Raises:
            CountsDiffer: the stored counts are not what was counted before.
        """
        day, old, new = self._day.date, self._old, self._new
        sessions = sorted(self._fingerprints)
        forget_spans(connection, day)
        for facts_of in FACT_TABLES:
            deltas = deltas_of(getattr(new, facts_of.fact), getattr(old, facts_of.fact))
            if facts_of.table is tables.properties:
                deltas = countable_deltas(connection, day, deltas)
            add_deltas(connection, facts_of.place(day), deltas)
        connection.execute(
            tables.days.update()
            .where(tables.days.c.day == day)
            .values(events=tables.days.c.events + (new.events - old.events))
        )
        reached = deltas_of(self._new_funnels.reached, self._old_funnels.reached)
        add_counts(connection, tables.funnel_counts, day, self._funnels, reached)
        self._change_visits(connection, sessions)
        replace_fingerprints(connection, day, self._fingerprints, sessions)
        add_to_check(connection, day, self._new_ids)
        self._crossings.store(connection)

    def _change_visits(self, connection: Connection, sessions: Sequence[str]) -> None:
        """Change the visits, and with them the retention of all days that depend on them."""
        day, visits = self._day.date, self._new.visits
        kept = kept_visits(connection, day, sessions)
        new_visits, gone_visits = sorted(visits - kept.keys()), sorted(kept.keys() - visits)
        changed = sorted({session_id for session_id, _ in (*new_visits, *gone_visits)})
        before = retention_of(connection, changed)
        change_visits(connection, day, new_visits, gone_visits, kept, marks_retention=False)
        add_retention(connection, before, retention_of(connection, changed))
