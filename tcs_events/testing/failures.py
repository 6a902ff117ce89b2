"""Words the failures of a test: what was expected, and what was recorded instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from tcs_events.event import Event, Outcome

MAX_EVENTS = 20
"""How many events a message lists."""
MAX_LENGTH = 400
"""How many characters of a value a message has."""
_MISSING = object()


class Seen(NamedTuple):
    """All that happened during the test."""

    events: Sequence[Event]
    refused: Sequence[tuple[str | None, Sequence[Mapping[str, str]]]]
    """The type of each refused event, and the details of why it was refused."""
    ignored: Sequence[tuple[Outcome, str]]
    """How each other event ended, and why."""


def has_values(event: Event, expected: Mapping[str, object]) -> bool:
    """Return whether the payload of an event has these values."""
    return not _differing(event, expected)


def failure(
    seen: Seen,
    found: Sequence[Event],
    number: str,
    event_type: str | None,
    expected: Mapping[str, object],
) -> str:
    """Return the message of a failed check.

    Args:
        seen: what happened during the test.
        found: the events that were as described: too many of them, or none.
        number: how many were expected, "one" or "no".
        event_type: the type of the expected event. None is any.
        expected: the values in its payload.
    """
    values = ", ".join(f"{name}={_short(value)}" for name, value in expected.items())
    what = " ".join(filter(None, [event_type, "event", values and f"with {values}"]))
    lines = [f"expected {number} {what}; recorded: {len(found) or 'none'}"]
    if found:
        return "\n".join([*lines, *_listed(found)])
    if event_type is not None:
        lines += _nearest(seen.events, event_type, expected)
    for refused_type, details in seen.refused:
        lines.append(f"refused: {refused_type or 'an event without a type'}")
        for detail in details:
            lines.append(f"    {detail['path'] or 'the event'}: {detail['message']}")
    for (outcome, reason), events in Counter(seen.ignored).items():
        lines.append(f"not recorded: {events} {outcome} ({reason})")
    if seen.events:
        return "\n".join([*lines, "all recorded events:", *_listed(seen.events)])
    return "\n".join([*lines, "No event at all was recorded."])


def _nearest(
    events: Sequence[Event], event_type: str, expected: Mapping[str, object]
) -> Iterator[str]:
    """Yield how the most similar event differs."""
    of_type = [event for event in events if event.event_type == event_type]
    if of_type:
        nearest = min(of_type, key=lambda event: len(_differing(event, expected)))
        yield f"the nearest: {_line(nearest)}"
        for name in _differing(nearest, expected):
            value = nearest.payload.get(name, _MISSING)
            is_value = "is missing" if value is _MISSING else f"is {_short(value)}"
            yield f"    {name} {is_value}, expected {_short(expected[name])}"
    elif similar := get_close_matches(event_type, {event.event_type for event in events}, 1):
        yield f"A similar type was recorded: {similar[0]}"


def _differing(event: Event, expected: Mapping[str, object]) -> list[str]:
    """Return the names of the fields whose values are not as expected."""
    payload = event.payload
    return [name for name, value in expected.items() if value != payload.get(name, _MISSING)]


def _listed(events: Sequence[Event]) -> Iterator[str]:
    for event in events[:MAX_EVENTS]:
        yield f"    {_line(event)}"
    if len(events) > MAX_EVENTS:
        yield f"    and {len(events) - MAX_EVENTS} more"


def _line(event: Event) -> str:
    return f"{event.event_type} {_short(event.payload)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"
