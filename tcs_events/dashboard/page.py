"""A page of the dashboard: one question, the tables that answer it, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from tcs_events.dashboard.asked import Asked
from tcs_events.dashboard.filters import Kind
from tcs_events.dashboard.table import FIRST_ROWS, Table
from tcs_events.event_types.roles import Role

Answers = dict[str, Any]
"""The answers of a page's reports by name. The page's JSON is this dict."""

RAW_MAX_DAYS = 92
"""The most days of stored events that a page reads: reading takes longer with every event."""


Group = Literal["At a glance", "Visitors", "What they look for"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""The parts of the navigation, in their order."""


@dataclass(frozen=True)
class Page:
    """A page of the dashboard.

    `{item}` and the like in its texts stand for the host's word: see `Words.in_text`.
    """

    name: str
    """Also the name of its template and of its JSON."""
    link: str
    """Its name in the navigation."""
    title: str
    lede: str | Callable[[Asked], str]
    answer: Callable[[Asked, int], Answers]
    """Asks the reports. The second argument is the most rows of each table."""
    show: Callable[[Asked, Answers], dict[str, Any]] = lambda asked, answer: {}
    """Returns what the template needs besides the answer, such as charts."""
    tables: tuple[Table, ...] = ()
    keeps: tuple[str, ...] = ()
    """Its URL parameters besides the period and the filters. Links keep them."""
    filters: tuple[Kind, ...] = ()
    """The filters that it follows. Links from page to page keep all filters, and a page says which
    of them do not apply to it."""
    max_days: Callable[[Asked], int | None] = lambda asked: None
    """The most days it can show; None for no limit."""
    rows: int = FIRST_ROWS
    """The most rows of a table on the page itself."""
    event_type: Callable[[Asked], str] | None = None
    """Returns the type of the events that it shows if the URL names none. Conditions without a type
    are about these. None if it does not follow conditions."""
    has_period: bool = True
    reads_events: Callable[[Asked], bool] = lambda asked: False
    """Whether it reads the stored events instead of counts."""
    roles: tuple[type[Role], ...] = ()
    """It is shown to hosts that have declared an event type with one of these roles. Empty: to
    all."""

    group: Group = "Visitors"
    """The part of the navigation that it is in."""
    typed: Callable[[Asked], dict[str, object] | None] = lambda asked: None
    """Returns the URL parameters that say the same as the fields of the page's own form; None if
    the form was not sent. The address is then changed to these parameters."""
    is_done: Callable[[Answers], bool] = lambda answer: True
    """Whether the answer is complete. If not, the page reloads itself."""

    @property
    def path(self) -> str:
        """Its path below the dashboard's prefix."""
        return "/" if self.name == "overview" else "/" + self.name.replace("_", "-")

    def worded(self, asked: Asked) -> Page:
        """Return the same with the host's words for an item, and the tables that it has."""
        words = asked.words
        lede = self.lede if isinstance(self.lede, str) else self.lede(asked)
        return replace(
            self,
            title=words.in_text(self.title),
            lede=words.in_text(lede),
            tables=tuple(table for table in self.tables if asked.has(*table.roles)),
        )

    def completed(self, asked: Asked) -> Asked:
        """Return the question as the page answers it.

        It is cut to the days that the page can show, and conditions have a type.
        """
        days = self.max_days(asked)
        asked = asked if days is None else asked.at_most(days)
        if self.event_type is None or not asked.filters.where:
            return asked
        event_type = self.event_type(asked)
        filters = asked.filters.implying(event_type)
        if "type" not in self.filters and filters.type_of_conditions != event_type:
            filters = replace(filters, is_about_others=True)
        return replace(asked, filters=filters)


def rows_of(*tables: Table) -> Callable[[Asked, int], Answers]:
    """Return the `answer` of a page that shows nothing but its tables."""
    return lambda asked, limit: {
        table.name: table.rows(asked, limit) for table in tables if asked.has(*table.roles)
    }


__all__ = ["FIRST_ROWS", "RAW_MAX_DAYS", "Answers", "Page", "rows_of"]
