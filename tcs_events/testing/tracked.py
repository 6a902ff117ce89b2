"""What the apps of this process record, for the tests of a host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tcs_events.errors import EventInvalid
from tcs_events.event import Event, Outcome
from tcs_events.intake.announcing import event_accepted, event_rejected
from tcs_events.testing.failures import Seen, failure, has_values
from tcs_events.testing.rehearsal import nothing_stored


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was refused for good."""

    event_type: str | None
    """None if none was sent, or no text."""
    sent: Any
    """The event as it was sent, parsed from JSON. It may be anything."""
    errors: dict[str, Any]
    """The messages by field, as in the answer 422."""

    @property
    def details(self) -> list[dict[str, str]]:
        """Each reason, with the path of the field, a code and a message, as in the answer 422."""
        return EventInvalid(self.errors).details


@dataclass(eq=False)
class Tracked:
    """What the apps of this process record from `with Tracked() as tracked:` to its end.

    It hears of events from the endpoint, its batches, `EventsMiddleware`, `track` and `replay`, of
    every app in this process. What other processes record does not reach it.

    Meanwhile no app of this process writes an event, the owner of a session or a refused event into
    a database, or counts or limits any. So no other test sees them.
    """

    events: list[Event] = field(default_factory=list, init=False)
    """The events that would be stored, in order, with the columns of `UserEvent` as attributes:
    `event_id`, `session_id`, `event_type`, `payload`, `email`, `created_at`, `received_at`."""
    rejected: list[Rejected] = field(default_factory=list, init=False)
    """The events that were refused for good, in order."""

    def __post_init__(self) -> None:
        self._ignored: list[tuple[Outcome, str]] = []
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        enter = self._ending.enter_context
        enter(event_accepted.connected_to(self._accept))
        enter(event_rejected.connected_to(self._reject))
        enter(nothing_stored(lambda outcome, reason: self._ignored.append((outcome, reason))))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.close()

    def of(self, event_type: str) -> list[Event]:
        """Return the recorded events of a type, in order. An empty list if there are none."""
        return [event for event in self.events if event.event_type == event_type]

    def assert_one(self, event_type: str, /, **payload: object) -> Event:
        """Return the one recorded event of a type whose payload has these values.

        The payload may have other fields, too. Values are compared with `==`.

        Raises:
            AssertionError: there is no such event, or more than one. The message has what was
                recorded instead and how the nearest event differs, and what was refused and why.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test
        found = list(self._with_values(event_type, payload))
        if len(found) != 1:
            raise AssertionError(failure(self._seen(), found, "one", event_type, payload))
        return found[0]

    def assert_none(self, event_type: str | None = None, /, **payload: object) -> None:
        """Check that no event of a type whose payload has these values was recorded.

        Without a type, no event at all. A refused event is not recorded.

        Raises:
            AssertionError: there is one. The message has all of them.
        """
        __tracebackhide__ = True
        found = list(self._with_values(event_type, payload))
        if found:
            raise AssertionError(failure(self._seen(), found, "no", event_type, payload))

    def _with_values(self, event_type: str | None, payload: dict[str, object]) -> Iterator[Event]:
        for event in self.events:
            if event_type in (None, event.event_type) and has_values(event, payload):
                yield event

    def _seen(self) -> Seen:
        refused = [(rejected.event_type, rejected.details) for rejected in self.rejected]
        return Seen(self.events, refused, self._ignored)

    def _accept(self, app: object, event: Event, **_: object) -> None:
        self.events.append(event)

    def _reject(self, app: object, sent: Any, errors: dict[str, Any], **_: object) -> None:
        event_type = sent.get("event_type") if isinstance(sent, dict) else None
        is_text = isinstance(event_type, str)
        self.rejected.append(Rejected(event_type if is_text else None, sent, errors))
