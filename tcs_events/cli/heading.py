"""What commands print around a report."""

from __future__ import annotations

import click
from flask import current_app

from tcs_events.cli.output import print_line
from tcs_events.host import registration_of
from tcs_events.reports import Period


def print_heading(period: Period) -> None:
    """Print the period and the time zone of its days."""
    zone = registration_of(current_app).settings.timezone
    print_line(f"{period.first} to {period.last} ({zone.key})")
    print_line()


def print_nothing(period: Period, plural: str) -> None:
    """Print that the period has none of something, such as "events"."""
    print_line(f"No {plural} from {period.first} to {period.last}.")


def warn_if_incomplete() -> None:
    """Say on stderr if the counts are not complete. To call after the report was asked."""
    if registration_of(current_app).refresher.refreshed_at() is None:
        click.echo(
            "All events are being counted again; until that is done, numbers are too low.",
            err=True,
        )
