"""Prints a funnel over days."""

from __future__ import annotations

from tcs_events.cli.columns import Printed
from tcs_events.cli.heading import print_answer, print_heading
from tcs_events.cli.output import print_line, print_paragraph, print_table, print_wrapped, share
from tcs_events.reports import FunnelOverDays, FunnelPart, Period, ReachedStep
from tcs_events.reports.durations import duration
from tcs_events.reports.over_days import OVER_DAYS_COLUMNS, Per, within_of

_TIMES = ("first_quartile_seconds", "median_seconds", "third_quartile_seconds")
_SHARES = ("of_first", "of_previous")
_MARGINS = ("margin", "of_first_margin", "of_previous_margin", "median_margin_seconds")
_COUNTS: dict[Per, str] = {"visitor": "visitors", "person": "persons"}


def _printed(funnel: FunnelOverDays) -> Printed:
    margin = _MARGINS[:1] if funnel.is_estimate else ()
    return Printed(OVER_DAYS_COLUMNS, "step", _COUNTS[funnel.per], *margin, *_SHARES, *_TIMES)


def print_json_of(funnel: FunnelOverDays, period: Period) -> None:
    """Print the funnel as one JSON object, with the period."""
    names = ("step", _COUNTS[funnel.per], *_SHARES, *_TIMES, *_MARGINS)
    printed = Printed(OVER_DAYS_COLUMNS, *names)
    print_answer(
        {
            "within": funnel.within,
            "per": funnel.per,
            "where": funnel.where,
            "who": funnel.who,
            "is_estimate": funnel.is_estimate,
            "sampled": funnel.sampled,
            "counted_at": funnel.counted_at,
            "break_down": funnel.break_down,
            "steps": list(map(printed.by_name, funnel.steps)),
            "broken_down": [
                {
                    "kind": part.kind,
                    "value": part.value,
                    "steps": list(map(printed.by_name, part.steps)),
                }
                for part in funnel.broken_down
            ],
        },
        period,
    )


def print_tables_of(funnel: FunnelOverDays, period: Period) -> None:
    """Print the steps, then the values of the property."""
    printed = _printed(funnel)
    margin = printed.titles_of(*_MARGINS[:1]) if funnel.is_estimate else ()
    print_heading(period)
    time_allowed = duration(within_of(funnel.within).total_seconds())
    print_wrapped(
        f"Each {funnel.per} counts once. All steps follow within {time_allowed} of the first."
    )
    print_line()
    print_table(
        printed.titles,
        map(printed.cells, funnel.steps),
        optional=printed.titles_of(_TIMES[0], _TIMES[2], _TIMES[1], _SHARES[1]),
        keep=[*printed.titles_of(_COUNTS[funnel.per], _SHARES[0]), *margin],
    )
    if funnel.break_down is None:
        return
    print_paragraph(f"By {funnel.break_down} of the first step:")
    print_line()
    last = len(funnel.steps)
    steps = [f"step {number}" for number in range(1, last + 1)]
    of_first, half = printed.titles_of(_SHARES[0], _TIMES[1])
    print_table(
        ("value", *steps, of_first, half),
        map(_cells, funnel.broken_down),
        optional=[half, *steps[1:-1]],
        keep=[steps[0], steps[-1], of_first],
    )


def _count(row: ReachedStep) -> object:
    return row.count if row.margin is None else f"≈ {row.count:,}"


def _cells(part: FunnelPart) -> list[object]:
    last = part.steps[-1]
    half = None if last.median_seconds is None else duration(last.median_seconds)
    return [part.name, *map(_count, part.steps), share(last.of_first), half]
