"""What became of the events that reached this process: each ends as exactly one outcome."""

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
"""The upper ends of the latency classes; the last class, above them all, has none."""

Ended = tuple[Outcome, str, int]
"""An outcome, its reason ("" where there is nothing to tell apart), and how many events it was."""

_Key = tuple[str, str, str]
"""What is counted: a kind, and for some kinds an outcome and its reason, or a latency class."""
_OUTCOME, _IDENTITY, _LATENCY = "outcome", "identity", "latency"
_REQUESTS: _Key = ("requests", "", "")
_RECEIVED: _Key = ("received", "", "")
_SECONDS: _Key = ("seconds", "", "")
_LATENCIES = tuple((_LATENCY, str(place), "") for place in range(len(LATENCY_BOUNDS_MS) + 1))


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted so far, all at one moment."""

    requests: int
    received: int
    """Events in these requests; what cannot be read counts as one."""
    outcomes: dict[tuple[Outcome, str], int]
    """Events by how they ended, and why. They add up to `received`."""
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
        self._numbers: dict[_Key, int | float] = {}
        """All that is counted of requests, in one dict, which changes in one step."""
        self._notes: Counter[str] = Counter()

    def end(self, ended: Sequence[Ended], seconds: float) -> None:
        """Count what one request held, how its events ended, and how long it took."""
        added: dict[_Key, int | float] = {_RECEIVED: 0}
        for outcome, reason, events in ended:
            key = _OUTCOME, outcome, reason
            added[key] = added.get(key, 0) + events
            added[_RECEIVED] += events
        self._add(added, seconds)
        self._counted(ended, seconds)

    def end_identity(self, outcome: Outcome, reason: str, seconds: float) -> None:
        """Count how one `identify` ended."""
        self._add({(_IDENTITY, outcome, reason): 1}, seconds)
        self._counted((), seconds)

    def _add(self, added: dict[_Key, int | float], seconds: float) -> None:
        latency_class = _LATENCIES[bisect_left(LATENCY_BOUNDS_MS, seconds * 1000)]
        added |= {_REQUESTS: 1, latency_class: 1, _SECONDS: seconds}
        ensure_own_state()
        numbers = self._numbers
        with self._lock:
            # One call that Python does not interrupt: a request that is ended in here has counted
            # everything, or nothing.
            numbers.update({key: numbers.get(key, 0) + more for key, more in added.items()})

    def note(self, name: str, number: int = 1) -> None:
        """Count something that is no outcome of an event: "limits_unavailable", for one."""
        ensure_own_state()
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
        ensure_own_state()
        with self._lock:
            numbers, notes = self._numbers.copy(), dict(self._notes)
        return Counted(
            requests=int(numbers.get(_REQUESTS, 0)),
            received=int(numbers.get(_RECEIVED, 0)),
            outcomes=_of_kind(_OUTCOME, numbers),
            identities=_of_kind(_IDENTITY, numbers),
            latency=tuple(int(numbers.get(one, 0)) for one in _LATENCIES),
            latency_seconds=numbers.get(_SECONDS, 0.0),
            notes=notes,
        )


def _of_kind(kind: str, numbers: dict[_Key, int | float]) -> dict[tuple[Outcome, str], int]:
    return {
        (Outcome(outcome), reason): int(number)
        for (its_kind, outcome, reason), number in numbers.items()
        if its_kind == kind
    }


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
