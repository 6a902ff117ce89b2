"""Searches the experts, and words Sage's answer.

Sage stands for the AI search of a real marketplace. Here it only compares words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from tcs_events.demo.models import Expert

RATE_CEILING = 200  # the right end of the slider, where it means "any rate"
QUERY_MAX_LENGTH = 200

SMALL_WORDS = """
a all an and any anyone are at can could do does everybody everyone expert experts find for from
give has have help how i in is it
know knows looking make me my need of on or our please show somebody someone that the to up us want
we what who whose with you your
"""


@dataclass(frozen=True, slots=True)
class Search:
    query: str
    tags: tuple[str, ...]
    rate_max: int | None
    rate_min: int | None = None

    @classmethod
    def from_args(cls, args: MultiDict[str, str]) -> Search:
        return cls.of(
            args.get("q", "").strip()[:QUERY_MAX_LENGTH],
            args.getlist("tags"),
            args.get("rate_max", type=int),
            args.get("rate_min", type=int),
        )

    @classmethod
    def of(
        cls, query: str, tags: Iterable[str], rate_max: int | None, rate_min: int | None = None
    ) -> Search:
        return cls(
            query=query.strip(),
            tags=tuple(dict.fromkeys(tags)),
            rate_max=None if rate_max is None or rate_max >= RATE_CEILING else rate_max,
            rate_min=rate_min,
        )

    @property
    def has_words(self) -> bool:
        """Whether there is anything to search for besides the filters."""
        return bool(_words(self.query))

    def among(self, experts: Sequence[Expert]) -> list[Expert]:
        """Return the experts who pass the filters and match the most words."""
        passing = [expert for expert in experts if self._passes(expert)]
        words = _words(self.query)
        if not words:
            return passing
        hits = {expert.username: _count_hits(words, expert) for expert in passing}
        most = max(hits.values(), default=0)
        return [expert for expert in passing if most and hits[expert.username] == most]

    def answer(self, found: Sequence[Expert]) -> str:
        """Return Sage's sentence about the result."""
        asked = f" for “{self.query}”" if self.query else ""
        if self.rate_min is not None:
            asked += f" from €{self.rate_min} an hour"
        if self.rate_max is not None:
            asked += f" up to €{self.rate_max} an hour"
        if self.tags:
            asked += f"{',' if asked else ''} tagged {' and '.join(self.tags)}"
        if not found:
            return f"I found nobody{asked}. I would rather say so than guess."
        if len(found) == 1:
            return f"I found one expert{asked}: {found[0].name}."
        return f"I found {len(found)} experts{asked}."

    def _passes(self, expert: Expert) -> bool:
        lowest = -math.inf if self.rate_min is None else self.rate_min
        highest = math.inf if self.rate_max is None else self.rate_max
        return lowest <= expert.hourly_rate <= highest and set(self.tags) <= set(expert.tags)


def tags_of(experts: Iterable[Expert], shared_by: int = 1) -> list[str]:
    """Return the tags that at least `shared_by` experts have, sorted."""
    counts = Counter(tag for expert in experts for tag in expert.tags)
    return sorted(tag for tag, count in counts.items() if count >= shared_by)


def _words(text: str) -> set[str]:
    """Return the words of a text without small words and accents: "bjorn" finds Björn."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return set(re.findall(r"\w+", plain)).difference(SMALL_WORDS.split())


def _count_hits(words: set[str], expert: Expert) -> int:
    theirs = _words(" ".join((expert.name, expert.title, *expert.tags, expert.bio)))
    return sum(any(_same(word, other) for other in theirs) for word in words)


def _same(asked: str, theirs: str) -> bool:
    """Compare the beginnings of words: "pay" matches "payments", but "ai" does not match "aid".

    A query's word may be longer only by an ending: "designers" matches "design", but "history" does
    not match "his".
    """
    if asked == theirs:
        return True
    if len(asked) < len(theirs):
        return len(asked) >= 3 and theirs.startswith(asked)
    return len(theirs) >= 3 and asked.startswith(theirs) and len(asked) - len(theirs) <= 3
