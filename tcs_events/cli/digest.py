"""The command that prints a digest, to be sent by mail."""

from __future__ import annotations

from datetime import date, timedelta

import click

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.heading import warn_if_incomplete
from tcs_events.cli.output import print_json, print_line
from tcs_events.digest import as_html, as_text
from tcs_events.digest import digest as digest_of
from tcs_events.host.reports import current_day, current_reports
from tcs_events.reports.period import MAX_DAYS, days_until

DEFAULT_DAYS = 7


@command("digest")
@click.option(
    "--days",
    metavar="N",
    type=click.IntRange(1, MAX_DAYS),
    default=DEFAULT_DAYS,
    show_default=True,
    help="The last N days up to --to.",
)
@click.option(
    "--to",
    "last",
    type=options.read_day,
    metavar=options.DAY,
    help="The last day; default: yesterday.",
)
@click.option("--html", "is_html", is_flag=True, help="Print HTML for a mail.")
@options.as_json
def digest(days: int, last: date | None, is_html: bool, as_json: bool) -> None:
    """Say what happened in the last days, short enough for a mail.

    Counts are compared with those of as many days before. Lists what visitors wanted and did not
    find. Small numbers, and changes that chance explains, are left out.
    """
    period = days_until(last or current_day() - timedelta(days=1), days)
    found = digest_of(current_reports(), period)
    warn_if_incomplete()
    if as_json:
        print_json(found)
        return
    print_line((as_html(found) if is_html else as_text(found)).rstrip("\n"))
