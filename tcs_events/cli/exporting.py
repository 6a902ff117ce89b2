"""The command that writes the stored events into a file."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import progress_bar
from tcs_events.cli.command import command
from tcs_events.cli.target import STDOUT, check_stdout, writing_to
from tcs_events.counts.days import day
from tcs_events.export.formats import FORMATS, STREAMS, open_writer
from tcs_events.export.rows import Selection, count_rows, read_rows
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period


@command("export")
@click.argument("file", type=click.Path())
@click.option(
    "--format", "format_name", type=click.Choice(FORMATS), help="Default: the suffix of FILE."
)
@options.types
@options.of_any_period
@options.force
@click.option(
    "--raw",
    is_flag=True,
    help="CSV for programs: without a byte order mark, and without ' before formulas.",
)
def export(
    file: str,
    format_name: str | None,
    types: tuple[str, ...],
    period: Period | None,
    force: bool,
    raw: bool,
) -> None:
    """Write the stored events into a file.

    Writes all events unless you choose some. FILE appears once it is complete, and only you can
    read it. With "-" as FILE, events are written to stdout.
    """
    format_name = _format(file, format_name)
    options.check_types(types)
    selection = _selection(period, types)
    with writing_to(file, replace=force) as target:
        count = _export(target, format_name, selection, raw)
    click.echo(f"Exported {count:,} events.", err=True)


def _format(file: str, name: str | None) -> str:
    name = name or Path(file).suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise click.UsageError(f"Choose a format: --format {'|'.join(FORMATS)}.")
    if file == STDOUT and name not in STREAMS:
        raise click.UsageError(f"{name} cannot be written to stdout; name a file.")
    check_stdout(file)
    return name


def _selection(period: Period | None, types: tuple[str, ...]) -> Selection:
    if period is None:
        return Selection(types=types)
    zone = registration_of(current_app).settings.timezone
    return Selection(day(period.first, zone).start, day(period.last, zone).end, types)


def _export(target: IO[bytes], format_name: str, selection: Selection, raw: bool) -> int:
    writer, count = open_writer(target, format_name, raw=raw), 0
    with (
        current_reports().without_limit() as connection,
        progress_bar("Exporting", lambda: count_rows(connection, selection)) as draw,
    ):
        for rows in read_rows(connection, selection):
            writer.write(rows)
            count += len(rows)
            draw(len(rows))
    writer.close()
    return count
