"""The time allowed for the steps of a funnel over days, and how it is written as text."""

from __future__ import annotations

import re
from datetime import timedelta

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=90)
_WITHIN = re.compile(r"([1-9][0-9]{0,3})([hd])")


def within_of(text: str | timedelta) -> timedelta:
    """Return the time of a text such as `12h`, `7d` or `90d`. A day is 24 hours.

    Raises:
        ValueError: it is not a number of hours or days, or not from one hour to 90 days.
    """
    within = text
    if isinstance(text, str):
        if not (match := _WITHIN.fullmatch(text)):
            raise ValueError(f"{text!r} is not a time: write hours or days, such as 12h, 7d or 90d")
        number = int(match[1])
        within = timedelta(hours=number) if match[2] == "h" else timedelta(days=number)
    if not isinstance(within, timedelta) or not SHORTEST <= within <= LONGEST:
        raise ValueError(f"{text!r} is not a time from one hour (1h) to 90 days (90d)")
    return within


def text_of_within(within: timedelta) -> str:
    """Return the text that `within_of` reads as this time, if it is a number of hours or days."""
    hours = within / timedelta(hours=1)
    if hours % 24 == 0:
        return f"{hours / 24:g}d"
    return f"{hours:g}h"
