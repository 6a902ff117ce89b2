"""What visitors did before and after an event."""

from __future__ import annotations

import click

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.completion import complete_type
from tcs_events.cli.heading import print_answer, print_heading, print_notices
from tcs_events.cli.output import bar, print_line, print_table, share
from tcs_events.counts.conditions import Condition
from tcs_events.reports import Period
from tcs_events.reports.paths import DEFAULT_DEPTH, MAX_DEPTH, PATH_COLUMNS, Direction
from tcs_events.reports.who import Who

_PATH = Printed(PATH_COLUMNS, "path", "visits", "share")


@command("paths")
@click.argument("event_type", metavar="TYPE", type=options.read_type, shell_complete=complete_type)
@click.option(
    "--after",
    "direction",
    flag_value="after",
    default="after",
    help="What came after it. This is the default.",
)
@click.option("--before", "direction", flag_value="before", help="What came before it.")
@click.option(
    "--depth",
    type=click.IntRange(1, MAX_DEPTH),
    default=DEFAULT_DEPTH,
    show_default=True,
    help="The most events of a path.",
)
@options.where
@options.who
@click.option(
    "--collapse", is_flag=True, help="Count events of one type that follow each other once."
)
@options.of_period
@options.limit(20, "paths")
@options.as_json
def paths(
    event_type: str,
    direction: Direction,
    depth: int,
    where: tuple[Condition, ...],
    who: Who | None,
    collapse: bool,
    period: Period,
    limit: int,
    as_json: bool,
) -> None:
    """List what visitors did after an event, or before it.

    The event is the first one of a visit that has the type TYPE. The path is the types of the next
    events in the same visit, in the order of time. A visit is a visitor's day.
    """
    found = reports.paths(
        period, event_type, direction, depth, where=where, who=who, collapse=collapse, limit=limit
    )
    print_notices(found.notices)
    if as_json:
        print_answer(
            {
                "event_type": event_type,
                "direction": direction,
                "depth": depth,
                "visits": found.visits,
                "rows": found.rows,
                "other_visits": found.other_visits,
            },
            period,
        )
        return
    print_heading(period)
    if not found.visits:
        print_line("No visit had such an event.")
        return
    most = max(found.other_visits, *(row.visits for row in found.rows))
    rows = [(*_PATH.cells(row), bar(row.visits, most)) for row in found.rows]
    if found.other_visits:
        part = share(found.other_visits / found.visits)
        rows.append(("other paths", found.other_visits, part, bar(found.other_visits, most)))
    print_table((*_PATH.titles, ""), rows)
