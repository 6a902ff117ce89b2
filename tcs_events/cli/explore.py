"""How much there was of an event type, by a property of its events."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import cast, get_args

import click

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.completion import complete_property, complete_type
from tcs_events.cli.heading import print_answer, print_heading, print_nothing, print_notices
from tcs_events.cli.output import (
    Measured,
    print_line,
    print_table,
    share,
    sparkline,
)
from tcs_events.cli.visible import visible
from tcs_events.errors import UnknownEventType
from tcs_events.export.csv_format import cell
from tcs_events.reports import Condition, Explored, ExploreRow, Period
from tcs_events.reports.explore import EXPLORE_COLUMNS, PROPERTY_COLUMNS
from tcs_events.reports.explore.answer import LIMIT
from tcs_events.reports.explore.question import Interval
from tcs_events.reports.who import Who

_PROPERTY = Printed(PROPERTY_COLUMNS, "name", "share", "different", "values")


@command("explore")
@click.argument("event_type", metavar="TYPE", type=options.read_type, shell_complete=complete_type)
@click.option(
    "--by",
    metavar="PROPERTY",
    type=options.read_text,
    shell_complete=complete_property,
    help="The property whose values become rows: plan, or room.city. Without it: the properties"
    " that there are, and the total.",
)
@options.where
@options.who
@click.option(
    "--measure",
    metavar="MEASURE",
    type=options.read_text,
    default="visitors",
    show_default=True,
    help="visitors, visits, events, or sum(price), average(price), median(price).",
)
@click.option(
    "--interval",
    type=click.Choice(get_args(Interval)),
    help="Also count each day or week. At most 100 rows then.",
)
@options.limit(LIMIT, "values; the others are counted together")
@options.of_period
@click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV, for spreadsheets.")
@options.as_json
def explore(
    event_type: str,
    by: str | None,
    where: tuple[Condition, ...],
    who: Who | None,
    measure: str,
    interval: str | None,
    limit: int,
    period: Period,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Count the events of a type by a property.

    \b
        flask tcs-events explore booking_done --by plan
        flask tcs-events explore booking_done --by room.city \\
            --where 'price>=10' --measure 'sum(price)' --interval week

    If reading all events takes too long, the numbers are estimates from some visitors, with their
    margins.
    """  # noqa: D301 - to click, a real backspace means: keep these lines as they are
    if as_csv and as_json:
        raise click.UsageError("Give --csv or --json, not both.")
    try:
        answer = reports.explore(
            period,
            event_type,
            by,
            where,
            who,
            measure,
            cast("Interval | None", interval),
            limit,
        )
    except UnknownEventType:
        raise
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    print_notices(answer.notices)
    if as_csv:
        _print_csv(answer)
        return
    found = reports.properties(period, event_type) if by is None else None
    if as_json:
        document = {each.name: getattr(answer, each.name) for each in fields(answer)}
        print_answer({**document, **({} if by else {"properties": found})}, period)
    elif not answer.total.events:
        print_nothing(period, f"{event_type} events")
    else:
        print_heading(period)
        if found is not None:
            print_table(_PROPERTY.titles, map(_PROPERTY.cells, found))
            print_line()
        _print(answer)


def _print(answer: Explored) -> None:
    """Print the rows, the others and the total."""
    is_other_than_events = answer.measure != "events"
    titles = [answer.by or "", answer.measure]
    titles += ["margin"] if answer.is_estimate else []
    titles += ["share"] if not _is_mean(answer) else []
    titles += ["events"] if is_other_than_events else []
    titles += [f"by {answer.interval}"] if answer.interval else []
    print_table(
        titles,
        [
            [
                _name(row, answer),
                _measured(row.number),
                *([_measured(row.margin)] if answer.is_estimate else []),
                *([share(row.share)] if not _is_mean(answer) else []),
                *([row.events] if is_other_than_events else []),
                *([sparkline([max(0, of or 0) for of in row.series])] if answer.interval else []),
            ]
            for row in answer.all_rows()
        ],
        optional=[f"by {answer.interval}", "events"],
        keep=[answer.measure, "margin", "share"],
    )


def _is_mean(answer: Explored) -> bool:
    return answer.measure.startswith(("average", "median"))


def _name(row: ExploreRow, answer: Explored) -> str:
    if row.kind == "other":
        return f"other ({answer.other_values:,})"
    return row.name if row.kind == "value" else "total"


def _measured(number: float | None) -> Measured | None:
    return None if number is None else Measured(number)


def _print_csv(answer: Explored) -> None:
    """Print the rows as CSV. What would be obeyed by a terminal is written out."""
    heads = [column.name for column in EXPLORE_COLUMNS]
    lines: list[list[object]] = [
        [*heads, *answer.starts_on],
        *([*(of.of(row) for of in EXPLORE_COLUMNS), *row.series] for row in answer.all_rows()),
    ]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([visible(cell(value)) for value in line] for line in lines)
    print_line(text.getvalue().rstrip("\n"))
