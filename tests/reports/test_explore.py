"""Explore says what a slow count of the raw events says; an estimate says how far off it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tcs_events import reports
from tcs_events.counts.time_limit import OutOfTime
from tcs_events.errors import UnknownEventType
from tcs_events.event import Event
from tcs_events.event_types.event_type import EventType
from tcs_events.host.reports import current_reports
from tcs_events.reports import Explored, ExploreRow, Period, sampling
from tcs_events.reports.explore.question import question_of
from tcs_events.reports.explore.rows import DatabaseRows
from tests.conftest import MakeHost
from tests.reports import truth
from tests.reports.support import fill
from tests.reports.truth import Matches, World, property_of
from tests.reports.worlds import DAYS, FIRST_DAYS, first_day, make_world

TYPES = ["sage_query", "card_click", "filter_change", EventType("booking")]
VALUES: dict[str, list[Any]] = {
    "plan": ["free", "pro", "pro", "Pro", "", "a, b", None, ...],
    "price": [0.1, 0.2, 19.9, 20, 20.0, -3, 1e15, "x", None, True, [1], ...],
    "odd": [1, 1.0, "1", True, False, 0, None, [1, "a"], [1.0, "a"], {"b": 1, "a": 2.0}, ...],
    "room": [{"city": "Rome"}, {"city": "Oslo", "bed": {"size": 2}}, {}, "none", None, ...],
    "room.city": [..., ..., ..., "Paris"],
}


def is_number(value: object) -> bool:
    return type(value) in (int, float)


def is_priced(event: Event) -> bool:
    price = property_of(event, "price")
    return is_number(price) and price >= 19.9


WHERE: list[tuple[Any, Matches]] = [
    (None, lambda event: True),
    ({"plan": "pro"}, lambda event: property_of(event, "plan") == "pro"),
    ("price>=19.9", is_priced),
    (["price>=19.9", "plan!=pro"], lambda event: is_priced(event) and "plan" in event.payload
     and event.payload["plan"] != "pro"),
    ({"room.city": ["Rome", "Paris"]},
     lambda event: property_of(event, "room.city") in ("Rome", "Paris")),
    ("plan=null", lambda event: property_of(event, "plan") is None),
    ('odd in [1, "1"]', lambda event: property_of(event, "odd") in (1, "1")
     and property_of(event, "odd") is not True),
]  # fmt: skip
MEASURES = ["visitors", "visits", "events", "sum price", "average price", "median price"]


def with_bookings(world: World, random: Random) -> World:
    """Return the world with bookings, whose properties nobody has declared."""
    bookings = []
    for like in world.events:
        given = {name: random.choice(values) for name, values in VALUES.items()}
        payload = {name: value for name, value in given.items() if value is not ...}
        event_id = UUID(int=random.getrandbits(128), version=4)
        at = like.created_at + timedelta(minutes=random.randrange(3))
        bookings.append(Event(event_id, like.session_id, "booking", payload, None, at, at))
    return World(world.zone, [*world.events, *bookings], world.identities)


def in_text(measure: str) -> str:
    kind, _, name = measure.partition(" ")
    return f"{kind}({name})" if name else kind


def said(answer: Explored) -> truth.ExploredTruth:
    def numbers(row: ExploreRow) -> Any:
        return row.events, row.number, row.series

    return truth.ExploredTruth(
        [(row.value, *numbers(row)) for row in answer.rows],
        (answer.other_values, *numbers(answer.other)) if answer.other else None,
        numbers(answer.total),
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo"])
def test_it_is_what_the_events_say(make_host: MakeHost, database_url: str, zone: str) -> None:
    app = make_host(database_url, TCS_EVENTS_TIMEZONE=ZoneInfo(zone), TCS_EVENTS_EVENT_TYPES=TYPES)
    random = Random(f"{database_url[:6]} {zone}")
    world = with_bookings(make_world(random.randrange(1000), ZoneInfo(zone)), random)
    with app.app_context():
        fill(app, world.events, world.identities)
        for _ in range(60):
            start = FIRST_DAYS[zone] + timedelta(days=random.randrange(-3, DAYS))
            period = Period(start, start + timedelta(days=random.randrange(12)))
            by, (where, matches) = random.choice(list(VALUES)), random.choice(WHERE)
            who = random.choice([None, None, "new", "returning", "known"])
            interval = random.choice([None, "day", "week"])
            measure, limit = random.choice(MEASURES), random.choice([1, 2, 20])
            answer = reports.explore(
                period, "booking", by, where, who, in_text(measure), interval, limit
            )
            is_theirs = truth.of_visitors(world, period, who)
            expected = truth.explore(
                world, period, "booking", by, measure, interval, limit,
                lambda event, one=matches, other=is_theirs: one(event) and other(event),
            )  # fmt: skip
            assert said(answer) == expected, (by, where, who, measure, interval, limit, period)
            assert not answer.is_estimate
            assert all(row.margin is None for row in answer.all_rows())


ROLES: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("card_click", "expert_id", lambda value: truth.id_of(value) or truth.one_form(value)),
    ("sage_query", "query_text",
     lambda value: truth.normalised(value) if isinstance(value, str) else truth.one_form(value)),
    ("sage_query", "filters",
     lambda value: truth.one_form(
         {name: of for name, of in value.items() if not truth.is_off(of)}
         if isinstance(value, dict) else value)),
]  # fmt: skip


@pytest.mark.parametrize(("event_type", "by", "show"), ROLES)
def test_items_queries_and_filters_are_one_value_as_in_other_reports(
    make_host: MakeHost, sqlite_url: str, event_type: str, by: str, show: Callable[[Any], Any]
) -> None:
    app, world = make_host(sqlite_url), make_world(3, ZoneInfo("UTC"), 200)
    period = Period(first_day(world.zone), first_day(world.zone) + timedelta(days=9))
    with app.app_context():
        fill(app, world.events)
        answer = reports.explore(period, event_type, by, limit=100)
        expected = truth.explore(
            world, period, event_type, by, "visitors", None, 100, lambda event: True, show
        )
        assert said(answer) == expected
        for row in answer.rows:  # each row narrows down to itself
            condition = reports.Condition(by, "=", row.value)
            narrowed = reports.explore(period, event_type, by, [condition])
            assert [(one.value, one.number) for one in narrowed.rows] == [(row.value, row.number)]


TODAY = datetime.now(UTC).date()
PERIOD = Period(TODAY - timedelta(days=9), TODAY - timedelta(days=1))


def many_visitors(visitors: int, seed: int) -> World:
    """Return bookings of many visitors: some book often, and those pay more."""
    random, events = Random(seed), []
    for number in range(visitors):
        keenness = random.choice([1, 1, 1, 2, 6])
        for _ in range(random.randint(1, 3 * keenness)):
            at = datetime.combine(PERIOD.first, datetime.min.time(), UTC)
            at += timedelta(minutes=random.randrange(9 * 24 * 60))
            plan = random.choice(["free"] * 9 + ["pro"] * 4 + ["team"])
            payload = {"plan": plan, "price": random.randrange(50) * keenness}
            event_id = UUID(int=random.getrandbits(128), version=4)
            events.append(Event(event_id, f"visitor-{number}", "booking", payload, None, at, at))
    return World(ZoneInfo("UTC"), events)


def test_an_estimate_is_within_its_margins_and_says_that_it_is_one(
    make_host: MakeHost, database_url: str
) -> None:
    app = make_host(database_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    world, within, estimates = many_visitors(800, 1), 0, 0
    with app.app_context():
        fill(app, world.events)
        source = DatabaseRows(current_reports())
        for halvings in (1, 2, 3):
            for measure in MEASURES:
                question = question_of(
                    "booking", "plan", None, None, in_text(measure), "week", 2, None
                )
                exact, about = (
                    source.tally(question, PERIOD),
                    source.sample(question, PERIOD, halvings),
                )
                assert (exact.sampled, about.sampled) == (None, 2**-halvings)
                true = dict(exact.rows)
                groups = [(true[value], group) for value, group in about.rows if value in true]
                for truly, group in [*groups, (exact.total, about.total)]:
                    pairs = zip(
                        [truly.whole, *truly.series], [group.whole, *group.series], strict=True
                    )
                    for one, other in pairs:
                        assert other.margin is not None
                        assert one.number is not None
                        assert other.number is not None
                        assert other.margin < one.number  # it says something
                        estimates += 1
                        within += abs(one.number - other.number) <= other.margin
    assert 0.88 * estimates < within  # 95 of 100, give or take: they are not independent
    assert within < estimates  # margins that always hold would be too wide


def test_without_time_for_all_events_there_is_an_estimate(
    make_host: MakeHost, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, world = make_host(database_url, TCS_EVENTS_EVENT_TYPES=TYPES), many_visitors(300, 2)
    monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
    monkeypatch.setattr(sampling, "SAMPLE_MIN", len(world.events) // 3)
    with app.app_context():
        fill(app, world.events)
        answer = reports.explore(PERIOD, "booking", "plan", who="new", interval="day")
        assert answer.is_estimate
        assert answer.sampled == 0.25
        assert "estimates from 1 in 4 visitors" in answer.notices[-1]
        [number, margin] = answer.total.number, answer.total.margin
        assert number is not None
        assert margin is not None
        assert abs(number - 300) <= 2 * margin
        # Visitors of other days, and those who came before, are in no estimate either.
        before = Period(PERIOD.first - timedelta(days=9), PERIOD.first - timedelta(days=1))
        monkeypatch.setattr(sampling, "EXACT_SHARE", 1)
        assert reports.explore(before, "booking", "plan").total.number == 0
        assert reports.explore(PERIOD, "booking", "plan", who="returning").total.number == 0


@pytest.mark.parametrize(
    ("read", "seconds", "is_given_up"),
    [
        (10_000, 2.0, True),  # a million would take 200 s
        (200_000, 2.0, False),  # 10 s
        (10_000, 0.5, False),  # too early to tell
    ],
)
def test_it_gives_up_early_only_where_it_is_clear(
    read: int, seconds: float, is_given_up: bool
) -> None:
    assert sampling.is_hopeless(read, 1_000_000, seconds, most_seconds=5.0) is is_given_up


@pytest.mark.parametrize(("seconds_a_row", "is_read"), [(0.000_05, True), (0.01, False)])
def test_a_database_that_sorts_its_rows_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, seconds_a_row: float, is_read: bool
) -> None:
    """The first row comes late, and then it is seen how fast the others come."""
    now = [0.0]
    monkeypatch.setattr(sampling, "monotonic", lambda: now[0])
    monkeypatch.setattr(sampling, "time_of", lambda _: 20.0)

    def rows() -> Iterator[int]:
        now[0] += 9
        for number in range(50_000):
            now[0] += seconds_a_row
            yield number

    attempt: Any = sampling.Attempt()
    try:
        assert len(list(attempt.watched(None, rows(), 50_000))) == 50_000
        assert is_read
    except OutOfTime:
        assert not is_read


def test_no_more_is_read_once_it_is_clear_that_time_is_too_short(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, world = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES), many_visitors(300, 4)
    monkeypatch.setattr(sampling, "CHECKED_EVERY", 10)
    monkeypatch.setattr(sampling, "SAMPLE_MIN", len(world.events) // 3)
    monkeypatch.setattr(
        sampling, "is_hopeless", lambda read, events, *_: events == len(world.events)
    )
    with app.app_context():
        fill(app, world.events)
        assert reports.explore(PERIOD, "booking", "plan").sampled == 0.25


def test_decimals_stored_as_text_are_added_up(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    prices: list[Any] = ["19.90", "5", "-1.5", "1e3", "nan", "", 2]
    at = datetime.combine(PERIOD.last, datetime.min.time(), UTC)
    with app.app_context():
        fill(app, [
            Event(UUID(int=place, version=4), "visitor", "booking", {"price": price}, None, at, at)
            for place, price in enumerate(prices, 1)
        ])  # fmt: skip
        total = reports.explore(PERIOD, "booking", measure="sum(price)").total
    assert (total.number, total.events) == (25.4, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "a=b"}, "'a=b' is not a valid field"),
        ({"where": "plan"}, "'plan' is not a condition"),
        ({"who": "old"}, "who must be new, returning, known or None, not 'old'"),
        ({"interval": "hour"}, "interval must be day, week or None"),
        ({"measure": "sum"}, "measure must be one of visitors"),
        ({"measure": "sum(a=b)"}, "is not a valid field"),
        ({"limit": 0}, "limit must be a whole number from 1 to 10000"),
        ({"limit": 101, "interval": "day"}, "from 1 to 100 with an interval"),
        ({"event_type": "bookin"}, "no event of type bookin; did you mean booking"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    make_host: MakeHost, sqlite_url: str, arguments: dict[str, Any], message: str
) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    with app.app_context(), pytest.raises(ValueError, match=message) as error:
        reports.explore(PERIOD, **{"event_type": "booking", "by": "plan", **arguments})
    assert isinstance(error.value, UnknownEventType) == (arguments.get("event_type") == "bookin")


def test_properties_that_no_event_has_are_named(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    with app.app_context():
        fill(app, many_visitors(3, 3).events)
        answer = reports.explore(PERIOD, "booking", "plna", "paln=pro", measure="sum(prize)")
        assert sorted(answer.notices) == [
            f"No booking event has a property {name}; did you mean {meant}?"
            for name, meant in (("paln", "plan"), ("plna", "plan"), ("prize", "price"))
        ]


def test_properties_are_declared_or_seen(make_host: MakeHost, database_url: str) -> None:
    declared = EventType("booking", break_down=("plan",), add_up=("deposit",))
    app = make_host(database_url, TCS_EVENTS_EVENT_TYPES=[declared, "other"])
    at = datetime.combine(PERIOD.last, datetime.min.time(), UTC)
    payloads: list[Any] = [
        {"plan": "pro", "room": {"city": "Rome", "bed": {"size": 2}}, "paid": None},
        {"plan": "pro", "room": {"city": "Oslo"}, "price": "19.90", "a=b": 1},
        {"plan": "free", "room": {}, "price": 7},
        {"tags": ["a"]},
    ]
    with app.app_context():
        fill(app, [
            Event(UUID(int=place, version=4), "visitor", "booking", payload, None, at, at)
            for place, payload in enumerate(payloads, 1)
        ])  # fmt: skip
        found = reports.properties(PERIOD, "booking")
        assert {one.name: (one.is_declared, one.is_number, one.share) for one in found} == {
            "plan": (True, False, 0.75),
            "deposit": (True, True, 0.0),
            "room.city": (False, False, 0.5),
            "room.bed.size": (False, True, 0.25),
            "room": (False, False, 0.25),
            "price": (False, True, 0.5),
            "tags": (False, False, 0.25),
        }
        assert [one.name for one in found[:2]] == ["plan", "deposit"]
        assert (found[0].values, found[0].different) == (["pro", "free"], 2)
        assert reports.properties(PERIOD, "other").notices == [
            "No event of type other is stored yet."
        ]
        with pytest.raises(UnknownEventType):
            reports.properties(PERIOD, "bookin")
