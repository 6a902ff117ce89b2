"""Requests that arrive together share one transaction.

No thread of its own: whoever finds a committer free takes it, writes what it has, and on its way
out hands the committer to the first of those who have queued meanwhile. That one writes for all of
them, and wakes them. Under load a commit carries many events; alone, an event waits for nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from tcs_events.errors import StoreUnavailable
from tcs_events.event import Record
from tcs_events.forks import in_each_child
from tcs_events.stores.contract import Result

Write = Callable[[Sequence[Record], float], list[Result]]
"""Writes events in one transaction, before the `monotonic()` time given; raises as a store does."""

GROUP_MAX_EVENTS = 3000
BRIEF_SECONDS = 0.1
BRIEF_FOR_SECONDS = 1.0
# The last to be answered is one who joined the queue just before its time was over.
ANSWER_MARGIN_SECONDS = 0.2


class _Entry:
    """The events of one request, on their way through the queue."""

    __slots__ = ("committer", "error", "events", "results", "size_bytes", "woken")

    def __init__(self, events: Sequence[Record], size_bytes: int) -> None:
        self.events = events
        self.size_bytes = size_bytes
        self.results: list[Result] | None = None
        self.error: StoreUnavailable | None = None
        self.committer: Write | None = None
        # A bare lock is the cheapest thing to sleep on: one system call to wake one thread.
        self.woken = threading.Lock()
        self.woken.acquire()

    def outcome(self) -> list[Result]:
        if self.results is None:
            raise self.error or StoreUnavailable("Interrupted")
        return self.results


class _Patience:
    """How long a commit may take: for a while after one has failed, the next ones are brief.

    A server that takes one request at a time lets the next one wait for the failure of this one;
    if each took its full time, the last would be answered long after its visitor had left.
    """

    def __init__(self) -> None:
        self.is_failing = False
        self.succeeded_at = self.failed_at = float("-inf")
        self._brief_until = 0.0

    def limit(self, deadline: float) -> float:
        now = monotonic()
        if now < self._brief_until:
            return min(deadline, now + BRIEF_SECONDS)
        if self.is_failing:
            self._brief_until = now + BRIEF_FOR_SECONDS  # this one finds out for the others
        return deadline

    def failed(self) -> None:
        self.is_failing = True
        self.failed_at = now = monotonic()
        if now >= self._brief_until:
            self._brief_until = now + BRIEF_FOR_SECONDS

    def succeeded(self) -> None:
        self.is_failing = False
        self.succeeded_at = monotonic()
        self._brief_until = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """How the commits of this process are doing. Times are `monotonic()`, -inf for never."""

    waiting_events: int
    waiting_bytes: int
    is_failing: bool
    """Whether the last commit failed."""
    succeeded_at: float
    failed_at: float


class GroupCommit:
    """Lets requests share the transactions of a few committers.

    Args:
        committers: each writes on a connection of its own, one group at a time.
        max_events: how many events may wait at most.
        max_bytes: how many bytes of request bodies may wait at most.
        timeout_seconds: after which a request is told that its events are not stored.
    """

    def __init__(
        self,
        committers: Sequence[Write],
        *,
        max_events: int,
        max_bytes: int,
        timeout_seconds: float,
    ) -> None:
        self._committers = committers
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._free = list(self._committers)
        self._queue: deque[_Entry] = deque()
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._patience = _Patience()

    def state(self) -> State:
        """Return what waits, and how the last commits ended."""
        patience = self._patience
        return State(
            self._waiting_events,
            self._waiting_bytes,
            patience.is_failing,
            patience.succeeded_at,
            patience.failed_at,
        )

    def append(self, events: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        """Keep events as `Store.append` promises, within `timeout_seconds` and a little."""
        deadline = monotonic() + self._timeout_seconds
        entry = _Entry(events, size_bytes)
        with self._mutex:
            if self._free:
                entry.committer = self._free.pop()
            else:
                self._enqueue(entry)
        if entry.committer is None:
            self._wait(entry, deadline)
        if entry.committer is not None:
            self._commit(entry, entry.committer, deadline)
        return entry.outcome()

    def _enqueue(self, entry: _Entry) -> None:
        if self._patience.is_failing:
            # One request finds out whether the database is back; the others need not hang on it.
            failing = StoreUnavailable("Failing")
            failing.is_news = False
            raise failing
        self._waiting_events += len(entry.events)
        self._waiting_bytes += entry.size_bytes
        if self._waiting_events > self._max_events or self._waiting_bytes > self._max_bytes:
            self._leave(entry)
            raise StoreUnavailable("QueueFull")
        self._queue.append(entry)

    def _leave(self, entry: _Entry) -> None:
        self._waiting_events -= len(entry.events)
        self._waiting_bytes -= entry.size_bytes

    def _wait(self, entry: _Entry, deadline: float) -> None:
        """Sleep until the entry is done, or is given a committer, or its time is over."""
        if entry.woken.acquire(timeout=max(0, deadline - monotonic()) + ANSWER_MARGIN_SECONDS):
            return
        with self._mutex:
            if entry.results is not None or entry.committer is not None:
                return  # it was woken at this very moment
            if entry in self._queue:
                self._queue.remove(entry)
                self._leave(entry)
            entry.error = StoreUnavailable("Timeout")

    def _commit(self, entry: _Entry, committer: Write, deadline: float) -> None:
        """Write for the entry and all that are queued; then see that the queue goes on."""
        group = [entry]
        with self._mutex:
            count = len(entry.events)
            while self._queue and count + len(self._queue[0].events) <= GROUP_MAX_EVENTS:
                joined = self._queue.popleft()
                self._leave(joined)
                count += len(joined.events)
                group.append(joined)
        events = [event for member in group for event in member.events]
        results: list[Result] | None = None
        error: StoreUnavailable | None = None
        try:
            results = committer(events, self._patience.limit(deadline))
        except StoreUnavailable as unavailable:
            error = unavailable
        finally:
            # Also where a server ends this thread in the middle: the others must not wait on.
            self._finish(group, results, error, committer)

    def _finish(
        self,
        group: list[_Entry],
        results: list[Result] | None,
        error: StoreUnavailable | None,
        committer: Write,
    ) -> None:
        start = 0
        for member in group:
            if results is not None:
                end = start + len(member.events)
                member.results = results[start:end]
                start = end
            else:
                member.error = error
        to_wake = group[1:]
        with self._mutex:
            if results is not None:
                self._patience.succeeded()
            else:
                self._patience.failed()
                # They would wait for the same failure, each for as long as this one did.
                for queued in self._queue:
                    queued.error = error
                    self._leave(queued)
                to_wake += self._queue
                self._queue.clear()
            if self._queue:
                successor = self._queue.popleft()
                self._leave(successor)
                successor.committer = committer
                # First of all, so that the database is soon at work again.
                to_wake.insert(0, successor)
            else:
                self._free.append(committer)
        for member in to_wake:
            member.woken.release()
