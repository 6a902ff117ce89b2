"""How often each item is shown, and which never are."""

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
from tcs_events.database.streaming import FETCH_ROWS
from tcs_events.event_types.marketplace import says_what_was_returned
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
    """How often an item was shown and clicked. All counts are visits."""

    expert_id: str
    exposed: int
    """Returned, seen or clicked. A visit that clicked the item counts as exposed too."""
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
    """The click rate of all items at the same positions; None if never exposed."""
    rung: Rung | None
    """The first step the item did not reach; None for all reached, or too few visits to tell.

    If no search says which items it returned, items are judged by their clicks alone."""

    @property
    def item_id(self) -> str:
        """The same as `expert_id`, for hosts whose items are no experts."""
        return self.expert_id


EXPOSURE_COLUMNS: Columns = (
    Column("item_id", "{Item}", "the {item}'s id in events and in the catalogue"),
    Column("exposed", "Exposed", "visits in which the {item} was returned, seen or clicked", "bar"),
    Column("returned", "Returned", "visits in which a query returned the {item}", "count"),
    Column(
        "returned_first",
        "First five",
        "visits in which the {item} was among the first five returned",
        "count",
    ),
    Column("best_position", "Best place", "the best place in the period; 1 is the first", "count"),
    Column(
        "mean_position",
        "Mean place",
        "the mean of the best place in each visit",
        "decimal",
        is_extra=True,
    ),
    Column(
        "seen",
        "Seen",
        "visits in which the {item} was in view for a second",
        "count",
        is_extra=True,
    ),
    Column("clicked", "Clicked", "visits with a click on the {item}", "count"),
    Column("click_through", "Click rate", "clicked, as a share of exposed", "share"),
    Column(
        "expected_click_through",
        "Usual rate",
        "the click rate of all {items} at the same places",
        "share",
    ),
    Column(
        "rung",
        "Held up",
        "the first step that the {item} did not reach; empty if all were reached",
        words={rung: title for rung, (title, _) in RUNGS.items()},
    ),
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Every item's exposure, and how evenly it is spread."""

    experts: list[ExpertExposure]
    """The least exposed first. With a catalogue, exactly its items."""
    coverage: float | None
    """The share of the catalogue that was exposed at all, 0 to 1; None without a catalogue."""
    gini: float | None
    """The Gini coefficient: 0 is even, near 1 is all on one item; None without exposures."""

    @property
    def items(self) -> list[ExpertExposure]:
        """The same as `experts`, for hosts whose items are no experts."""
        return self.experts


AtPosition = tuple[int, int, int, int]
"""A position, and in how many visits an item was exposed, seen and clicked at it."""
Catalogue = sa.Select[Any] | Iterable[Any]
"""The ids of all items, or the host's query for the column that has them. Ids may be of any type:
`counts.ids` says which ids equal those in events."""


def exposure(  # noqa: D417 - `Reports` passes itself
    reading: Reading,
    period: Period,
    catalogue: Catalogue | None = None,
    *,
    first_positions: int = FIRST_POSITIONS,
    min_sessions: int | None = None,
) -> Exposure:
    """Return how often each item was shown, and how far it got.

    Args:
        period: the days.
        catalogue: all items, also those that no event names: `select(Room.id)`. Ids may
            be texts, numbers or `UUID`s; 7 and "7" are the same. NULL and what is not an id are
            left out.
        first_positions: how many results count as the first ones.
        min_sessions: an item exposed in fewer visits is not judged by clicks. Defaults to
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
        # Plain tuples, read once: 2,000 items at 10 positions took twice as long as rows.
        by_item: dict[str, list[AtPosition]] = defaultdict(list)
        exposed_at: dict[int, int] = defaultdict(int)
        clicked_at: dict[int, int] = defaultdict(int)
        for part in in_time(connection, result.partitions(FETCH_ROWS)):
            for item_id, position, exposed, seen, clicked in part:
                by_item[item_id].append((position, exposed, seen, clicked))
                exposed_at[position] += exposed
                clicked_at[position] += clicked
        # The click rate of all items together at each position.
        usual = {position: clicked_at[position] / exposed_at[position] for position in exposed_at}
        is_known = says_what_was_returned(reading.settings.event_types) or any(
            position > 0 for position in exposed_at
        )
        items = [
            _of_item(
                item_id, by_item.get(item_id, []), usual, first_positions, min_sessions, is_known
            )
            for item_id in in_time(connection, by_item if known is None else known)
        ]
    items.sort(key=lambda item: (item.exposed, item.returned, item.item_id))
    is_exposed = [item.exposed > 0 for item in items]
    return Exposure(
        items,
        coverage=sum(is_exposed) / len(items) if catalogue is not None and items else None,
        gini=gini([item.exposed for item in items]),
    )


def _ids(reading: Reading, catalogue: Catalogue) -> set[str]:
    """Return the ids as texts, as they stand in events."""
    if isinstance(catalogue, sa.Select):
        if len(catalogue.selected_columns) != 1:
            raise ValueError(
                "The catalogue is a query for one column, that of the ids:"
                " select(Room.id), not select(Room)."
            )
        values: Iterable[Any] = reading.select(catalogue)
    else:
        values = catalogue
    return {text for value in values if (text := id_text(value))}


def _of_item(
    item_id: str,
    rows: list[AtPosition],
    usual: dict[int, float],
    first_positions: int,
    min_sessions: int,
    is_known: bool,
) -> ExpertExposure:
    """Return the exposure of one item. `is_known`: whether searches say what they returned."""
    exposed = clicked = seen = returned = first = positions = 0
    expected = 0.0
    best: int | None = None
    for position, exposed_here, seen_here, clicked_here in rows:
        exposed += exposed_here
        clicked += clicked_here
        seen += seen_here
        expected += exposed_here * usual[position]
        if position > 0:
            returned += exposed_here
            positions += position * exposed_here
            best = position if best is None else min(best, position)
            if position <= first_positions:
                first += exposed_here
    rung = None
    if is_known and not returned:
        rung = Rung.NEVER_RETURNED
    elif is_known and not first:
        rung = Rung.NEVER_FIRST
    elif exposed >= min_sessions and not clicked:
        rung = Rung.NEVER_CLICKED
    elif exposed >= min_sessions and wilson_upper(clicked, exposed) < expected / exposed:
        rung = Rung.UNDER_CLICKED
    return ExpertExposure(
        item_id,
        exposed=exposed,
        returned=returned,
        returned_first=first,
        best_position=best,
        mean_position=positions / returned if returned else None,
        seen=seen,
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
