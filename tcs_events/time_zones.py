"""Time zones by name. UTC works on every machine, even without time zone data.

A slim container has no /usr/share/zoneinfo, and Python does not bring the data itself. There,
`ZoneInfo("UTC")` fails.
"""

from __future__ import annotations

from io import BytesIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

UTC_NAMES = ("UTC", "Etc/UTC")
# RFC 8536, version 1: no transitions, one type of local time (offset 0, no daylight saving), and
# its abbreviation.
_UTC_FILE = (
    b"TZif" + bytes(16) + bytes(12) + bytes(4) + b"\0\0\0\1" + b"\0\0\0\4" + bytes(6) + b"UTC\0"
)


class ZoneDataMissing(ValueError):
    """This machine has no time zone data."""


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of a name, such as "Europe/Berlin".

    Raises:
        ZoneDataMissing: the name is not UTC, and this machine has no time zone data.
        zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        if name in UTC_NAMES:
            return ZoneInfo.from_file(BytesIO(_UTC_FILE), key=name)
        if not available_timezones():
            raise ZoneDataMissing(
                f"is {name!r}, but this machine has no time zone data: pip install tzdata"
            ) from None
        raise
