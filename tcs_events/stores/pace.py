"""How much a database can write in the time that a request may take."""

from __future__ import annotations

GROUP_MAX_EVENTS = 3000
FIRST_GROUP_EVENTS = 100
"""The bound of a group while nothing is known of the database."""
SHARE_OF_TIMEOUT = 1 / 4
"""A group is to take this share of the time a request has: so a full queue is still answered."""
GROWTH = 4
"""A group may hold so many times the events of the one before."""
SAFETY = 1.25
"""Commits take a little longer than the ones before them have."""


class Pace:
    """Measures each commit, and bounds the next group by what fits into the time.

    After an outage every client sends again at once. If a slow database got all of that in one
    transaction, it would fail at the timeout, and so would the next one, and nothing would ever be
    stored.

    Args:
        timeout_seconds: how long a request may take.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._target_seconds = timeout_seconds * SHARE_OF_TIMEOUT
        self._was_slow = False
        self.group_max_events = FIRST_GROUP_EVENTS
        self.events_per_second: float | None = None
        """What one committer writes, where the database is so slow that it matters; else None."""

    def wrote(self, events: int, seconds: float) -> None:
        """Take a commit into account that has succeeded."""
        per_second = events / max(seconds, 1e-6)
        fits = int(per_second * self._target_seconds)
        largest = min(max(self.group_max_events, GROWTH * events), GROUP_MAX_EVENTS)
        self.group_max_events = max(1, min(fits, largest))
        # One slow commit may be a disk that paused. Two in a row are a slow database. A quick one
        # says little about larger groups: most of its time is the sync, not the rows.
        is_slow = seconds > self._target_seconds / GROWTH
        self.events_per_second = per_second if is_slow and self._was_slow else None
        self._was_slow = is_slow

    def failed(self) -> None:
        """Begin with a single request again: nobody knows what the database can do now."""
        self._was_slow = False
        self.group_max_events = 1
        self.events_per_second = None

    def most_events(self, seconds_left: float) -> int:
        """Return how many events the next group may hold, for one request with so much time."""
        if self.events_per_second is None:
            return self.group_max_events
        in_time = int(self.events_per_second * seconds_left / SAFETY)
        return min(self.group_max_events, in_time)

    def seconds_for(self, events: int, committers: int) -> float:
        """Return how long these events will take; 0 where the database is not known to be slow."""
        if self.events_per_second is None:
            return 0.0
        return SAFETY * events / (self.events_per_second * committers)
