"""Simulates when visitors come, and collects the events of a visit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from tcs_events.event import Event

BUSY_HOURS = {
    8: 3,
    9: 6,
    10: 9,
    11: 8,
    12: 5,
    13: 5,
    14: 8,
    15: 8,
    16: 7,
    17: 5,
    19: 4,
    20: 5,
    21: 3,
}
"""Local hours at which visits begin, with weights. None is so late that it lasts past midnight."""
WEEKEND = 0.4
VISITS = {1: 45, 2: 25, 3: 15, 4: 8, 6: 5, 9: 2}
"""The numbers of days on which a visitor comes, with weights."""
VISIT_MAX = timedelta(hours=1)


@dataclass
class Visit:
    """One session on one day. `at` is the time of its next event."""

    random: Random
    session_id: str
    at: datetime
    events: list[Event] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    rate_max: int | None = None
    """The current filters are `tags` and `rate_max`."""

    def wait(self, least_seconds: float, most_seconds: float) -> None:
        """Let a random time between the two pass."""
        self.at += _milliseconds(
            self.random.randint(int(least_seconds * 1000), int(most_seconds * 1000))
        )

    def send(self, event_type: str, at: datetime | None = None, **payload: object) -> None:
        """Add an event, at the current time unless `at` is given."""
        event_id = UUID(int=self.random.getrandbits(128), version=4)
        at = at or self.at
        self.events.append(Event(event_id, self.session_id, event_type, payload, None, at, at))

    @property
    def filters(self) -> dict[str, object]:
        """The filters as the page sends them, including those that are off."""
        return {"tags": [*self.tags], "rate_max": self.rate_max}


class Calendar:
    """Chooses the times of visits: the days up to `end`, at usual hours in `zone`."""

    def __init__(self, random: Random, end: datetime, zone: ZoneInfo, days: int) -> None:
        self._random = random
        self._end = end.astimezone(UTC)
        self._zone = zone
        last = end.astimezone(zone).date()
        self._dates = [last - timedelta(days=ago) for ago in reversed(range(days))]

    def visits_of(self, session_id: str) -> list[Visit]:
        """Return empty visits of a session, on different days, oldest first."""
        [count] = self._random.choices(list(VISITS), list(VISITS.values()))
        weights = [WEEKEND if day.weekday() >= 5 else 1 for day in self._dates]
        days = sorted(set(self._random.choices(self._dates, weights, k=count)))
        visits = [Visit(self._random, session_id, self._time_on(day)) for day in days]
        return [visit for visit in visits if visit.at + VISIT_MAX <= self._end]

    def _time_on(self, day: date) -> datetime:
        [hour] = self._random.choices(list(BUSY_HOURS), list(BUSY_HOURS.values()))
        local = time(hour, self._random.randrange(60), self._random.randrange(60))
        began = datetime.combine(day, local, self._zone).astimezone(UTC)
        return began + _milliseconds(self._random.randrange(1000))


def _milliseconds(count: int) -> timedelta:
    return timedelta(milliseconds=count)
