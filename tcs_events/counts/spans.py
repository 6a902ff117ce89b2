"""Whole weeks and months, summed up once they are over: a long period is read in few pieces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from tcs_events.counts import tables
from tcs_events.counts.days import dates

Unit = Literal["day", "week", "month"]


class Piece(NamedTuple):
    """A day, a week from Monday to Sunday or a calendar month."""

    unit: Unit
    first: date
    last: date


def week_of(of_day: date) -> Piece:
    """Return the week that a day is in."""
    monday = of_day - timedelta(days=of_day.weekday())
    return Piece("week", monday, monday + timedelta(days=6))


def month_of(of_day: date) -> Piece:
    """Return the month that a day is in."""
    first = of_day.replace(day=1)
    return Piece("month", first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def pieces_of(first: date, last: date, built: Collection[tuple[str, date]]) -> list[Piece]:
    """Return the fewest pieces that hold each day from the first to the last one exactly once.

    Args:
        first: the first day.
        last: the last day.
        built: the unit and the first day of each span there is.
    """
    # Weeks and months overlap: a week taken now may stand in the way of a month. So the best way
    # to each day is found from those before it.
    fewest: dict[date, int] = {first - timedelta(days=1): 0}
    arrives: dict[date, Piece] = {}
    for of_day in dates(first, last):
        spans = [
            span
            for span in (week_of(of_day), month_of(of_day))
            if span.last == of_day and span.first >= first and (span.unit, span.first) in built
        ]
        pieces = [*spans, Piece("day", of_day, of_day)]
        best = min(pieces, key=lambda piece: fewest[piece.first - timedelta(days=1)])
        fewest[of_day] = fewest[best.first - timedelta(days=1)] + 1
        arrives[of_day] = best
    found: list[Piece] = []
    while last >= first:
        found.append(arrives[last])
        last = found[-1].first - timedelta(days=1)
    return found[::-1]


def built_spans(connection: Connection, first: date, last: date) -> set[tuple[str, date]]:
    """Return the unit and the first day of the spans that begin between two days."""
    spans = tables.spans.c
    return {
        (unit, starts_on)
        for unit, starts_on in connection.execute(
            sa.select(spans.unit, spans.starts_on).where(spans.starts_on.between(first, last))
        )
    }


def in_pieces(table: sa.Table, pieces: Sequence[Piece]) -> sa.ColumnElement[bool]:
    """Return the condition for the rows of some pieces: few ranges of the index."""
    ranges = []
    for unit, run in groupby(pieces, key=lambda piece: piece.unit):
        of_unit = list(run)
        days = table.c.day.between(of_unit[0].first, of_unit[-1].first)
        ranges.append((table.c.unit == unit) & days)
    return sa.or_(*ranges)


def missing_spans(connection: Connection, before: date) -> list[Piece]:
    """Return the spans that are to be built: not there yet, with days that are counted, and over.

    Over is one whose days all lie before `before`, and before the newest day that is counted.
    """
    counted = sorted(connection.scalars(sa.select(tables.days.c.day)))
    if not counted:
        return []
    built = {tuple(row) for row in connection.execute(sa.select(tables.spans))}
    wanted = {span for of_day in counted for span in (week_of(of_day), month_of(of_day))}
    end = min(before, counted[-1])
    return sorted(
        (span for span in wanted if span.last < end and (span.unit, span.first) not in built),
        key=lambda span: span.first,
    )


_OF_ROWS = ("id", "unit", "day", "sample")
"""The columns that are neither what is counted, nor counts."""


def build_span(connection: Connection, span: Piece) -> None:
    """Sum up the days of a span, in a transaction in which nobody else counts."""
    for table, statement in _sums(span):
        connection.execute(
            table.insert().from_select([*statement.selected_columns.keys()], statement)
        )
    connection.execute(tables.spans.insert().values(unit=span.unit, starts_on=span.first))


def _sums(span: Piece) -> Iterator[tuple[sa.Table, sa.Select[tuple[object, ...]]]]:
    for table in tables.SPANNED:
        columns = [column for column in table.c if column.name not in _OF_ROWS]
        keys = [column for column in columns if column.name in tables.KEYS]
        statement = (
            sa.select(
                sa.literal(span.unit, table.c.unit.type).label("unit"),
                sa.literal(span.first, table.c.day.type).label("day"),
                *keys,
                *(
                    sa.func.sum(column).label(column.name)
                    for column in columns
                    if column not in keys
                ),
            )
            .where(table.c.unit == "day", table.c.day.between(span.first, span.last))
            .group_by(*keys)
        )
        yield table, statement


def forget_spans(connection: Connection, of_day: date) -> None:
    """Delete the spans that hold a day, in the transaction that changes the day."""
    for span in (week_of(of_day), month_of(of_day)):
        forgotten = connection.execute(
            tables.spans.delete().where(
                tables.spans.c.unit == span.unit, tables.spans.c.starts_on == span.first
            )
        )
        if forgotten.rowcount:
            for table in tables.SPANNED:
                connection.execute(
                    table.delete().where(table.c.unit == span.unit, table.c.day == span.first)
                )
