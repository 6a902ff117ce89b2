"""Days of a time zone, and when they begin and end in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

COUNTED_FROM = datetime(1900, 1, 1, tzinfo=UTC)
COUNTED_UNTIL = datetime(9998, 12, 31, tzinfo=UTC)
"""Events before or after these times are not counted. A host's own rows may have any year, and
Python's calendar ends with 9999."""


class Day(NamedTuple):
    """A day from `start` to `end`, exclusive. It has 24 hours unless the clocks change."""

    date: date
    start: datetime
    end: datetime
    zone: ZoneInfo


def day(day_date: date, zone: ZoneInfo) -> Day:
    """Return a day of the zone with its start and end in UTC."""
    next_date = day_date + timedelta(days=1)
    return Day(day_date, _midnight(day_date, zone), _midnight(next_date, zone), zone)


def days_until(first: date, end: datetime, zone: ZoneInfo) -> list[Day]:
    """Return the days from `first` to the one in which `end` is, or which `end` ends."""
    days = [day(first, zone)]
    while days[-1].end < end:
        days.append(day(days[-1].date + timedelta(days=1), zone))
    return days


def date_in(zone: ZoneInfo, at: datetime) -> date:
    """Return the date in the zone, limited to `COUNTED_FROM` and `COUNTED_UNTIL`."""
    return min(max(at, COUNTED_FROM), COUNTED_UNTIL).astimezone(zone).date()


def dates(first: date, last: date) -> Iterator[date]:
    """Yield every date from `first` to `last`, inclusive."""
    while first <= last:
        yield first
        first += timedelta(days=1)


def runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Yield the first and the last of each run of consecutive days. The days must be in order."""
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - timedelta(days=pair[0])):
        run_days = [run_day for _, run_day in run]
        yield run_days[0], run_days[-1]


def monday_of(day_date: date) -> date:
    """Return the first day of a day's week."""
    return day_date - timedelta(days=day_date.weekday())


def _midnight(day_date: date, zone: ZoneInfo) -> datetime:
    # If the clocks skip midnight, this is the moment at which they go forward.
    return datetime.combine(day_date, time.min, zone).astimezone(UTC)
