"""Requests that arrive together share one transaction.

There is no background thread. Each request adds its events to a queue. If a connection is free, the
request takes it and writes a group of events from the front of the queue. Otherwise the request
sleeps until another request has written its events, or until a connection is free. Under load one
commit stores many events, and waits a moment for those that are about to arrive. Without load an
event is written at once.

A request can be interrupted at any moment: by a `gevent.Timeout`, by a server that aborts its
worker, or by Ctrl-C. CPython raises such an exception only after a call, at the start of a function
and at the end of a loop's body. So two things always complete: assignments at the beginning of a
`finally`, and a `with` on a lock. The code uses only these two where a failure would block other
requests. Everything else repairs itself:

- An assignment frees a connection (`Lane.owner`).
- An assignment marks a group as done for all its requests (`_Group.is_done`).
- A sleeping request checks every `LOOK_SECONDS`, in case nobody wakes it.
- The waiting events and bytes are counted again with every group.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Record
from tcs_events.stores.contract import Result, State
from tcs_events.stores.lanes import Lane, Lanes
from tcs_events.stores.pace import Pace
from tcs_events.stores.patience import Patience

Write = Callable[[Sequence[Record], float], list[Result]]
"""Writes events in one transaction before a deadline, a `monotonic()` time.

It raises the same errors as `Store.append`.
"""

LOOK_SECONDS = 0.1
"""How often a sleeping request checks its state. The request that should wake it may have died."""
GATHER_SECONDS = 0.0003
"""How long a group waits for more requests under load. A commit takes as long or longer, and costs
as much processor time as reading ten requests (measured)."""
GATHER_FROM_REQUESTS = 6
"""A group of so many requests is a sign of load: more are on their way."""
ANSWER_MARGIN_SECONDS = 0.2
"""How long a request waits beyond its deadline for the answer of a group that was just begun."""


class _Group:
    """Requests whose events are written in one transaction, and the results."""

    __slots__ = ("entries", "error", "events", "is_done", "results")

    def __init__(self, error: StoreUnavailable | None = None) -> None:
        self.entries: list[_Entry] = []
        self.events: list[Record] = []
        self.results: list[Result] | None = None
        self.error = error
        self.is_done = error is not None

    def add(self, entry: _Entry) -> None:
        entry.start = len(self.events)
        entry.group = self
        self.entries.append(entry)
        self.events += entry.events

    def take_entries(self) -> list[_Entry]:
        """Return the requests, and forget them: each knows its group, which would be a cycle."""
        entries, self.entries = self.entries, []
        return entries


class _Entry:
    """The events of one request in the queue."""

    __slots__ = (
        "count",
        "deadline",
        "events",
        "group",
        "lane",
        "size_bytes",
        "start",
        "woken",
    )

    def __init__(self, events: Sequence[Record], size_bytes: int, deadline: float) -> None:
        self.events = events
        self.count = len(events)
        self.size_bytes = size_bytes
        self.deadline = deadline
        self.group: _Group | None = None
        self.start = 0
        """The index of the request's first event in the group."""
        self.lane: Lane | None = None
        """The lane that the request took last. It may have been freed since."""
        # A plain lock is the cheapest way to sleep: one system call wakes one thread.
        self.woken = threading.Lock()
        self.woken.acquire()

    def wake(self) -> None:
        try:  # noqa: SIM105 - `suppress` takes longer than the rest
            self.woken.release()
        except RuntimeError:
            pass  # it is already awake

    def results(self) -> list[Result]:
        """Return one result for each event of the request.

        Raises:
            StoreUnavailable: the events are not stored, or the outcome is unknown.
        """
        group = self.group
        if group is None or group.results is None:
            raise (group and group.error) or StoreUnavailable("Interrupted")
        return group.results[self.start : self.start + self.count]


