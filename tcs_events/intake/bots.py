"""Which user agents are crawlers: link previews, search engines, HTTP libraries, headless browsers.

The list is that of crawler-user-agents, the extra `tcs-events[bots]`. It is for honest crawlers:
whoever wants to pass for a browser only has to say so.
"""

from __future__ import annotations

from functools import lru_cache

from crawleruseragents import is_crawler as _is_listed  # type: ignore[import-untyped]

MAX_LENGTH = 512
"""As much of a user agent as is looked at. The longest crawler of the list has 285 characters, and
1,500 patterns are held against each of them: half a millisecond for 512, ten for 8,000."""
REMEMBERED = 4096
"""User agents whose verdict is remembered: 2 MiB if all are as long as they can be."""


def is_crawler(user_agent: str) -> bool:
    """Return whether a user agent is on the list. An empty one is not: it says nothing."""
    return _verdict(user_agent[:MAX_LENGTH])


@lru_cache(REMEMBERED)
def _verdict(user_agent: str) -> bool:
    # The package puts its patterns together in pieces that are compiled once. Held as they are
    # written: with their case ignored, "Slurp" and its like turn up inside of other words.
    listed: bool = _is_listed(user_agent)
    return listed


is_crawler("")  # compiles the patterns now, some 50 ms, and not while a visitor waits
