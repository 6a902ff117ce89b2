"""The commands that keep the counts of the reports up to date."""

from __future__ import annotations

import signal
import time

import click
import sqlalchemy as sa
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import counting_bar
from tcs_events.cli.command import check_tables, command
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.signals import ended_by
from tcs_events.counts.processes import usual_processes
from tcs_events.counts.refresh import Refreshed
from tcs_events.database.troubles import class_of
from tcs_events.errors import ConfigError, StoreUnavailable
from tcs_events.host import registration_of
from tcs_events.intake.answers import log_trouble
from tcs_events.watch.log import log

DAY_FILES_SECONDS = 20.0
"""How long the worker writes files between two counts. It finishes the day that it has begun."""


@command("rollup")
@click.option("--rebuild", is_flag=True, help="Count everything again.")
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(1, 64),
    help="How many processes count, if everything is counted. Default: one per processor, 4 at"
    " most.",
)
@options.as_json
def rollup(rebuild: bool, processes: int | None, as_json: bool) -> None:
    """Count new and changed events for the reports now.

    A report does this by itself if the counts are older than a minute.

    If everything is counted, several processes count the large days together. Each holds a
    connection to the database. On macOS and Windows, and with SQLite in memory, it is one process.
    """
    with counting_bar() as progress:
        refreshed = registration_of(current_app).refresher.refresh(
            rebuild=rebuild, progress=progress, processes=processes or usual_processes()
        )
    if refreshed is None:
        raise click.ClickException("Another process is counting; try again when it has finished.")
    if as_json:
        print_json(refreshed)
    else:
        days = len(refreshed.days)
        events = refreshed.events
        print_line(
            f"Counted {days:,} day{'s' * (days != 1)} with {events:,} event{'s' * (events != 1)}."
        )
        if refreshed.left:
            print_line("Some days are left, because events are being deleted; run this again.")


@command("worker", needs_tables=False, only_logs=True)
@click.option(
    "--every",
    "seconds",
    type=click.FloatRange(0.1, 86_400),
    default=30,
    show_default=True,
    help="Seconds between counts.",
)
@click.option("--once", is_flag=True, help="Count once and exit, with 1 if that failed.")
def worker(seconds: float, once: bool) -> None:
    """Keep the counts fresh until SIGTERM or SIGINT.

    While a worker runs, no report has to wait for the counts. Several workers may run; only one
    counts at a time. If the database does not answer, the worker tries again.
    """
    if once:
        check_tables()
        _log(registration_of(current_app).refresher.refresh())
        _write_day_files()
        return
    # It may exit in the middle of a count: each day is one transaction, and a day that is rolled
    # back is counted the next time.
    with ended_by(signal.SIGTERM, signal.SIGINT, exit_code=0) as is_ended:
        log.info("tcs_events.worker_started", every_seconds=seconds)
        while True:
            _count()
            if is_ended():
                return
            time.sleep(seconds)


def _count() -> None:
    """Count. If that fails, log why; the worker goes on, and the next count may succeed."""
    try:
        check_tables()
        _log(registration_of(current_app).refresher.refresh())
        _write_day_files()
    except ConfigError:
        raise
    except StoreUnavailable as error:
        log_trouble(error)
    except sa.exc.SQLAlchemyError as error:
        log_trouble(StoreUnavailable(class_of(error)))


def _write_day_files() -> None:
    """Write the days that have no files, for a short time. If that fails, log why."""
    keeper = registration_of(current_app).day_keeper
    if keeper is None:
        return
    try:
        written = keeper.write(until=time.monotonic() + DAY_FILES_SECONDS)
    except OSError as error:
        # What is wrong with the folder rarely changes: `doctor` says it, too.
        log.warning(
            "tcs_events.day_files_not_written",
            reason=error.strerror or type(error).__name__,
            folder=str(keeper.folder.path),
        )
        return
    if written is not None and written.days:
        log.info("tcs_events.day_files_written", days=len(written.days), events=written.events)


def _log(refreshed: Refreshed | None) -> None:
    if refreshed is not None and refreshed.days:
        log.info("tcs_events.counts_refreshed", days=len(refreshed.days), events=refreshed.events)
