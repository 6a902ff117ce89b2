"""What a visitor asked for, who fits, and how Sage puts it.

Sage stands for the AI search of a real marketplace. Here it compares words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from tcs_events.demo.models import Expert

RATE_CEILING = 200  # the right end of the slider, where it means "any rate"
QUERY_MAX_LENGTH = 200

SMALL_WORDS = """
a an and any are at can could do does expert experts find for from give has have help how i in is it
know knows looking make me my need of on or our please show somebody someone that the to up us want
we what who whose with you your
"""


@dataclass(frozen=True, slots=True)
class Search:
    query: str
    tags: tuple[str, ...]
    rate_max: int | None

    @classmethod
    def from_args(cls, args: MultiDict[str, str]) -> Search:
        rate_max = args.get("rate_max", type=int)
        return cls(
            query=args.get("q", "").strip()[:QUERY_MAX_LENGTH],
            tags=tuple(dict.fromkeys(args.getlist("tags"))),
            rate_max=None if rate_max is None or rate_max >= RATE_CEILING else rate_max,
        )

    def among(self, experts: Sequence[Expert]) -> list[Expert]:
        """Return those who pass the filters and match as many words as the best of them."""
        passing = [expert for expert in experts if self._passes(expert)]
        words = _words(self.query)
        if not words:
            return passing
        hits = {expert.username: _count_hits(words, expert) for expert in passing}
        most = max(hits.values(), default=0)
        return [expert for expert in passing if most and hits[expert.username] == most]

    def answer(self, found: Sequence[Expert]) -> str:
        """Say in Sage's words what was found."""
        asked = f"“{self.query}”"
        if self.rate_max is not None:
            asked += f" up to €{self.rate_max} an hour"
        if self.tags:
            asked += f", tagged {' and '.join(self.tags)}"
        if not found:
            return f"I found nobody for {asked}. I would rather say so than guess."
        if len(found) == 1:
            return f"I found one expert for {asked}: {found[0].name}."
        return f"I found {len(found)} experts for {asked}."

    def _passes(self, expert: Expert) -> bool:
        affordable = self.rate_max is None or expert.hourly_rate <= self.rate_max
        return affordable and set(self.tags) <= set(expert.tags)


def _words(text: str) -> set[str]:
    """Return the words that say something, without accents, so that "bjorn" finds Björn."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return set(re.findall(r"\w+", plain)).difference(SMALL_WORDS.split())


def _count_hits(words: set[str], expert: Expert) -> int:
    theirs = _words(" ".join((expert.name, expert.title, *expert.tags, expert.bio)))
    return sum(any(_same(word, other) for other in theirs) for word in words)


def _same(word: str, other: str) -> bool:
    """Compare by the shorter one: "designer" meets "design", but "ai" does not meet "aid"."""
    shorter, longer = sorted((word, other), key=len)
    return word == other or (len(shorter) >= 3 and longer.startswith(shorter))
