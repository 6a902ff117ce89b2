"""The commands for a person's rights: export what is stored about them, or delete it."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

import click
from flask import current_app

from tcs_events.cli import options
from tcs_events.cli.bars import counting_bar, progress_bar
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line
from tcs_events.cli.stopping import said_at_the_end
from tcs_events.cli.target import STDOUT, check_stdout, writing_to
from tcs_events.cli.visible import visible
from tcs_events.database.mysql_tables import other_collations
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.rights.deleting import Deleter
from tcs_events.rights.forget import Holdings, count_holdings
from tcs_events.rights.forget import forget as delete_all_of
from tcs_events.rights.held import write_held
from tcs_events.rights.places import EVENTS, Place, counted, places_in
from tcs_events.rights.subject import Subject, find_subject

COUNTED_BY_OTHERS_SECONDS = 60.0
"""How long to wait for another process that is counting."""


def of_subject(function: options.Function) -> options.Function:
    """Add `--email`, `--user` and `--session`; pass them as `emails`, `users` and `sessions`."""
    for name, metavar, text in (
        ("session", "SESSION", "Everything of this session; may be repeated."),
        (
            "email",
            "ADDRESS",
            "Everything of this person. Letter case does not matter; may be repeated.",
        ),
        ("user", "ID", "Everything of the logged-in user with this id; may be repeated."),
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
@options.dry_run
@click.option("--yes", is_flag=True, help="Delete without asking.")
@options.as_json
def forget(
    emails: tuple[str, ...],
    users: tuple[str, ...],
    sessions: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete everything of a person.

    Deletes every event with the address, stored or refused, and every event of the sessions that
    were linked to the address or the user id, unless it has another address. Deletes what is known
    about these sessions, too. Then counts the affected days again.

    An address and a user id are one person if your code gave both to `identify` together.
    """
    registration = registration_of(current_app)
    engine, zone = registration.database.engine, registration.settings.timezone
    subject = _subject(emails, users, sessions)
    holdings = count_holdings(engine, subject)
    if dry_run:
        _say("Would delete", Counter(holdings.rows), holdings, as_json, False)
        return
    # The question goes to stderr, so that stdout has only the result.
    if not yes and any(holdings.rows.values()):
        click.confirm(f"Delete {_in_words(holdings.rows)} for good?", abort=True, err=True)
    counts = Counter(dict.fromkeys(holdings.rows, 0))
    with said_at_the_end(counts, partial(_say, "Deleted", counts, holdings, as_json)):
        with progress_bar("Deleting", lambda: sum(holdings.rows.values())) as draw:

            def on_deleted(place: Place, rows: int) -> None:
                counts[place.name] += rows
                draw(rows)

            deleter = Deleter(engine, zone, on_deleted, registration.day_keeper)
            delete_all_of(deleter, subject)
        # Even if nothing was deleted now: an earlier run may have been stopped before this.
        _count_again()


def _count_again() -> None:
    """Count the affected days again, so that no text of the person stays in the counts.

    Raises:
        click.ClickException: another process has been counting for a minute.
    """
    deadline = time.monotonic() + COUNTED_BY_OTHERS_SECONDS
    with counting_bar() as progress:
        while time.monotonic() < deadline:
            # It returns None while another process holds the lease of counting.
            refreshed = registration_of(current_app).refresher.refresh(progress=progress)
            if refreshed is not None and not refreshed.left:
                return
            time.sleep(0.2)
    raise click.ClickException(
        "Another process is counting, so reports may still show what was deleted;"
        " run `flask tcs-events rollup` when it has finished."
    )


@command("export-subject")
@of_subject
@click.option("-o", "--output", "file", type=click.Path(), default=STDOUT, help="Default: stdout.")
@options.force
def export_subject(
    emails: tuple[str, ...],
    users: tuple[str, ...],
    sessions: tuple[str, ...],
    file: str,
    force: bool,
) -> None:
    """Write everything that is stored about a person, as JSON.

    This is what `forget` would delete. The file appears once it is complete, and only you can read
    it.
    """
    check_stdout(file)
    subject = _subject(emails, users, sessions)
    with writing_to(file, replace=force) as target, current_reports().events() as connection:
        counts = write_held(connection, subject, target)
    click.echo(f"Exported {_in_words(counts)}.", err=True)


def _subject(emails: tuple[str, ...], users: tuple[str, ...], sessions: tuple[str, ...]) -> Subject:
    if not (emails or users or sessions):
        raise click.UsageError("Give --email ADDRESS, --user ID or --session SESSION.")
    with current_reports().events() as connection:
        for place in places_in(connection):
            if collations := other_collations(connection, place.table):
                raise click.ClickException(
                    f"The table {place.table.name} compares texts by {' and '.join(collations)}, so"
                    " that the rows of others would be taken for this person's. Run"
                    " `flask tcs-events doctor`, which names the statement that repairs the table."
                )
        return find_subject(connection, emails, sessions, users)


def _say(
    verb: str,
    counts: Counter[str],
    holdings: Holdings,
    as_json: bool,
    is_done: bool,
) -> None:
    others = holdings.events_of_others
    if as_json:
        print_json(
            {
                **counts,
                "events_of_others": others,
                "other_user_ids": holdings.other_user_ids,
                "is_done": is_done,
            }
        )
        return
    print_line(f"{verb} {_in_words(counts)}.")
    if others:
        print_line(
            f"Not included: {EVENTS.counted(others)} of the same sessions with another address."
            " Give that address too if it belongs to the same person."
        )
    if holdings.other_user_ids:
        ids = ", ".join(map(visible, holdings.other_user_ids))
        print_line(
            f"The same sessions are linked to the user id {ids}. Give it with --user if it belongs"
            " to the same person."
        )


def _in_words(counts: dict[str, int] | Counter[str]) -> str:
    *first, last = counted(counts)
    return f"{', '.join(first)} and {last}"
