"""Do the numbers of what became of the events add up?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.cli.doctor.finding import HINT, Finding
from tcs_events.event import Outcome
from tcs_events.models import UserEvent
from tcs_events.watch.tally import Day, read_days

EVENTS_LOOKED_AT = 200_000
"""More events are not counted: it takes seconds."""
UNDER_WAY = 100
"""So many events of all processes may have come in and not have ended when it was written down."""
MANY_REFUSED = 0.1


def outcome_findings(connection: Connection, now: datetime) -> list[Finding]:
    """See how the events of two days ended, and whether the table has as many."""
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
    remedy = f"{sum(failed.values()):,} were not stored at their first attempt ({reasons});"
    return [f"{remedy} see `flask tcs-events outcomes` and the log"]


def _unbalanced(received: int, ended: int) -> list[str]:
    if -UNDER_WAY <= received - ended <= max(UNDER_WAY, received // 100):
        return []
    return [
        f"they differ by {received - ended:+,}, more than can be under way; see that all processes"
        " run the same version, and that the server ends them in order"
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
    """Compare what was acknowledged with what the table has."""
    accepted = sum(day.events[Outcome.ACCEPTED] for day in days)
    if accepted > EVENTS_LOOKED_AT:
        return []
    some = max(UNDER_WAY, accepted // 10)
    newest = (
        sa.select(UserEvent.received_at)
        .order_by(UserEvent.id.desc())
        .limit(accepted + some + 1)
        .subquery()
    )
    count = sa.select(sa.func.count()).where(newest.c.received_at >= since)
    here = connection.scalar(count) or 0
    if here < accepted - some:
        return [
            f"{accepted - here:,} of {accepted:,} acknowledged events are not in the table; if"
            " nobody has pruned, forgotten or deleted them, see that all processes use this"
            " database"
        ]
    if here > accepted + some:
        return [
            f"the table has more events of these days than the {accepted:,} that were counted; see"
            " that all processes run the same version and end in order"
        ]
    return []
