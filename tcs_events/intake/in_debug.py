"""In debug mode nothing is silent: each event is remembered, and each refused one is logged.

`DebugIntake` is used only then, so that all this costs an app in production nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tcs_events.errors import EventInvalid, TcsEventsError
from tcs_events.intake.intake import Intake, Taken, Verdict
from tcs_events.intake.recent import RecentEvents
from tcs_events.intake.sender import Sender
from tcs_events.watch.log import log
from tcs_events.watch.log_lines import log_lines


class DebugIntake(Intake):
    """An intake that tells a developer what became of each item."""

    def __init__(self, recent: RecentEvents, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._recent = recent

    def admit(self, sender: Sender, items: int) -> Verdict | None:
        verdict = super().admit(sender, items)
        if verdict is not None:
            self._recent.add_unread(verdict, items, datetime.now(UTC))
        return verdict

    def unread(self, error: TcsEventsError, items: int, sent: Any = None) -> None:
        if sent is None:
            self._recent.add_unread(error, items, datetime.now(UTC))
        else:
            self._recent.add(Taken(None, error, sent=sent), datetime.now(UTC))
        if isinstance(error, EventInvalid):
            log_reasons(error, sent)

    def settle(self, taken: Sequence[Taken], received_at: datetime) -> None:
        for item in taken:
            self._recent.add(item, received_at)
            if isinstance(item.result, EventInvalid):
                log_reasons(item.result, item.sent)
        super().settle(taken, received_at)


def log_reasons(error: EventInvalid, sent: Any) -> None:
    """Log each reason why an event was refused, in a line of its own.

    The message of a host's own schema may quote what was sent. So this is for debug mode only.
    """
    event_type = sent.get("event_type") if isinstance(sent, dict) else None
    for detail in error.details:
        if log_lines.allows("event_refused"):
            log.warning(
                "tcs_events.event_refused",
                event_type=event_type,
                path=detail["path"],
                code=detail["code"],
                reason=detail["message"],
            )
