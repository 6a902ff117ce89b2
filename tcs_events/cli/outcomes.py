"""What became of the events that reached the endpoint."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line, print_table
from tcs_events.event import Outcome
from tcs_events.host import registration_of
from tcs_events.reports.period import MAX_DAYS
from tcs_events.watch.tally import Day, read_days


@command("outcomes")
@click.option(
    "--days",
    metavar="N",
    type=click.IntRange(1, MAX_DAYS),
    default=7,
    show_default=True,
    help="The last so many days of UTC, today included.",
)
@options.as_json
def outcomes(days: int, as_json: bool) -> None:
    """Count how the events of each day ended, in all processes.

    All that was received has ended in exactly one way, but for what is under way and what a
    process that was killed had not yet written down. JSON: the days, oldest first.
    """
    first = datetime.now(UTC).date() - timedelta(days=days - 1)
    with registration_of(current_app).store.engine.connect() as connection:
        found = read_days(connection, first)
    if as_json:
        print_json([_document(day) for day in found])
    elif not found:
        print_line(f"No events were counted since {first} (UTC).")
    else:
        _print(found)


def _document(day: Day) -> dict[str, object]:
    return {
        "day": day.day,
        "received": day.received,
        "ended": day.ended,
        "events": day.events,
        "reasons": day.reasons,
    }


def _print(found: list[Day]) -> None:
    print_table(
        ("day (UTC)", "received", "all ended", *Outcome),
        [
            (
                f"{day.day}",
                day.received,
                "yes" if day.received == day.ended else f"{day.received - day.ended:+,}",
                *(day.events[outcome] for outcome in Outcome),
            )
            for day in found
        ],
        optional=(Outcome.BOT, Outcome.OPTED_OUT, Outcome.LIMITED, Outcome.DUPLICATE),
        keep=("received", "all ended", Outcome.ACCEPTED, Outcome.FAILED),
    )
    reasons = sorted(
        {(outcome, why) for day in found for outcome, of in day.reasons.items() for why in of}
    )
    if reasons:
        print_line()
        print_table(
            ("outcome", "reason", "events"),
            [
                (outcome, why, sum(day.reasons.get(outcome, {}).get(why, 0) for day in found))
                for outcome, why in reasons
            ],
        )
