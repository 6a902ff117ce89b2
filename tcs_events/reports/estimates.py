"""Estimates from a sample of visitors, where all events would take too long to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, fsum, log2

import sqlalchemy as sa

from tcs_events.counts.facts import ALL_TYPES
from tcs_events.errors import NotCounted
from tcs_events.models import UserEvent
from tcs_events.reports.margins import spread
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading
from tcs_events.reports.sampling import counted_events, counted_visits


def halvings_to(most_events: int | None, events: int) -> int:
    """Return how often to halve the visitors so that about `most_events` of the events are left.

    0 if there are at most `most_events`, or if that is None.
    """
    if most_events is None or events <= most_events:
        return 0
    return ceil(log2(events / most_events))


def halvings_of_question(reading: Reading, period: Period, event_type: str = ALL_TYPES) -> int:
    """Return how often to halve the visitors of a question that reads events of a period.

    0 if all events may be read, or if it is not known yet how many there are.
    """
    if reading.most_events is None:
        return 0
    try:
        with reading.counts() as connection:
            events = counted_events(connection, [event_type], period)
    except NotCounted:
        return 0
    return halvings_to(reading.most_events, events)


def halvings_of_visits(reading: Reading, period: Period, event_type: str) -> int:
    """Return the same for a question that reads all events of the visits with an event type."""
    if reading.most_events is None:
        return 0
    try:
        with reading.counts() as connection:
            events = counted_events(connection, [ALL_TYPES], period)
            visits, of_type = (
                counted_visits(connection, name, period) for name in (ALL_TYPES, event_type)
            )
    except NotCounted:
        return 0
    return halvings_to(reading.most_events, ceil(events * of_type / visits)) if visits else 0


def of_sessions(sessions: Sequence[str], event_type: str) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for events of a type, found by the index on session ids.

    With a plain column SQLite would take the index on event types, and read the whole period for
    each batch of sessions.
    """
    event = UserEvent.__table__.c
    return [event.session_id.in_(sessions), sa.func.coalesce(event.event_type, "") == event_type]


def margin_of_total(parts: Iterable[float], sampled: float | None) -> float | None:
    """Return the margin of a sum over all visitors; None if it is exact or of nobody.

    Args:
        parts: what each visitor of the sample has.
        sampled: the share of the visitors that were drawn; None for all.
    """
    known = list(parts)
    if sampled is None or not known:
        return None
    return spread(fsum(part * part for part in known), len(known), sampled) / sampled
