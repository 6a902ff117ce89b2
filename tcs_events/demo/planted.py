"""What the simulated month holds, so that the reports can be held against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planted:
    """The truths of a simulated month. Counts are sessions, each once a day.

    Queries are normalised. There is nothing else of these kinds in the month: no other query finds
    nothing, no other filter leaves nothing, no other expert stands on the rungs that are named.
    """

    gaps: dict[str, int]
    """Queries for what nobody does, by the sessions that were shown nothing."""
    typos: dict[str, int]
    """Queries that find nothing and are asked again, spelt well, within a minute."""
    hidden_by_filter: dict[str, int]
    """Queries that find somebody, by the sessions whose filters hid everybody."""
    dead_values: dict[tuple[str, str | int], int]
    """Filter and value, by the sessions that it left with nothing."""
    dead_combinations: dict[tuple[tuple[str, str], ...], int]
    """Active filters, as their names with the text of their values, by the same."""
    always_dead_value: tuple[str, str | int]
    """The one that left everybody with nothing; the others do so in the wrong company."""
    never_returned: set[str]
    never_first: set[str]
    """Returned, and never among the first five."""
    never_clicked: set[str]
    """Seen often among the first five, and never clicked."""
    under_clicked: set[str]
    """Clicked, and much less than others are at the same positions."""
    funnel: tuple[int, int]
    """Who asked and was shown something, and who of them clicked afterwards."""
    persons: dict[str, set[str]]
    """The address of each visitor who said who they are, with their sessions."""
    visits: int
    """Days of sessions."""

    def summary(self) -> Iterator[str]:
        """Say what is there to be found, a line for each kind."""

        def counted(counts: dict[str, int]) -> str:
            most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            return ", ".join(f"{name} ({count})" for name, count in most_first)

        def named(names: set[str]) -> str:
            return ", ".join(sorted(names))

        filter_name, value = self.always_dead_value
        found, clicked = self.funnel
        yield f"not available    {counted(self.gaps)}"
        yield f"misspelt         {counted(self.typos)}"
        yield f"hidden by filter {counted(self.hidden_by_filter)}"
        yield f"dead end         {filter_name} {value}, and tags that nobody has both of"
        yield f"never returned   {named(self.never_returned)}"
        yield f"never first      {named(self.never_first)}"
        yield f"never clicked    {named(self.never_clicked)}"
        yield f"under-clicked    {named(self.under_clicked)}"
        yield f"funnel           {found} were shown somebody, {clicked} of them clicked"
        yield f"persons          {len(self.persons)} have said who they are"