class GroupCommit:
    """Lets requests share the transactions of a few connections.

    Args:
        writes: one for each connection. Each writes one group at a time.
        lanes: the same connections, which other tables may use, too. By default none does.
        only_last: leave all lanes but the last to others.
        max_events: the most events that may wait.
        max_bytes: the most bytes of request bodies that may wait.
        timeout_seconds: after this time a request is answered that its events are not stored.
    """

    def __init__(
        self,
        writes: Sequence[Write],
        *,
        max_events: int,
        max_bytes: int,
        timeout_seconds: float,
        lanes: Lanes | None = None,
        only_last: bool = False,
    ) -> None:
        self._writes = writes
        self._lanes = lanes or Lanes([None] * len(writes))
        self._lanes.add_queue(self)
        self._first = len(writes) - 1 if only_last else 0
        self._lane_count = len(writes) - self._first
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._queue: deque[_Entry] = deque()
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._last_requests = 0
        """The number of requests in the last group."""
        self._patience = Patience()
        self._pace = Pace(self._timeout_seconds)

    def state(self) -> State:
        """Return how much is waiting, and how the last commits ended."""
        ensure_own_state()
        with self._lanes.mutex:
            self._count_waiting()
            patience = self._patience
            return State(
                self._waiting_events,
                self._waiting_bytes,
                sum(isinstance(lane.owner, _Entry) for lane in self._usable()),
                patience.is_failing,
                patience.succeeded_at,
                patience.failed_at,
            )

    def append(self, events: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        """Store events as `Store.append` does.

        Takes at most `timeout_seconds` plus `ANSWER_MARGIN_SECONDS`.
        """
        ensure_own_state()
        entry = _Entry(events, size_bytes, monotonic() + self._timeout_seconds)
        is_stored = False
        try:
            self._enter(entry)
            while entry.group is None or not entry.group.is_done:
                lane = entry.lane
                if lane is not None and lane.owner is entry:
                    self._commit(entry, lane)
                else:
                    self._sleep(entry)
            results = entry.results()
            is_stored = True
            return results
        finally:
            # Assignments first: this request may have been interrupted during its commit.
            lane = entry.lane
            was_owner = lane is not None and lane.owner is entry
            if lane is not None and was_owner:
                lane.owner = None
            if was_owner or not is_stored:
                self._leave(entry)

    def _enter(self, entry: _Entry) -> None:
        """Join the queue, and take a lane if one is free."""
        with self._lanes.mutex:
            if not self._take_lane(entry):
                self._check_room(entry)
            self._waiting_events += entry.count
            self._waiting_bytes += entry.size_bytes
            self._queue.append(entry)

    def _usable(self) -> list[Lane]:
        return self._lanes.all[self._first :]

    def _take_lane(self, entry: _Entry) -> bool:
        for lane in self._usable():
            if lane.owner is None:
                entry.lane = lane
                lane.owner = entry
                return True
        return False

    def _check_room(self, entry: _Entry) -> None:
        """Refuse a request at once if its events could not be written in time.

        Raises:
            StoreUnavailable: the database is failing, or too much is waiting.
        """
        if self._patience.is_failing:
            # One request tests whether the database is back. The others are answered at once.
            raise StoreUnavailable("Failing", is_news=False)
        events = self._waiting_events + entry.count
        seconds = self._pace.seconds_for(events, self._lane_count)
        if (
            events > self._max_events
            or self._waiting_bytes + entry.size_bytes > self._max_bytes
            or seconds > self._timeout_seconds
        ):
            raise StoreUnavailable("QueueFull")

    def _sleep(self, entry: _Entry) -> None:
        """Sleep until woken or for `LOOK_SECONDS`, then take a lane if one is free.

        Raises:
            StoreUnavailable: the request's time is up.
        """
        seconds_left = entry.deadline + ANSWER_MARGIN_SECONDS - monotonic()
        if seconds_left <= 0:
            raise StoreUnavailable("Timeout")
        entry.woken.acquire(timeout=min(seconds_left, LOOK_SECONDS))
        if entry.group is None:
            with self._lanes.mutex:
                if entry.group is None:
                    self._take_lane(entry)

    def _leave(self, entry: _Entry) -> None:
        """Remove a request from the queue, and let the next one continue."""
        with self._lanes.mutex:
            if entry in self._queue:
                self._waiting_events -= entry.count
                self._waiting_bytes -= entry.size_bytes
                self._queue.remove(entry)
            self._wake_next()

    def wake_next(self) -> None:
        """Wake the first request in the queue if a lane is free. The lanes' mutex is held."""
        if self._queue and any(lane.owner is None for lane in self._usable()):
            self._queue[0].wake()

    def _wake_next(self) -> None:
        self.wake_next()
        self._lanes.wake_others(self)

    def _commit(self, entry: _Entry, lane: Lane) -> None:
        """Write the front of the queue, then free the lane for the rest."""
        group = _Group()
        seconds, is_full = 0.0, False
        try:
            if len(self._queue) < self._last_requests >= GATHER_FROM_REQUESTS:
                time.sleep(GATHER_SECONDS)
            with self._lanes.mutex:
                self._refuse_late()
                self._fill(group, entry)
                self._last_requests = len(group.entries)
                is_full = bool(self._queue)
            if group.events:
                began = monotonic()
                deadline = self._patience.limit(entry.deadline)
                group.results = self._writes[lane.number](group.events, deadline)
                lane.used_at = monotonic()
                seconds = lane.used_at - began
        except StoreUnavailable as error:
            group.error = error
        finally:
            group.is_done = True
            lane.owner = None
            self._finish(entry, group, seconds, is_full)

    def _refuse_late(self) -> None:
        """On a slow database, refuse the requests that could not be written in time."""
        if self._pace.events_per_second is None:
            return
        now, events_ahead = monotonic(), 0
        late = _Group(StoreUnavailable("QueueFull"))
        in_time: deque[_Entry] = deque()
        for entry in self._queue:
            seconds = self._pace.seconds_for(events_ahead + entry.count, self._lane_count)
            if now + seconds > entry.deadline:
                late.add(entry)
            else:
                events_ahead += entry.count
                in_time.append(entry)
        self._queue = in_time
        self._count_waiting()
        for entry in late.take_entries():
            entry.wake()

    def _fill(self, group: _Group, owner: _Entry) -> None:
        """Move requests from the front of the queue into a group that can be written in time."""
        queue = self._queue
        max_events = self._pace.most_events(owner.deadline - monotonic())
        while queue:
            if group.entries and len(group.events) + queue[0].count > max_events:
                break
            # Add first, then remove: an interruption between the two loses no request.
            group.add(queue[0])
            queue.popleft()
        self._count_waiting()

    def _count_waiting(self) -> None:
        events = size_bytes = 0
        for entry in self._queue:
            events += entry.count
            size_bytes += entry.size_bytes
        self._waiting_events, self._waiting_bytes = events, size_bytes

    def _finish(self, entry: _Entry, group: _Group, seconds: float, is_full: bool) -> None:
        to_wake = group.take_entries()
        with self._lanes.mutex:
            if group.results is not None:
                self._patience.succeeded()
                self._pace.wrote(len(group.events), seconds, is_full=is_full)
            elif group.error is not None:
                self._patience.failed()
                self._pace.failed()
                to_wake = [*to_wake, *self._fail_queue(group.error)]
            # Before the finished requests, so that the database is busy again sooner.
            self._wake_next()
        for member in to_wake:
            if member is not entry:
                member.wake()

    def _fail_queue(self, error: StoreUnavailable) -> list[_Entry]:
        """Fail all waiting requests: each would wait only to meet the same error."""
        failed = _Group(error)
        queue, self._queue = self._queue, deque()
        for entry in queue:
            failed.add(entry)
        self._count_waiting()
        return failed.take_entries()
