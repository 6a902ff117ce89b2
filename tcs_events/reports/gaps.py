"""What visitors wanted and did not find."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tcs_events.counts.tables import demand
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading, by_code_points, in_period, total
from tcs_events.reports.top import spellings
from tcs_events.reports.wording import AS_TYPED, ASKED_AGAIN, HIDDEN, NOT_AVAILABLE


@dataclass(frozen=True, slots=True)
class UnmetDemand:
    """A query that led nowhere. All counts are visits."""

    query: str
    """The normalised text: NFKC_Casefold, with characters that look the same made one."""
    sample: str
    """The spelling that most visits typed."""
    sessions: int
    """Visits that asked it."""
    no_result: int
    """Visits that were shown nothing at least once: `hidden_by_filter` + `not_available`."""
    hidden_by_filter: int
    """Of these, visits whose filters hid the results: without filters, the query had some."""
    not_available: int
    """The rest: there was nothing to show, with or without filters."""
    no_click: int
    """Visits that were shown something and clicked nothing within five minutes."""
    reformulated: int
    """Visits that asked something else within 60 seconds."""


GAP_COLUMNS: Columns = (
    Column("query", "Query", "the query in lower case, with single spaces"),
    Column("visits", "Visits", "visits that asked it", "count"),
    Column("not_available", NOT_AVAILABLE, "shown nothing, and not because of filters", "bar"),
    Column(
        "hidden_by_filter",
        HIDDEN,
        "shown nothing because of filters; without them there were results",
        "bar",
    ),
    Column(
        "no_click",
        "No click",
        "shown something, and clicked nothing within five minutes",
        "count",
    ),
    Column("reformulated", ASKED_AGAIN, "asked something else within 60 seconds", "count"),
    Column(
        "no_result",
        "Nothing shown",
        "not available and hidden by filters together",
        "count",
        is_extra=True,
    ),
    Column("sample", AS_TYPED, "the query as one visitor typed it", is_extra=True),
)


def unmet_demand(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    limit: int = 50,
    min_sessions: int | None = None,
    offset: int = 0,
) -> list[UnmetDemand]:
    """Return the queries that led nowhere, those with no results at all first.

    Ordered by `not_available`, `hidden_by_filter`, `no_click` and `reformulated`, the highest
    first. One visit may count in several of them: it may be shown nothing, and later something.

    Args:
        period: the days of the queries. Whether a query has results without filters is also
            looked up in these days.
        limit: the most queries to return.
        min_sessions: a query asked in fewer visits is left out: one visitor is not a demand, and
            rare words may be personal. Defaults to `TCS_EVENTS_MIN_SESSIONS`.
        offset: how many queries to skip.
    """
    if min_sessions is None:
        min_sessions = reading.settings.min_sessions
    sums = {name: total(demand.c[name]) for name in _COUNTS}
    hidden = sa.case(
        (sums["found_unfiltered"].element > 0, sums["no_result_filtered"].element), else_=0
    )
    missing = sums["no_result"].element - hidden
    with reading.counts() as connection:
        query = (
            sa.select(
                demand.c.query,
                *sums.values(),
                hidden.label("hidden_by_filter"),
                missing.label("not_available"),
            )
            .where(in_period(connection, demand, period))
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
                by_code_points(connection, demand.c.query),
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
