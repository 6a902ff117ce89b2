"""Reads the times of a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tcs_events.importing.errors import RowRefused

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_COUNTED = datetime(2000, 1, 1, tzinfo=UTC)
"""A number that would be an earlier time is something else, such as a year."""
CLOCK_SKEW = timedelta(days=1)
"""How far a time may lie in the future: the clocks of two machines differ."""
_MILLISECONDS, _MICROSECONDS = 100_000_000_000, 100_000_000_000_000
"""The numbers from which a count since 1970 is one of milliseconds, and of microseconds. As
seconds, the first would be the year 5138."""


def read_time(column: str, value: object, now: datetime) -> datetime:
    """Return a time in UTC.

    A time without a time zone is in UTC. A number counts seconds since 1970, or milliseconds, or
    microseconds, unless it is a date such as 20260301.

    Args:
        column: its name, for the message.
        value: the time, in any form of ISO 8601, or as a number.
        now: today's time in UTC.

    Raises:
        RowRefused: it is not a time, or lies before 1970 or in the future.
    """
    try:
        at = _time(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        raise RowRefused(f"{column} is not a time; write it as 2026-03-01T12:00:00+00:00") from None
    if at < FIRST:
        raise RowRefused(f"{column} is before 1970")
    if at > now + CLOCK_SKEW:
        raise RowRefused(f"{column} is in the future")
    return at


def _time(value: object) -> datetime:
    if isinstance(value, str):
        text = value.strip()
        if not text.removeprefix("-").isdecimal():
            # Rails writes "2026-03-01 12:00:00 UTC".
            return datetime.fromisoformat(text.removesuffix(" UTC"))
        if len(text) == len("20260301"):
            return datetime.fromisoformat(text)
        value = int(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if value >= _MICROSECONDS:
        at = FIRST + timedelta(microseconds=value)
    elif value >= _MILLISECONDS:
        at = FIRST + timedelta(milliseconds=value)
    else:
        at = FIRST + timedelta(seconds=value)
    if at < FIRST_COUNTED:
        raise ValueError("a year or a day of a spreadsheet, rather than a count since 1970")
    return at
