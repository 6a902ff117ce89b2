"""Counts the events that reached this process. Each event ends with exactly one outcome."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.errors import (
    BodyEncoded,
    BodyTooLarge,
    ColumnsMissing,
    EventInvalid,
    RateLimited,
    StoreUnavailable,
    TableMissing,
    TcsEventsError,
)
from tcs_events.event import Outcome

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""The upper bounds of the latency classes, inclusive. One more class has no upper bound."""

Ended = tuple[Outcome, str, int]
"""An outcome, its reason ("" if the outcome has only one), and the number of events."""

_Key = tuple[str, str, str]
"""The key of a count: a kind, and for some kinds an outcome and a reason, or a latency class."""
_OUTCOME, _IDENTITY, _LATENCY = "outcome", "identity", "latency"
_REQUESTS: _Key = ("requests", "", "")
_RECEIVED: _Key = ("received", "", "")
_SECONDS: _Key = ("seconds", "", "")
_LATENCIES = tuple((_LATENCY, str(place), "") for place in range(len(LATENCY_BOUNDS_MS) + 1))


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of this process at one moment, since the process began."""

    requests: int
    received: int
    """The events in these requests. A body that cannot be read counts as one event."""
    outcomes: dict[tuple[Outcome, str], int]
    """Events by outcome and reason. They add up to `received`."""
    identities: dict[tuple[Outcome, str], int]
    """Calls of `identify` by outcome and reason."""
    latency: tuple[int, ...]
    """Requests by duration: one number for each of `LATENCY_BOUNDS_MS`, and one for longer ones."""
    latency_seconds: float
    """The sum of all durations."""
    notes: dict[str, int]
    """Counts that are not outcomes of events, by name."""


class Mirror(Protocol):
    """Keeps the same counts somewhere else, for example in Prometheus."""

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        """Count how the events of one request ended, and how many seconds it took."""

    def note(self, name: str, number: int) -> None:
        """Count something that is not the outcome of an event."""


class Counters:
    """Counts events. It is safe to use from several threads. A forked process begins at zero."""

    def __init__(self) -> None:
        self.due_at = float("inf")
        """The `monotonic()` time from which each count also calls `when_due`."""
        self.when_due: Callable[[], None] = lambda: None
        self.mirror: Mirror | None = None
        """Gets each count at once."""
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[_Key, int | float] = {}
        """All counts of requests, in one dict that is updated in one step."""
        self._notes: Counter[str] = Counter()

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        """Count one request: its events, their outcomes, and its duration in seconds."""
        added: dict[_Key, int | float] = {_RECEIVED: 0}
        for outcome, reason, events in ended:
            key = _OUTCOME, outcome, reason
            added[key] = added.get(key, 0) + events
            added[_RECEIVED] += events
        self._add(added, seconds)
        self._pass_on(ended, seconds)

    def end_identity(self, outcome: Outcome, reason: str, seconds: float) -> None:
        """Count one call of `identify`: its outcome, and its duration in seconds."""
        self._add({(_IDENTITY, outcome, reason): 1}, seconds)
        self._pass_on((), seconds)

    def _add(self, added: dict[_Key, int | float], seconds: float) -> None:
        latency_class = _LATENCIES[bisect_left(LATENCY_BOUNDS_MS, seconds * 1000)]
        added |= {_REQUESTS: 1, latency_class: 1, _SECONDS: seconds}
        ensure_own_state()
        numbers = self._numbers
        with self._lock:
            # Python does not interrupt `dict.update`. If the request is interrupted here, all of
            # it is counted or none of it, so that outcomes always add up to `received`.
            numbers.update({key: numbers.get(key, 0) + more for key, more in added.items()})

    def note(self, name: str, number: int = 1) -> None:
        """Count something that is not the outcome of an event, such as "limits_unavailable"."""
        ensure_own_state()
        with self._lock:
            self._notes[name] += number
        if self.mirror is not None:
            self.mirror.note(name, number)

    def _pass_on(self, ended: Sequence[Ended], seconds: float) -> None:
        """Tell the mirror, and write the tally if it is due."""
        if self.mirror is not None:
            self.mirror.end(ended, seconds)
        if monotonic() >= self.due_at:
            self.when_due()

    def counted(self) -> Counted:
        """Return the counts since the process began."""
        ensure_own_state()
        with self._lock:
            numbers, notes = self._numbers.copy(), dict(self._notes)
        return Counted(
            requests=int(numbers.get(_REQUESTS, 0)),
            received=int(numbers.get(_RECEIVED, 0)),
            outcomes=_of_kind(_OUTCOME, numbers),
            identities=_of_kind(_IDENTITY, numbers),
            latency=tuple(int(numbers.get(key, 0)) for key in _LATENCIES),
            latency_seconds=numbers.get(_SECONDS, 0.0),
            notes=notes,
        )


def _of_kind(kind: str, numbers: dict[_Key, int | float]) -> dict[tuple[Outcome, str], int]:
    return {
        (Outcome(outcome), reason): int(number)
        for (key_kind, outcome, reason), number in numbers.items()
        if key_kind == kind
    }


def outcome_of(error: TcsEventsError) -> tuple[Outcome, str]:
    """Return the outcome and the reason of an event that failed with this error.

    The reason is one of a few words, so that it can be a label of a metric.
    """
    match error:
        case EventInvalid():
            # Outcomes add up to `received`, so an event has one reason: its first field by name.
            return Outcome.INVALID, min(error.errors).removeprefix("_")
        case BodyTooLarge():
            return Outcome.INVALID, "too_large"
        case BodyEncoded():
            return Outcome.INVALID, "encoded"
        case RateLimited():
            return Outcome.LIMITED, error.by
        case TableMissing():
            return Outcome.FAILED, "table_missing"
        case ColumnsMissing():
            return Outcome.FAILED, "columns_missing"
        case StoreUnavailable():
            return Outcome.FAILED, error.reason
        case _:
            return Outcome.FAILED, "misconfigured"
