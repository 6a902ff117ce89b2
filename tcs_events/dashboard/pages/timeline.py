"""What one session or person did."""

from __future__ import annotations

from itertools import groupby, islice
from typing import Any

from tcs_events.dashboard.asked import Asked, BadParameter
from tcs_events.dashboard.formats import value_text
from tcs_events.dashboard.page import Answers, Page
from tcs_events.dashboard.pages.live import visitors
from tcs_events.dashboard.table import Table, timeline_of
from tcs_events.event import EMAIL_MAX_LENGTH, SESSION_ID_MAX_LENGTH, USER_ID_MAX_LENGTH
from tcs_events.reports import TimelineEvent
from tcs_events.reports.timeline import TIMELINE_COLUMNS

SHOWN_EVENTS = 100
OPEN_DAYS = 2
"""How many of the last days are unfolded."""
PROPERTIES_IN_LINE = 4
"""The most properties in the line of an event. All are below it, folded."""
LISTED_VISITORS = 25
"""How many of the latest visitors are listed where nobody is asked for."""


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
    leads_to={"session_id": timeline_of},
)


def answer(asked: Asked, limit: int) -> Answers:
    """Return the last events of the visitor, oldest first."""
    session, email, user = visitor_of(asked)
    return {"session": session, "email": email, "user": user, "timeline": _rows(asked, limit)}


def show(asked: Asked, answer: Answers) -> dict[str, Any]:
    """Return the events by day, and the first event from which on the visitor is known.

    Where nobody is asked for, return the latest visitors to choose from.
    """
    if not (answer["session"] or answer["email"] or answer["user"]):
        latest = visitors.of(asked.reports.latest_visitors(LISTED_VISITORS), size=LISTED_VISITORS)
        return {"latest": latest, "knows_users": asked.reports.settings.identify_user is not None}
    events: list[TimelineEvent] = answer["timeline"][-SHOWN_EVENTS:]
    known_from = next((event for event in events if event.is_known), None)
    return {
        "knows_users": asked.reports.settings.identify_user is not None,
        "days": [
            (day, [(event, _line(event.payload)) for event in day_events])
            for day, day_events in groupby(events, lambda event: event.at.date())
        ],
        "open_days": OPEN_DAYS,
        "count": len(events),
        "sessions": len({event.session_id for event in events}),
        "known_from": known_from if events and not events[0].is_known else None,
        "is_known": bool(events) and events[0].is_known,
        "has_more": len(answer["timeline"]) > SHOWN_EVENTS,
    }


def _line(payload: Any) -> str:
    """Return the first properties of a payload in one line, for the folded event."""
    if not isinstance(payload, dict):
        return value_text(payload) if payload else ""
    parts = [
        f"{value_text(name)}: {value_text(value)}"
        for name, value in islice(payload.items(), PROPERTIES_IN_LINE)
    ]
    return value_text(" · ".join(parts))


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
