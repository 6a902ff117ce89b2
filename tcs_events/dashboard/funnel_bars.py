"""The bars of a funnel: how many reached each step, and how many were lost before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcs_events.dashboard.filters import in_words
from tcs_events.reports import FunnelStep, ReachedStep
from tcs_events.reports.durations import duration


@dataclass(frozen=True)
class Bar:
    """A step of the chart."""

    row: FunnelStep | ReachedStep
    count: int
    conditions: list[str]
    """The conditions in words."""
    before: float | None
    """The length of the bar of the step before; None at the first step."""
    lost: int | None
    """How many of those at the step before did not go on."""
    time: str
    """How long it took, in words; "" if that is not known."""
    margin: float | None
    """In an estimate, the margin of the count."""
    of_previous_margin: float | None
    of_first_margin: float | None


def bars_of(rows: Sequence[FunnelStep | ReachedStep]) -> list[Bar]:
    """Return the bar of each step."""
    bars: list[Bar] = []
    for place, row in enumerate(rows):
        before = rows[place - 1] if place else None
        over_days = row if isinstance(row, ReachedStep) else None
        count = row.sessions if isinstance(row, FunnelStep) else row.count
        bars.append(
            Bar(
                row,
                count,
                list(map(in_words, row.step.conditions)),
                before.of_first if before else None,
                bars[-1].count - count if bars else None,
                _time(over_days) if over_days else "",
                over_days.margin if over_days else None,
                over_days.of_previous_margin if over_days else None,
                over_days.of_first_margin if over_days else None,
            )
        )
    return bars


def _time(row: ReachedStep) -> str:
    """Return `half of them within 2 days 3 hours` and the like."""
    times = (row.first_quartile_seconds, row.median_seconds, row.third_quartile_seconds)
    quarter, half, most = (None if time is None else duration(time) for time in times)
    if half is None:
        return ""
    if row.median_margin_seconds is not None:
        half = f"about {half} ± {duration(row.median_margin_seconds)}"
    if quarter == most:
        return f"half of them within {half}"
    return f"half of them within {half} (a quarter within {quarter}, three quarters within {most})"
