"""What simulated visitors want, and what the demo's own search has for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcs_events.demo.models import Expert
from tcs_events.demo.sage import understand
from tcs_events.demo.search import Search, tags_of

OFTEN = (
    "designer",
    "python",
    "cloud",
    "testing",
    "security review",
    "product strategy",
    "PostgreSQL",
    "leadership",
    "marketing",
    "TypeScript",
)
SELDOM = (
    "Flask developer",
    "machine learning",
    "React performance",
    "accessibility audit",
    "mobile app",
    "payments",
    "user research",
    "technical writer",
    "growth",
    "API",
    "under 100 euros tagged design",
)
GAPS = ("underwater basketry", "COBOL mainframe", "tax accountant", "WordPress plugin", "Haskell")
"""Nobody does that."""
TOO_DEAR = {"penetration tester": 100, "Kubernetes": 90, "privacy counsel": 120, "rust": 110}
"""There is somebody, who costs more than the rate that these visitors filter by."""
TYPOS = {
    "pyhton": "python",
    "desinger": "designer",
    "markting": "marketing",
    "securty": "security review",
}
"""What is typed, and what is asked a moment later."""
TAGS = ("python", "design", "security", "writing", "data", "cloud", "product")
RATES = (80, 100, 120, 150)
DEAD_RATE = 40
"""Less than anybody takes."""
DEAD_TAGS = ("games", "legal")
"""There are experts of each, and none of both."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Sage answers."""

    expert_ids: tuple[str, ...]
    """Who is found, in order."""
    has_searched: bool
    """Whether the question held more than filters."""


class Sage:
    """Answers as the demo does; the same question is searched once."""

    def __init__(self, experts: Sequence[Expert]) -> None:
        self._experts = experts
        self._tags = tags_of(experts)
        self._answers: dict[Search, Answer] = {}

    def answer(self, query: str, tags: Sequence[str] = (), rate_max: int | None = None) -> Answer:
        """Return who is found under these filters."""
        asked = Search.of(query, tags, rate_max)
        if asked not in self._answers:
            search = understand(asked, self._tags)
            found = tuple(expert.username for expert in search.among(self._experts))
            self._answers[asked] = Answer(found, search.has_words)
        return self._answers[asked]
