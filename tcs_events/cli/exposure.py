"""How often each item is shown, and which never are."""

from __future__ import annotations

from typing import Any, TextIO

import click
import sqlalchemy as sa
from flask import current_app

from tcs_events import reports
from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.heading import (
    print_answer,
    print_heading,
    print_nothing,
    warn_if_incomplete,
    warn_if_undeclared,
)
from tcs_events.cli.output import (
    Share,
    print_line,
    print_paragraph,
    print_table,
)
from tcs_events.cli.worded import WordedOption, host_words
from tcs_events.event_types.roles import Click, Impression, Search
from tcs_events.reports import Period
from tcs_events.reports.exposure import EXPOSURE_COLUMNS, Catalogue
from tcs_events.reports.wording import A_VISIT

_PRINTED = Printed(EXPOSURE_COLUMNS, *(column.name for column in EXPOSURE_COLUMNS))
_OPTIONAL = ("mean_position", "seen", "best_position", "returned_first", "expected_click_through")
"""The columns that are left out on a narrow terminal, the first one first."""


@command("exposure")
@click.option(
    "--catalogue",
    cls=WordedOption,
    metavar="TABLE.COLUMN",
    help="The column of your database that has the ids of all {items}.",
)
@click.option(
    "--catalogue-file",
    type=click.File(encoding="utf-8"),
    help="The same from a file, one id per line.",
)
@options.of_period
@options.limit(None, "{items}, the least exposed first")
@options.min_sessions
@options.as_json
def exposure(
    catalogue: str | None,
    catalogue_file: TextIO | None,
    period: Period,
    limit: int | None,
    min_sessions: int | None,
    as_json: bool,
) -> None:
    """List how far each {item} gets with visitors.

    {Items} are returned by a query, then among the first results, then clicked. The least exposed
    come first. Counts are visits; a visit is a visitor's day. Give a catalogue to include {items}
    that no event mentions.
    """
    report = reports.exposure(
        period, _catalogue(catalogue, catalogue_file), min_sessions=min_sessions
    )
    warn_if_incomplete()
    # Cut here, not in the report: its coverage and Gini coefficient are about all items.
    items = report.items[:limit]
    if as_json:
        warn_if_undeclared(items, Search, Click, Impression)
        print_answer(
            {
                host_words().name("items"): items,
                "coverage": report.coverage,
                "gini": report.gini,
            },
            period,
        )
    elif not items:
        print_nothing(period, host_words().items, Search, Click, Impression)
    else:
        print_heading(period)
        print_table(
            _PRINTED.titles,
            map(_PRINTED.cells, items),
            optional=_PRINTED.titles_of(*_OPTIONAL),
            keep=_PRINTED.titles_of("rung"),
        )
        print_paragraph(f"Counts are visits; {A_VISIT}.")
        if report.coverage is not None:
            items_shown = f"{Share(report.coverage)} of {host_words().items}"
            print_line(f"{items_shown} were shown to at least one visitor.")
        if report.gini is not None:
            print_line(f"Gini coefficient of exposure: {report.gini:.2f}")


def _catalogue(column: str | None, file: TextIO | None) -> Catalogue | None:
    if column is not None and file is not None:
        raise click.UsageError("Give either --catalogue or --catalogue-file, not both.")
    if file is not None:
        try:
            # All of it now, so that a file in another encoding fails before the query runs.
            return list(file)
        except UnicodeDecodeError:
            raise click.BadParameter(
                "the file is not UTF-8 text.", param_hint="--catalogue-file"
            ) from None
    if column is not None:
        return sa.select(host_column(column))
    return None


def host_column(name: str) -> sa.Column[Any]:
    """Return the column object of a table that the host declares: no user input becomes SQL text.

    Raises:
        click.BadParameter: no declared table has such a column.
    """
    table_name, _, column_name = name.rpartition(".")
    tables: dict[str, sa.Table] = {}
    for metadata in current_app.extensions["sqlalchemy"].metadatas.values():
        tables |= metadata.tables
    if table_name not in tables:
        raise click.BadParameter(
            f"{name!r} is not a TABLE.COLUMN; the tables are {', '.join(sorted(tables))}.",
            param_hint="--catalogue",
        )
    columns = tables[table_name].columns
    if column_name not in columns:
        raise click.BadParameter(
            f"{table_name} has no column {column_name!r}; it has {', '.join(columns.keys())}.",
            param_hint="--catalogue",
        )
    return columns[column_name]
