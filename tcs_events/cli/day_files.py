"""The command that keeps closed days as files."""

from __future__ import annotations

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import counting_bar
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line
from tcs_events.host import registration_of

UNITS = ("bytes", "kB", "MB", "GB")


@command("day-files")
@options.as_json
def day_files(as_json: bool) -> None:
    """Write closed days as files now, for fast answers of explore.

    Writes each day that is over and has no files in TCS_EVENTS_DAY_FILES, or has changed since.
    Removes the files of days that have changed. `worker` does the same by itself.
    """
    registration = registration_of(current_app)
    keeper = registration.day_keeper
    if keeper is None:
        raise click.ClickException(
            "TCS_EVENTS_DAY_FILES is not set; set it to the folder for the files."
        )
    with counting_bar() as progress:
        registration.refresher.refresh(progress=progress)  # only counted days are written
    try:
        with counting_bar("Writing days") as progress:
            written = keeper.write(lambda done, days: progress(done, days, None))
        size = keeper.folder.size()
    except OSError as error:
        raise click.ClickException(
            f"The files cannot be written to {keeper.folder.path}"
            f" ({error.strerror or type(error).__name__}); let this user write there."
        ) from None
    if written is None:
        raise click.ClickException(
            "Another process is writing files; try again when it has finished."
        )
    days = len(keeper.days())
    if as_json:
        print_json(
            {
                "written": written.days,
                "events": written.events,
                "left": written.left,
                "days": days,
                "bytes": size,
            }
        )
        return
    print_line(
        f"Wrote {_days(len(written.days))} with {written.events:,}"
        f" event{'s' * (written.events != 1)}. {_days(days)} now"
        f" {'has' if days == 1 else 'have'} files, of {size_in_words(size)} together."
    )
    if written.left:
        print_line(f"{_days(written.left)} changed meanwhile; run this again.")


def size_in_words(size: float) -> str:
    """Return a size in bytes as a text such as "1.2 MB"."""
    *small, last = UNITS
    for unit in small:
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} {last}"


def _days(days: int) -> str:
    return f"{days:,} day{'s' * (days != 1)}"
