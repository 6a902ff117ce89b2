"""Which experts were before one visitor on one day."""

from __future__ import annotations

from dataclasses import dataclass

from tcs_events.counts.facts import VISIT_MAX_NAMES, Facts
from tcs_events.counts.ids import id_text


@dataclass(slots=True)
class _Shown:
    """An expert, as far as the visit has come."""

    position: int = 0
    """The best place among results; 0 where no query returned the expert."""
    is_seen: bool = False
    is_clicked: bool = False


class ExpertsOfVisit:
    """Takes in which experts were returned, seen and clicked."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown] = {}

    def returned(self, expert_ids: object) -> None:
        """Take in the experts that a query returned, the first one first."""
        if not isinstance(expert_ids, list):
            return
        for position, value in enumerate(expert_ids, start=1):
            shown = self._shown.get(value) if type(value) is str else None
            if shown is None:
                _, shown = self._find(value)
            if shown is not None and not 0 < shown.position <= position:
                shown.position = position

    def seen(self, expert_id: object) -> None:
        """Take in an expert whose card was in view."""
        _, shown = self._find(expert_id)
        if shown is not None:
            shown.is_seen = True

    def clicked(self, expert_id: object) -> str:
        """Take in an expert whose card was clicked, and return the text of the id."""
        expert, shown = self._find(expert_id)
        if shown is not None:
            shown.is_clicked = True
        return expert

    def add_to(self, facts: Facts) -> None:
        """Add the visit to the facts of its day."""
        for expert, shown in self._shown.items():
            exposure = facts.exposure[expert, shown.position]
            exposure.exposed += 1
            exposure.seen += shown.is_seen
            exposure.clicked += shown.is_clicked

    def _find(self, expert_id: object) -> tuple[str, _Shown | None]:
        """Return the text of an id and what is known of it; None for no id, or for one too many."""
        expert = id_text(expert_id)
        shown = self._shown.get(expert)
        if shown is None and expert and len(self._shown) < VISIT_MAX_NAMES:
            shown = self._shown[expert] = _Shown()
        return expert, shown
