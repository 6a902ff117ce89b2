"""The command that stores the events of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import file_bar
from tcs_events.cli.command import check_columns, command
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.stopping import said_at_the_end
from tcs_events.cli.visible import visible
from tcs_events.event import Event
from tcs_events.event_types.event_type import check_name
from tcs_events.export.formats import FORMATS
from tcs_events.host import registration_of
from tcs_events.importing.conversion import Rows
from tcs_events.importing.files import format_of, open_rows
from tcs_events.importing.importer import Importer
from tcs_events.importing.mapping import FIELDS, PRESETS, FileMapping
from tcs_events.importing.rows import RowFile

SOME_REFUSED = 3
"""The exit code if rows were refused, and all others are stored."""
SHOWN_REFUSALS = 20

Pairs = tuple[tuple[str, str], ...]


def _pair(text: str) -> tuple[str, str]:
    left, equals, right = options.read_text(text).partition("=")
    if not (left and equals and right):
        raise click.BadParameter(f"{text!r} is not two names with = between them.")
    return left, right


def _field_and_column(text: str) -> tuple[str, str]:
    field, column = _pair(text)
    if field not in FIELDS:
        raise click.BadParameter(f"{field!r} is not one of {', '.join(FIELDS)}.")
    return field, column


def _columns(text: str) -> list[str]:
    return [name.strip() for name in options.read_text(text).split(",") if name.strip()]


def _type_name(text: str) -> str:
    try:
        check_name(options.read_text(text))
    except ValueError as error:
        raise click.BadParameter(f"{error}.".removeprefix("has ")) from None
    return text


@command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--format", "format_name", type=click.Choice(FORMATS), help="Default: the suffix of FILE."
)
@click.option("--preset", type=click.Choice(sorted(PRESETS)), help="The tool that wrote FILE.")
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    type=_field_and_column,
    help=f"The column of a field: {', '.join(FIELDS)}. May be repeated.",
)
@click.option(
    "--payload",
    metavar="NAME,NAME",
    type=_columns,
    help="What goes into the payload. Default: all that is not a field.",
)
@click.option("--event-type", metavar="TYPE", type=_type_name, help="The event type of all rows.")
@click.option(
    "--rename",
    "renamed",
    multiple=True,
    metavar="OLD=NEW",
    type=_pair,
    help="Store events of the type OLD as NEW; may be repeated.",
)
@click.option("--any-type", is_flag=True, help="Store event types that are not declared, too.")
@click.option("--strict", is_flag=True, help="Stop at the first row that is refused.")
@click.option("--dry-run", is_flag=True, help="Check all rows, and store nothing.")
@options.as_json
def import_events(
    file: str,
    format_name: str | None,
    preset: str | None,
    columns: Pairs,
    payload: list[str] | None,
    event_type: str | None,
    renamed: Pairs,
    any_type: bool,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Store the events of a file: an export of ours, of another tool, or any CSV.

    Every row is stored once, however often you import it, so you may stop the import and run it
    again. Rows that are refused are counted, and the first 20 are named. The exit code is 0 if
    every row is stored, 3 if some were refused, 2 for wrong arguments, and 1 if the import ended
    early.
    """
    path = Path(file)
    format_name = format_name or format_of(path)
    if format_name is None:
        raise click.UsageError(f"Choose a format: --format {'|'.join(FORMATS)}.")
    mapping = PRESETS[preset] if preset else FileMapping()
    mapping = replace(
        mapping.with_columns(dict(columns)),
        payload=payload,
        event_type=event_type,
        renamed=dict(renamed),
    )
    shown = 0

    def on_refused(line: int, reason: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= SHOWN_REFUSALS:
            click.echo(visible(f"Line {line:,}: {reason}."), err=True)

    check_columns()  # now, and not after a wait for each batch
    store = None if dry_run else registration_of(current_app).store
    importer = Importer(store, on_refused, strict=strict)

    def say(is_complete: bool) -> None:
        _say(importer, is_complete=is_complete, is_dry_run=dry_run, as_json=as_json)

    is_plain = preset is None and mapping == FileMapping()
    try:
        with open_rows(path, format_name) as rows, said_at_the_end(importer.counts, say):
            event_of = _event_of(rows, None if is_plain and rows.is_own() else mapping, any_type)
            with file_bar("Importing", rows.size, rows.done) as draw:
                importer.run(rows, event_of, draw)
    except OSError as error:
        raise click.ClickException(f"{file} could not be read: {error.strerror}.") from None
    if importer.counts["refused"]:
        raise SystemExit(SOME_REFUSED)


def _event_of(
    file: RowFile, mapping: FileMapping | None, any_type: bool
) -> Callable[[dict[str, Any]], Event]:
    """Return what makes events of the rows; without a mapping, of those of our own export."""
    registration = registration_of(current_app)
    rows = Rows(
        registration.settings.event_types,
        registration.reader,
        registration.scrub,
        max_payload_bytes=2 * registration.settings.max_body_bytes,
        any_type=any_type,
        now=datetime.now(UTC),
    )
    if mapping is None:
        return rows.of_own_export(has_quoted_formulas=file.has_quoted_formulas)
    return rows.of_other(mapping)


def _say(importer: Importer, *, is_complete: bool, is_dry_run: bool, as_json: bool) -> None:
    counts, undeclared = importer.counts, importer.undeclared
    if as_json:
        print_json(
            {
                **counts,
                "undeclared_types": dict(undeclared.most_common()),
                "dry_run": is_dry_run,
                "complete": is_complete,
            }
        )
        return
    verb = "Would store" if is_dry_run else "Stored"
    before = "" if is_dry_run else f" {counts['duplicates']:,} were stored before;"
    print_line(f"{verb} {counts['stored']:,} events;{before} {counts['refused']:,} refused.")
    if undeclared:
        print_line(f"Not declared: {_listed(undeclared.most_common(SHOWN_REFUSALS))}.")


def _listed(types: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{visible(name)} ({rows:,})" for name, rows in types)
