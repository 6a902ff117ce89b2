"""The command that prints what one visitor or person did."""

from __future__ import annotations

import click

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line, print_table
from tcs_events.reports.timeline import TIMELINE_COLUMNS

_EVENT = Printed(TIMELINE_COLUMNS, "at", "session_id", "is_known", "event_type", "payload")


@command("timeline")
@click.argument("session_id", required=False, metavar="[SESSION]", type=options.read_text)
@click.option(
    "--email",
    metavar="ADDRESS",
    type=options.read_text,
    help="A person: events with this address, and sessions linked to it.",
)
@click.option(
    "--user",
    "user_id",
    metavar="ID",
    type=options.read_text,
    help="A logged-in user: events of the sessions linked to this id.",
)
@options.limit(500, "events, the newest ones")
@options.as_json
def timeline(
    session_id: str | None, email: str | None, user_id: str | None, limit: int, as_json: bool
) -> None:
    """Print the events of a session or a person, oldest first."""
    match session_id, email, user_id:
        case str(), None, None:
            events = reports.session_timeline(session_id, limit)
        case None, str(), None:
            events = reports.person_timeline(email, limit)
        case None, None, str():
            events = reports.user_timeline(user_id, limit)
        case _:
            raise click.UsageError("Give a session, --email or --user, and only one of them.")
    if as_json:
        print_json({"rows": events})
    elif not events:
        print_line("No events.")
    else:
        print_table(
            _EVENT.titles,
            map(_EVENT.cells, events),
            optional=_EVENT.titles_of("is_known"),
            keep=_EVENT.titles_of("event_type"),
        )
