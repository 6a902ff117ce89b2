"""What the simulated events contain, so that tests can compare the reports with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tcs_events.reports import Rung
from tcs_events.reports.wording import (
    ASKED_AGAIN,
    HIDDEN,
    LEFT_WITH_NOTHING,
    NOT_AVAILABLE,
    RUNGS,
)


@dataclass(frozen=True, slots=True)
class Planted:
    """What the reports must find in the simulated events. Counts are visits.

    Queries are normalised. Each list is complete: no other query finds nothing, no other filter
    leaves nothing, no other expert is on one of these rungs.
    """

    gaps: dict[str, int]
    """Queries for what nobody offers, with the visits that were shown nothing."""
    typos: dict[str, int]
    """Misspelt queries that find nothing and are asked again, spelt correctly, within a minute."""
    hidden_by_filter: dict[str, int]
    """Queries that find somebody, with the visits whose filters hid everybody."""
    dead_values: dict[tuple[str, str | int], int]
    """Filter and value, with the visits that it left with nothing."""
    dead_combinations: dict[tuple[tuple[str, str], ...], int]
    """Filters as pairs of name and JSON value, with the visits that they left with nothing."""
    always_dead_value: tuple[str, str | int]
    """The value that always leaves nothing; the others do so only with other filters."""
    never_returned: set[str]
    never_first: set[str]
    """Experts who are returned, but never among the first five."""
    never_clicked: set[str]
    """Experts who are often among the first five, but never clicked."""
    under_clicked: set[str]
    """Experts who are clicked much less than others at the same positions."""
    funnel: tuple[int, int]
    """Visits that asked and were shown somebody, and visits among them that clicked afterwards."""
    booked_by_plan: dict[str, tuple[int, int]]
    """By plan, the visitors who made an account, and those of them who booked within 7 days."""
    booked_as_persons: int
    """The persons who booked within 7 days of their account, some of them on another device."""
    persons: dict[str, set[str]]
    """The sessions of each identified person, by e-mail address."""
    visits: int
    """All visits."""

    def summary(self) -> Iterator[str]:
        """Return one line for each finding, with the titles that the reports use."""

        def counted(counts: dict[str, int]) -> str:
            most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            return ", ".join(f"{name} ({count})" for name, count in most_first)

        def named(names: set[str]) -> str:
            return ", ".join(sorted(names))

        filter_name, value = self.always_dead_value
        found, clicked = self.funnel
        lines = {
            NOT_AVAILABLE: counted(self.gaps),
            ASKED_AGAIN: counted(self.typos),
            HIDDEN: counted(self.hidden_by_filter),
            LEFT_WITH_NOTHING: f"{filter_name} {value}, and two tags that no expert has both of",
            RUNGS[Rung.NEVER_RETURNED][0]: named(self.never_returned),
            RUNGS[Rung.NEVER_FIRST][0]: named(self.never_first),
            RUNGS[Rung.NEVER_CLICKED][0]: named(self.never_clicked),
            RUNGS[Rung.UNDER_CLICKED][0]: named(self.under_clicked),
            "Funnel": f"{found} visits were shown somebody, {clicked} of them clicked",
            "Funnel over 7 days": (
                f"{sum(made for made, _ in self.booked_by_plan.values())} visitors made an account,"
                f" {sum(booked for _, booked in self.booked_by_plan.values())} of them booked"
                f" ({self.booked_as_persons} as persons)"
            ),
            "Persons": f"{len(self.persons)} were identified",
        }
        for title, text in lines.items():
            yield f"{title:<23}{text}"
