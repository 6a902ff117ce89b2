"""No visitor can stop the reports: what a session does three times takes three times as long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from math import inf
from random import Random
from time import process_time
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from tcs_events import create_blueprint, reports
from tcs_events.counts.days import day
from tcs_events.counts.facts import VISIT_MAX_NAMES, Seen
from tcs_events.counts.meaning import MARKETPLACE_MEANING
from tcs_events.counts.visit import count_day
from tcs_events.dashboard import create_dashboard
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.reports import Period
from tests.conftest import MakeHost
from tests.reports.support import fill
from tests.reports.test_against_truth import (
    check_activity,
    check_exposure,
    check_funnels,
    check_retention,
    check_timelines,
    check_top,
    check_unmet_demand,
)
from tests.reports.truth import World

NOON = datetime(2025, 3, 5, 12, tzinfo=UTC)
DAY = Period(NOON.date(), NOON.date())
SMALL, FACTOR, ATTEMPTS = 1_000, 3, 8
LINEAR = 7.0
"""Linear is 3 and less, quadratic is 9."""
TYPES = [f"type-{number}" for number in range(600)]
ALL_TYPES = ["sage_query", "card_click", "card_impression", "filter_change", *TYPES]
ACCEPTED = [*ALL_TYPES, "nobody_sends_this"]

Payloads = Callable[[int], tuple[str, dict[str, Any]]]
"""The type and the payload of the event of a number."""


def query(text: str, count: int = 1, **payload: Any) -> tuple[str, dict[str, Any]]:
    return "sage_query", {"query_text": text, "result_count": count, **payload}


def click(expert: object, context: str = "grid") -> tuple[str, dict[str, Any]]:
    return "card_click", {"expert_id": expert, "context": context}


def change(value: Any, **filters: Any) -> tuple[str, dict[str, Any]]:
    return "filter_change", {
        "filter": "tags",
        "value": value,
        "filters": {"tags": value, **filters},
        "result_count": 0,
    }


FLOODS: dict[str, Payloads] = {
    "one query": lambda n: query("rust"),
    "many queries": lambda n: query(f"rust {n}", n % 3),
    "two queries in turns": lambda n: query(f"rust {n % 2}"),
    "one query in many spellings": lambda n: query("rust" + "\u200b" * (n % 50) + " " * (n % 70)),
    "queries and clicks": lambda n: click("ada") if n % 2 else query("rust"),
    "queries, then clicks": lambda n: click("ada") if n > SMALL / 2 else query(f"rust {n}"),
    "many queries and clicks": lambda n: click(f"ada {n}") if n % 2 else query(f"rust {n}"),
    "clicks on many cards": lambda n: click(n, f"context {n}"),
    "one card in many contexts": lambda n: click("ada", f"context {n}"),
    "many results": lambda n: query("rust", expert_ids=[f"e{i}" for i in range(100)]),
    "always other results": lambda n: query("rust", expert_ids=[f"e{n}-{i}" for i in range(9)]),
    "many filter values": lambda n: change(f"value {n}"),
    "large filters": lambda n: change([f"tag {i}" for i in range(n % 50)], **{f"f{n % 9}": n}),
    "impressions": lambda n: ("card_impression", {"expert_id": n, "position": n}),
    "many event types": lambda n: (TYPES[n // 5], {}),
}
PACES: dict[str, Callable[[int], timedelta]] = {
    "all at one moment": lambda n: timedelta(0),
    "ten a second": lambda n: timedelta(milliseconds=100 * n),
}
QUESTIONS: dict[str, Callable[[], object]] = {
    "activity by hour": lambda: reports.activity(DAY, "hour"),
    "activity": lambda: reports.total_activity(DAY),
    "experts": lambda: reports.top_experts(DAY, 100_000),
    "queries": lambda: reports.top_queries(DAY, 100_000),
    "filters": lambda: reports.top_filters(DAY, 100_000),
    "gaps": lambda: reports.unmet_demand(DAY, 100_000, min_sessions=1),
    "exposure": lambda: reports.exposure(DAY),
    "exposure of a catalogue": lambda: reports.exposure(DAY, range(10_000)),
    "dead values": lambda: reports.dead_end_values(DAY, 100_000),
    "dead combinations": lambda: reports.dead_end_combinations(DAY, 100_000),
    "funnel": lambda: reports.funnel(
        DAY, [reports.step("sage_query[result_count>0]"), *[reports.step("card_click")] * 3]
    ),
    "retention": lambda: reports.retention(DAY, "day"),
    "retention of a step": lambda: reports.retention(
        DAY, "day", reports.step("card_click[context=grid]")
    ),
    "visitors": lambda: reports.visitors(DAY),
    "timeline": lambda: reports.session_timeline("flood", 100_000),
}
PAGES = ("", *(f"{name}?from={DAY.first}&to={DAY.last}" for name in (
    "activity", "top", "gaps", "exposure", "dead-ends", "funnel", "retention"
)), "timeline?session=flood")  # fmt: skip


def flood(payloads: Payloads, pace: Callable[[int], timedelta], size: int) -> list[Event]:
    events = []
    for n in range(size):
        event_type, payload = payloads(n)
        at = NOON + pace(n)
        events.append(Event(uuid4(), "flood", event_type, payload, None, at, at))
    return events


def seconds(run: Callable[[], object]) -> float:
    """Return what a run costs of the processor, whatever else the machine does."""
    begin = process_time()
    run()
    return process_time() - begin


@pytest.fixture
def host(make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url, create_blueprint(event_types=ACCEPTED, report_timeout_ms=600_000))
    app.register_blueprint(create_dashboard(lambda: True))
    return app


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("name", FLOODS)
def test_three_times_as_much_takes_three_times_as_long(host: Flask, name: str, pace: str) -> None:
    client, spent = host.test_client(), [dict[str, float](), dict[str, float]()]
    work: dict[str, Callable[[], object]] = {
        "counting": lambda: registration_of(host).refresher.refresh(rebuild=True),
        **QUESTIONS,
        **{f"/{page}": partial(client.get, f"/insights/{page}") for page in PAGES},
    }
    for _ in range(ATTEMPTS):
        for best, size in zip(spent, (SMALL, FACTOR * SMALL), strict=True):
            with host.app_context():
                fill(host, flood(FLOODS[name], PACES[pace], size))
                for it, run in work.items():
                    best[it] = min(seconds(run), best.get(it, inf))
        # What takes next to no time cannot be compared.
        slow = {
            it: (few, many)
            for it, few, many in ((it, spent[0][it], spent[1][it]) for it in work)
            if many > 0.1 and many > LINEAR * few
        }
        if not slow:
            return
    assert slow == {}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_of_a_flood_is_true(host: Flask, seed: int) -> None:
    random = Random(seed)
    floods, at = list(FLOODS.values()), NOON - timedelta(minutes=random.randint(0, 800))
    events = []
    for _ in range(120):
        event_type, payload = random.choice(floods[:-1])(random.randrange(4))
        at += random.choice([timedelta(0), timedelta(0), timedelta(seconds=30), timedelta(hours=2)])
        session = random.choice(["flood", "flood", "flood", "ada"])
        events.append(Event(uuid4(), session, event_type, payload, None, at, at))
    world = World(ZoneInfo("UTC"), events)
    with host.app_context():
        fill(host, events)
        period = Period(NOON.date() - timedelta(days=2), NOON.date() + timedelta(days=20))
        for check in (
            check_activity,
            check_top,
            check_unmet_demand,
            check_exposure,
            check_funnels,
            check_retention,
        ):
            check(world, period)
        check_timelines(world)


class Nothing:
    """Counts nothing besides, and does not even look at all events."""

    def count(self, within: Any) -> None:
        next(iter(within), None)


def test_no_event_of_a_session_is_kept_in_memory() -> None:
    """A session of ten thousand long events is as little in memory as one of a single event."""
    alive, most = 0, 0

    class Payload(dict[str, Any]):
        def __init__(self, *args: Any) -> None:
            nonlocal alive, most
            super().__init__(*args)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    of_day = day(NOON.date(), ZoneInfo("UTC"))
    kinds = cycle(FLOODS.values())
    events = (
        Seen(event_type, Payload(payload), NOON + timedelta(milliseconds=n))
        for n in range(3_000)
        for event_type, payload in [next(kinds)(n)]
    )
    facts = count_day(of_day, [("flood", events)], Nothing(), MARKETPLACE_MEANING.roles)
    assert facts.events == 3_000
    assert most <= 3


def test_one_visit_adds_no_more_than_it_may() -> None:
    def events() -> Any:
        for n in range(VISIT_MAX_NAMES + 500):
            at = NOON + timedelta(milliseconds=n)
            for event_type, payload in (
                query(f"q{n}", 0, expert_ids=[f"e{n}"]),
                query("x" + "\u200b" * n),
                click(f"e{n}", f"c{n}"),
                change(n, other=n),
            ):
                yield Seen(event_type, payload, at)
        yield Seen(*query("q0", 1), at)
        yield Seen(*click("e0", "c0"), at)

    of_day = day(NOON.date(), ZoneInfo("UTC"))
    facts = count_day(of_day, [("flood", events())], Nothing(), MARKETPLACE_MEANING.roles)
    assert facts.events == 4 * (VISIT_MAX_NAMES + 500) + 2
    assert len(facts.demand) == len(facts.exposure) == VISIT_MAX_NAMES
    for kind in ("query", "click", "click_in", "filter", "dead_filter", "combination"):
        assert sum(key[0] == kind for key in facts.uses) == VISIT_MAX_NAMES, kind
    # What was counted before goes on being counted.
    assert facts.uses["query", "q0", ""].events == 2
    assert facts.uses["click", "e0", ""].events == 2
    assert facts.demand["q0"].no_click == 0
