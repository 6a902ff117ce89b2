"""How long a commit may take while the database fails."""

from __future__ import annotations

from time import monotonic

BRIEF_SECONDS = 0.1
"""How long a commit may take while they are brief."""
BRIEF_FOR_SECONDS = 1.0
"""How long commits stay brief, before one gets its full time again."""


class Patience:
    """Shortens the time a commit may take after one has failed.

    A server with one worker handles requests one after the other. If each waited the full timeout
    for a database that is down, the last visitor would have left before the answer.
    """

    def __init__(self) -> None:
        self.is_failing = False
        self.succeeded_at = self.failed_at = float("-inf")
        self._brief_until = 0.0

    def limit(self, deadline: float) -> float:
        """Return the deadline of the next commit, a `monotonic()` time."""
        now = monotonic()
        if now < self._brief_until:
            return min(deadline, now + BRIEF_SECONDS)
        if self.is_failing:
            self._brief_until = now + BRIEF_FOR_SECONDS  # this commit tests for the others
        return deadline

    def failed(self) -> None:
        """Note that a commit failed."""
        self.is_failing = True
        self.failed_at = now = monotonic()
        if now >= self._brief_until:
            self._brief_until = now + BRIEF_FOR_SECONDS

    def succeeded(self) -> None:
        """Note that a commit succeeded."""
        self.is_failing = False
        self.succeeded_at = monotonic()
        self._brief_until = 0.0
