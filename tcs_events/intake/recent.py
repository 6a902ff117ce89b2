"""What became of the last events of this process, for a developer. It is kept in memory."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tcs_events.errors import EventInvalid, TcsEventsError
from tcs_events.event import Event, Outcome
from tcs_events.intake.intake import Taken, Verdict
from tcs_events.watch.counters import outcome_of

KEPT = 200
"""How many events are remembered. With texts of at most 8,000 characters: a few megabytes."""
MAX_TEXT_LENGTH = 8_000
MAX_NAME_LENGTH = 200
MAX_REASONS = 20
"""How many reasons of one event are remembered."""
WHY = {
    "gpc": "The browser asks not to be tracked: it sends Sec-GPC: 1. What it sent was not read.",
    "dnt": "The browser asks not to be tracked: it sends DNT: 1. What it sent was not read.",
    "crawler": "A crawler, by its User-Agent. What it sent was not read.",
    "client": "Too many events came from this client. It sends them again.",
    "session": "Too many events came from this session. It sends them again.",
}
"""Reasons of outcomes in words."""


class Reason(NamedTuple):
    """Why an event was not stored."""

    message: str
    path: str = ""
    """The refused field, as in the answer 422."""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Recent:
    """What became of an event."""

    at: datetime
    """When it was received, in UTC."""
    outcome: Outcome
    event_type: str = ""
    """The texts are cut to a few thousand characters, and are empty if nothing was sent."""
    session_id: str = ""
    payload: str = ""
    """As JSON, with line breaks. Of a refused event all that was sent."""
    reasons: tuple[Reason, ...] = ()
    """Why it was not stored."""
    events: int = 1
    """How many events ended so. More than one only if they were not read."""


class RecentEvents:
    """The last 200 events of this process.

    Args:
        is_on: whether to remember any. It is asked each time, because an app may leave debug mode.
    """

    def __init__(self, is_on: Callable[[], bool]) -> None:
        self._is_on = is_on
        self._kept: deque[Recent] = deque(maxlen=KEPT)
        self.total = 0
        """How many entries there were since the process began."""

    def newest(self) -> list[Recent]:
        """Return the remembered events, newest first."""
        return [*self._kept][::-1]

    def add(self, taken: Taken, at: datetime) -> None:
        """Remember what became of an item."""
        result = taken.result
        outcome, why = (result, "") if isinstance(result, Outcome) else outcome_of(result)
        if taken.record is not None and not isinstance(result, EventInvalid):
            event = Event.of(taken.record)
            sent: Any = {"event_type": event.event_type, "session_id": event.session_id}
            shown: Any = event.payload
        else:
            sent = shown = taken.sent
        field = sent.get if isinstance(sent, dict) else {}.get
        self._keep(
            Recent(
                at,
                outcome,
                event_type=_name(field("event_type")),
                session_id=_name(field("session_id")),
                payload=_text(shown),
                reasons=tuple(_reasons_of(result, why)),
            )
        )

    def add_unread(self, end: Verdict | TcsEventsError, events: int, at: datetime) -> None:
        """Remember events that were not read: how they ended, and how many they were."""
        outcome, why = outcome_of(end) if isinstance(end, TcsEventsError) else end
        self._keep(Recent(at, outcome, reasons=tuple(_reasons_of(end, why)), events=events))

    def _keep(self, recent: Recent) -> None:
        if self._is_on():
            self._kept.append(recent)
            self.total += 1


def _reasons_of(end: object, why: str) -> list[Reason]:
    if isinstance(end, EventInvalid):
        return [
            Reason(_name(detail["message"]), _name(detail["path"]), detail["code"])
            for detail in end.details[:MAX_REASONS]
        ]
    message = WHY.get(why) or (str(end) if isinstance(end, TcsEventsError) else why)
    return [Reason(_name(message))] if message else []


def _name(value: object) -> str:
    return value[:MAX_NAME_LENGTH] if isinstance(value, str) else ""


def _text(value: object) -> str:
    """Return a value as JSON, cut to a length that many of can be remembered."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=_as_text)
    except (RecursionError, ValueError):
        return "It is nested too deep to be shown."
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}…"


def _as_text(value: object) -> str:
    return str(value) if isinstance(value, UUID | datetime) else repr(value)
