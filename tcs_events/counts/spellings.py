"""Chooses the spelling in which a query is shown: the one that most visitors have typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def commonest(spellings: Mapping[str, Any]) -> str:
    """Return the spelling with the largest count.

    Among equal counts it is the first one by Unicode code points, so that the result does not
    depend on the order of counting.

    Args:
        spellings: counts by spelling. A count may be a tuple, with the most important number first.

    Raises:
        ValueError: there are no spellings.
    """
    if len(spellings) == 1:
        return next(iter(spellings))
    largest = max(spellings.values())
    return min(spelling for spelling, count in spellings.items() if count == largest)
