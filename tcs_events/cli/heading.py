"""What a report is about, and how complete it is."""

from __future__ import annotations

import click
from flask import current_app

from tcs_events.cli.output import print_line
from tcs_events.host import registration_of
from tcs_events.reports import Period


def print_heading(period: Period) -> None:
    """Print the days, and the zone that they are days of."""
    zone = registration_of(current_app).settings.timezone
    print_line(f"{period.first} to {period.last} ({zone.key})")
    print_line()


def print_nothing(period: Period, what: str) -> None:
    """Print that there is none of `what`."""
    print_line(f"No {what} from {period.first} to {period.last}.")


def warn_if_incomplete() -> None:
    """Say on stderr, after asking the counts, that they were not complete."""
    if registration_of(current_app).refresher.refreshed_at() is None:
        click.echo(
            "Everything is being counted again; until that is done, numbers are too low.", err=True
        )
