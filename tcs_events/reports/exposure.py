"""Who is before visitors, and who is never seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Any

import sqlalchemy as sa
from flask import current_app

from tcs_events.counts.ids import id_text
from tcs_events.counts.tables import exposure as counts
from tcs_events.counts.time_limit import in_time
from tcs_events.reports.period import Period
from tcs_events.reports.reading import reading_counts, this_registration, total, within

FIRST_POSITIONS = 5
"""How many results a visitor looks at before anything else."""
CONFIDENCE_Z = 1.96  # 95 %, two-sided


class Rung(StrEnum):
    """How far an expert gets with visitors, named by the first step that the expert misses."""

    NEVER_RETURNED = "never_returned"
    """No query returned the expert."""
    NEVER_FIRST = "never_first"
    """Returned, but never among the first."""
    NEVER_CLICKED = "never_clicked"
    """Shown to enough visitors, and clicked by none."""
    UNDER_CLICKED = "under_clicked"
    """Clicked less often than others at the same positions, by more than chance explains."""


@dataclass(frozen=True, slots=True)
class ExpertExposure:
    """How often an expert was shown to visitors. All counts are visits."""

    expert_id: str
    exposed: int
    """Visits in which the expert was returned, seen or clicked."""
    returned: int
    """Visits in which a query returned the expert."""
    returned_first: int
    """Visits in which that was among the first `first_positions`."""
    best_position: int | None
    """The best position of the period, from 1. None if no query returned the expert."""
    mean_position: float | None
    """The mean of the best position of each visit. None if no query returned the expert."""
    seen: int
    """Visits in which the card was in view for a second, if the host sends `card_impression`."""
    clicked: int
    """Visits in which the card was clicked."""
    click_through: float | None
    """`clicked` divided by `exposed`, 0 to 1. None if the expert was never shown."""
    expected_click_through: float | None
    """The same of all experts at the same positions. None if the expert was never shown."""
    rung: Rung | None
    """What is missing. None if nothing is, or if there are too few visits to tell."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who was shown to visitors."""

    experts: list[ExpertExposure]
    """Those that were shown least come first. With a catalogue: its experts, and no others."""
    coverage: float | None
    """The part of the catalogue that was shown at least once, 0 to 1. None without a catalogue."""
    gini: float | None
    """The Gini coefficient of `exposed`: 0 if all are shown equally often, near 1 if one expert has
    it all. None if nobody was shown."""


Catalogue = sa.Select[Any] | Iterable[Any]
"""The ids of the experts there are: a query of the host's own for one column, or the ids.
They may be of any type: `rollups.ids` says which are the same as those of events."""


def exposure(
    period: Period,
    catalogue: Catalogue | None = None,
    *,
    first_positions: int = FIRST_POSITIONS,
    min_sessions: int | None = None,
) -> Exposure:
    """Return how often each expert was shown to visitors, and how far each got.

    Args:
        period: the days.
        catalogue: the ids of all experts, or a query for them: `select(Expert.username)`. With it,
            experts that no event names are in the answer. Ids may be texts, numbers or UUIDs; 7 and
            "7" are the same. NULL, and anything else that is not an id, is left out.
        first_positions: how many results count as the first ones.
        min_sessions: an expert with fewer visits is not judged by clicks. Defaults to
            `TCS_EVENTS_MIN_SESSIONS`.

    Raises:
        ValueError: the catalogue is a query for more than one column.
    """
    if min_sessions is None:
        min_sessions = this_registration().settings.min_sessions
    known = None if catalogue is None else _ids(catalogue)
    with reading_counts() as connection:
        found = connection.execute(
            sa.select(
                counts.c.expert_id,
                counts.c.position,
                total(counts.c.exposed),
                total(counts.c.seen),
                total(counts.c.clicked),
            )
            .where(within(connection, counts, period))
            .group_by(counts.c.expert_id, counts.c.position)
        )
        rows = list(in_time(connection, found))
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


def _ids(catalogue: Catalogue) -> set[str]:
    """Return the texts of the ids, as events name them."""
    if isinstance(catalogue, sa.Select):
        if len(catalogue.selected_columns) != 1:
            raise ValueError(
                "The catalogue is a query for one column, that of the ids:"
                " select(Expert.username), not select(Expert)."
            )
        values: Iterable[Any] = current_app.extensions["sqlalchemy"].session.scalars(catalogue)
    else:
        values = catalogue
    return {text for value in values if (text := id_text(value))}


def _usual_click_through(rows: Iterable[Any]) -> dict[int, float]:
    """Return what all experts together reach at each position."""
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
