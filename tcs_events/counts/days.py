"""Days of a time zone, as pieces of the one line of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

COUNTED_FROM = datetime(1900, 1, 1, tzinfo=UTC)
COUNTED_UNTIL = datetime(9998, 12, 31, tzinfo=UTC)
"""Events before and after are of no day: a host's own rows may say any year, and the calendar of
Python ends soon after."""


class Day(NamedTuple):
    """A day, from `start` until before `end`: 24 hours, or more or less where clocks change."""

    date: date
    start: datetime
    end: datetime
    zone: ZoneInfo


def day(of: date, zone: ZoneInfo) -> Day:
    """Return a day with its bounds, in UTC."""
    return Day(of, _midnight(of, zone), _midnight(of + timedelta(days=1), zone), zone)


def date_in(zone: ZoneInfo, at: datetime) -> date:
    """Return the date on a calendar of the zone, between `COUNTED_FROM` and `COUNTED_UNTIL`."""
    return min(max(at, COUNTED_FROM), COUNTED_UNTIL).astimezone(zone).date()


def dates(first: date, last: date) -> Iterator[date]:
    """Give every date from the first to the last one, both included."""
    while first <= last:
        yield first
        first += timedelta(days=1)


def _midnight(of: date, zone: ZoneInfo) -> datetime:
    # Where midnight is skipped, this is the moment at which the clocks go forward.
    return datetime.combine(of, time.min, zone).astimezone(UTC)
