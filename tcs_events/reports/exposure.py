"""How often each expert is shown, and who never is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import sqlalchemy as sa

from tcs_events.counts.ids import id_text
from tcs_events.counts.tables import exposure as counts
from tcs_events.counts.time_limit import in_time
from tcs_events.reports.columns import Column, Columns
from tcs_events.reports.period import Period
from tcs_events.reports.reading import Reading, in_period, total
from tcs_events.reports.rungs import Rung
from tcs_events.reports.wording import RUNGS

FIRST_POSITIONS = 5
"""How many results count as the first ones, those that a visitor looks at first."""
CONFIDENCE_Z = 1.96  # 95 %, two-sided


@dataclass(frozen=True, slots=True)
class ExpertExposure:
    """How often an expert was shown and clicked. All counts are visits."""

    expert_id: str
    exposed: int
    """Returned, seen or clicked. A visit that clicked an expert counts as exposed too."""
    returned: int
    """Returned by a query."""
    returned_first: int
    """Returned among the first `first_positions`."""
    best_position: int | None
    """The best position in the period, from 1; None if never returned."""
    mean_position: float | None
    """The mean of each visit's best position; None if never returned."""
    seen: int
    """In view; 0 unless the host sends events with the role `Impression`."""
    clicked: int
    click_through: float | None
    """`clicked` divided by `exposed`, 0 to 1; None if never exposed."""
    expected_click_through: float | None
    """The click rate of all experts at the same positions; None if never exposed."""
    rung: Rung | None
    """The first step the expert did not reach; None for all reached, or too few visits to tell."""


