"""A page: one question, the tables that answer it, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.tables import FIRST_ROWS, Table

Answer = dict[str, Any]
"""What the reports say, under names of its own. JSON gives it as it is."""

RAW_MAX_DAYS = 92
"""How many days are read where the events themselves are: it takes the longer, the more."""


@dataclass(frozen=True)
class Page:
    """A page. Its template has its name; so has its JSON."""

    name: str
    link: str
    """What the navigation calls it."""
    title: str
    lede: str
    answer: Callable[[Asked, int], Answer]
    """Asks the reports for so many rows of each table."""
    show: Callable[[Asked, Answer], dict[str, Any]] = lambda asked, answer: {}
    """What the template is given besides the answer: charts, mostly."""
    tables: tuple[Table, ...] = ()
    keeps: tuple[str, ...] = ()
    """The parameters besides the period that it takes."""
    max_days: Callable[[Asked], int | None] = lambda asked: None
    """The most days it can show."""
    rows: int = FIRST_ROWS
    """How many rows of a table it shows."""
    has_period: bool = True
    reads_events: Callable[[Asked], bool] = lambda asked: False
    """Whether the events themselves are read, not what is counted of them."""

    is_done: Callable[[Answer], bool] = lambda answer: True
    """Whether the answer is complete. Where it is not, the page asks again by itself."""

    @property
    def path(self) -> str:
        """Where it is, below the prefix."""
        return "/" if self.name == "overview" else "/" + self.name.replace("_", "-")

    def within_reach(self, asked: Asked) -> Asked:
        """Return the question about as many days as the page can show."""
        days = self.max_days(asked)
        return asked if days is None else asked.at_most(days)


def rows_of(*tables: Table) -> Callable[[Asked, int], Answer]:
    """Return the answer of a page whose tables say everything."""
    return lambda asked, limit: {table.name: table.rows(asked, limit) for table in tables}


__all__ = ["FIRST_ROWS", "RAW_MAX_DAYS", "Answer", "Page", "rows_of"]
