"""How many real browsers the bot rule takes for crawlers, and how many crawlers it catches."""

from __future__ import annotations

from collections.abc import Callable

from tests.figures.browsers import BROWSERS
from tests.figures.figure import Row

MAX_FLAGGED_PERCENT = 0.5


def flagged_and_caught(count: int) -> list[Row]:
    """Put real browsers and so many crawlers to the rule."""
    from tcs_events.intake.bots import is_crawler

    crawlers = known_crawlers()
    crawlers = crawlers[:: max(1, len(crawlers) // count)]
    flagged, caught = shares(is_crawler, crawlers)
    by_word = shares(lambda user_agent: "bot" in user_agent.lower(), crawlers)
    return [
        Row(
            f"{len(BROWSERS)} browsers, {len(crawlers)} crawlers",
            f"{flagged:.1f} %; {caught:.1f} %",
            flagged <= MAX_FLAGGED_PERCENT,
            f'"bot" anywhere in the user agent: {by_word[0]:.1f} %; {by_word[1]:.1f} %',
            by_word[0] > MAX_FLAGGED_PERCENT or by_word[1] < caught,
        )
    ]


def known_crawlers() -> list[str]:
    """Return the crawlers that the list itself gives as examples: the rule is made for them."""
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    return [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry.get("instances", ())]


def shares(rule: Callable[[str], bool], crawlers: list[str]) -> tuple[float, float]:
    """Return how many per cent of the browsers and of the crawlers a rule takes for crawlers."""
    flagged = sum(map(rule, BROWSERS)) / len(BROWSERS) * 100
    return flagged, sum(map(rule, crawlers)) / len(crawlers) * 100
