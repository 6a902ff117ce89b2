"""Simulates which experts visitors click."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from random import Random

from tcs_events.demo.visits import Visit
from tcs_events.demo.wishes import OFTEN, Sage

FIRST_POSITIONS = 5
CLICKS_AT = (0.05, 0.36, 0.28, 0.22, 0.18, 0.15)
"""The share of visitors who click at each position. Position 0 is a card in the grid."""
CLICKS_BELOW = 0.06
UNDER_CLICKED_APPEAL = 0.06
LOOKED_AT_AFTER = timedelta(seconds=9)
"""How long after an answer the visitor has seen all its results."""


class Clicks:
    """Adds clicks to visits, and counts the visits."""

    def __init__(self, random: Random, sage: Sage) -> None:
        self._random = random
        self.never_clicked, self.under_clicked = self._choose_unloved(sage)
        # Close to 1, so that every expert who is shown to many visitors is clicked by some.
        self._due: dict[str, float] = defaultdict(lambda: 0.99)
        self.best_positions: dict[str, int] = {}
        """The best position at which each expert was ever returned."""
        self.visits = 0
        self.found = 0
        """Visits that asked and were shown somebody."""
        self.clicked = 0
        """Visits among `found` that clicked afterwards."""

    def click(self, visit: Visit) -> None:
        """Add the visit's clicks, and count the visit.

        Clicks are not random: each expert gets as many as their positions predict. Otherwise an
        expert could seem to be clicked too rarely by chance.
        """
        positions, shown_at = self._shown(visit)
        for expert in [name for name in positions if self._is_due(name, positions[name])]:
            context = "sage_panel" if positions[expert] else "grid"
            at = shown_at[expert] + timedelta(milliseconds=self._random.randrange(500, 20_000))
            visit.send("card_click", at, expert_id=expert, context=context)
        self._count(visit)

    def _choose_unloved(self, sage: Sage) -> tuple[set[str], set[str]]:
        """Choose two experts whom nobody clicks, and two who are clicked too rarely.

        Many visitors see them, the latter two most often, so that chance cannot explain it. They
        are a minority at every position, because they are compared with the others there.
        """
        answers = [sage.answer(query).expert_ids[:FIRST_POSITIONS] for query in OFTEN]
        at_position = [
            Counter(names[place] for names in answers if len(names) > place)
            for place in range(FIRST_POSITIONS)
        ]
        names = sorted({name for counts in at_position[:3] for name in counts})
        self._random.shuffle(names)
        chosen: list[str] = []
        for name in names:
            parts = [
                sum(counts[other] for other in (*chosen, name)) / counts.total()
                for counts in at_position
            ]
            if max(parts) <= 0.35 and len(chosen) < 4:
                chosen.append(name)
        chosen.sort(key=lambda name: sum(name in names for names in answers))
        return set(chosen[:2]), set(chosen[2:])

    def _shown(self, visit: Visit) -> tuple[dict[str, int], dict[str, datetime]]:
        """Return each expert's position, 0 for the grid, and when the expert was shown."""
        positions: dict[str, int] = {}
        shown_at: dict[str, datetime] = {}
        for event in visit.events:
            payload = event.payload
            if event.event_type == "card_impression":
                positions.setdefault(str(payload["expert_id"]), 0)
                shown_at[str(payload["expert_id"])] = event.created_at
            elif event.event_type == "sage_query":
                returned: list[str] = payload["expert_ids"]  # type: ignore[assignment]
                for position, expert in enumerate(returned, start=1):
                    best = positions.get(expert) or position
                    positions[expert] = min(best, position)
                    shown_at[expert] = event.created_at + LOOKED_AT_AFTER
                    overall = self.best_positions.get(expert, position)
                    self.best_positions[expert] = min(overall, position)
        return positions, shown_at

    def _is_due(self, expert: str, position: int) -> bool:
        if expert in self.never_clicked:
            return False
        rate = CLICKS_AT[position] if position < len(CLICKS_AT) else CLICKS_BELOW
        self._due[expert] += rate * (UNDER_CLICKED_APPEAL if expert in self.under_clicked else 1)
        if self._due[expert] < 1:
            return False
        self._due[expert] -= 1
        return True

    def _count(self, visit: Visit) -> None:
        self.visits += 1
        found_at = [
            event.created_at
            for event in visit.events
            if event.event_type == "sage_query" and event.payload["result_count"] != 0
        ]
        if found_at:
            self.found += 1
            self.clicked += any(
                event.event_type == "card_click" and event.created_at > min(found_at)
                for event in visit.events
            )
