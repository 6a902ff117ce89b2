"""The counts of one day. This module does not use the database.

The counts are in visits: a session counts once for each day, so that days can be added up. Payloads
are free-form, and any field may be missing. An event without the field that a count needs is left
out of that count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from tcs_events.counts.properties import PropertyCounts, Sum, SumKey

CLICK_WITHIN = timedelta(minutes=5)
"""A click this soon after a query counts as a click on its results."""
REFORMULATED_WITHIN = timedelta(seconds=60)
"""A different query this soon after a query means that the first one did not help."""
LOOK_AHEAD = max(CLICK_WITHIN, REFORMULATED_WITHIN)
"""How long events after the end of a day still affect the day's queries."""

ALL_TYPES = ""
"""The event type that stands for all types together."""
VISIT_MAX_NAMES = 10_000
"""The most different queries of a visit that are counted, and likewise its items, filter values
and combinations of filters. Real visitors have far fewer. The limit keeps a script that sends new
ones for ever from filling the memory and the tables."""


class Seen(NamedTuple):
    """An event as it is counted."""

    event_type: str
    payload: dict[str, Any]
    at: datetime


@dataclass(slots=True)
class Demand:
    """How visits with a query went on. The counts after `sessions` may overlap."""

    sessions: int = 0
    """Visits that asked the query."""
    no_result: int = 0
    """Visits where it had no results at least once."""
    no_result_filtered: int = 0
    """Visits where it had no results, and only while filters were active."""
    found_unfiltered: int = 0
    """Visits where it had results while no filter was active."""
    no_click: int = 0
    """Visits where it had results, but no click followed within five minutes."""
    reformulated: int = 0
    """Visits that asked another query within 60 seconds."""


@dataclass(slots=True)
class Use:
    """How often something was used."""

    events: int = 0
    sessions: int = 0


@dataclass(slots=True)
class Exposure:
    """How often an item was shown at one position, in visits."""

    exposed: int = 0
    """Visits in which a query returned the item, or it was seen or clicked."""
    seen: int = 0
    """Visits in which the card was in view."""
    clicked: int = 0


UseKey = tuple[str, str, str]
"""Kind, name and detail."""


@dataclass(slots=True)
class Facts:
    """All counts of a day. Each key holds the names of a table's row, and its value the counts."""

    events: int = 0
    activity: dict[tuple[datetime | None, str], Use] = field(
        default_factory=lambda: defaultdict(Use)
    )
    uses: dict[UseKey, Use] = field(default_factory=lambda: defaultdict(Use))
    demand: dict[str, Demand] = field(default_factory=lambda: defaultdict(Demand))
    exposure: dict[tuple[str, int], Exposure] = field(default_factory=lambda: defaultdict(Exposure))
    visits: set[tuple[str, str]] = field(default_factory=set)
    """The session id and the event type of each event, once."""
    properties: PropertyCounts = field(default_factory=PropertyCounts)

    @property
    def sums(self) -> dict[SumKey, Sum]:
        """The sums of the declared properties."""
        return self.properties.sums()


class Also(Protocol):
    """Another counter that gets the same events of a day."""

    def count(self, visit: Iterable[Seen]) -> None:
        """Count the events of one visit, oldest first."""
