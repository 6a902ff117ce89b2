"""A host with event types and fields of its own gets the answers of the marketplace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from tcs_events import EventType, UserEvent, reports
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Period
from tcs_events.reports.funnel import funnel_so_far
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
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SEARCH = Search(query="wish", result_count="found", item_ids="rooms", filters="choices")
CLICK = Click(item="room_id", context="source", word="room")
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


def event(event_type: str, session_id: str, days: int = 0, **payload: Any) -> Event:
    at = NOON + timedelta(days=days)
    return Event(uuid4(), session_id, event_type, payload, None, at, at)


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


ONLY_THE_IGNORED = {"clicked": None, "ignored": "never_clicked"}
BOTH = {"clicked": "never_returned", "ignored": "never_returned"}


@pytest.mark.parametrize(
    ("search", "rungs"),
    [
        pytest.param([], ONLY_THE_IGNORED, id="no search"),
        pytest.param(
            [EventType("find", role=Search(query="text"))], ONLY_THE_IGNORED, id="without items"
        ),
        pytest.param([EventType("search", role=SEARCH)], BOTH, id="with items"),
    ],
)
def test_no_item_is_held_up_by_searches_that_say_nothing_of_items(
    make_host: MakeHost, sqlite_url: str, search: list[EventType], rungs: dict[str, str | None]
) -> None:
    types = [
        *search,
        EventType("room_opened", role=CLICK),
        EventType("room_seen", role=Impression(item="room_id")),
    ]
    app = make_host(sqlite_url, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=types)
    sent = [event("room_opened", f"s{number}", room_id="clicked") for number in range(30)]
    sent += [event("room_seen", f"s{number}", room_id="ignored") for number in range(30)]
    with app.app_context():
        fill(app, sent)
        found = reports.exposure(Period(NOON.date(), NOON.date()))
    assert {item.item_id: item.rung for item in found.items} == rungs


def test_the_world_is_worth_counting() -> None:
    world: World = make_world(1, ZONE)
    assert {event.event_type for event in world.events} == set(TYPES)


def test_a_step_compares_the_fields_of_its_role_as_the_reports_do(
    make_host: MakeHost, database_url: str
) -> None:
    """The item's 7 and "7" are the same, and a filter that is off is none; both by any name."""
    app = make_host(database_url, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=BOOKING)
    period = reports.Period(NOON.date(), NOON.date())
    with app.app_context():
        append(app, [
            event("room_opened", "one", room_id=7, source="list"),
            event("room_opened", "two", room_id="7", source="list"),
            event("room_opened", "three", room_id=8, source="list"),
            event("booking_done", "one", room_id=7, expert_id=7, filters={"pool": False}),
            event("search", "one", wish="sea", choices={"pool": False}),
            event("search", "two", wish="sea", choices={"pool": True}),
        ])  # fmt: skip

        def visits(text: str) -> set[int]:
            steps = [reports.step(text)]
            read = reports.funnel(period, steps)[0].sessions
            counted = funnel_so_far(current_reports(), period, steps, 60).steps[0].sessions
            return {read, counted, reports.funnel(period, steps)[0].sessions}

        assert visits("room_opened[room_id=7]") == visits('room_opened[room_id="7"]') == {2}
        assert visits("room_opened[room_id!=7]") == {1}
        assert visits("search[choices={}]") == visits('search[choices={"pool": null}]') == {1}
        # The names of the marketplace mean nothing in a type without a role.
        assert visits("booking_done[expert_id=7]") == {1}
        assert visits('booking_done[expert_id="7"]') == visits("booking_done[filters={}]") == {0}


def test_coming_back_is_a_step_by_the_same_roles(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_TIMEZONE=ZONE, TCS_EVENTS_EVENT_TYPES=BOOKING)
    with app.app_context():
        append(app, [
            event("booking_done", "one"),
            event("room_opened", "one", days=1, room_id=7),
        ])  # fmt: skip
        period = reports.Period(NOON.date(), NOON.date() + timedelta(days=1))
        cohorts = reports.retention(period, "day", reports.step('room_opened[room_id="7"]'))
        assert [cohort.returned for cohort in cohorts] == [[1, 1]]
