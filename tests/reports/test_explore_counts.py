"""Explore says the same from the counts of declared properties as from the events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import delete, update

from tcs_events import UserEvent, reports
from tcs_events.counts import adding, properties, tables
from tcs_events.counts.stale import mark_stale
from tcs_events.event import Event
from tcs_events.event_types.event_type import EventType
from tcs_events.event_types.marketplace import CARD_CLICK, SAGE_QUERY
from tcs_events.host import registration_of
from tcs_events.host.reports import current_reports
from tcs_events.reports import Explored, Period
from tcs_events.reports.explore.counts import source_of
from tcs_events.reports.explore.question import question_of
from tcs_events.reports.explore.rows import DatabaseRows
from tests.cli.asking import run
from tests.conftest import MakeHost
from tests.day_files.payloads import NAMES
from tests.reports import truth
from tests.reports.support import append, fill
from tests.reports.test_explore import ROLES, VALUES, in_text, said, with_bookings
from tests.reports.test_explore_files import hostile_world
from tests.reports.worlds import DAYS, FIRST_DAYS, first_day, make_world

BOOKING = EventType("booking", break_down=tuple(VALUES), add_up=("price", "odd"))
TYPES = [
    replace(CARD_CLICK, break_down=("expert_id",)),
    replace(SAGE_QUERY, break_down=("query_text", "filters")),
    "filter_change",
    BOOKING,
]
MEASURES = ["events", "sum price", "average price"]
MARCH = date(2024, 3, 1)
PERIOD = Period(MARCH, MARCH + timedelta(days=4))


@pytest.fixture(autouse=True)
def _adds_to_small_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a day with a few events is counted as a whole, because that is as fast."""
    monkeypatch.setattr(adding, "MIN_EVENTS", 0)
    monkeypatch.setattr(adding, "MAX_SHARE", math.inf)


