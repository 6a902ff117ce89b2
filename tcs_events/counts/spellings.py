"""How a query is shown: as most of those who asked it have typed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def commonest(spellings: Mapping[str, Any]) -> str:
    """Return the spelling with the largest count, of equal ones that which comes first in Unicode.

    So it is the same in whatever order they were counted. A count may be several numbers, the most
    important first.

    Raises:
        ValueError: there is no spelling.
    """
    if len(spellings) == 1:
        return next(iter(spellings))
    most = max(spellings.values())
    return min(spelling for spelling, count in spellings.items() if count == most)
