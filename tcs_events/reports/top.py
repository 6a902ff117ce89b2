"""What was used most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tcs_events.reports.period import Period
from tcs_events.reports.reading import by_code_points, reading_counts, total, within
from tcs_events.rollups.tables import uses


@dataclass(frozen=True, slots=True)
class TopExpert:
    """An expert whose card was clicked."""

    expert_id: str
    clicks: int
    sessions: int
    by_context: dict[str, int]
    """Sessions by the context of the click: `grid`, `sage_panel`. A session may be in both."""


@dataclass(frozen=True, slots=True)
class TopQuery:
    """A query, in all its spellings."""

    query: str
    """The normalised text: NFKC, casefolded, single spaces."""
    sample: str
    """One of the texts as they were typed."""
    asks: int
    sessions: int


@dataclass(frozen=True, slots=True)
class TopFilter:
    """A value that a filter was set to."""

    filter: str
    value: Any
    uses: int
    sessions: int


def top_experts(period: Period, limit: int = 20, offset: int = 0) -> list[TopExpert]:
    """Return the experts clicked in most sessions, first the most; `limit` from `offset` on."""
    clicked = _top("click", period, limit, offset)
    with reading_counts() as connection:
        query = (
            sa.select(uses.c.name, uses.c.detail, total(uses.c.sessions))
            .where(
                within(connection, uses, period),
                uses.c.kind == "click_in",
                uses.c.name.in_([row.name for row in clicked]),
            )
            .group_by(uses.c.name, uses.c.detail)
            .order_by(by_code_points(uses.c.detail))
        )
        contexts = connection.execute(query).all()
    return [
        TopExpert(
            row.name,
            row.events,
            row.sessions,
            {of.detail: of.sessions for of in contexts if of.name == row.name},
        )
        for row in clicked
    ]


def top_queries(period: Period, limit: int = 20, offset: int = 0) -> list[TopQuery]:
    """Return the queries asked in most sessions, first the most; `limit` from `offset` on."""
    return [
        TopQuery(row.name, row.sample, row.events, row.sessions)
        for row in _top("query", period, limit, offset)
    ]


def top_filters(period: Period, limit: int = 20, offset: int = 0) -> list[TopFilter]:
    """Return the filter values set in most sessions, first the most; `limit` from `offset` on."""
    return [
        TopFilter(row.name, parsed(row.detail), row.events, row.sessions)
        for row in _top("filter", period, limit, offset)
    ]


def _top(kind: str, period: Period, limit: int, offset: int) -> list[Any]:
    with reading_counts() as connection:
        sessions = total(uses.c.sessions)
        query = (
            sa.select(
                uses.c.name,
                uses.c.detail,
                sa.func.min(by_code_points(uses.c.sample)).label("sample"),
                total(uses.c.events),
                sessions,
            )
            .where(within(connection, uses, period), uses.c.kind == kind)
            .group_by(uses.c.name, uses.c.detail)
            .order_by(
                sa.desc("sessions"), by_code_points(uses.c.name), by_code_points(uses.c.detail)
            )
            .limit(limit)
            .offset(offset)
        )
        return list(connection.execute(query))


def parsed(text: str) -> Any:
    """Return the value of a filter, or its text where it was too long to be kept whole."""
    try:
        return json.loads(text)
    except ValueError:
        return text
