"""Every report says what a slow count of the raw events says, whatever the events are like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tcs_events import reports
from tcs_events.event import Event
from tcs_events.reports import Period
from tests.conftest import MakeHost
from tests.reports import truth
from tests.reports.support import fill
from tests.reports.truth import Matches, World
from tests.reports.worlds import DAYS, EMAILS, EXPERTS, FIRST_DAYS, first_day, make_world
from tests.support import kind_of

SEEDS = {"sqlite": range(4), "postgresql": range(4, 8), "mariadb": range(8, 12)}
"""Each database counts other worlds: what a world shows does not depend on the database."""
ACCEPTED = ["card_click", "sage_query", "filter_change", "nobody_sends_this"]
ALL = 1_000
"""More than there is: a limit that nothing is cut by."""


def is_type(event_type: str, holds: Callable[[dict[str, Any]], bool] = lambda _: True) -> Matches:
    return lambda event: event.event_type == event_type and holds(event.payload)


def number(payload: dict[str, Any]) -> float:
    value = payload.get("result_count")
    return value if type(value) in (int, float) else float("nan")


FUNNELS: dict[tuple[str, ...], list[Matches]] = {
    ("sage_query", "card_click"): [is_type("sage_query"), is_type("card_click")],
    ("sage_query[result_count>0]", "card_click[context=grid]"): [
        is_type("sage_query", lambda payload: number(payload) > 0),
        is_type("card_click", lambda payload: payload.get("context") == "grid"),
    ],
    ("sage_query[result_count=0]", "sage_query[result_count>=1]", "card_click"): [
        is_type("sage_query", lambda payload: number(payload) == 0),
        is_type("sage_query", lambda payload: number(payload) >= 1),
        is_type("card_click"),
    ],
    ("filter_change", "filter_change[result_count<=0, filter!=tags]", "filter_change"): [
        is_type("filter_change"),
        is_type(
            "filter_change",
            lambda payload: (
                number(payload) <= 0 and "filter" in payload and payload["filter"] != "tags"
            ),
        ),
        is_type("filter_change"),
    ],
    ("card_click", "nobody_sends_this"): [is_type("card_click"), is_type("nobody_sends_this")],
}

Ask = tuple[str, Any, str | None, Callable[[Event], object]]
OVER_DAYS: list[Ask] = [
    ("1h", "visitor", None, lambda event: None),
    ("31h", "person", "result_count", lambda event: whole(event.payload.get("result_count"))),
    ("7d", "visitor", "filters.tags", lambda event: within(event.payload.get("filters"), "tags")),
    ("90d", "person", "expert_id", lambda event: item(event.payload.get("expert_id"))),
]
"""The time allowed, what is counted, the property, and the value that the truth has for it."""


def whole(value: Any) -> object:
    return int(value) if type(value) is float and value.is_integer() else value


def within(value: Any, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def item(value: Any) -> object:
    return truth.id_of(value) or value


CHOSEN: dict[tuple[str, str | None], Matches] = {
    ("sage_query", None): is_type("sage_query"),
    ("sage_query", "result_count>0"): is_type("sage_query", lambda payload: number(payload) > 0),
    ("card_click", "context=grid"): is_type(
        "card_click", lambda payload: payload.get("context") == "grid"
    ),
}

RETURNING: dict[str, Matches] = {
    "card_click": is_type("card_click"),
    "card_click[context=grid]": is_type(
        "card_click", lambda payload: payload.get("context") == "grid"
    ),
    "nobody_sends_this": is_type("nobody_sends_this"),
}


EVERY_DAY = "Europe/Berlin"
ZONES = [
    pytest.param(ZoneInfo(name), marks=() if name == EVERY_DAY else pytest.mark.proof, id=name)
    for name in FIRST_DAYS
]


@pytest.mark.parametrize("zone", ZONES)
def test_every_report_is_what_the_events_say(
    make_host: MakeHost, database_url: str, zone: ZoneInfo
) -> None:
    app = make_host(database_url, TCS_EVENTS_TIMEZONE=zone, TCS_EVENTS_EVENT_TYPES=ACCEPTED)
    for seed in SEEDS[kind_of(database_url)]:
        world = make_world(seed, zone)
        with app.app_context():
            fill(app, world.events, world.identities)
            check_reports(world, seed)


def check_reports(world: World, seed: int) -> None:
    whole = Period(first_day(world.zone) - timedelta(days=8), first_day(world.zone) + timedelta(30))
    shift = timedelta(days=seed % DAYS)
    part = Period(first_day(world.zone) + shift, first_day(world.zone) + shift + timedelta(days=2))
    nothing = Period(whole.first - timedelta(days=9), whole.first - timedelta(days=1))
    for period in (whole, part, nothing):
        check_activity(world, period)
        check_top(world, period)
        check_unmet_demand(world, period)
        check_exposure(world, period)
        check_funnels(world, period)
        check_funnels_over_days(world, period)
        check_narrowed_funnels(world, period)
        check_retention(world, period)
        check_retention_of_both(world, period)
        check_visitors(world, period)
        check_paths(world, period)
    check_timelines(world)


def check_activity(world: World, period: Period) -> None:
    for unit in ("hour", "day", "week"):
        said = reports.activity(period, unit)
        assert plain(said) == plain(truth.activity(world, period, unit))
        assert all(row.starts_at.tzinfo is world.zone for row in said)
    totals = reports.total_activity(period)
    assert sum(total.events for total in totals.values()) == 2 * len(world.within(period))
    for event_type, total in totals.items():
        days = [row for row in reports.activity(period) if row.event_type == event_type]
        assert total.events == sum(row.events for row in days)
        assert total.sessions == sum(row.sessions for row in days)


def check_top(world: World, period: Period) -> None:
    same_and_most_first(
        lambda limit: reports.top_experts(period, limit),
        truth.top_experts(world, period),
        "sessions",
    )
    same_and_most_first(
        lambda limit: reports.top_queries(period, limit),
        truth.top_queries(world, period),
        "sessions",
    )
    same_and_most_first(
        lambda limit: reports.top_filters(period, limit),
        truth.top_filters(world, period),
        "sessions",
    )
    same_and_most_first(
        lambda limit: reports.dead_end_values(period, limit),
        truth.dead_end_values(world, period),
        "dead",
    )
    same_and_most_first(
        lambda limit: reports.dead_end_combinations(period, limit),
        truth.dead_end_combinations(world, period),
        "dead",
    )


def check_unmet_demand(world: World, period: Period) -> None:
    for min_sessions in (1, 3):
        same_and_most_first(
            lambda limit, least=min_sessions: reports.unmet_demand(period, limit, least),
            truth.unmet_demand(world, period, min_sessions),
            "not_available",
            "hidden_by_filter",
            "no_click",
            "reformulated",
        )
    assert plain(reports.unmet_demand(period)) == plain(
        reports.unmet_demand(period, min_sessions=3)
    )


def check_exposure(
    world: World, period: Period, limits: Sequence[tuple[int, int]] = ((5, 3), (1, 1), (2, 6))
) -> None:
    """Compare exposure for each of the first positions and fewest visits, as `limits` has them."""
    catalogue = [*EXPERTS[:4], "nobody knows me"]
    for ids in (None, catalogue, []):
        for first_positions, min_sessions in limits:
            said = reports.exposure(
                period, ids, first_positions=first_positions, min_sessions=min_sessions
            )
            expected = truth.exposure(world, period, ids, first_positions, min_sessions)
            assert plain(said) == plain(expected)


def check_funnels(world: World, period: Period) -> None:
    for texts, matches in FUNNELS.items():
        said = reports.funnel(period, [reports.step(text) for text in texts])
        reached = truth.funnel(world, period, matches)
        assert [row.sessions for row in said] == reached
        first = reached[0]
        assert [row.of_first for row in said] == [n / first if first else None for n in reached]
        assert [row.of_previous for row in said] == [
            None,
            *(n / before if before else None for before, n in pairwise(reached)),
        ]


def check_funnels_over_days(world: World, period: Period) -> None:
    for texts, matches in FUNNELS.items():
        steps = [reports.step(text) for text in texts]
        for time_allowed, per, break_down, value_of in OVER_DAYS:
            said = reports.funnel(period, steps, time_allowed, per, break_down, limit=3)
            hours = int(time_allowed[:-1]) * (24 if time_allowed.endswith("d") else 1)
            ways = truth.ways(
                world, period, matches, timedelta(hours=hours), per == "person", value_of
            )
            assert counted(said.steps, per) == truth.funnel_over_days(ways, len(steps))
            first, *_ = reached = [row.count for row in said.steps]
            assert [row.of_first for row in said.steps] == [
                n / first if first else None for n in reached
            ]
            assert [row.of_previous for row in said.steps] == [
                None,
                *(n / before if before else None for before, n in pairwise(reached)),
            ]
            if break_down is not None:
                assert [
                    (... if part.kind == "other" else part.value, counted(part.steps, per))
                    for part in said.broken_down
                ] == [
                    (value, truth.funnel_over_days(theirs, len(steps)))
                    for value, theirs in truth.parts(ways, 3)
                ]


NARROWED: dict[str, tuple[Any, Matches]] = {
    "sage_query": ({"result_count": [0, 1, 3]}, lambda event: number(event.payload) in (0, 1, 3)),
    "filter_change": ("filter=tags", lambda event: event.payload.get("filter") == "tags"),
    "card_click": (
        ["context!=grid", "context!=null"],
        lambda event: event.payload.get("context") not in ("grid", None),
    ),
}
"""Conditions on the first step, by its type."""


def check_narrowed_funnels(world: World, period: Period) -> None:
    """Conditions are about the first step alone, and of other visitors nothing is counted."""
    for texts, (first, *others) in FUNNELS.items():
        steps = [reports.step(text) for text in texts]
        where, holds = NARROWED[steps[0].event_type]
        narrowed = [lambda event, one=first, also=holds: one(event) and also(event), *others]
        for per, who in (("visitor", "new"), ("person", "returning"), ("visitor", "known")):
            said = reports.funnel(period, steps, "31h", per, where=where, who=who)
            is_theirs = truth.of_visitors(world, period, who)
            theirs = World(world.zone, list(filter(is_theirs, world.events)), world.identities)
            ways = truth.ways(
                theirs, period, narrowed, timedelta(hours=31), per == "person", lambda event: None
            )
            assert counted(said.steps, per) == truth.funnel_over_days(ways, len(steps))
            assert said.who == who


def counted(rows: Sequence[reports.ReachedStep], per: str) -> list[tuple[int | None, list[Any]]]:
    return [
        (
            row.persons if per == "person" else row.visitors,
            [row.first_quartile_seconds, row.median_seconds, row.third_quartile_seconds],
        )
        for row in rows
    ]


def check_retention(
    world: World, period: Period, returning: Mapping[str, Matches] = RETURNING
) -> None:
    for unit in ("day", "week"):
        assert reports.retention(period, unit) == truth.retention(world, period, unit)
        for text, matches in returning.items():
            said = reports.retention(period, unit, reports.step(text))
            assert said == truth.retention(world, period, unit, matches)
        for (event_type, where), began in CHOSEN.items():
            said = reports.retention(period, unit, event_type=event_type, where=where)
            assert said == truth.retention(world, period, unit, began=began)


def check_retention_of_both(world: World, period: Period) -> None:
    for unit in ("day", "week"):
        for text, matches in RETURNING.items():
            said = reports.retention(
                period, unit, reports.step(text), "sage_query", {"result_count": [0, 1, 3]}
            )
            found = is_type("sage_query", lambda payload: number(payload) in (0, 1, 3))
            assert said == truth.retention(world, period, unit, matches, found)


def check_visitors(
    world: World, period: Period, types: Sequence[str] = ("card_click", "nobody_sends_this")
) -> None:
    for event_type in (None, *types):
        assert reports.visitors(period, event_type) == truth.visitors(world, period, event_type)


def check_paths(world: World, period: Period) -> None:
    for (event_type, where), matches in CHOSEN.items():
        for direction, depth, collapse in product(("after", "before"), (1, 3, 5), (True, False)):
            said = reports.paths(
                period, event_type, direction, depth, where=where, collapse=collapse, limit=ALL
            )
            expected = truth.paths(world, period, matches, direction, depth, collapse)
            assert {row.path: row.visits for row in said.rows} == expected
            assert said.visits == sum(expected.values())
            assert [(-row.visits, row.path) for row in said.rows] == sorted(
                (-visits, path) for path, visits in expected.items()
            )


def check_timelines(world: World) -> None:
    for limit in (ALL, 3):
        for session_id in {event.session_id for event in world.events} | {"nobody"}:
            said = reports.session_timeline(session_id, limit)
            assert plain(said) == plain(truth.session_timeline(world, session_id, limit))
        for email in [*EMAILS, "nobody@example.com"]:
            said = reports.person_timeline(email, limit)
            assert plain(said) == plain(truth.person_timeline(world, email, limit))


def same_and_most_first(
    ask: Callable[[int], Sequence[Any]], expected: Sequence[Any], *counts: str
) -> None:
    """Check what is said, in whatever order ties come, and that a limit leaves out the least."""

    def of(rows: Sequence[Any]) -> list[tuple[int, ...]]:
        return [tuple(getattr(row, name) for name in counts) for row in rows]

    said = ask(ALL)
    assert sorted(map(repr, said)) == sorted(map(repr, expected))
    assert of(said) == sorted(of(expected), reverse=True)
    assert list(ask(2)) == list(said[:2])


def plain(value: Any) -> Any:
    """Return the value to be compared: moments in UTC, fractions without what rounding leaves.

    Moments of two zones are never equal in an hour that comes twice: PEP 495.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, list):
        return [plain(one) for one in value]
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value
