"""Counts the items that were shown in one visit."""

from __future__ import annotations

from dataclasses import dataclass

from tcs_events.counts.facts import VISIT_MAX_NAMES, Facts
from tcs_events.counts.ids import id_text


@dataclass(slots=True)
class _Shown:
    """One item in the visit, up to the event that was read last."""

    position: int = 0
    """The best position among results, from 1. It is 0 if no query returned the item."""
    is_seen: bool = False
    is_clicked: bool = False


class ItemsOfVisit:
    """Counts which items were returned, seen and clicked."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown] = {}

    def returned(self, item_ids: object) -> None:
        """Note the items that a query returned, the best first."""
        if not isinstance(item_ids, list):
            return
        for position, value in enumerate(item_ids, start=1):
            shown = self._shown.get(value) if type(value) is str else None
            if shown is None:
                _, shown = self._find(value)
            if shown is not None and not 0 < shown.position <= position:
                shown.position = position

    def seen(self, item_id: object) -> None:
        """Note an item that was in view."""
        _, shown = self._find(item_id)
        if shown is not None:
            shown.is_seen = True

    def clicked(self, item_id: object) -> str:
        """Note an item that was clicked, and return its id as text."""
        item, shown = self._find(item_id)
        if shown is not None:
            shown.is_clicked = True
        return item

    def add_to(self, facts: Facts) -> None:
        """Add the visit's items to the facts of its day."""
        for item, shown in self._shown.items():
            exposure = facts.exposure[item, shown.position]
            exposure.exposed += 1
            exposure.seen += shown.is_seen
            exposure.clicked += shown.is_clicked

    def _find(self, item_id: object) -> tuple[str, _Shown | None]:
        """Return an id as text, and the item's entry.

        The entry is None if the value is not an id, or if the visit has too many items.
        """
        item = id_text(item_id)
        shown = self._shown.get(item)
        if shown is None and item and len(self._shown) < VISIT_MAX_NAMES:
            shown = self._shown[item] = _Shown()
        return item, shown
