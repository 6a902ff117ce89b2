"""A host with event types and fields of its own gets the answers of the marketplace."""

from __future__ import annotations

from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tcs_events import EventType, UserEvent, reports
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.reports import Period
from tcs_events.roles import Click, FilterChange, Impression, Search
from tests.conftest import MakeHost
from tests.reports.support import append, fill
from tests.reports.test_against_truth import (
    check_exposure,
    check_top,
    check_unmet_demand,
    first_day,
)
from tests.reports.truth import World
from tests.reports.worlds import make_world

ZONE = ZoneInfo("Europe/Berlin")
SEARCH = Search(query="wish", result_count="found", item_ids="rooms", filters="choices")
CLICK = Click(item="room_id", context="source")
BOOKING = [
    EventType("search", role=SEARCH),
    EventType("search:voice", role=SEARCH),
    EventType("room_opened", role=CLICK),
    EventType("map_opened", role=Click(item="pin", context="source")),
    EventType("room_seen", role=Impression(item="room_id")),
    EventType(
        "narrowed",
        role=FilterChange(filter="name", value="to", filters="choices", result_count="found"),
    ),
    EventType("booking_done"),
]
FIELDS = {
    "query_text": "wish",
    "result_count": "found",
    "expert_ids": "rooms",
    "filters": "choices",
    "expert_id": "room_id",
    "context": "source",
    "filter": "name",
    "value": "to",
}
TYPES = {
    "sage_query": ["search", "search:voice"],
    "card_click": ["room_opened", "map_opened"],
    "card_impression": ["room_seen"],
    "filter_change": ["narrowed"],
    "sign_up": ["booking_done"],
}


def as_booking(event: Event, random: Random) -> Event:
    """Return the same event with the names of a booking site."""
    event_type = random.choice(TYPES[event.event_type])
    payload: dict[str, Any] = {FIELDS.get(key, key): item for key, item in event.payload.items()}
    if event_type == "map_opened" and "room_id" in payload:
        payload["pin"] = payload.pop("room_id")
    return event._replace(event_type=event_type, payload=payload)


@pytest.mark.parametrize("seed", range(4))
def test_every_report_is_what_the_events_say(
    make_host: MakeHost, database_url: str, seed: int
) -> None:
    world, random = make_world(seed, ZONE), Random(seed)
    app = make_host(database_url, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=BOOKING)
    with app.app_context():
        fill(app, [as_booking(event, random) for event in world.events], world.identities)
        period = Period(first_day(ZONE).replace(day=1), first_day(ZONE).replace(month=12))
        check_top(world, period)
        check_unmet_demand(world, period)
        check_exposure(world, period)


def test_names_of_the_marketplace_mean_nothing_to_a_host_that_says_so(
    make_host: MakeHost, sqlite_url: str
) -> None:
    world = make_world(1, ZONE)
    types = [EventType(name) for name in TYPES]
    app = make_host(sqlite_url, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=types)
    with app.app_context():
        fill(app, world.events)
        period = Period(first_day(ZONE).replace(day=1), first_day(ZONE).replace(month=12))
        assert reports.total_activity(period)
        assert reports.top_queries(period) == reports.top_experts(period) == []


def test_a_role_that_is_declared_later_counts_what_is_there(
    make_host: MakeHost, database_url: str
) -> None:
    world = make_world(2, ZONE)
    events = [as_booking(event, Random(2)) for event in world.events]
    period = Period(first_day(ZONE).replace(day=1), first_day(ZONE).replace(month=12))

    def queries(*types: EventType) -> int:
        app = make_host(
            database_url, create=False, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=types
        )
        with app.app_context():
            registration_of(app).refresher.refresh(rebuild=True)
            return len(reports.top_queries(period))

    before = make_host(database_url, TCS_EVENTS_EVENT_TYPES=["search"])
    with before.app_context():
        append(before, events)
        assert UserEvent.query.count() == len(world.events)
    assert queries(EventType("search")) == 0
    assert queries(EventType("search", role=SEARCH)) > 0
    assert queries(EventType("search", role=Search(query="no_such_field"))) == 0


def test_a_script_with_an_engine_alone_counts_by_the_same_roles(
    make_host: MakeHost, sqlite_url: str
) -> None:
    world = make_world(3, ZONE)
    app = make_host(sqlite_url, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=BOOKING)
    period = Period(first_day(ZONE).replace(day=1), first_day(ZONE).replace(month=12))
    with app.app_context():
        fill(app, [as_booking(event, Random(3)) for event in world.events])
        counted_at = registration_of(app).refresher.refreshed_at()
        engine = registration_of(app).database.engine
        script = reports.Reports(engine, timezone=ZONE.key, event_types=BOOKING)
        assert script.refresher.refreshed_at() == counted_at
        assert script.top_queries(period) == reports.top_queries(period) != []


def test_the_default_funnel_goes_from_the_first_search_to_the_first_click(
    make_host: MakeHost, sqlite_url: str
) -> None:
    def steps(types: list[Any]) -> list[str]:
        app = make_host(sqlite_url, create=False, TCS_EVENTS_EVENT_TYPES=types)
        with app.app_context():
            return list(map(str, registration_of(app).refresher.meaning.default_funnel))

    assert steps(["card_click", "sage_query"]) == ["sage_query[result_count>0]", "card_click"]
    assert steps(BOOKING) == ["search[found>0]", "room_opened"]
    assert steps([EventType("find", role=Search(query="text")), BOOKING[2]]) == [
        "find",
        "room_opened",
    ]
    assert steps(["sign_up", "paid", "left"]) == ["sign_up", "paid"]
    assert steps(["sign_up"]) == ["sign_up"]


def test_the_world_is_worth_counting() -> None:
    world: World = make_world(1, ZONE)
    assert {event.event_type for event in world.events} == set(TYPES)
