"""The event types: how many events each has, their TypeScript, and what a release would refuse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import check_tables, command
from tcs_events.cli.heading import print_answer, print_heading, warn_if_incomplete
from tcs_events.cli.output import print_line, print_table
from tcs_events.cli.target import STDOUT, writing_to
from tcs_events.cli.visible import visible
from tcs_events.event_types.changes import NotASnapshot, refusals, snapshot
from tcs_events.event_types.event_type import EventTypes
from tcs_events.event_types.typescript import PACKAGE, typescript
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period, total_activity
from tcs_events.reports.activity import TOTAL_COLUMNS
from tcs_events.reports.columns import Column
from tcs_events.reports.types import known_types


@dataclass(frozen=True, slots=True)
class ListedType:
    """An event type that is accepted now or has stored events."""

    event_type: str
    is_accepted: bool
    is_checked: bool
    """Whether its payloads are checked against a schema."""
    events: int
    """Events in the period."""
    sessions: int
    """Visits in the period with at least one such event."""


_LISTED_TYPE = Printed(
    (
        *TOTAL_COLUMNS,
        Column("is_accepted", "Accepted", "whether events of the type are accepted now"),
        Column(
            "is_checked",
            "Payload",
            "whether its payloads are checked against a schema",
            value=lambda row: "checked" if row.is_checked else "free-form",
        ),
    ),
    *("event_type", "is_accepted", "is_checked", "events", "visits"),
)


@command("types", needs_tables=False)
@options.of_period
@options.as_json
@click.option("--ts", is_flag=True, help="Print the TypeScript of the types that are accepted.")
@click.option(
    "--module",
    metavar="NAME",
    help=f"With --ts: how your code imports the tracker; default: {PACKAGE}.",
)
@click.option(
    "--snapshot",
    "snapshot_file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Save what the types accept, for --check.",
)
@click.option(
    "--check",
    "check_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Compare with a snapshot, and exit with 1 if something would now be refused.",
)
def types(
    period: Period,
    as_json: bool,
    ts: bool,
    module: str | None,
    snapshot_file: str | None,
    check_file: str | None,
) -> None:
    """List the event types, and count the events of each.

    Types that are no longer accepted are listed while events of them are stored. With --ts,
    --snapshot and --check, no database is needed, and nothing is counted.
    """
    accepted = registration_of(current_app).settings.event_types
    if sum(map(bool, (as_json, ts, snapshot_file, check_file))) > 1:
        raise click.UsageError("Give one of --json, --ts, --snapshot and --check.")
    if module is not None and not ts:
        raise click.UsageError("--module is an option of --ts.")
    if ts:
        _print_typescript(accepted, module or PACKAGE)
    elif snapshot_file is not None:
        _save_snapshot(accepted, snapshot_file)
    elif check_file is not None:
        _compare(accepted, check_file)
    else:
        check_tables()
        _list(accepted, period, as_json)


def _print_typescript(accepted: EventTypes, module: str) -> None:
    # UTF-8 whatever the terminal has: the compiler reads UTF-8.
    with writing_to(STDOUT, replace=False) as target:
        target.write(typescript(accepted, module).encode())


def _save_snapshot(accepted: EventTypes, file: str) -> None:
    text = snapshot(accepted)
    try:
        Path(file).write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} could not be written: {error.strerror}.") from None


def _compare(accepted: EventTypes, file: str) -> None:
    try:
        found = refusals(Path(file).read_text("utf-8"), accepted)
    except (NotASnapshot, OSError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, NotASnapshot) else type(error).__name__
        raise click.BadParameter(
            f"{file} is not a snapshot: {reason}. Make one with --snapshot.", param_hint="--check"
        ) from None
    for refusal in found:
        print_line(visible(str(refusal)))
    if found:
        raise click.exceptions.Exit(1)
    print_line("Whatever the snapshot accepted is still accepted.")


def _list(accepted: EventTypes, period: Period, as_json: bool) -> None:
    total = total_activity(period)
    warn_if_incomplete()
    rows = [
        ListedType(
            name,
            is_accepted=name in accepted,
            is_checked=name in accepted and accepted[name].schema is not None,
            events=total[name].events if name in total else 0,
            sessions=total[name].sessions if name in total else 0,
        )
        for name in known_types(current_reports())
    ]
    if as_json:
        print_answer(rows, period)
        return
    print_heading(period)
    print_table(
        _LISTED_TYPE.titles,
        map(_LISTED_TYPE.cells, rows),
        optional=_LISTED_TYPE.titles_of("is_checked"),
    )
