"""Recognises crawlers by user agent: link previews, search engines, HTTP libraries, and the like.

The list is that of crawler-user-agents, the extra `tcs-events[bots]`. It finds honest crawlers: one
that sends the user agent of a browser is not recognised.
"""

from __future__ import annotations

from functools import lru_cache

from crawleruseragents import is_crawler as _is_listed  # type: ignore[import-untyped]

MAX_LENGTH = 512
"""How many characters of a user agent are matched. The longest of the list has 285. All 1,500
patterns take half a millisecond for 512 characters, and ten for 8,000."""
REMEMBERED = 4096
"""How many user agents are remembered: 2 MiB if all have the maximum length."""


def is_crawler(user_agent: str) -> bool:
    """Return whether a user agent is on the list. An empty one is not: it says nothing."""
    return _verdict(user_agent[:MAX_LENGTH])


@lru_cache(REMEMBERED)
def _verdict(user_agent: str) -> bool:
    # The package compiles its patterns once. They are case-sensitive: otherwise short ones such as
    # "Slurp" would match inside other words.
    listed: bool = _is_listed(user_agent)
    return listed


is_crawler("")  # Compiles the patterns now, about 50 ms, and not while a visitor waits.
