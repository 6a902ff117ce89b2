"""What one session or person did."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.table import Table
from tcs_events.event import EMAIL_MAX_LENGTH, SESSION_ID_MAX_LENGTH, USER_ID_MAX_LENGTH
from tcs_events.reports import TimelineEvent
from tcs_events.reports.timeline import TIMELINE_COLUMNS

SHOWN_EVENTS = 100


def visitor_of(asked: Asked) -> tuple[str, str, str]:
    """Return the session, the e-mail address and the user id in the URL; "" for a missing one.

    Raises:
        BadParameter: more than one is given.
    """
    session = asked.text("session", SESSION_ID_MAX_LENGTH)
    email = asked.text("email", EMAIL_MAX_LENGTH)
    user = asked.text("user", USER_ID_MAX_LENGTH)
    if len([*filter(None, (session, email, user))]) > 1:
        raise BadParameter("Give a “session”, an “email” or a “user”: only one of them.")
    return session, email, user


def _rows(asked: Asked, limit: int, offset: int | None = None) -> list[TimelineEvent]:
    session, email, user = visitor_of(asked)
    if user:
        return asked.reports.user_timeline(user, limit, offset)
    if session:
        return asked.reports.session_timeline(session, limit, offset)
    return asked.reports.person_timeline(email, limit, offset) if email else []


table = Table(
    "timeline",
    "Timeline",
    "What happened, oldest first.",
    TIMELINE_COLUMNS,
    # With an offset the report gives the oldest events first; without one, the newest.
    lambda asked, limit, offset=0: _rows(asked, limit, offset),
    keeps=("session", "email", "user"),
    can_skip=True,
    leads_to={"session_id": lambda row: ("timeline", {"session": row.session_id})},
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the last events of the visitor, oldest first."""
    session, email, user = visitor_of(asked)
    return {"session": session, "email": email, "user": user, "timeline": _rows(asked, limit)}


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the events by day, and the first event from which on the visitor is known."""
    events: list[TimelineEvent] = answer["timeline"][-SHOWN_EVENTS:]
    known_from = next((event for event in events if event.is_known), None)
    return {
        "knows_users": asked.reports.settings.identify_user is not None,
        "days": [
            (day, list(day_events))
            for day, day_events in groupby(events, lambda event: event.at.date())
        ],
        "count": len(events),
        "sessions": len({event.session_id for event in events}),
        "known_from": known_from if events and not events[0].is_known else None,
        "is_known": bool(events) and events[0].is_known,
        "has_more": len(answer["timeline"]) > SHOWN_EVENTS,
    }


page = Page(
    "timeline",
    "Timeline",
    "What did one visitor do?",
    "All events of a session, or of a person: also those from before the person was known.",
    answer,
    show,
    (table,),
    keeps=("session", "email", "user"),
    rows=SHOWN_EVENTS,
    has_period=False,
    reads_events=lambda asked: True,
)
