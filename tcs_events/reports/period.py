"""The days a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from tcs_events.counts.days import dates

MAX_DAYS = 3660


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included, in the time zone of `TCS_EVENTS_TIMEZONE`.

    Raises:
        ValueError: the last day is before the first one, or more than ten years after it.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if not 0 <= (self.last - self.first).days < MAX_DAYS:
            raise ValueError(
                f"a period runs from its first day to its last, {MAX_DAYS} days at most,"
                f" not from {self.first} to {self.last}"
            )

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    def dates(self) -> list[date]:
        """Return the days, oldest first."""
        return list(dates(self.first, self.last))

    def before(self) -> Period:
        """Return the period of the same length just before this one."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))


def days_until(last: date, days: int) -> Period:
    """Return the given number of days that ends with `last`.

    Raises:
        ValueError: `days` is not 1 to 3660.
    """
    return Period(last - timedelta(days=days - 1), last)
