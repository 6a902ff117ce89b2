"""Counts the experts that were shown in one visit."""

from __future__ import annotations

from dataclasses import dataclass

from tcs_events.counts.facts import VISIT_MAX_NAMES, Facts
from tcs_events.counts.ids import id_text


@dataclass(slots=True)
class _Shown:
    """One expert in the visit, up to the event that was read last."""

    position: int = 0
    """The best position among results, from 1. It is 0 if no query returned the expert."""
    is_seen: bool = False
    is_clicked: bool = False


class ExpertsOfVisit:
    """Counts which experts were returned, seen and clicked."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown] = {}

    def returned(self, expert_ids: object) -> None:
        """Note the experts that a query returned, the best first."""
        if not isinstance(expert_ids, list):
            return
        for position, value in enumerate(expert_ids, start=1):
            shown = self._shown.get(value) if type(value) is str else None
            if shown is None:
                _, shown = self._find(value)
            if shown is not None and not 0 < shown.position <= position:
                shown.position = position

    def seen(self, expert_id: object) -> None:
        """Note an expert whose card was in view."""
        _, shown = self._find(expert_id)
        if shown is not None:
            shown.is_seen = True

    def clicked(self, expert_id: object) -> str:
        """Note an expert whose card was clicked, and return the id as text."""
        expert, shown = self._find(expert_id)
        if shown is not None:
            shown.is_clicked = True
        return expert

    def add_to(self, facts: Facts) -> None:
        """Add the visit's experts to the facts of its day."""
        for expert, shown in self._shown.items():
            exposure = facts.exposure[expert, shown.position]
            exposure.exposed += 1
            exposure.seen += shown.is_seen
            exposure.clicked += shown.is_clicked

    def _find(self, expert_id: object) -> tuple[str, _Shown | None]:
        """Return an id as text, and the expert's entry.

        The entry is None if the value is not an id, or if the visit has too many experts.
        """
        expert = id_text(expert_id)
        shown = self._shown.get(expert)
        if shown is None and expert and len(self._shown) < VISIT_MAX_NAMES:
            shown = self._shown[expert] = _Shown()
        return expert, shown
