"""What is kept of one day's events. It knows no database.

Visits are counted: what a session did on a day counts once, so that days add up. Payloads are
free-form, so that nothing is certain to be there: an event that does not say what a count is about
is left out of that count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

CLICK_WITHIN = timedelta(minutes=5)
"""A click this long after a query is taken as an answer to it."""
REFORMULATED_WITHIN = timedelta(seconds=60)
"""Another query this soon means that the first one was not understood."""
LOOK_AHEAD = max(CLICK_WITHIN, REFORMULATED_WITHIN)
"""What happens this long after the end of a day still says how its queries ended."""

ALL_TYPES = ""
VISIT_MAX_NAMES = 10_000
"""Of one visit, so many different queries are counted, and so many experts, filter values and
combinations of filters; further ones are left out. No visitor comes near it, and a script that
sends new ones for ever does not fill the memory of whoever counts, or the tables of counts."""


class Seen(NamedTuple):
    """An event as a report sees it."""

    event_type: str
    payload: dict[str, Any]
    at: datetime


@dataclass(slots=True)
class Demand:
    """What became of a query, in visits. The counts after `sessions` may overlap."""

    sessions: int = 0
    """Visits that asked it."""
    no_result: int = 0
    """Visits that were shown nothing at least once."""
    no_result_filtered: int = 0
    """Of these, the ones that were shown nothing only while filters were active."""
    found_unfiltered: int = 0
    """Visits that were shown something while no filter was active."""
    no_click: int = 0
    """Visits that were shown something and clicked nothing within five minutes of any ask."""
    reformulated: int = 0
    """Visits that asked something else within 60 seconds."""


@dataclass(slots=True)
class Use:
    """How often something was used."""

    events: int = 0
    sessions: int = 0


@dataclass(slots=True)
class Exposure:
    """How often an expert was before visitors at one position, in visits."""

    exposed: int = 0
    seen: int = 0
    clicked: int = 0


UseKey = tuple[str, str, str]
"""Kind, name and detail."""


@dataclass(slots=True)
class Facts:
    """What is kept of a day. The keys are the names of a row, the values its counts."""

    events: int = 0
    activity: dict[tuple[datetime | None, str], Use] = field(
        default_factory=lambda: defaultdict(Use)
    )
    uses: dict[UseKey, Use] = field(default_factory=lambda: defaultdict(Use))
    demand: dict[str, Demand] = field(default_factory=lambda: defaultdict(Demand))
    exposure: dict[tuple[str, int], Exposure] = field(default_factory=lambda: defaultdict(Exposure))
    visits: set[tuple[str, str]] = field(default_factory=set)
    """Which session sent which types of events."""


class Also(Protocol):
    """Counts something else with each day."""

    def count(self, within: Iterable[Seen]) -> None:
        """Count the events of one session on the day, oldest first."""
