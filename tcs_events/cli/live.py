"""The command that says who is here now."""

from __future__ import annotations

import click

from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.output import print_json, print_line, print_table, sparkline
from tcs_events.reports import latest_visitors
from tcs_events.reports import live as ask_live
from tcs_events.reports.live import LATEST_COLUMNS, MAX_MINUTES

_VISITOR = Printed(LATEST_COLUMNS, "session_id", "last_at", "event_type", "is_known")


@command("live")
@options.limit(10, "visitors")
@click.option(
    "--minutes",
    metavar="N",
    type=click.IntRange(1, MAX_MINUTES),
    default=30,
    show_default=True,
    help="How many minutes to look back.",
)
@options.one_type("Only events of this type.")
@options.as_json
def live(limit: int, minutes: int, event_type: str | None, as_json: bool) -> None:
    """Say who came in the last minutes, and which visitors came last.

    At most the newest 20,000 events are read: "since" says from when on they count. JSON has "live"
    and "latest_visitors".
    """
    if event_type is not None:
        options.check_types([event_type])
    now = ask_live(minutes, event_type)
    latest = latest_visitors(limit, event_type)
    if as_json:
        print_json({"live": now, "latest_visitors": latest})
        return
    print_line(f"Visitors since {now.since:%H:%M}: {now.visitors:,}, with {now.events:,} events.")
    if now.visitors:
        print_line(f"By minute: {sparkline([minute.visitors for minute in now.by_minute])}")
    if latest:
        print_line()
        print_table(_VISITOR.titles, map(_VISITOR.cells, latest), optional=("known",))
