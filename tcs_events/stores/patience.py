"""How long a commit may take while the database fails."""

from __future__ import annotations

from time import monotonic

BRIEF_SECONDS = 0.1
BRIEF_FOR_SECONDS = 1.0


class Patience:
    """How long a commit may take: for a while after one has failed, the next ones are brief.

    A server that takes one request at a time lets the next one wait for the failure of this one;
    if each took its full time, the last would be answered long after its visitor had left.
    """

    def __init__(self) -> None:
        self.is_failing = False
        self.succeeded_at = self.failed_at = float("-inf")
        self._brief_until = 0.0

    def limit(self, deadline: float) -> float:
        """Return until when the next commit may take, a `monotonic()` time."""
        now = monotonic()
        if now < self._brief_until:
            return min(deadline, now + BRIEF_SECONDS)
        if self.is_failing:
            self._brief_until = now + BRIEF_FOR_SECONDS  # this one finds out for the others
        return deadline

    def failed(self) -> None:
        """Take into account that a commit has failed."""
        self.is_failing = True
        self.failed_at = now = monotonic()
        if now >= self._brief_until:
            self._brief_until = now + BRIEF_FOR_SECONDS

    def succeeded(self) -> None:
        """Take into account that a commit has succeeded."""
        self.is_failing = False
        self.succeeded_at = monotonic()
        self._brief_until = 0.0
