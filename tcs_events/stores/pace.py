"""How many events the database can write in the time that a request may take."""

from __future__ import annotations

GROUP_MAX_EVENTS = 3000
FIRST_GROUP_EVENTS = 100
"""The limit of the first group, before any commit was measured."""
SHARE_OF_TIMEOUT = 1 / 4
"""The share of a request's timeout that a group should take, so that requests in a full queue are
still answered in time."""
GROWTH = 4
"""A group may hold this many times the events of the group before it."""
SAFETY = 1.25
"""The factor by which estimates are raised, because commits may take longer than the last ones."""


class Pace:
    """Measures each commit, and limits the next group to what fits into the time.

    After an outage every client retries at once. If a slow database got all these events in one
    transaction, the transaction would time out, the next one too, and nothing would be stored.

    Args:
        timeout_seconds: how long a request may take.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._target_seconds = timeout_seconds * SHARE_OF_TIMEOUT
        self._was_slow = False
        self.group_max_events = FIRST_GROUP_EVENTS
        self.events_per_second: float | None = None
        """What one committer writes, or None if the database is not slow."""

    def wrote(self, events: int, seconds: float, *, is_full: bool = True) -> None:
        """Note that a commit succeeded.

        Args:
            events: the number of events in the group.
            seconds: how long the commit took.
            is_full: whether more events were waiting than the group could hold.
        """
        per_second = events / max(seconds, 1e-6)
        events_in_time = int(per_second * self._target_seconds)
        largest = min(max(self.group_max_events, GROWTH * events), GROUP_MAX_EVENTS)
        self.group_max_events = max(1, min(events_in_time, largest))
        # One slow commit may be a pause of the disk. Two in a row mean a slow database. A quick
        # commit says little about larger groups: most of its time is the sync, not the rows. Nor
        # does a slow commit of all that was waiting: on a busy machine one event takes as long as
        # twelve, and a rate taken from it would refuse events that are in time.
        is_slow = is_full and seconds > self._target_seconds / GROWTH
        self.events_per_second = per_second if is_slow and self._was_slow else None
        self._was_slow = is_slow

    def failed(self) -> None:
        """Note that a commit failed. The next group holds a single request, as a test."""
        self._was_slow = False
        self.group_max_events = 1
        self.events_per_second = None

    def most_events(self, seconds_left: float) -> int:
        """Return how many events the next group may hold if it has `seconds_left`."""
        if self.events_per_second is None:
            return self.group_max_events
        events_in_time = int(self.events_per_second * seconds_left / SAFETY)
        return min(self.group_max_events, events_in_time)

    def seconds_for(self, events: int, committers: int) -> float:
        """Return how many seconds these events will take, 0 if the database is not slow."""
        if self.events_per_second is None:
            return 0.0
        return SAFETY * events / (self.events_per_second * committers)
