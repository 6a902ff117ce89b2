"""Keeps the counts that reports read up to date."""

from __future__ import annotations

import signal
import time

import click
import sqlalchemy as sa
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import counting_bar
from tcs_events.cli.command import check_tables, command, unavailable
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.signals import ended_by
from tcs_events.counts.refresh import Refreshed
from tcs_events.errors import ConfigError, StoreUnavailable
from tcs_events.host import registration_of
from tcs_events.intake.answers import log_trouble
from tcs_events.watch.log import log


@command("rollup")
@click.option("--rebuild", is_flag=True, help="Count everything again.")
@options.as_json
def rollup(rebuild: bool, as_json: bool) -> None:
    """Count now what has changed.

    Reports do so by themselves where the counts are older than a minute.
    """
    with counting_bar() as progress:
        refreshed = registration_of(current_app).refresher.refresh(
            rebuild=rebuild, progress=progress
        )
    if refreshed is None:
        raise click.ClickException("Somebody else is counting; try again when that is done.")
    if as_json:
        print_json(refreshed)
    else:
        days = len(refreshed.days)
        events = refreshed.events
        print_line(
            f"Counted {days:,} day{'s' * (days != 1)} with {events:,} event{'s' * (events != 1)}."
        )
        if refreshed.left:
            print_line("Something is being deleted: run it again for the rest.")


@command("worker", needs_tables=False, only_logs=True)
@click.option(
    "--every",
    "seconds",
    type=click.FloatRange(0.1, 86_400),
    default=30,
    show_default=True,
    help="Seconds from one count to the next.",
)
@click.option("--once", is_flag=True, help="Count once, and end; with 1 if that was not possible.")
def worker(seconds: float, once: bool) -> None:
    """Keep the counts fresh until SIGTERM or SIGINT.

    No report has to wait for them then. Any number of workers may run; one of them counts. A
    database that is away is asked again.
    """
    if once:
        check_tables()
        _log(registration_of(current_app).refresher.refresh())
        return
    # At once: a day is counted in a transaction, and what is rolled back is counted by the next.
    with ended_by(signal.SIGTERM, signal.SIGINT, exit_code=0) as is_ended:
        log.info("tcs_events.worker_started", every_seconds=seconds)
        while True:
            _count()
            if is_ended():
                return
            time.sleep(seconds)


def _count() -> None:
    """Count, or say in the log why not: the next time may go better."""
    try:
        check_tables()
        _log(registration_of(current_app).refresher.refresh())
    except ConfigError:
        raise
    except StoreUnavailable as error:
        log_trouble(error)
    except sa.exc.SQLAlchemyError as error:
        log_trouble(unavailable(error))


def _log(refreshed: Refreshed | None) -> None:
    if refreshed is not None and refreshed.days:
        log.info("tcs_events.counts_refreshed", days=len(refreshed.days), events=refreshed.events)
