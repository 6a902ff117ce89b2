"""A founder of the booking site: its visitors of some weeks, and somebody who only clicks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tcs_events.event import Event

ROOMS = {"garden": 80, "tower": 120, "lake": 150}
FOUND = {"moon": 0, "cheap": 0, "Garden room": 1, "room": 3, "sauna": 0}
SPELLINGS = [str.lower, str.upper, str.title, lambda text: f"  {text} "]
QUIET = range(28, 34)
"""On these days, counted back from today, nothing happens. So the last 30 days have the same events
even if midnight passes meanwhile."""


def visits(now: datetime, visitors: int = 180) -> list[Event]:
    """Return what visitors did in the last weeks, but not on the last two days."""
    chance = random.Random(11)
    days = [day for day in range(2, 75) if day not in QUIET]
    events: list[Event] = []

    def happen(session: str, event_type: str, at: datetime, **payload: Any) -> None:
        number = UUID(int=(2 << 90) + len(events), version=4)
        events.append(Event(number, session, event_type, payload, None, at, at))

    for visitor in range(visitors):
        session = f"visitor-{visitor:03}"
        for day in sorted(chance.sample(days, chance.choice([1, 2, 3, 4])), reverse=True):
            at = now.replace(hour=9, minute=0) - timedelta(days=day) + timedelta(minutes=visitor)
            for event_type, payload in _visit(chance):
                at += timedelta(seconds=50)
                happen(session, event_type, at, **payload)
        if chance.random() < 0.6:
            theirs = [event.created_at for event in events if event.session_id == session]
            late = [at for at in theirs if at > now - timedelta(days=QUIET[0])]
            at = (late or theirs)[0] - timedelta(hours=1)
            happen(session, "sign_up", at, plan=chance.choice(["free", "free", "club"]))
    return events


def _visit(chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    for _ in range(chance.randint(1, 2)):
        text = chance.choice([*FOUND])
        rooms = chance.sample([*ROOMS], FOUND[text])
        typed = chance.choice(SPELLINGS)(text)
        yield "search", {"text": typed, "found": len(rooms), "rooms": rooms, "filters": {}}
    for _ in range(chance.randint(0, 2)):
        room = chance.choice([*ROOMS])
        yield "room_opened", {"room_id": room, "source": chance.choice(["list", "map"])}
        if chance.random() < 0.5:
            nights, plan = chance.randint(1, 5), chance.choice(["saver", "saver", "flexible"])
            price = nights * ROOMS[room]
            yield (
                "booking_done",
                {"room_id": room, "nights": nights, "plan": plan, "price": price},
            )


class Founder:
    """Reads the dashboard in a browser by clicks alone, and counts them as `acts`."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.acts = 0

    def follow(self, name: str) -> None:
        """Click the link of this name in the page."""
        self._load(self.page.locator("main").get_by_role("link", name=name, exact=True))

    def go_to(self, name: str) -> None:
        """Click a page in the navigation."""
        self._load(self.page.get_by_role("navigation").get_by_role("link", name=name, exact=True))

    def choose(self, label: str, choice: str) -> None:
        """Choose from a list in the page's own form."""
        self._own_form().get_by_label(label).select_option(label=choice)
        self.acts += 1

    def choose_step(self, number: int, event_type: str) -> None:
        """Choose the event type of a step of a funnel."""
        step = self.page.get_by_role("group", name=f"Step {number}", exact=True)
        step.get_by_label("Event type").select_option(label=event_type)
        self.acts += 1

    def show(self) -> None:
        """Send the page's own form."""
        self._load(self._own_form().get_by_role("button", name="Show"))

    def rows(self, heading: str) -> dict[str, list[str]]:
        """Return the cells of the table below a heading, by the first cell of each row."""
        return self._cells(self.page.get_by_role("region", name=heading).locator("tbody tr"))

    def _own_form(self) -> Any:
        return self.page.locator("main form:not(.dates):not(.narrow form)")

    def _cells(self, rows: Any) -> dict[str, list[str]]:
        texts = rows.evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
        )
        return {name: cells for name, *cells in texts}

    def _load(self, link: Any) -> None:
        with self.page.expect_navigation():
            link.click()
        self.acts += 1


def number(text: str) -> int:
    """Read a number of the page: `1,204`."""
    return int(text.replace(",", ""))
