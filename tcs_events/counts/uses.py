"""Counts the clicks and the filters of one visit."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tcs_events.counts.demand import result_count
from tcs_events.counts.facts import VISIT_MAX_NAMES, Facts, UseKey
from tcs_events.counts.filters import active_filters, settings_text, was_set
from tcs_events.counts.text import cut


class UsesOfVisit:
    """Counts clicks and changes of filters."""

    def __init__(self) -> None:
        self._uses: Counter[UseKey] = Counter()
        self._names: Counter[str] = Counter()
        """The number of different uses of each kind."""

    def click(self, item: str, context: object) -> None:
        """Count a click on an item."""
        if item and self._use("click", item):
            self._use("click_in", item, cut(context) if isinstance(context, str) else "")

    def filter_change(self, values: dict[str, Any]) -> None:
        """Count a change of a filter, from the values of its role `FilterChange`."""
        is_dead = result_count(values) == 0
        name, value, filters = (values[key] for key in ("filter", "value", "filters"))
        if isinstance(name, str) and name and was_set(value, filters, name):
            setting = settings_text(value)
            if self._use("filter", cut(name), setting) and is_dead:
                self._use("dead_filter", cut(name), setting)
        if active := active_filters(filters):
            combination = settings_text(active)
            if self._use("combination", combination) and is_dead:
                self._use("dead_combination", combination)

    def add_to(self, facts: Facts) -> None:
        """Add the visit's uses to the facts of its day."""
        for key, events in self._uses.items():
            use = facts.uses[key]
            use.events += events
            use.sessions += 1

    def _use(self, kind: str, name: str, detail: str = "") -> bool:
        """Count a use, unless its kind has too many. Return whether it was counted."""
        key = kind, name, detail
        if key not in self._uses:
            if self._names[kind] >= VISIT_MAX_NAMES:
                return False
            self._names[kind] += 1
        self._uses[key] += 1
        return True
