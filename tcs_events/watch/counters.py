"""Counts the events that reached this process. Each event ends with exactly one outcome."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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

_Request = tuple[Sequence[Ended], float]
"""How the events of a request ended, and its duration in seconds."""
_Identity = tuple[Outcome, str, float]
"""The outcome of a call of `identify`, its reason, and its duration in seconds."""

SUM_UP_FROM = 100
"""How many requests are kept before they are summed up."""


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

    def plus(self, requests: Sequence[_Request], identities: Sequence[_Identity]) -> Counted:
        """Return these counts with more requests."""
        if not requests and not identities:
            return self
        outcomes, latency = Counter(self.outcomes), list(self.latency)
        received, links = self.received, Counter(self.identities)
        durations = [seconds for *_, seconds in identities]
        for ended, seconds in requests:
            durations.append(seconds)
            for outcome, reason, events in ended:
                outcomes[outcome, reason] += events
                received += events
        for outcome, reason, _ in identities:
            links[outcome, reason] += 1
        for seconds in durations:
            latency[bisect_left(LATENCY_BOUNDS_MS, seconds * 1000)] += 1
        return Counted(
            requests=self.requests + len(durations),
            received=received,
            outcomes=dict(outcomes),
            identities=dict(links),
            latency=tuple(latency),
            latency_seconds=self.latency_seconds + sum(durations),
            notes=self.notes,
        )


_NOTHING = Counted(0, 0, {}, {}, (0,) * (len(LATENCY_BOUNDS_MS) + 1), 0.0, {})


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
        self._sums = _NOTHING
        self._requests: list[_Request] = []
        """The requests that are not in the sums yet."""
        self._identities: list[_Identity] = []
        self._notes: Counter[str] = Counter()

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        """Count one request: its events, their outcomes, and its duration in seconds."""
        ensure_own_state()
        # One call, which Python does not interrupt: all of a request is counted, or none of it.
        with self._lock:
            self._requests.append((ended, seconds))
        self._pass_on(ended, seconds)

    def end_identity(self, outcome: Outcome, reason: str, seconds: float) -> None:
        """Count one call of `identify`: its outcome, and its duration in seconds."""
        ensure_own_state()
        with self._lock:
            self._identities.append((outcome, reason, seconds))
        self._pass_on((), seconds)

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
        if len(self._requests) + len(self._identities) >= SUM_UP_FROM:
            with self._lock:
                self._sum_up()
        if monotonic() >= self.due_at:
            self.when_due()

    def counted(self) -> Counted:
        """Return the counts since the process began."""
        ensure_own_state()
        with self._lock:
            return replace(self._sum_up(), notes=dict(self._notes))

    def _sum_up(self) -> Counted:
        """Add the new requests to the sums, and return these. The lock is held."""
        sums = self._sums.plus(self._requests, self._identities)
        # Assignments in a row: Python interrupts a request before all of them, or after.
        self._sums = sums
        self._requests = []
        self._identities = []
        return sums


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
