"""Finds filters in the words of a query: "a designer under 100 euros, tagged mobile"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from tcs_events.demo.search import Search

_JOIN = r"(?:\b(?:and|but|for|at|who|that|costs?|charges?|charging|is|are)\s+)*"
_LIMIT = (
    r"(?:\b(?:under|below|up to|at most|less than|no more than|max(?:imum)?(?: of)?"
    r"|(?:a )?budget(?: of| is)?)|<=?|≤)"
)
# A wrong filter is worse than none: "80k", "99.50", "10 years" and "5%" are not amounts.
_OF_ELSE = r"\w|[.,]\d| ?%| (?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|people|users)\b"
_AMOUNT = rf"(?:€\s*|eur(?:os?)?\s+)?(?P<rate>\d+)(?:\s*(?:€|eur(?:os?)?))?(?!{_OF_ELSE})"
_PER_HOUR = r"(?:\s*(?:(?:an|per|a) hour|/ ?h(?:our)?|hourly)\b)?"
_AT_MOST = r"\s+(?:or less|at most|max(?:imum)?)\b"
_PRICES = [
    re.compile(f"{_JOIN}{_LIMIT}\\s*{_AMOUNT}{_PER_HOUR}(?:{_AT_MOST})?", re.IGNORECASE),
    re.compile(f"{_JOIN}(?<![\\w.,]){_AMOUNT}{_PER_HOUR}{_AT_MOST}", re.IGNORECASE),
]


def understand(asked: Search, known_tags: Iterable[str]) -> Search:
    """Return the search with the filters in its words moved into its filters.

    They narrow the filters that are set already: the lower rate counts, and tags are added. "Under
    100" includes 100, as on the slider. The query is "" if its words were only filters.
    """
    rest = " ".join(asked.query.split())
    rates = [] if asked.rate_max is None else [asked.rate_max]
    tags = [*asked.tags]
    for price in _PRICES:
        rates += (int(found["rate"]) for found in price.finditer(rest))
        rest = price.sub(" ", rest)
    tagged, tag = _tag_patterns(known_tags)
    for found in tagged.finditer(rest):
        tags += (name.lower() for name in tag.findall(found["tags"]))
    rest = " ".join(tagged.sub(" ", rest).split()).strip(" ,;")

    understood = Search.of(rest, tags, min(rates, default=None), asked.rate_min)
    return understood if understood.has_words else replace(understood, query="")


def _tag_patterns(known_tags: Iterable[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return two patterns: one for "tagged a, b and c", one for each tag in it."""
    longest_first = sorted(known_tags, key=len, reverse=True)
    tag = rf"\b(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})\b"
    tagged = rf"{_JOIN}\b(?:tagged|tags?)(?: with| as)?:? (?P<tags>{tag}(?:(?:,? and|,| &) {tag})*)"
    return re.compile(tagged, re.IGNORECASE), re.compile(tag, re.IGNORECASE)
