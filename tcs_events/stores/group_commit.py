"""Requests that arrive together share one transaction.

No thread of its own. Every request puts its events into the queue. If a committer is free, it takes
the committer and writes a group: what is at the front of the queue. If not, it sleeps until others
have written its events, or a committer is free. Under load a commit carries many events; alone, an
event waits for nobody.

A request may be ended at any moment: by a `gevent.Timeout`, by a server that aborts its worker, by
Ctrl-C. CPython raises such an exception after a call, as a function begins and as a loop turns, and
nowhere else. So two things are always done: the assignments at the beginning of a `finally`, and
`with` on a lock. What must not fail is made of these two; the rest repairs itself:

- A committer that was taken is free again by an assignment (`_Committer.owner`).
- A group has ended by an assignment (`_Group.is_done`), for all who are in it.
- Nobody depends on being woken: who sleeps looks up every `LOOK_SECONDS`.
- What waits is counted again with every group.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from tcs_events.database.forks import ensure_own_state, in_each_child
from tcs_events.errors import StoreUnavailable
from tcs_events.event import Record
from tcs_events.stores.contract import Result
from tcs_events.stores.pace import Pace
from tcs_events.stores.patience import Patience

Write = Callable[[Sequence[Record], float], list[Result]]
"""Writes events in one transaction, before the `monotonic()` time given; raises as a store does."""

LOOK_SECONDS = 0.1
"""How often a request that sleeps looks up, in case that whoever should have woken it was ended."""
# The last to be answered is one who joined the queue just before its time was over.
ANSWER_MARGIN_SECONDS = 0.2


class _Group:
    """Requests whose events are written in one transaction, and what became of them."""

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


class _Committer:
    """A connection to write on, which one request at a time may use."""

    __slots__ = ("owner", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.owner: _Entry | None = None
        """The request that writes; None where the committer is free."""


class _Entry:
    """The events of one request, on their way through the queue."""

    __slots__ = (
        "committer",
        "count",
        "deadline",
        "events",
        "group",
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
        """The place of its first event in the group."""
        self.committer: _Committer | None = None
        """The committer that it has taken, even where it has freed it since."""
        # A bare lock is the cheapest thing to sleep on: one system call to wake one thread.
        self.woken = threading.Lock()
        self.woken.acquire()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is woken already
            self.woken.release()

    def results(self) -> list[Result]:
        """Return how its events ended.

        Raises:
            StoreUnavailable: they are not stored, or nobody knows.
        """
        group = self.group
        if group is None or group.results is None:
            raise (group and group.error) or StoreUnavailable("Interrupted")
        return group.results[self.start : self.start + self.count]


@dataclass(frozen=True, slots=True)
class State:
    """How the commits of this process are doing. Times are `monotonic()`, -inf for never."""

    waiting_events: int
    waiting_bytes: int
    writing: int
    """How many groups are being written."""
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
        self._writes = committers
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._reset()
        in_each_child(self._reset)

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._committers = [_Committer(write) for write in self._writes]
        self._queue: deque[_Entry] = deque()
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._patience = Patience()
        self._pace = Pace(self._timeout_seconds)

    def state(self) -> State:
        """Return what waits, and how the last commits ended."""
        ensure_own_state()
        with self._mutex:
            self._count_waiting()
            patience = self._patience
            return State(
                self._waiting_events,
                self._waiting_bytes,
                sum(committer.owner is not None for committer in self._committers),
                patience.is_failing,
                patience.succeeded_at,
                patience.failed_at,
            )

    def append(self, events: Sequence[Record], size_bytes: int = 0) -> list[Result]:
        """Keep events as `Store.append` promises, within `timeout_seconds` and a little."""
        ensure_own_state()
        entry = _Entry(events, size_bytes, monotonic() + self._timeout_seconds)
        is_stored = False
        try:
            self._enter(entry)
            while entry.group is None or not entry.group.is_done:
                committer = entry.committer
                if committer is not None and committer.owner is entry:
                    self._commit(entry, committer)
                else:
                    self._sleep(entry)
            results = entry.results()
            is_stored = True
            return results
        finally:
            # Assignments first, see above: this request may have been ended in its commit.
            committer = entry.committer
            was_owner = committer is not None and committer.owner is entry
            if committer is not None and was_owner:
                committer.owner = None
            if was_owner or not is_stored:
                self._leave(entry)

    def _enter(self, entry: _Entry) -> None:
        """Join the queue, and take a committer if there is one."""
        with self._mutex:
            if not self._take_committer(entry):
                self._check_room(entry)
            self._waiting_events += entry.count
            self._waiting_bytes += entry.size_bytes
            self._queue.append(entry)

    def _take_committer(self, entry: _Entry) -> bool:
        for committer in self._committers:
            if committer.owner is None:
                entry.committer = committer
                committer.owner = entry
                return True
        return False

    def _check_room(self, entry: _Entry) -> None:
        """Refuse at once what would wait in vain.

        Raises:
            StoreUnavailable: the database fails, or more waits than it can write in time.
        """
        if self._patience.is_failing:
            # One request finds out whether the database is back; the others need not hang on it.
            raise StoreUnavailable("Failing", is_news=False)
        events = self._waiting_events + entry.count
        seconds = self._pace.seconds_for(events, len(self._committers))
        if (
            events > self._max_events
            or self._waiting_bytes + entry.size_bytes > self._max_bytes
            or seconds > self._timeout_seconds
        ):
            raise StoreUnavailable("QueueFull")

    def _sleep(self, entry: _Entry) -> None:
        """Sleep until there may be something to do, and take a committer if one is free.

        Raises:
            StoreUnavailable: its time is over.
        """
        left = entry.deadline + ANSWER_MARGIN_SECONDS - monotonic()
        if left <= 0:
            raise StoreUnavailable("Timeout")
        entry.woken.acquire(timeout=min(left, LOOK_SECONDS))
        if entry.group is None:
            with self._mutex:
                if entry.group is None:
                    self._take_committer(entry)

    def _leave(self, entry: _Entry) -> None:
        """Take a request out of the queue, and let the others go on without it."""
        with self._mutex:
            if entry in self._queue:
                self._waiting_events -= entry.count
                self._waiting_bytes -= entry.size_bytes
                self._queue.remove(entry)
            self._wake_next()

    def _wake_next(self) -> None:
        """Wake the first in the queue if a committer is free for it."""
        if self._queue and any(committer.owner is None for committer in self._committers):
            self._queue[0].wake()

    def _commit(self, entry: _Entry, committer: _Committer) -> None:
        """Write the front of the queue, and see that the rest goes on."""
        group = _Group()
        seconds = 0.0
        try:
            with self._mutex:
                self._refuse_late()
                self._fill(group, entry)
            if group.events:
                began = monotonic()
                until = self._patience.limit(entry.deadline)
                group.results = committer.write(group.events, until)
                seconds = monotonic() - began
        except StoreUnavailable as error:
            group.error = error
        finally:
            group.is_done = True
            committer.owner = None
            self._finish(entry, group, seconds)

    def _refuse_late(self) -> None:
        """Tell those at once whose turn would come too late, where the database is slow."""
        if self._pace.events_per_second is None:
            return
        now, ahead = monotonic(), 0
        late = _Group(StoreUnavailable("QueueFull"))
        in_time: deque[_Entry] = deque()
        for entry in self._queue:
            seconds = self._pace.seconds_for(ahead + entry.count, len(self._committers))
            if now + seconds > entry.deadline:
                late.add(entry)
            else:
                ahead += entry.count
                in_time.append(entry)
        self._queue = in_time
        self._count_waiting()
        for entry in late.entries:
            entry.wake()

    def _fill(self, group: _Group, owner: _Entry) -> None:
        """Move the front of the queue into a group, as much as may be written in time."""
        queue = self._queue
        most = self._pace.most_events(owner.deadline - monotonic())
        while queue:
            if group.entries and len(group.events) + queue[0].count > most:
                break
            # In this order: an entry is never in neither of the two.
            group.add(queue[0])
            queue.popleft()
        self._count_waiting()

    def _count_waiting(self) -> None:
        events = size_bytes = 0
        for entry in self._queue:
            events += entry.count
            size_bytes += entry.size_bytes
        self._waiting_events, self._waiting_bytes = events, size_bytes

    def _finish(self, entry: _Entry, group: _Group, seconds: float) -> None:
        to_wake = group.entries
        with self._mutex:
            if group.results is not None:
                self._patience.succeeded()
                self._pace.wrote(len(group.events), seconds)
            elif group.error is not None:
                self._patience.failed()
                self._pace.failed()
                to_wake = [*to_wake, *self._fail_queue(group.error)]
            # First of all, so that the database is soon at work again.
            self._wake_next()
        for member in to_wake:
            if member is not entry:
                member.wake()

    def _fail_queue(self, error: StoreUnavailable) -> list[_Entry]:
        """Give up for all that wait: they would each wait for the same failure."""
        failed = _Group(error)
        queue, self._queue = self._queue, deque()
        for entry in queue:
            failed.add(entry)
        self._count_waiting()
        return failed.entries
