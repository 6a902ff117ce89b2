"""The booking site of the tutorial: what its visitors send, and what each report then says."""

from __future__ import annotations

from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import update

from tcs_events import UserEvent, create_blueprint
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.reports import Period
from tests.conftest import MakeHost
from tests.reports import test_against_truth as truth_checks
from tests.reports.support import fill
from tests.reports.truth import World
from tests.reports.worlds import COUNTS, FIRST_DAYS, QUERIES, make_world
from tests.support import URL
from tests.tutorial import EVENT_TYPES

ZONE = ZoneInfo("Europe/Berlin")
ROOMS = ["garden", "tower", "lake"]
FILTERS: list[dict[str, Any]] = [{}, {}, {"max_price": 100}, {"max_price": 130}]
SAME_AS = {
    "search": "sage_query",
    "filter_changed": "filter_change",
    "room_seen": "card_impression",
    "room_opened": "card_click",
    "booking_done": "sign_up",
    "text": "query_text",
    "found": "result_count",
    "rooms": "expert_ids",
    "room_id": "expert_id",
    "source": "context",
}
"""What the slow truth, which knows the names of the marketplace, calls the types and the fields."""
TYPES = {theirs: ours for ours, theirs in SAME_AS.items()}
FUNNELS = {
    ("search[found>0]", "room_opened", "booking_done"): [
        truth_checks.is_type("search", lambda payload: payload["found"] > 0),
        truth_checks.is_type("room_opened"),
        truth_checks.is_type("booking_done"),
    ],
    ("room_opened[source=map]", "booking_done[plan!=saver, nights>=2]"): [
        truth_checks.is_type("room_opened", lambda payload: payload["source"] == "map"),
        truth_checks.is_type(
            "booking_done", lambda payload: payload["plan"] != "saver" and payload["nights"] >= 2
        ),
    ],
}
CHOSEN = {
    ("booking_done", None): truth_checks.is_type("booking_done"),
    ("booking_done", "plan=saver"): truth_checks.is_type(
        "booking_done", lambda payload: payload["plan"] == "saver"
    ),
    ("search", "found>0"): truth_checks.is_type("search", lambda payload: payload["found"] > 0),
}
RETURNING = {"booking_done": truth_checks.is_type("booking_done")}


def make_payload(event_type: str, random: Random) -> dict[str, Any]:
    match event_type:
        case "search":
            return {
                "text": random.choice([*QUERIES, "", "  "]),
                "found": random.choice(COUNTS),
                "rooms": random.choices(ROOMS, k=random.randint(0, 4)),
                "filters": random.choice(FILTERS),
            }
        case "filter_changed":
            return {
                "filter": "max_price",
                "value": random.choice([100, 130, None]),
                "filters": random.choice(FILTERS),
                "found": random.choice(COUNTS),
            }
        case "room_seen":
            return {"room_id": random.choice(ROOMS), "position": random.randint(1, 3)}
        case "room_opened":
            return {"room_id": random.choice(ROOMS), "source": random.choice(["list", "map"])}
    nights = random.randint(1, 4)
    plan = random.choice(["saver", "flexible"])
    return {"room_id": random.choice(ROOMS), "nights": nights, "plan": plan, "price": 80 * nights}


def as_in_the_marketplace(event: Event) -> Event:
    payload = {SAME_AS.get(field, field): value for field, value in event.payload.items()}
    return event._replace(event_type=SAME_AS[event.event_type], payload=payload)


def send(app: Flask, world: World) -> None:
    """Let visitors send the events, each at the time at which it happened in their world."""
    fill(app, [], world.identities)
    client = app.test_client()
    for event in world.events:
        sent = {"event_id": str(event.event_id), "event_type": event.event_type}
        sent |= {"session_id": event.session_id, "payload": event.payload, "email": event.email}
        assert client.post(URL, json=sent).status_code == 202
    with registration_of(app).database.engine.begin() as connection:
        for event in world.events:
            connection.execute(
                update(UserEvent)
                .where(UserEvent.event_id == event.event_id)
                .values(created_at=event.created_at, received_at=event.received_at)
            )
    registration_of(app).refresher.refresh(rebuild=True)


@pytest.mark.parametrize("seed", range(2))
def test_every_report_is_what_its_visitors_did(
    make_host: MakeHost, database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, made = Random(seed), make_world(seed, ZONE)
    events = [
        event._replace(event_type=event_type, payload=make_payload(event_type, random))
        for event in made.events
        for event_type in [TYPES[event.event_type]]
    ]
    world = World(ZONE, events, made.identities)
    same = World(ZONE, list(map(as_in_the_marketplace, events)), made.identities)
    period = Period(FIRST_DAYS[ZONE.key].replace(day=1), FIRST_DAYS[ZONE.key].replace(month=12))
    monkeypatch.setattr(truth_checks, "FUNNELS", FUNNELS)
    monkeypatch.setattr(truth_checks, "CHOSEN", CHOSEN)

    app = make_host(
        database_url, create_blueprint(event_types=EVENT_TYPES), TCS_EVENTS_TIMEZONE=ZONE
    )
    with app.app_context():
        send(app, world)
        truth_checks.check_top(same, period)
        truth_checks.check_unmet_demand(same, period)
        truth_checks.check_exposure(same, period)
        truth_checks.check_activity(world, period)
        truth_checks.check_funnels(world, period)
        truth_checks.check_retention(world, period, RETURNING)
        truth_checks.check_paths(world, period)
        truth_checks.check_visitors(world, period, ["booking_done", "search"])
        truth_checks.check_timelines(world)
