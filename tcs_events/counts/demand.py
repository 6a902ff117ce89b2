"""Counts the queries of one visit, and what the visitor did after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tcs_events.counts.facts import CLICK_WITHIN, REFORMULATED_WITHIN, VISIT_MAX_NAMES, Facts
from tcs_events.counts.filters import has_active_filters
from tcs_events.counts.spellings import commonest
from tcs_events.counts.text import cut, normalise

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Asked:
    """One query of the visit, up to the event that was read last."""

    spellings: dict[str, int] = field(default_factory=dict)
    asks: int = 0
    is_empty: bool = False
    """It had no results at least once."""
    is_empty_unfiltered: bool = False
    """It had no results at least once while no filter was active."""
    is_found: bool = False
    """It had results at least once."""
    is_found_unfiltered: bool = False
    """It had results at least once while no filter was active."""
    found_at: datetime = _NEVER
    """When it last had results."""
    is_clicked: bool = False
    is_reformulated: bool = False


class QueriesOfVisit:
    """Counts the queries and clicks of a visit, oldest first.

    Earlier events are never searched, so that each event takes the same time. A click settles all
    queries that wait for a click. A query settles the query before it.
    """

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}
        self._other_spellings = 0
        """The number of spellings, without the first one of each query."""
        self._waiting: dict[str, _Asked] = {}
        """The queries that had results since the last click, and were never clicked."""
        self._clicked_at = _NEVER
        self._last, self._last_at = "", _NEVER
        """The previous query, and its time."""
        self._moment, self._first_of_moment, self._is_one_of_several = _NEVER, "", False
        """The time of the previous query, the first query at that time, and whether there was
        another one at that time. Each of two queries at the same time follows the other one within
        60 seconds, so both are reformulated."""

    def ask(self, values: dict[str, Any], at: datetime) -> None:
        """Count a query of the day, from the values of its role `Search`."""
        text = values["query"]
        if not isinstance(text, str) or not (query := normalise(text)):
            return
        asked = self._asked.get(query)
        if asked is None:
            asked = _Asked()
            if len(self._asked) < VISIT_MAX_NAMES:
                self._asked[query] = asked
        asked.asks += 1
        self._spell(asked, cut(text))
        self._note_results(query, asked, values, at)
        self._note_reformulation(query, asked, at)

    def ask_later(self, values: dict[str, Any], at: datetime) -> None:
        """Note a query after the day. It may only reformulate the last query of the day."""
        text = values["query"]
        if isinstance(text, str) and (query := normalise(text)):
            self._reformulate_last(query, at)

    def click(self, at: datetime) -> None:
        """Note a click on any card."""
        self._clicked_at = at
        for asked in self._waiting.values():
            asked.is_clicked |= at - asked.found_at <= CLICK_WITHIN
        # A query older than `CLICK_WITHIN` can no longer be clicked, unless it is asked again.
        self._waiting.clear()

    def add_to(self, facts: Facts) -> None:
        """Add the visit's queries to the facts of its day."""
        for query, asked in self._asked.items():
            demand = facts.demand[query]
            demand.sessions += 1
            demand.no_result += asked.is_empty
            demand.no_result_filtered += asked.is_empty and not asked.is_empty_unfiltered
            demand.found_unfiltered += asked.is_found_unfiltered
            demand.no_click += asked.is_found and not asked.is_clicked
            demand.reformulated += asked.is_reformulated
            spelling = commonest(asked.spellings)
            use = facts.uses["query", query, "" if spelling == query else spelling]
            use.events += asked.asks
            use.sessions += 1

    def _spell(self, asked: _Asked, spelling: str) -> None:
        count = asked.spellings.get(spelling, 0)
        if not count and asked.spellings:
            if self._other_spellings >= VISIT_MAX_NAMES:
                return
            self._other_spellings += 1
        asked.spellings[spelling] = count + 1

    def _note_results(
        self, query: str, asked: _Asked, values: dict[str, Any], at: datetime
    ) -> None:
        count = result_count(values)
        if count is None or count < 0:
            return
        is_unfiltered = not has_active_filters(values["filters"])
        if count == 0:
            asked.is_empty = True
            asked.is_empty_unfiltered |= is_unfiltered
            return
        asked.is_found = True
        asked.is_found_unfiltered |= is_unfiltered
        asked.found_at = at
        asked.is_clicked |= at == self._clicked_at
        if not asked.is_clicked:
            self._waiting[query] = asked

    def _note_reformulation(self, query: str, asked: _Asked, at: datetime) -> None:
        self._reformulate_last(query, at)
        if self._moment != at:
            self._moment, self._first_of_moment, self._is_one_of_several = at, query, False
        else:
            self._is_one_of_several |= query != self._first_of_moment
            asked.is_reformulated |= self._is_one_of_several
        self._last, self._last_at = query, at

    def _reformulate_last(self, query: str, at: datetime) -> None:
        if query == self._last or at - self._last_at > REFORMULATED_WITHIN:
            return
        if (last := self._asked.get(self._last)) is not None:
            last.is_reformulated = True


def result_count(payload: dict[str, Any]) -> int | None:
    """Return the `result_count` of a payload, None if it is missing or not an integer."""
    count = payload.get("result_count")
    return count if isinstance(count, int) and not isinstance(count, bool) else None
