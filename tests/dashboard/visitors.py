"""Made-up visitors, put into the store directly: the same ones for the same number."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask

from tcs_events.event import Event, Identity, identity_id

EXPERTS = [f"expert-{number:02}" for number in range(60)]
ASKED = [
    ("flask developer", 9),
    ("ux designer", 7),
    ("data engineer", 7),
    ("cobol migration", 0),
    ("german speaking lawyer", 0),
    ("rust", 3),
    ("iot firmware", 0),
    ("accessibility audit", 4),
    ("seo for a small shop", 2),
    ("quantum computing", 0),
]
TAGS = ["python", "design", "mobile", "data", "legal"]


def visit(
    session_id: str,
    event_type: str,
    at: datetime,
    number: int,
    email: str | None = None,
    **payload: Any,
) -> Event:
    """Return an event of a session; `number` makes its id."""
    return Event(UUID(int=number, version=4), session_id, event_type, payload, email, at, at)


def visitors(
    count: int, days: int, today: datetime, experts: list[str] = EXPERTS
) -> Iterator[Event]:
    """Give what so many visitors did in the last days, `today` included."""
    chance = random.Random(7)
    number = 1 << 100
    for visitor in range(count):
        session = f"visitor-{visitor:04}"
        # More of late, fewer on quiet days, and a third come back.
        for back in {int(days * chance.random() ** 1.4) for _ in range(chance.choice([1, 1, 3]))}:
            start = today - timedelta(days=back, seconds=chance.randrange(36_000))
            # Two of seven days are quiet, by how long ago they are: which day of the week it is
            # while the tests run must not change who comes.
            if back % 7 > 4 and chance.random() < 0.6:
                continue
            for _ in range(chance.randint(1, 3)):
                at = start
                text, found = chance.choices(ASKED, [9, 7, 6, 5, 4, 4, 3, 3, 2, 2])[0]
                filters = {"tags": [chance.choice(TAGS)]} if chance.random() < 0.3 else {}
                if filters and chance.random() < 0.4:
                    found = 0
                # The later ones are never returned.
                first = chance.randrange(12)
                ids = [experts[(first * 3 + place) % 44] for place in range(found)]
                number += 1
                yield visit(
                    session,
                    "sage_query",
                    at,
                    number,
                    query_text=text.title(),
                    result_count=found,
                    function_called="search_experts",
                    expert_ids=ids,
                    filters=filters,
                )
                if ids and chance.random() < 0.5:
                    at += timedelta(seconds=40)
                    number += 1
                    expert = ids[min(len(ids) - 1, int(chance.expovariate(0.8)))]
                    context = chance.choice(["grid", "sage_panel"])
                    yield visit(
                        session, "card_click", at, number, expert_id=expert, context=context
                    )
                if chance.random() < 0.4:
                    at += timedelta(seconds=30)
                    number += 1
                    tag, rate = chance.choice(TAGS), chance.choice([60, 90, 120])
                    yield visit(
                        session,
                        "filter_change",
                        at,
                        number,
                        filter="tags",
                        value=[tag],
                        filters={"tags": [tag], "rate_max": rate},
                        result_count=0 if (tag, rate) in (("legal", 60), ("data", 60)) else 5,
                    )
                start += timedelta(minutes=3)


def fill(app: Flask, events: list[Event], known: dict[str, str] | None = None) -> None:
    """Store events, and who some sessions belong to from their second event on."""
    with app.app_context():
        registration = app.extensions["tcs_events"]
        for start in range(0, len(events), 500):
            batch = events[start : start + 500]
            registration.store.append([event.record() for event in batch])
        links = []
        for session_id, email in (known or {}).items():
            times = sorted(event.created_at for event in events if event.session_id == session_id)
            at = times[1]
            links.append(Identity(identity_id(session_id, email), session_id, email, at, at))
        registration.identity_store.append([link.record() for link in links])


def noon_today() -> datetime:
    """Return a moment of today that no visit reaches over: noon, or now where that is earlier."""
    now = datetime.now(UTC)
    return min(now, now.replace(hour=12, minute=0))
