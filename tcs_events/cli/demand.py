"""What visitors wanted, and what they did not find."""

from __future__ import annotations

import click

from tcs_events.cli import options
from tcs_events.cli.command import command
from tcs_events.cli.heading import print_heading, print_nothing, warn_if_incomplete
from tcs_events.cli.output import Share, print_json, print_line, print_paragraph, print_table
from tcs_events.cli.visible import visible_json
from tcs_events.reports import (
    DeadEnd,
    Period,
    TopExpert,
    TopFilter,
    TopQuery,
    dead_end_combinations,
    dead_end_values,
    top_experts,
    top_filters,
    top_queries,
    unmet_demand,
)
from tcs_events.reports.wording import (
    A_VISIT,
    AS_TYPED,
    ASKED_AGAIN,
    HIDDEN,
    LEFT_WITH_NOTHING,
    NO_CLICK,
    NOT_AVAILABLE,
    SET_TO,
)

_TOPS = ("experts", "queries", "filters")


@command("top")
@click.argument("names", nargs=-1, metavar="[experts|queries|filters]...", type=click.Choice(_TOPS))
@options.of_period
@options.limit(20, "of each")
@options.as_json
def top(names: tuple[str, ...], period: Period, limit: int, as_json: bool) -> None:
    """List the most used experts, queries and filters.

    Lists all three unless you name some. Those with the most visits come first. A visit is a
    visitor's day.
    """
    tops = {name: _top(name, period, limit) for name in names or _TOPS}
    warn_if_incomplete()
    if as_json:
        print_json(tops)
        return
    print_heading(period)
    for number, (name, rows) in enumerate(tops.items()):
        if number:
            print_line()
        if rows:
            _print_top(rows)
        else:
            print_nothing(period, name)


def _top(name: str, period: Period, limit: int) -> list[TopExpert | TopQuery | TopFilter]:
    if name == "experts":
        return [*top_experts(period, limit)]
    if name == "queries":
        return [*top_queries(period, limit)]
    return [*top_filters(period, limit)]


def _print_top(rows: list[TopExpert | TopQuery | TopFilter]) -> None:
    titles: tuple[str, ...] = ()
    cells: list[tuple[object, ...]] = []
    for row in rows:
        match row:
            case TopExpert():
                titles = ("expert", "clicks", "visits", "where")
                contexts = ", ".join(f"{name} {count:,}" for name, count in row.by_context.items())
                cells.append((row.expert_id, row.clicks, row.sessions, contexts))
            case TopQuery():
                titles = ("query", "asks", "visits", AS_TYPED.lower())
                cells.append((row.query, row.asks, row.sessions, row.sample))
            case TopFilter():
                titles = ("filter", "uses", "visits", SET_TO.lower())
                cells.append((row.filter, row.uses, row.sessions, _value(row.value)))
    print_table(titles, cells)


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
            (
                "query",
                "visits",
                NOT_AVAILABLE.lower(),
                HIDDEN.lower(),
                NO_CLICK.lower(),
                ASKED_AGAIN.lower(),
            ),
            [
                (
                    row.sample,
                    row.sessions,
                    row.not_available,
                    row.hidden_by_filter,
                    row.no_click,
                    row.reformulated,
                )
                for row in rows
            ],
            optional=(ASKED_AGAIN.lower(), NO_CLICK.lower()),
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
        print_table(
            ("filter", LEFT_WITH_NOTHING.lower(), "used by", "share", SET_TO.lower()),
            [(row.filter, *_dead(row), _value(row.value)) for row in values],
        )
        print_line()
        print_table(
            ("filters", LEFT_WITH_NOTHING.lower(), "used by", "share"),
            [(_value(row.value), *_dead(row)) for row in combinations],
        )
        print_paragraph(f"Counts are visits; {A_VISIT}.")


def _dead(row: DeadEnd) -> tuple[object, ...]:
    return row.dead, row.sessions, Share(row.share)


def _value(value: object) -> str:
    """Return the value of a filter as text, so that a number is not aligned to the right."""
    return value if isinstance(value, str) else visible_json(value)
