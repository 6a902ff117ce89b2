"""What a person may ask for: what is held about them, and that it is deleted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import counting_bar, deleting_bar
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.stopping import said_at_the_end
from tcs_events.cli.target import STDOUT, check_stdout, writing_to
from tcs_events.host import registration_of
from tcs_events.host_reports import current_reports
from tcs_events.rights.deleting import Deleter
from tcs_events.rights.forget import Holdings, count_holdings
from tcs_events.rights.forget import forget as delete_all_of
from tcs_events.rights.held import write_held
from tcs_events.rights.places import EVENTS, Place, counted
from tcs_events.rights.subject import Subject, find_subject

COUNTED_BY_OTHERS_SECONDS = 60.0
"""So long somebody else may go on counting."""
Function = Callable[..., Any]


def of_subject(function: Function) -> Function:
    """Add `--email` and `--session`, and pass the `emails` and `sessions` that they name."""
    for name, metavar, text in (
        ("session", "SESSION", "All that is in a session; repeat it."),
        ("email", "ADDRESS", "A person, in whatever case it is written; repeat it."),
    ):
        function = click.option(
            f"--{name}",
            f"{name}s",
            multiple=True,
            metavar=metavar,
            type=options.read_text,
            help=text,
        )(function)
    return function


@command("forget")
@of_subject
@click.option("--dry-run", is_flag=True, help="Only say how much there is.")
@click.option("--yes", is_flag=True, help="Do not ask whether to delete it.")
@options.as_json
def forget(
    emails: tuple[str, ...], sessions: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete everything of a person.

    That is every event that carries an address, stored or refused and kept, those of the sessions
    that were identified with it unless they carry another one, and what is known of such sessions.
    The days are counted again.
    """
    registration = registration_of(current_app)
    engine, zone = registration.store.engine, registration.settings.timezone
    subject = _subject(emails, sessions)
    there = count_holdings(engine, subject)
    if dry_run:
        _say("Would delete", Counter(there.rows), there, as_json, False)
        return
    if not yes and any(there.rows.values()):
        click.confirm(f"Delete {_in_words(there.rows)} for good?", abort=True, err=True)
    counts = Counter(dict.fromkeys(there.rows, 0))
    with said_at_the_end(counts, partial(_say, "Deleted", counts, there, as_json)):
        with deleting_bar(lambda: sum(there.rows.values())) as draw:

            def on_deleted(place: Place, rows: int) -> None:
                counts[place.name] += rows
                draw(rows)

            delete_all_of(Deleter(engine, zone, on_deleted), subject)
        # Also where nothing was there: whoever was stopped before had not come to this.
        _count_again()


def _count_again() -> None:
    """Count the days that have lost something, so that no text of the person stays in the counts.

    Raises:
        click.ClickException: somebody else does not stop counting.
    """
    deadline = time.monotonic() + COUNTED_BY_OTHERS_SECONDS
    with counting_bar() as progress:
        while time.monotonic() < deadline:
            refreshed = registration_of(current_app).refresher.refresh(progress=progress)
            if refreshed is not None and not refreshed.left:
                return
            time.sleep(0.2)
    raise click.ClickException(
        "Somebody else is counting, and reports may still hold what is deleted;"
        " run `flask tcs-events rollup` when that is done."
    )


@command("export-subject")
@of_subject
@click.option("-o", "--output", "file", type=click.Path(), default=STDOUT, help="Default: stdout.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def export_subject(
    emails: tuple[str, ...], sessions: tuple[str, ...], file: str, force: bool
) -> None:
    """Write everything that is held about a person, as JSON.

    It is what `forget` would delete. The file appears when it is complete, readable by you alone.
    """
    check_stdout(file)
    subject = _subject(emails, sessions)
    with writing_to(file, replace=force) as target, current_reports().events() as connection:
        counts = write_held(connection, subject, target)
    click.echo(f"Exported {_in_words(counts)}.", err=True)


def _subject(emails: tuple[str, ...], sessions: tuple[str, ...]) -> Subject:
    if not (emails or sessions):
        raise click.UsageError("Say who: --email ADDRESS or --session SESSION.")
    with current_reports().events() as connection:
        return find_subject(connection, emails, sessions)


def _say(
    verb: str,
    counts: Counter[str],
    there: Holdings,
    as_json: bool,
    is_done: bool,
) -> None:
    others = there.events_of_others
    if as_json:
        print_json({**counts, "events_of_others": others, "is_done": is_done})
        return
    print_line(f"{verb} {_in_words(counts)}.")
    if others:
        print_line(
            f"Not theirs: {EVENTS.counted(others)} of the same sessions with another address. Name"
            " that too if it is the same person."
        )


def _in_words(counts: dict[str, int] | Counter[str]) -> str:
    *first, last = counted(counts)
    return f"{', '.join(first)} and {last}"
