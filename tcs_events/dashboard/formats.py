"""Template filters for numbers, dates and values. "No data" is a dash, never a zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from tcs_events.export.json_text import json_text
from tcs_events.reports import Period
from tcs_events.reports.durations import duration
from tcs_events.reports.explore import number_text

NO_DATA = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
TEXT_MAX_LENGTH = 400
"""CSS shortens long texts on the page; this limit keeps huge payloads out of the HTML."""


def count(value: float | None) -> str:
    """1204 → `1,204`."""
    return NO_DATA if value is None else f"{value:,}"


def decimal(value: float | None) -> str:
    """2.345 → `2.3`."""
    return NO_DATA if value is None else f"{value:,.1f}"


def hundredths(value: float | None) -> str:
    """0.4567 → `0.46`."""
    return NO_DATA if value is None else f"{value:.2f}"


def share(value: float | None) -> str:
    """0.123 → `12 %`; below ten percent `1.2 %`; a share above zero is never written as `0 %`."""
    if value is None:
        return NO_DATA
    percent = value * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %"


def change(now: int | None, before: int | None) -> str:
    """Return the relative change: `+12 %`; a dash if there was nothing before.

    A change is never written as `0 %`: below one percent it is `+0.4 %` or `about the same`.
    """
    if now is None or not before:
        return NO_DATA
    difference = (now - before) / before
    if abs(difference) >= 10:
        return f"{now / before:,.0f} times"
    if now == before:
        return "no change"
    if abs(difference) < 0.0005:
        return "about the same"
    digits = 0 if abs(difference) >= 0.00995 else 1
    return f"{100 * difference:+.{digits}f} %".replace("-", MINUS)


def points(now: float, before: float) -> str:
    """Return the change of a share in percentage points: `+3 points`."""
    difference = round(100 * (now - before), 1)
    if difference == 0:
        return "no change" if now == before else "about the same"
    text = f"{difference:+.{0 if abs(difference) >= 10 else 1}f}".removesuffix(".0")
    return f"{text} {'point' if abs(difference) == 1 else 'points'}".replace("-", MINUS)


def points_direction(now: float, before: float) -> str:
    """Return "up" or "down" for a change that can be seen in `points`, else "same"."""
    difference = round(100 * (now - before), 1)
    return "same" if difference == 0 else "up" if difference > 0 else "down"


def direction(now: int | None, before: int | None) -> str:
    """Return "up" or "down" for a change that can be seen in `change`, else "same"."""
    if now is None or not before or abs(now - before) < 0.0005 * before:
        return "same"
    return "up" if now > before else "down"


def day(value: date | None) -> str:
    """`12 Oct 2026`."""
    return NO_DATA if value is None else f"{value.day} {value:%b %Y}"


def short_day(value: date) -> str:
    """`12 Oct`."""
    return f"{value.day} {value:%b}"


def moment(value: datetime | None) -> str:
    """`12 Oct 2026, 14:05`; midnight is written too: `12 Oct 2026, 00:00`."""
    return NO_DATA if value is None else f"{day(value)}, {value:%H:%M}"


def clock(value: datetime) -> str:
    """`14:05:59`."""
    return f"{value:%H:%M:%S}"


def period(value: Period) -> str:
    """`12 Oct to 10 Nov 2026`; the first year is left out if it is the same."""
    if value.first == value.last:
        return day(value.last)
    is_one_year = value.first.year == value.last.year
    return f"{short_day(value.first) if is_one_year else day(value.first)} to {day(value.last)}"


def value_text(value: Any) -> str:
    """Return a value that a browser sent: as text if it is simple, else as JSON.

    `["a", "b"]` gives `a, b`, and `{"tags": ["a"], "rate_max": 90}` gives `tags: a · rate_max: 90`.
    """
    if value is None:
        return NO_DATA
    if isinstance(value, Mapping) and value and not any(map(_is_deep, value.values())):
        text = " · ".join(f"{name}: {_scalars(item)}" for name, item in value.items())
    else:
        text = _scalars(value)
    return text if len(text) <= TEXT_MAX_LENGTH else text[: TEXT_MAX_LENGTH - 1] + "…"


def _is_deep(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and not all(isinstance(item, str) for item in value)
    )


def _scalars(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and not _is_deep(value):
        return ", ".join(value)
    return json_text(value)


def filters(value: Any) -> list[tuple[str, str]]:
    """Return the names and values of a filter combination; one that was cut has only its text."""
    if not isinstance(value, dict):
        return [("", value_text(value))]
    return [(value_text(name), value_text(set_to)) for name, set_to in value.items()]


def plural(value: int, one: str, many: str | None = None) -> str:
    """`1 session`, `1,204 sessions`."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


FORMATS = {
    "change": change,
    "clock": clock,
    "count": count,
    "day": day,
    "direction": direction,
    "decimal": decimal,
    "duration": duration,
    "filters": filters,
    "hundredths": hundredths,
    "moment": moment,
    "number": number_text,
    "period": period,
    "points": points,
    "points_direction": points_direction,
    "plural": plural,
    "share": share,
    "short_day": short_day,
    "value_text": value_text,
}
"""The filters of the templates."""
