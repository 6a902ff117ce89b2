"""Simulates the demo's page: the events it sends when a visitor uses it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from random import Random

from tcs_events.demo.visits import Visit
from tcs_events.demo.wishes import Sage

CARDS_IN_VIEW = 6


class Page:
    """Sends the events that the demo's page would send, and counts filters that leave nobody."""

    def __init__(self, random: Random, experts: Sequence[str], sage: Sage) -> None:
        self._random = random
        self._experts = experts
        self._sage = sage
        self.dead_values: Counter[tuple[str, str | int]] = Counter()
        self.dead_combinations: Counter[tuple[tuple[str, str], ...]] = Counter()

    def look_around(self, visit: Visit) -> None:
        """Scroll past some cards of the grid."""
        start = self._random.randrange(len(self._experts) - CARDS_IN_VIEW)
        seen = self._experts[start : start + CARDS_IN_VIEW]
        visit.wait(2, 10)
        for position, expert in enumerate(seen, start + 1):
            visit.wait(1, 3)
            visit.send("card_impression", expert_id=expert, context="grid", position=position)

    def ask(self, visit: Visit, text: str) -> None:
        """Ask Sage with the current filters, and look at the first results."""
        answer = self._sage.answer(text, visit.tags, visit.rate_max)
        visit.wait(2, 6)
        visit.send(
            "sage_query",
            query_text=text.strip(),
            function_called="search_experts" if answer.has_searched else "apply_filters",
            result_count=len(answer.expert_ids),
            expert_ids=[*answer.expert_ids],
            filters=visit.filters,
        )
        for position, expert in enumerate(answer.expert_ids[: self._random.randint(5, 8)], start=1):
            visit.wait(0.2, 1)
            visit.send("card_impression", expert_id=expert, context="sage_panel", position=position)

    def toggle_tag(self, visit: Visit, tag: str) -> None:
        """Switch the filter for a tag on or off."""
        if tag in visit.tags:
            visit.tags = [other for other in visit.tags if other != tag]
        else:
            visit.tags = [*visit.tags, tag]
        self._send_filter_change(visit, "tags", tag, is_set=tag in visit.tags)

    def set_rate(self, visit: Visit, rate_max: int | None) -> None:
        """Filter by hourly rate; None switches the filter off."""
        visit.rate_max = rate_max
        self._send_filter_change(visit, "rate_max", rate_max, is_set=rate_max is not None)

    def clear_filters(self, visit: Visit) -> None:
        """Switch off all filters, one by one."""
        if visit.rate_max is not None:
            self.set_rate(visit, None)
        for tag in reversed(visit.tags):
            self.toggle_tag(visit, tag)

    def _send_filter_change(
        self, visit: Visit, name: str, value: str | int | None, *, is_set: bool
    ) -> None:
        expert_ids = self._sage.answer("", visit.tags, visit.rate_max).expert_ids
        visit.wait(2, 8)
        visit.send(
            "filter_change",
            filter=name,
            value=value,
            filters=visit.filters,
            result_count=len(expert_ids),
        )
        if not expert_ids and is_set and value is not None:
            self.dead_values[name, value] += 1
            self.dead_combinations[_combination(visit)] += 1


def _combination(visit: Visit) -> tuple[tuple[str, str], ...]:
    """Return the filters that are set, with tags sorted: their order makes no difference."""
    active = {
        name: sorted(value) if isinstance(value, list) else value
        for name, value in visit.filters.items()
        if value not in (None, [])
    }
    return tuple(sorted((name, json.dumps(value)) for name, value in active.items()))
