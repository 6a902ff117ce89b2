"""What visitors wanted, and what they did not find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from tcs_events.cli import options
from tcs_events.cli.columns import Printed
from tcs_events.cli.command import command
from tcs_events.cli.heading import (
    print_answer,
    print_heading,
    print_nothing,
    undeclared,
    warn_if_incomplete,
    warn_if_undeclared,
)
from tcs_events.cli.output import print_line, print_paragraph, print_table
from tcs_events.cli.worded import WordedArgument, host_words
from tcs_events.event_types import roles
from tcs_events.event_types.roles import Role
from tcs_events.reports import (
    Period,
    dead_end_combinations,
    dead_end_values,
    top_filters,
    top_items,
    top_queries,
    unmet_demand,
)
from tcs_events.reports.dead_ends import COMBINATION_COLUMNS, VALUE_COLUMNS
from tcs_events.reports.gaps import GAP_COLUMNS
from tcs_events.reports.top import FILTER_COLUMNS, ITEM_COLUMNS, QUERY_COLUMNS
from tcs_events.reports.wording import A_VISIT

_PRINTED = {
    "items": Printed(ITEM_COLUMNS, "item_id", "clicks", "visits", "by_context"),
    "queries": Printed(QUERY_COLUMNS, "query", "asks", "visits", "sample"),
    "filters": Printed(FILTER_COLUMNS, "filter", "uses", "visits", "value"),
}
_TOPS: dict[str, tuple[Callable[[Period, int], Sequence[Any]], type[Role]]] = {
    "items": (top_items, roles.Click),
    "queries": (top_queries, roles.Search),
    "filters": (top_filters, roles.FilterChange),
}
_NAMES = "[{items_name}|queries|filters]..."
_REASONS = ("not_available", "hidden_by_filter", "no_click", "reformulated")
_GAPS = Printed(GAP_COLUMNS, "query", "visits", *_REASONS)
_DEAD_VALUES = Printed(VALUE_COLUMNS, "filter", "dead", "visits", "share", "value")
_DEAD_COMBINATIONS = Printed(COMBINATION_COLUMNS, "value", "dead", "visits", "share")


def _read_top(text: str) -> str:
    """Return what to list. Items have two names on every host: `items` and `experts`.

    Raises:
        click.BadParameter: the text is none of the names.
    """
    words = host_words()
    by_name = {words.name(name): name for name in _TOPS}
    if words.name(text) not in by_name:
        raise click.BadParameter(
            f"{text!r} is not one of {', '.join(map(repr, by_name))}.",
            param_hint=f"'{words.in_text(_NAMES)}'",
        )
    return by_name[words.name(text)]


def _complete_top(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    choices = click.Choice(list(map(host_words(context).name, _TOPS)))
    return choices.shell_complete(context, parameter, incomplete)


@command("top")
@click.argument(
    "names",
    cls=WordedArgument,
    nargs=-1,
    metavar=_NAMES,
    type=_read_top,
    shell_complete=_complete_top,
)
@options.of_period
@options.limit(20, "of each")
@options.as_json
def top(names: tuple[str, ...], period: Period, limit: int, as_json: bool) -> None:
    """List the most used {items}, queries and filters.

    Lists all three unless you name some. Those with the most visits come first. A visit is a
    visitor's day.
    """
    words = host_words()
    tops = {name: _TOPS[name][0](period, limit) for name in names or _TOPS}
    warn_if_incomplete()
    if as_json:
        for name in names:
            warn_if_undeclared(tops[name], _TOPS[name][1])
        print_answer({words.name(name): rows for name, rows in tops.items()}, period)
        return
    if not names:
        # Lists that the host's event types cannot fill are left out.
        tops = {n: rows for n, rows in tops.items() if rows or not undeclared(_TOPS[n][1])}
    if not tops:
        print_nothing(period, "events", *(role for _, role in _TOPS.values()))
        return
    print_heading(period)
    for number, (name, rows) in enumerate(tops.items()):
        if number:
            print_line()
        if rows:
            print_table(_PRINTED[name].titles, map(_PRINTED[name].cells, rows))
        else:
            print_nothing(period, words.items if name == "items" else name, _TOPS[name][1])


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
        warn_if_undeclared(rows, roles.Search)
        print_answer(rows, period)
    elif not rows:
        print_nothing(period, "queries without an answer that enough visits asked", roles.Search)
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
    """List the filters that left no {item} to choose from.

    First single filters, then filters together; those with the most visits come first.
    """
    values = dead_end_values(period, limit)
    combinations = dead_end_combinations(period, limit)
    warn_if_incomplete()
    if as_json:
        warn_if_undeclared([*values, *combinations], roles.FilterChange)
        print_answer({"values": values, "combinations": combinations}, period)
    elif not values and not combinations:
        print_nothing(period, "filters that left nothing", roles.FilterChange)
    else:
        print_heading(period)
        print_table(_DEAD_VALUES.titles, map(_DEAD_VALUES.cells, values))
        print_line()
        print_table(_DEAD_COMBINATIONS.titles, map(_DEAD_COMBINATIONS.cells, combinations))
        print_paragraph(f"Counts are visits; {A_VISIT}.")
