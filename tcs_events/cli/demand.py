"""What visitors wanted, and what they did not find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.heading import print_heading, print_nothing, warn_if_incomplete
from tcs_events.cli.output import print_json, print_line, print_paragraph, print_table
from tcs_events.reports import (
    Period,
    dead_end_combinations,
    dead_end_values,
    top_experts,
    top_filters,
    top_queries,
    unmet_demand,
)
from tcs_events.reports.dead_ends import COMBINATION_COLUMNS, VALUE_COLUMNS
from tcs_events.reports.gaps import GAP_COLUMNS
from tcs_events.reports.top import EXPERT_COLUMNS, FILTER_COLUMNS, QUERY_COLUMNS
from tcs_events.reports.wording import A_VISIT

_PRINTED = {
    "experts": Printed(EXPERT_COLUMNS, "expert_id", "clicks", "visits", "by_context"),
    "queries": Printed(QUERY_COLUMNS, "query", "asks", "visits", "sample"),
    "filters": Printed(FILTER_COLUMNS, "filter", "uses", "visits", "value"),
}
_TOPS: dict[str, Callable[[Period, int], Sequence[Any]]] = {
    "experts": top_experts,
    "queries": top_queries,
    "filters": top_filters,
}
_REASONS = ("not_available", "hidden_by_filter", "no_click", "reformulated")
_GAPS = Printed(GAP_COLUMNS, "query", "visits", *_REASONS)
_DEAD_VALUES = Printed(VALUE_COLUMNS, "filter", "dead", "visits", "share", "value")
_DEAD_COMBINATIONS = Printed(COMBINATION_COLUMNS, "value", "dead", "visits", "share")


@command("top")
@click.argument(
    "names", nargs=-1, metavar="[experts|queries|filters]...", type=click.Choice([*_TOPS])
)
@options.of_period
@options.limit(20, "of each")
@options.as_json
def top(names: tuple[str, ...], period: Period, limit: int, as_json: bool) -> None:
    """List the most used experts, queries and filters.

    Lists all three unless you name some. Those with the most visits come first. A visit is a
    visitor's day.
    """
    tops = {name: _TOPS[name](period, limit) for name in names or _TOPS}
    warn_if_incomplete()
    if as_json:
        print_json(tops)
        return
    print_heading(period)
    for number, (name, rows) in enumerate(tops.items()):
        if number:
            print_line()
        if rows:
            print_table(_PRINTED[name].titles, map(_PRINTED[name].cells, rows))
        else:
            print_nothing(period, name)


@command("gaps")
@options.of_period
@options.limit(50, "queries")
@options.min_sessions
@options.as_json
def gaps(period: Period, limit: int, min_sessions: int | None, as_json: bool) -> None:
    """List the queries that led nowhere.

    Those with no results at all come first. Counts are visits; a visit is a visitor's day.
    """
    rows = unmet_demand(period, limit, min_sessions)
    warn_if_incomplete()
    if as_json:
        print_json(rows)
    elif not rows:
        print_nothing(period, "queries without an answer that enough visits asked")
    else:
        print_heading(period)
        print_table(
            _GAPS.titles,
            # Where a page has a column for each, there is room for one: the text as it was typed.
            [(row.sample, *_GAPS.cells(row)[1:]) for row in rows],
            optional=_GAPS.titles_of("reformulated", "no_click"),
        )
        print_paragraph(f"Counts are visits; {A_VISIT}.")


@command("dead-ends")
@options.of_period
@options.limit(20, "of each")
@options.as_json
def dead_ends(period: Period, limit: int, as_json: bool) -> None:
    """List the filters that left no expert to choose from.

    First single filters, then filters together; those with the most visits come first.
    """
    values = dead_end_values(period, limit)
    combinations = dead_end_combinations(period, limit)
    warn_if_incomplete()
    if as_json:
        print_json({"values": values, "combinations": combinations})
    elif not values and not combinations:
        print_nothing(period, "filters that left nothing")
    else:
        print_heading(period)
        print_table(_DEAD_VALUES.titles, map(_DEAD_VALUES.cells, values))
        print_line()
        print_table(_DEAD_COMBINATIONS.titles, map(_DEAD_COMBINATIONS.cells, combinations))
        print_paragraph(f"Counts are visits; {A_VISIT}.")