@pytest.fixture
def only_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question may be answered from the events."""

    def refuse(*args: object) -> None:
        raise AssertionError("the counts did not answer")

    monkeypatch.setattr(DatabaseRows, "tally", refuse)


@pytest.mark.usefixtures("only_counts")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo"])
def test_it_is_what_the_events_say(make_host: MakeHost, database_url: str, zone: str) -> None:
    app = make_host(database_url, TCS_EVENTS_TIMEZONE=ZoneInfo(zone), TCS_EVENTS_EVENT_TYPES=TYPES)
    random = Random(f"counts {database_url[:6]} {zone}")
    world = with_bookings(make_world(random.randrange(1000), ZoneInfo(zone)), random)
    late = random.sample(world.events, len(world.events) // 3)
    with app.app_context():
        fill(app, [event for event in world.events if event not in late])
        append(app, late)
        registration_of(app).refresher.refresh()
        for _ in range(30):
            start = FIRST_DAYS[zone] + timedelta(days=random.randrange(-3, DAYS))
            period = Period(start, start + timedelta(days=random.randrange(12)))
            by, interval = random.choice([*VALUES, None]), random.choice([None, "day", "week"])
            measure, limit = random.choice(MEASURES), random.choice([1, 2, 20])
            answer = reports.explore(
                period, "booking", by, measure=in_text(measure), interval=interval, limit=limit
            )
            expected = truth.explore(
                world, period, "booking", by or "none", measure, interval, limit, lambda event: True
            )
            if by is None:
                expected = truth.ExploredTruth([], None, expected.total)
            assert said(answer) == expected, (by, measure, interval, limit, period)
            assert answer.counted_at is not None


@pytest.mark.usefixtures("only_counts")
@pytest.mark.parametrize(("event_type", "by", "show"), ROLES)
def test_items_and_filters_are_one_value_as_in_other_reports(
    make_host: MakeHost, sqlite_url: str, event_type: str, by: str, show: Callable[[Any], Any]
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    world = make_world(3, ZoneInfo("UTC"), 200)
    period = Period(first_day(world.zone), first_day(world.zone) + timedelta(days=9))
    with app.app_context():
        fill(app, world.events)
        answer = reports.explore(period, event_type, by, measure="events", limit=100)
        assert said(answer) == truth.explore(
            world, period, event_type, by, "events", None, 100, lambda event: True, show
        )


@pytest.mark.parametrize("seed", range(3))
def test_any_payload_is_counted_as_it_is_read(
    make_host: MakeHost, sqlite_url: str, seed: int
) -> None:
    names = tuple(name for name in NAMES if name)
    declared = EventType("booking", break_down=names, add_up=names)
    app, random = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=[declared]), Random(seed)
    events = hostile_world(random, 60).events
    with app.app_context():
        fill(app, events[:40])
        append(app, events[40:])
        registration_of(app).refresher.refresh()
        reading, counted = current_reports(), 0
        for _ in range(60):
            name = random.choice(names)
            first = MARCH + timedelta(days=random.randrange(5))
            period = Period(first, first + timedelta(days=random.randrange(2)))
            question = question_of(
                "booking",
                random.choice([*names, None]),
                None,
                None,
                random.choice(["events", f"sum({name})", f"average({name})"]),
                random.choice(["day", None]),
                random.choice([1, 3, 100]),
                None,
            )
            tally = source_of(reading).tally(question, period)
            counted += tally.counted_at is not None
            read = DatabaseRows(reading).tally(question, period)
            assert repr(replace(tally, counted_at=None)) == repr(read), question
        assert counted > 10


def booked(plan: Any, *, day: int = 0, session_id: str = "ada", **payload: Any) -> Event:
    at = datetime(2024, 3, 1 + day, 12, tzinfo=UTC)
    return Event(uuid4(), session_id, "booking", {"plan": plan, **payload}, None, at, at)


def test_names_and_texts_that_differ_by_a_little_are_kept_apart(
    make_host: MakeHost, database_url: str
) -> None:
    names = ("plan", "Plan", 'a"b', "naïve 名前", "naive 名前", "__proto__")
    texts = ["pro", "Pro", " pro", "pro ", "é", "e", "日本 🗾", 'it\'s "quoted"\n\t\\', "", "7", 7]
    declared = EventType("booking", break_down=names)
    app = make_host(database_url, TCS_EVENTS_EVENT_TYPES=[declared])
    with app.app_context():
        fill(app, [booked("pro", price=1)])
        events = [
            event._replace(payload={name: text})
            for name in names
            for text in texts
            for event in [booked(None, day=1)]
        ]
        append(app, events)
        refresh(app)
        the_day = Period(MARCH + timedelta(days=1), MARCH + timedelta(days=1))
        for name in names:
            answer = ask(name, period=the_day)
            others = len(texts) * (len(names) - 1)
            assert numbers(answer) == {None: others, **dict.fromkeys(texts, 1)}
            assert answer.counted_at is not None


@pytest.fixture
def app(make_host: MakeHost, database_url: str) -> Flask:
    return make_host(database_url, TCS_EVENTS_EVENT_TYPES=TYPES)


def ask(by: str | None = "plan", measure: str = "events", period: Period = PERIOD) -> Explored:
    return reports.explore(period, "booking", by, measure=measure)


def numbers(answer: Explored) -> dict[Any, float | None]:
    return {row.value: row.number for row in answer.rows}


def refresh(app: Flask) -> None:
    registration_of(app).refresher.refresh()


def test_sums_are_those_of_the_numbers_as_the_database_has_them(app: Flask) -> None:
    prices: dict[str, list[Any]] = {
        "free": [0.1, 0.2],  # their sum is not 0.3
        "pro": [2**53 - 1, 2.0**-50, -(2**53 - 1)],
        "team": ["19.90", "1e3", 5],
    }
    with app.app_context():
        fill(
            app,
            [booked(plan, price=price) for plan, of_plan in prices.items() for price in of_plan],
        )
        answer = ask(measure="sum(price)")
        assert numbers(answer) == {"free": 0.1 + 0.2, "pro": 2.0**-50, "team": 24.9}
        assert answer.counted_at is not None
        assert numbers(ask(measure="average(price)"))["team"] == 24.9 / 2


@pytest.mark.parametrize(
    ("more", "is_by_plan"),
    [
        ([booked(f"plan {number}") for number in range(5)], True),
        ([booked("x" * 299)], True),
        ([booked("é" * 60)], True),
        ([booked(2**60)], True),
    ],
    ids=["too many values", "a long value", "many characters beyond ASCII", "a large number"],
)
def test_what_is_too_much_for_the_counts_is_read_from_the_events(
    app: Flask, monkeypatch: pytest.MonkeyPatch, more: list[Event], is_by_plan: bool
) -> None:
    monkeypatch.setattr(properties, "MAX_VALUES", 4)
    with app.app_context():
        fill(app, [booked("pro", room=1), booked("free", room=2, day=1)])
        assert ask().counted_at is not None
        append(app, more)
        refresh(app)
        answer = ask()
        assert answer.counted_at is None
        assert sum(row.events for row in answer.all_rows()[:-1]) == len(more) + 2
        assert ask("room").counted_at is not None  # other properties are counted all the same
        assert ask(None).total.number == len(more) + 2
        assert ask(None).counted_at is not None
        the_next_day = Period(MARCH + timedelta(days=1), PERIOD.last)
        assert ask(period=the_next_day).counted_at is not None


@pytest.mark.parametrize("price", [1e300, 2.0**60, 5e-324, 2.0**-81])
def test_numbers_that_sums_do_not_hold_are_read_from_the_events(app: Flask, price: float) -> None:
    with app.app_context():
        fill(app, [booked("pro", price=2, odd=3), booked("pro", price=price)])
        answer = ask(measure="sum(price)")
        assert (answer.counted_at, answer.total.number) == (None, 2 + price)
        assert ask(measure="sum(odd)").counted_at is not None
        assert ask().counted_at is not None


def test_new_events_are_in_it_once_they_are_counted(app: Flask) -> None:
    with app.app_context():
        fill(app, [booked("pro")])
        append(app, [booked("pro", day=1), booked("free")])
        before = ask()
        assert numbers(before) == {"pro": 1}  # the counts are less than a minute old
        assert before.counted_at == current_reports().counted_at()
        refresh(app)
        assert numbers(ask()) == {"pro": 2, "free": 1}


def test_days_with_deleted_events_are_read_until_they_are_counted_again(app: Flask) -> None:
    with app.app_context():
        gone = booked("free", session_id="bo")
        fill(app, [booked("pro"), gone])
        with registration_of(app).database.engine.begin() as connection:
            connection.execute(delete(UserEvent).where(UserEvent.event_id == gone.event_id))
            mark_stale(connection, ZoneInfo("UTC"), [gone.created_at])
        answer = ask()
        assert (numbers(answer), answer.counted_at) == ({"pro": 1}, None)
        refresh(app)
        answer = ask()
        assert numbers(answer) == {"pro": 1}
        assert answer.counted_at is not None


def test_what_forget_and_prune_delete_is_not_counted(app: Flask) -> None:
    with app.app_context():
        fill(app, [booked("pro"), booked("free", session_id="bo"), booked("free", day=2)])
        assert run(app, "forget", "--session", "bo", "--yes").exit_code == 0
        refresh(app)
        assert numbers(ask()) == {"pro": 1, "free": 1}
        assert run(app, "prune", "--older-than", "2024-03-02").exit_code == 0
        refresh(app)
        answer = ask()
        assert numbers(answer) == {"free": 1}
        assert answer.counted_at is not None


@pytest.mark.parametrize(
    "declared",
    [
        EventType("booking", break_down=("plan", "room"), add_up=("price",)),
        EventType("booking", break_down=("plan",), add_up=()),
        "booking",
    ],
    ids=["one more", "one less", "none"],
)
def test_counts_of_other_declarations_are_not_read(
    make_host: MakeHost, sqlite_url: str, declared: Any
) -> None:
    first = EventType("booking", break_down=("plan",), add_up=("price",))
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=[first])
    other = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=[declared], create=False)
    with app.app_context():
        fill(app, [booked("pro", price=5, room="a")])
        assert ask(measure="sum(price)").counted_at is not None
    with other.app_context():  # a newer process counts with its declarations
        fill(other, [booked("pro", price=5, room="a"), booked("free", price=7, room="b")])
        by_room = ask("room", "sum(price)")
        assert numbers(by_room) == {"b": 7, "a": 5}
        assert (by_room.counted_at is not None) == (
            isinstance(declared, EventType) and "room" in declared.break_down
        )
    with app.app_context():
        answer = ask(measure="sum(price)")
        assert (numbers(answer), answer.counted_at) == ({"free": 7, "pro": 5}, None)


def test_a_database_without_the_table_is_read(app: Flask) -> None:
    with app.app_context():
        fill(app, [booked("pro", price=2)])
        with registration_of(app).database.engine.begin() as connection:
            tables.properties.drop(connection)
        answer = ask(measure="sum(price)")
        assert (numbers(answer), answer.counted_at) == ({"pro": 2}, None)


def test_a_host_that_declares_nothing_needs_no_table(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url)
    with app.app_context():
        with registration_of(app).database.engine.begin() as connection:
            tables.properties.drop(connection)
        at = datetime(2024, 3, 1, 12, tzinfo=UTC)
        clicks = [
            Event(UUID(int=number), "ada", "card_click", {"expert_id": "bo"}, None, at, at)
            for number in range(1, 4)
        ]
        append(app, clicks[:2])
        refresh(app)
        append(app, clicks[2:])
        refresh(app)
        assert reports.total_activity(PERIOD)["card_click"].events == 3
        registration_of(app).refresher.refresh(rebuild=True)
        assert reports.total_activity(PERIOD)["card_click"].events == 3


def test_counts_that_say_something_else_are_what_is_answered(app: Flask) -> None:
    """The events are not read: the answer is that of the table."""
    with app.app_context():
        fill(app, [booked("pro")])
        is_pro = tables.properties.c.value == '"pro"'
        with registration_of(app).database.engine.begin() as connection:
            connection.execute(update(tables.properties).where(is_pro).values(events=7))
        assert numbers(ask()) == {"pro": 7}
