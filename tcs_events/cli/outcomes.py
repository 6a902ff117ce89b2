"""The command that counts how events ended: accepted, duplicate, invalid and so on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.heading import print_answer
from tcs_events.cli.output import print_line, print_table
from tcs_events.event import Outcome
from tcs_events.host import registration_of
from tcs_events.reports.period import MAX_DAYS, Period
from tcs_events.watch.tally import Day, read_days


@command("outcomes")
@click.option(
    "--days",
    metavar="N",
    type=click.IntRange(1, MAX_DAYS),
    default=7,
    show_default=True,
    help="The last N days in UTC, including today.",
)
@options.as_json
def outcomes(days: int, as_json: bool) -> None:
    """Count how received events ended, by day.

    Every event ends in exactly one way. "received" and "ended" differ by events still in progress,
    and by what a killed process had not yet saved. JSON has the days in "rows", oldest
    first.
    """
    today = datetime.now(UTC).date()
    first = today - timedelta(days=days - 1)
    with registration_of(current_app).database.engine.connect() as connection:
        days_counted = read_days(connection, first)
    if as_json:
        print_answer([_document(day) for day in days_counted], Period(first, today), "UTC")
    elif not days_counted:
        print_line(f"No events were received since {first} (UTC).")
    else:
        _print(days_counted)


def _document(day: Day) -> dict[str, object]:
    return {
        "day": day.day,
        "received": day.received,
        "ended": day.ended,
        "events": day.events,
        "reasons": day.reasons,
    }


def _print(days: list[Day]) -> None:
    print_table(
        ("day (UTC)", "received", "all ended", *Outcome),
        [
            (
                f"{day.day}",
                day.received,
                "yes" if day.received == day.ended else f"{day.received - day.ended:+,}",
                *(day.events[outcome] for outcome in Outcome),
            )
            for day in days
        ],
        optional=(Outcome.BOT, Outcome.OPTED_OUT, Outcome.LIMITED, Outcome.DUPLICATE),
        keep=("received", "all ended", Outcome.ACCEPTED, Outcome.FAILED),
    )
    reasons = sorted(
        {
            (outcome, reason)
            for day in days
            for outcome, counts in day.reasons.items()
            for reason in counts
        }
    )
    if reasons:
        print_line()
        print_table(
            ("outcome", "reason", "events"),
            [
                (outcome, reason, sum(day.reasons.get(outcome, {}).get(reason, 0) for day in days))
                for outcome, reason in reasons
            ],
        )
