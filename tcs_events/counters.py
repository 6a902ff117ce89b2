"""What became of the events that reached this process: each ends as exactly one outcome."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

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
from tcs_events.forks import in_each_child

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""The upper ends of the latency classes; the last class, above them all, has none."""

Ended = tuple[Outcome, str, int]
"""An outcome, its reason ("" where there is nothing to tell apart), and how many events it was."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted so far, all at one moment."""

    requests: int
    received: int
    """Events in these requests; what cannot be read counts as one."""
    outcomes: dict[tuple[Outcome, str], int]
    """Events by how they ended, and why. They add up to `received`, but for what is under way."""
    identities: dict[tuple[Outcome, str], int]
    """The same for who a session belongs to."""
    latency: tuple[int, ...]
    """Requests by how long they took: one number for each of `LATENCY_BOUNDS_MS`, and one more."""
    latency_seconds: float
    """All their times together."""
    notes: dict[str, int]
    """What else is worth a number, by its name."""


class Mirror(Protocol):
    """Whoever keeps the same counts somewhere else."""

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        """Is told how the events of one request ended, and how many seconds it took."""

    def note(self, name: str, number: int) -> None:
        """Is told what else was counted."""


class Counters:
    """Counts, from any number of threads. A process that is forked begins at zero."""

    def __init__(self) -> None:
        self.due_at = float("inf")
        """From this `monotonic()` time on, whoever has counted calls `when_due`."""
        self.when_due: Callable[[], None] = lambda: None
        self.mirror: Mirror | None = None
        """Whoever must be told at once."""
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._received = 0
        self._outcomes: dict[tuple[Outcome, str], int] = {}
        self._identities: dict[tuple[Outcome, str], int] = {}
        self._latency = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self._latency_seconds = 0.0
        self._notes: Counter[str] = Counter()

    def receive(self, events: int) -> None:
        """Count what a request holds, before it is decided."""
        with self._lock:
            self._received += events

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        """Count how the events of one request ended, and how long it took."""
        latency_class = bisect_left(LATENCY_BOUNDS_MS, seconds * 1000)
        counts = self._outcomes
        with self._lock:
            for outcome, reason, events in ended:
                key = outcome, reason
                counts[key] = counts.get(key, 0) + events
            self._requests += 1
            self._latency[latency_class] += 1
            self._latency_seconds += seconds
        self._counted(ended, seconds)

    def end_identity(self, outcome: Outcome, reason: str, seconds: float) -> None:
        """Count how one `identify` ended."""
        with self._lock:
            self._identities[outcome, reason] = self._identities.get((outcome, reason), 0) + 1
        self.end((), seconds)

    def note(self, name: str, number: int = 1) -> None:
        """Count something that is no outcome of an event: "limits_unavailable", for one."""
        with self._lock:
            self._notes[name] += number
        if self.mirror is not None:
            self.mirror.note(name, number)

    def _counted(self, ended: Sequence[Ended], seconds: float) -> None:
        if self.mirror is not None:
            self.mirror.end(ended, seconds)
        if monotonic() >= self.due_at:
            self.when_due()

    def counted(self) -> Counted:
        """Return what was counted so far."""
        with self._lock:
            return Counted(
                self._requests,
                self._received,
                dict(self._outcomes),
                dict(self._identities),
                tuple(self._latency),
                self._latency_seconds,
                dict(self._notes),
            )


def outcome_of(error: TcsEventsError) -> tuple[Outcome, str]:
    """Return how an event ends that an error kept out, and why, in one of a few words."""
    match error:
        case EventInvalid():
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
