"""The command that writes the stored events into a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.target import STDOUT, check_stdout, writing_to
from tcs_events.counts.days import day
from tcs_events.export.formats import FORMATS, STREAMS, open_writer
from tcs_events.export.rows import Row, Selection, count_rows, read_rows
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period


@command("export")
@click.argument("file", type=click.Path())
@click.option(
    "--format", "format_name", type=click.Choice(FORMATS), help="Default: the suffix of FILE."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    type=options.read_text,
    help="Only events of this type; may be repeated.",
)
@options.of_any_period
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
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
    with current_reports().without_limit() as connection:
        length = count_rows(connection, selection) if sys.stderr.isatty() else None
        with _progress(read_rows(connection, selection), length) as batches:
            for rows in batches:
                writer.write(rows)
                count += len(rows)
    writer.close()
    return count


@contextmanager
def _progress(batches: Iterable[list[Row]], length: int | None) -> Iterator[Iterable[list[Row]]]:
    """Draw a progress bar on stderr; without a length, draw none."""
    if length is None:
        yield batches
        return
    with click.progressbar(length=length, label="Exporting", file=sys.stderr) as bar:

        def drawn() -> Iterator[list[Row]]:
            for rows in batches:
                yield rows
                bar.update(len(rows))

        yield drawn()