EXPOSURE_COLUMNS: Columns = (
    Column("expert_id", "Expert", "the expert's id in events and in the catalogue"),
    Column("exposed", "Exposed", "visits in which they were returned, seen or clicked", "bar"),
    Column("returned", "Returned", "visits in which a query returned them", "count"),
    Column(
        "returned_first",
        "First five",
        "visits in which they were among the first five returned",
        "count",
    ),
    Column(
        "best_position", "Best place", "their best place in the period; 1 is the first", "count"
    ),
    Column(
        "mean_position",
        "Mean place",
        "the mean of their best place in each visit",
        "decimal",
        is_extra=True,
    ),
    Column(
        "seen",
        "Seen",
        "visits in which their card was in view for a second",
        "count",
        is_extra=True,
    ),
    Column("clicked", "Clicked", "visits with a click on them", "count"),
    Column("click_through", "Click rate", "clicked, as a share of exposed", "share"),
    Column(
        "expected_click_through",
        "Usual rate",
        "the click rate of all experts at the same places",
        "share",
    ),
    Column(
        "rung",
        "Held up",
        "the first step that the expert did not reach; empty if they reached all",
        words={rung: title for rung, (title, _) in RUNGS.items()},
    ),
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Every expert's exposure, and how evenly it is spread."""

    experts: list[ExpertExposure]
    """The least exposed first. With a catalogue, exactly its experts."""
    coverage: float | None
    """The share of the catalogue that was exposed at all, 0 to 1; None without a catalogue."""
    gini: float | None
    """The Gini coefficient: 0 is even, near 1 is all on one expert; None without exposures."""


Catalogue = sa.Select[Any] | Iterable[Any]
"""The ids of all experts, or the host's query for the column that has them. Ids may be of any type:
`counts.ids` says which ids equal those in events."""


def exposure(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    catalogue: Catalogue | None = None,
    *,
    first_positions: int = FIRST_POSITIONS,
    min_sessions: int | None = None,
) -> Exposure:
    """Return how often each expert was shown, and how far they got.

    Args:
        period: the days.
        catalogue: all experts, also those that no event names: `select(Expert.username)`. Ids may
            be texts, numbers or `UUID`s; 7 and "7" are the same. NULL and what is not an id are
            left out.
        first_positions: how many results count as the first ones.
        min_sessions: an expert exposed in fewer visits is not judged by clicks. Defaults to
            `TCS_EVENTS_MIN_SESSIONS`.

    Raises:
        ValueError: the catalogue is a query for more than one column.
    """
    if min_sessions is None:
        min_sessions = reading.settings.min_sessions
    known = None if catalogue is None else _ids(reading, catalogue)
    with reading.counts() as connection:
        result = connection.execute(
            sa.select(
                counts.c.expert_id,
                counts.c.position,
                total(counts.c.exposed),
                total(counts.c.seen),
                total(counts.c.clicked),
            )
            .where(in_period(connection, counts, period))
            .group_by(counts.c.expert_id, counts.c.position)
        )
        rows = list(in_time(connection, result))
        by_expert: dict[str, list[Any]] = defaultdict(list)
        for row in in_time(connection, rows):
            by_expert[row.expert_id].append(row)
        usual = _usual_click_through(in_time(connection, rows))
        experts = [
            _of_expert(
                expert_id, by_expert.get(expert_id, []), usual, first_positions, min_sessions
            )
            for expert_id in in_time(connection, by_expert if known is None else known)
        ]
    experts.sort(key=lambda expert: (expert.exposed, expert.returned, expert.expert_id))
    is_exposed = [expert.exposed > 0 for expert in experts]
    return Exposure(
        experts,
        coverage=sum(is_exposed) / len(experts) if catalogue is not None and experts else None,
        gini=gini([expert.exposed for expert in experts]),
    )


def _ids(reading: Reading, catalogue: Catalogue) -> set[str]:
    """Return the ids as texts, as they stand in events."""
    if isinstance(catalogue, sa.Select):
        if len(catalogue.selected_columns) != 1:
            raise ValueError(
                "The catalogue is a query for one column, that of the ids:"
                " select(Expert.username), not select(Expert)."
            )
        values: Iterable[Any] = reading.select(catalogue)
    else:
        values = catalogue
    return {text for value in values if (text := id_text(value))}


def _usual_click_through(rows: Iterable[Any]) -> dict[int, float]:
    """Return the click rate of all experts together at each position."""
    exposed: dict[int, int] = defaultdict(int)
    clicked: dict[int, int] = defaultdict(int)
    for row in rows:
        exposed[row.position] += row.exposed
        clicked[row.position] += row.clicked
    return {position: clicked[position] / exposed[position] for position in exposed}


def _of_expert(
    expert_id: str,
    rows: list[Any],
    usual: dict[int, float],
    first_positions: int,
    min_sessions: int,
) -> ExpertExposure:
    exposed, clicked = sum(row.exposed for row in rows), sum(row.clicked for row in rows)
    at_positions = [row for row in rows if row.position > 0]
    returned = sum(row.exposed for row in at_positions)
    first = sum(row.exposed for row in at_positions if row.position <= first_positions)
    expected = sum(row.exposed * usual[row.position] for row in rows)
    rung = None
    if not returned:
        rung = Rung.NEVER_RETURNED
    elif not first:
        rung = Rung.NEVER_FIRST
    elif exposed >= min_sessions and not clicked:
        rung = Rung.NEVER_CLICKED
    elif exposed >= min_sessions and wilson_upper(clicked, exposed) < expected / exposed:
        rung = Rung.UNDER_CLICKED
    return ExpertExposure(
        expert_id,
        exposed=exposed,
        returned=returned,
        returned_first=first,
        best_position=min((row.position for row in at_positions), default=None),
        mean_position=sum(row.position * row.exposed for row in at_positions) / returned
        if returned
        else None,
        seen=sum(row.seen for row in rows),
        clicked=clicked,
        click_through=clicked / exposed if exposed else None,
        expected_click_through=expected / exposed if exposed else None,
        rung=rung,
    )


def wilson_upper(successes: int, trials: int) -> float:
    """Return the upper end of the 95 % Wilson score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    z = CONFIDENCE_Z
    share = successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (middle + spread) / (1 + z * z / trials)


def gini(values: list[int]) -> float | None:
    """Return the Gini coefficient of the values; None where they are none or all 0."""
    if not (whole := sum(values)):
        return None
    count = len(values)
    ranked = sum(rank * value for rank, value in enumerate(sorted(values), start=1))
    return 2 * ranked / (count * whole) - (count + 1) / count
