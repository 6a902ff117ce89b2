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
        rows = list(in_time(connection, result))
        by_item: dict[str, list[Any]] = defaultdict(list)
        for row in in_time(connection, rows):
            by_item[row.expert_id].append(row)
        usual = _usual_click_through(in_time(connection, rows))
        is_known = says_what_was_returned(reading.settings.event_types) or any(
            row.position > 0 for row in in_time(connection, rows)
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


def _usual_click_through(rows: Iterable[Any]) -> dict[int, float]:
    """Return the click rate of all items together at each position."""
    exposed: dict[int, int] = defaultdict(int)
    clicked: dict[int, int] = defaultdict(int)
    for row in rows:
        exposed[row.position] += row.exposed
        clicked[row.position] += row.clicked
    return {position: clicked[position] / exposed[position] for position in exposed}


def _of_item(
    item_id: str,
    rows: list[Any],
    usual: dict[int, float],
    first_positions: int,
    min_sessions: int,
    is_known: bool,
) -> ExpertExposure:
    """Return the exposure of one item. `is_known`: whether searches say what they returned."""
    exposed, clicked = sum(row.exposed for row in rows), sum(row.clicked for row in rows)
    at_positions = [row for row in rows if row.position > 0]
    returned = sum(row.exposed for row in at_positions)
    first = sum(row.exposed for row in at_positions if row.position <= first_positions)
    expected = sum(row.exposed * usual[row.position] for row in rows)
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
