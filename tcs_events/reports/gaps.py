"""What visitors wanted and did not get."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tcs_events.counts.tables import demand
from tcs_events.reports.period import Period
from tcs_events.reports.reading import (
    by_code_points,
    reading_counts,
    this_registration,
    total,
    within,
)
from tcs_events.reports.top import spellings


@dataclass(frozen=True, slots=True)
class UnmetDemand:
    """A query that did not lead to what was wanted. All counts are visits."""

    query: str
    """The normalised text: queries that look the same are one."""
    sample: str
    """The text as most visits have typed it."""
    sessions: int
    """Visits that asked it."""
    no_result: int
    """Visits that got no result at least once: `hidden_by_filter` + `not_available`."""
    hidden_by_filter: int
    """Those of them whose filters hid the results: without filters the query had some."""
    not_available: int
    """The rest of them: you do not have it."""
    no_click: int
    """Visits that got results and clicked none within five minutes."""
    reformulated: int
    """Visits that asked something else within 60 seconds."""


def unmet_demand(
    period: Period, limit: int = 50, min_sessions: int | None = None, offset: int = 0
) -> list[UnmetDemand]:
    """Return the queries that were not answered, those that you do not have first.

    Ordered by `not_available`, `hidden_by_filter`, `no_click` and `reformulated`, the most first.
    The reasons may overlap: a visit may get no result, and later some.

    Args:
        period: the days of the queries. Whether a query had results without filters is looked up in
            these days, too.
        limit: how many queries at most.
        min_sessions: a query with fewer visits is not listed, because one visitor is not a demand,
            and rare words may be personal. Defaults to `TCS_EVENTS_MIN_SESSIONS`.
        offset: how many queries to skip.
    """
    if min_sessions is None:
        min_sessions = this_registration().settings.min_sessions
    sums = {name: total(demand.c[name]) for name in _COUNTS}
    hidden = sa.case(
        (sums["found_unfiltered"].element > 0, sums["no_result_filtered"].element), else_=0
    )
    missing = sums["no_result"].element - hidden
    with reading_counts() as connection:
        query = (
            sa.select(
                demand.c.query,
                *sums.values(),
                hidden.label("hidden_by_filter"),
                missing.label("not_available"),
            )
            .where(within(connection, demand, period))
            .group_by(demand.c.query)
            .having(
                sums["sessions"].element >= min_sessions,
                sums["no_result"].element + sums["no_click"].element + sums["reformulated"].element
                > 0,
            )
            .order_by(
                *(
                    sa.desc(name)
                    for name in ("not_available", "hidden_by_filter", "no_click", "reformulated")
                ),
                by_code_points(demand.c.query),
            )
            .limit(limit)
            .offset(offset)
        )
        rows = connection.execute(query).mappings().all()
        samples = spellings(connection, period, [row["query"] for row in rows])
    return [
        UnmetDemand(
            sample=samples[row["query"]], **{name: row[name] for name in _FIELDS if name in row}
        )
        for row in rows
    ]


_FIELDS = UnmetDemand.__dataclass_fields__
_COUNTS = (
    "sessions",
    "no_result",
    "no_result_filtered",
    "found_unfiltered",
    "no_click",
    "reformulated",
)
