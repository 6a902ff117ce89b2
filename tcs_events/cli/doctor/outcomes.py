"""Checks that the outcomes add up, and that they match the stored events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.event import Outcome
from tcs_events.models import UserEvent
from tcs_events.watch.tally import Day, read_days

EVENTS_LOOKED_AT = 200_000
"""The most events that are counted for a comparison: counting more takes seconds."""
UNDER_WAY = 100
"""How many received events may not have ended yet when the processes save their counts."""
MANY_REFUSED = 0.1


def outcome_findings(connection: Connection, now: datetime) -> list[Finding]:
    """Check how the events since yesterday ended, and whether the table has as many."""
    yesterday = now.date() - timedelta(days=1)
    days = read_days(connection, yesterday)
    received, ended = sum(day.received for day in days), sum(day.ended for day in days)
    what = f"outcomes since yesterday: {received:,} received, {ended:,} ended"
    troubles = [
        *_failed(days),
        *_unbalanced(received, ended),
        *_refused(days, received),
        *_not_here(connection, days, datetime.combine(yesterday, datetime.min.time(), UTC)),
    ]
    return [Finding(what, HINT, trouble) for trouble in troubles] or [Finding(what)]


def _failed(days: list[Day]) -> list[str]:
    failed: dict[str, int] = {}
    for day in days:
        for reason, events in day.reasons.get(Outcome.FAILED, {}).items():
            failed[reason] = failed.get(reason, 0) + events
    if not failed:
        return []
    reasons = ", ".join(f"{reason} {events:,}" for reason, events in sorted(failed.items()))
    remedy = f"{sum(failed.values()):,} were not stored at the first attempt ({reasons});"
    return [f"{remedy} see `flask tcs-events outcomes` and the log"]


def _unbalanced(received: int, ended: int) -> list[str]:
    if -UNDER_WAY <= received - ended <= max(UNDER_WAY, received // 100):
        return []
    return [
        f"they differ by {received - ended:+,}, more than can be in progress; check that all"
        " processes run the same version, and that the server does not kill them"
    ]


def _refused(days: list[Day], received: int) -> list[str]:
    refused = sum(day.events[Outcome.INVALID] for day in days)
    if refused <= max(10, received * MANY_REFUSED):
        return []
    return [
        f"{refused:,} were refused for good; see `flask tcs-events outcomes` for the field, and set"
        " TCS_EVENTS_KEEP_REJECTED to keep such events for `flask tcs-events replay`"
    ]


def _not_here(connection: Connection, days: list[Day], since: datetime) -> list[str]:
    """Compare the number of acknowledged events with the number in the table."""
    accepted = sum(day.events[Outcome.ACCEPTED] for day in days)
    if accepted > EVENTS_LOOKED_AT:
        return []
    tolerance = max(UNDER_WAY, accepted // 10)
    newest = (
        sa.select(UserEvent.received_at)
        .order_by(UserEvent.id.desc())
        .limit(accepted + tolerance + 1)
        .subquery()
    )
    count = sa.select(sa.func.count()).where(newest.c.received_at >= since)
    stored = connection.scalar(count) or 0
    if stored < accepted - tolerance:
        return [
            f"{accepted - stored:,} of {accepted:,} acknowledged events are not in the table; if"
            " nobody has pruned, forgotten or deleted them, check that all processes use this"
            " database"
        ]
    if stored > accepted + tolerance:
        return [
            f"the table has more events of these days than the {accepted:,} that were counted;"
            " check that all processes run the same version, and that the server does not kill them"
        ]
    return []
