"""The queries and filters of simulated visitors, and the answers of the demo's search."""

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
"""No expert offers these."""
TOO_DEAR = {"penetration tester": 100, "Kubernetes": 90, "privacy counsel": 120, "rust": 110}
"""Experts offer these, but for more than the rate that these visitors filter by."""
TYPOS = {
    "pyhton": "python",
    "desinger": "designer",
    "markting": "marketing",
    "securty": "security review",
}
"""Misspelt queries, with what the visitor asks a moment later."""
TAGS = ("python", "design", "security", "writing", "data", "cloud", "product")
RATES = (80, 100, 120, 150)
DEAD_RATE = 40
"""Below the rate of every expert."""
DEAD_TAGS = ("games", "legal")
"""Some experts have one of these tags, but none has both."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Sage's answer to a query."""

    expert_ids: tuple[str, ...]
    """The experts that were found, best first."""
    has_searched: bool
    """Whether the query had more than filters in it."""


class Sage:
    """Answers queries as the demo does. Each query is searched only once."""

    def __init__(self, experts: Sequence[Expert]) -> None:
        self._experts = experts
        self._tags = tags_of(experts)
        self._answers: dict[Search, Answer] = {}

    def answer(self, query: str, tags: Sequence[str] = (), rate_max: int | None = None) -> Answer:
        """Return the experts that the query finds with these filters."""
        wish = Search.of(query, tags, rate_max)
        if wish not in self._answers:
            search = understand(wish, self._tags)
            expert_ids = tuple(expert.username for expert in search.among(self._experts))
            self._answers[wish] = Answer(expert_ids, search.has_words)
        return self._answers[wish]
