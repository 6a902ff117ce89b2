"""Funnels whose steps are days apart: what `tests/reports/truth.py` has no examples of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, text

from tcs_events import UserEvent, create_blueprint, reports
from tcs_events.errors import QuestionTimeout
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.models import UserEventBotSession
from tcs_events.reports import FunnelOverDays, Period, ReachedStep, over_days, sampling
from tests.cli.asking import save
from tests.conftest import MakeHost
from tests.reports.support import append
from tests.rights.tables import identity, user_link

JANUARY = Period(date(2025, 1, 1), date(2025, 1, 31))
LAST_MOMENT = datetime(2025, 1, 31, 22, 59, tzinfo=UTC)
"""In Berlin, a minute before February."""
STEPS = [reports.step("sign_up"), reports.step("booking_done")]


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    blueprint = create_blueprint(
        event_types=["sign_up", "booking_done"],
        timezone="Europe/Berlin",
        identify_user="by_hand",
    )
    return make_host(database_url, blueprint)


def event(session_id: str, event_type: str, at: datetime, **payload: Any) -> Event:
    return Event(uuid4(), session_id, event_type, payload, None, at, at)


def ask(host: Flask, *events: Event, **options: Any) -> FunnelOverDays:
    with host.app_context():
        append(host, events)
        return reports.funnel(JANUARY, STEPS, **options)


def counts(answer: FunnelOverDays) -> list[int]:
    return [row.count for row in answer.steps]


def test_the_first_step_is_in_the_period_and_the_others_may_be_months_after_it(
    host: Flask,
) -> None:
    answer = ask(
        host,
        event("in time", "sign_up", LAST_MOMENT),
        event("in time", "booking_done", LAST_MOMENT + timedelta(days=60)),
        event("too late", "sign_up", LAST_MOMENT),
        event("too late", "booking_done", LAST_MOMENT + timedelta(days=60, microseconds=1)),
        event("in february", "sign_up", LAST_MOMENT + timedelta(minutes=1)),
        event("in february", "booking_done", LAST_MOMENT + timedelta(minutes=2)),
        within="60d",
    )
    assert counts(answer) == [2, 1]
    assert answer.steps[1].median_seconds == 60 * 24 * 3600
    assert (answer.within, answer.per, answer.steps[1].persons) == ("60d", "visitor", None)


def test_the_first_step_that_got_furthest_gives_the_time_and_the_value(host: Flask) -> None:
    """Not the last one of all, and of several that got as far, the last."""
    answer = ask(
        host,
        event("visitor", "sign_up", LAST_MOMENT - timedelta(days=9), plan={"name": "free"}),
        event("visitor", "sign_up", LAST_MOMENT - timedelta(days=3), plan={"name": "pro"}),
        event("visitor", "booking_done", LAST_MOMENT - timedelta(days=2)),
        event("visitor", "sign_up", LAST_MOMENT - timedelta(days=1), plan={"name": "basic"}),
        within="12d",
        break_down="plan.name",
    )
    assert counts(answer) == [1, 1]
    assert answer.steps[1].median_seconds == 24 * 3600
    assert [part.value for part in answer.broken_down] == ["pro"]


def test_the_sessions_of_a_user_are_one_person_also_those_linked_by_address(host: Flask) -> None:
    save(
        host,
        user_link("42", "laptop", email="Ada@example.com"),
        user_link("42", "laptop"),
        identity("ada@example.com", "phone"),
        identity("bo@example.com", "phone", at=LAST_MOMENT + timedelta(days=999)),
        user_link("43", "tablet"),
        identity("ada@example.com", "tablet"),
    )
    events = [
        event("phone", "sign_up", LAST_MOMENT),
        event("laptop", "booking_done", LAST_MOMENT + timedelta(days=1)),
        event("tablet", "sign_up", LAST_MOMENT),
        event("nobody", "sign_up", LAST_MOMENT),
    ]
    answer = ask(host, *events, within="2d", per="person")
    assert [row.persons for row in answer.steps] == [3, 1]
    assert answer.steps[0].visitors is None
    assert counts(ask(host, within="2d")) == [3, 0]


def test_links_of_sessions_that_the_question_does_not_meet_are_not_read(
    make_host: MakeHost, sqlite_url: str
) -> None:
    """There may be millions. Here, reading one of them would fail."""
    host = make_host(sqlite_url, create_blueprint(event_types=["sign_up", "booking_done"]))
    save(host, identity("ada@example.com", "laptop"), identity("ada@example.com", "phone"))
    save(host, identity("bo@example.com", "before"))
    with host.app_context(), registration_of(host).database.engine.begin() as connection:
        connection.execute(
            text("UPDATE user_event_identities SET email = x'ff' WHERE session_id = 'before'")
        )
    answer = ask(
        host,
        event("before", "sign_up", LAST_MOMENT - timedelta(days=40)),
        event("laptop", "sign_up", LAST_MOMENT - timedelta(days=2)),
        event("phone", "booking_done", LAST_MOMENT - timedelta(days=1)),
        within="7d",
        per="person",
    )
    assert counts(answer) == [1, 1]


def test_marked_crawlers_are_left_out(host: Flask) -> None:
    with host.app_context(), registration_of(host).database.engine.begin() as connection:
        UserEventBotSession.__table__.create(connection)
        connection.execute(insert(UserEventBotSession).values(session_id="crawler"))
    answer = ask(host, event("crawler", "sign_up", LAST_MOMENT), within="7d")
    assert counts(answer) == [0, 0]
    assert answer.steps[1].of_first is None


def test_the_values_beyond_the_limit_are_one_row(host: Flask) -> None:
    plans = ["pro", "pro", "free", None, "pro", 7, 7.0, "7"]
    events = [
        event(f"visitor-{number}", "sign_up", LAST_MOMENT, plan=plan)
        for number, plan in enumerate(plans)
    ]
    answer = ask(host, *events, within="7d", break_down="plan", limit=2)
    shown = [(part.name, part.value, part.steps[0].visitors) for part in answer.broken_down]
    assert shown == [("pro", "pro", 3), ("7", 7, 2), ("Other", None, 3)]


def test_of_very_many_values_the_most_frequent_are_counted_exactly(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_days, "MAX_VALUES", 8)
    host = make_host(sqlite_url, create_blueprint(event_types=["sign_up", "booking_done"]))
    plans = [plan for number in range(40) for plan in (f"only-{number}", "pro", "free", "pro")]
    events = [
        event(f"visitor-{number:03}", "sign_up", LAST_MOMENT - timedelta(hours=2), plan=plan)
        for number, plan in enumerate(plans)
    ]
    booked = [
        event(f"visitor-{number:03}", "booking_done", LAST_MOMENT - timedelta(hours=1))
        for number in range(0, 160, 2)
    ]
    answer = ask(host, *events, *booked, within="7d", break_down="plan", limit=2)
    assert counts(answer) == [160, 80]
    assert [(part.name, *(row.count for row in part.steps)) for part in answer.broken_down] == [
        ("pro", 80, 0),
        ("free", 40, 40),
        ("Other", 40, 40),
    ]


def test_a_value_that_no_reader_can_follow_is_no_value(
    make_host: MakeHost, sqlite_url: str
) -> None:
    """The host's own code may have stored anything."""
    host = make_host(sqlite_url, create_blueprint(event_types=["sign_up", "booking_done"]))
    nested = json.loads("[" * 600 + "]" * 600)
    with host.app_context(), registration_of(host).database.engine.begin() as connection:
        row = {"event_id": uuid4(), "session_id": "odd", "event_type": "sign_up"}
        times = {"created_at": LAST_MOMENT, "received_at": LAST_MOMENT}
        connection.execute(insert(UserEvent).values(**row, **times, payload={"plan": nested}))
    answer = ask(host, within="7d", break_down="plan")
    assert [part.steps[0].visitors for part in answer.broken_down] == [1]


def test_a_property_that_no_event_has_is_noted(host: Flask) -> None:
    signed_up = event("visitor", "sign_up", LAST_MOMENT, plan="pro")
    answer = ask(host, signed_up, within="7d", break_down="paln")
    assert answer.notices == [
        "No sign_up event has a property paln; did you mean plan?",
        "No event of type booking_done is stored yet.",
    ]


def test_conditions_are_about_the_first_step_alone(host: Flask) -> None:
    answer = ask(
        host,
        event("one", "sign_up", LAST_MOMENT, plan="pro"),
        event("one", "booking_done", LAST_MOMENT + timedelta(days=1), plan="free"),
        event("two", "sign_up", LAST_MOMENT, plan="free"),
        within="7d",
        where=["plan=pro", "paln!=7"],
    )
    assert counts(answer) == [0, 0]  # an event without the property has no other value of it
    assert answer.notices == ["No sign_up event has a property paln; did you mean plan?"]
    answer = ask(host, within="7d", where={"plan": ["pro", "team"]})
    assert counts(answer) == [1, 1]
    assert answer.where == ['plan in ["pro", "team"]']
    assert [str(row.step) for row in answer.steps] == ["sign_up", "booking_done"]


def many(visitors: int, seed: int, end: datetime) -> list[Event]:
    """Sign-ups of many visitors, of whom some book: those of one plan more often, and sooner."""
    random, events = Random(seed), []
    for number in range(visitors):
        plan, began = random.choice(["free", "free", "pro"]), end - timedelta(days=9)
        began += timedelta(minutes=random.randrange(8 * 24 * 60))
        session_id = f"visitor-{seed}-{number}"
        events.append(event(session_id, "sign_up", began, plan=plan))
        if random.random() < (0.6 if plan == "pro" else 0.3):
            hours = random.expovariate(0.1 if plan == "pro" else 0.03)
            at = began + timedelta(seconds=round(3600 * min(hours, 140)))
            events.append(event(session_id, "booking_done", at))
    return events


def estimates(exact: list[ReachedStep], about: list[ReachedStep]) -> Iterator[bool]:
    """Yield whether each number of an estimate is within its margin."""
    for one, other in zip(exact, about, strict=True):
        assert other.margin is not None
        assert other.margin < one.count  # it says something
        yield abs(one.count - other.count) <= other.margin
        if one.of_previous is not None:
            for true, said, margin in (
                (one.of_previous, other.of_previous, other.of_previous_margin),
                (one.of_first, other.of_first, other.of_first_margin),
                (one.median_seconds, other.median_seconds, other.median_margin_seconds),
            ):
                assert true is not None
                assert said is not None
                assert margin is not None
                yield abs(true - said) <= margin


def test_an_estimate_is_within_its_margins(host: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    hits: list[bool] = []
    periods = [Period(date(2025, month, 1), date(2025, month, 28)) for month in range(1, 9)]
    with host.app_context():
        for seed, period in enumerate(periods):
            last = datetime(2025, period.last.month, period.last.day, tzinfo=UTC)
            append(host, many(250, seed, last))
        registration_of(host).refresher.refresh()
        for period in periods:
            monkeypatch.setattr(sampling, "EXACT_SHARE", 1)
            exact = reports.funnel(period, STEPS, "7d", break_down="plan")
            assert (exact.is_estimate, exact.sampled, exact.steps[0].margin) == (False, None, None)
            monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
            for halvings in (1, 2):
                monkeypatch.setattr(sampling, "SAMPLE_MIN", 360 / 2**halvings)
                about = reports.funnel(period, STEPS, "7d", break_down="plan")
                assert (about.is_estimate, about.sampled) == (True, 2**-halvings)
                assert f"estimates from 1 in {2**halvings} visitors" in about.notices[-1]
                hits += estimates(exact.steps, about.steps)
                true = {part.value: part.steps for part in exact.broken_down}
                for part in about.broken_down:
                    hits += estimates(true[part.value], part.steps)
    assert sum(hits) > 0.88 * len(hits)  # 95 of 100, give or take: they are not independent
    assert not all(hits)  # margins that always hold would be too wide


def test_the_sessions_of_a_person_are_in_an_estimate_together(
    host: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
    events = []
    for number in range(64):
        save(host, user_link(f"{number}", f"laptop-{number}"))
        save(host, user_link(f"{number}", f"phone-{number}"))
        at = LAST_MOMENT + timedelta(days=1)
        events += [event(f"laptop-{number}", "sign_up", LAST_MOMENT)]
        events += [event(f"phone-{number}", "booking_done", at)]
    with host.app_context():
        append(host, events)
        registration_of(host).refresher.refresh()
        answer = reports.funnel(JANUARY, STEPS, "7d", "person", who="known")
    assert answer.is_estimate
    assert answer.steps[0].persons
    assert answer.steps[1].of_first == 1  # nobody is torn apart


def test_without_any_counts_there_is_no_estimate(
    make_host: MakeHost, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "EXACT_SHARE", -1)
    host = make_host(sqlite_url, create_blueprint(event_types=["sign_up", "booking_done"]))
    with host.app_context(), pytest.raises(QuestionTimeout):
        reports.funnel(JANUARY, STEPS, "7d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within": "7"}, "'7' is not a time: write hours or days, such as 12h, 7d or 90d"),
        ({"within": "0d"}, "'0d' is not a time"),
        ({"within": "91d"}, "'91d' is not a time from one hour"),
        ({"within": timedelta(minutes=59)}, "is not a time from one hour"),
        ({"within": 7}, "7 is not a time from one hour"),
        ({"within": "7d", "per": "session"}, "per is 'session'; it is one of visitor, person"),
        ({"within": "7d", "limit": 0}, "limit is 0; it is at least 1"),
        ({"within": "7d", "break_down": ""}, "'' is not a valid field"),
        ({"per": "person"}, 'need the time allowed: within="7d"'),
        ({"break_down": "plan"}, 'need the time allowed: within="7d"'),
        ({"where": "plan=pro"}, 'need the time allowed: within="7d"'),
        ({"who": "new"}, 'need the time allowed: within="7d"'),
        ({"within": "7d", "where": "plan"}, "'plan' is not a condition"),
        ({"within": "7d", "who": "old"}, "who must be new, returning, known or None, not 'old'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    make_host: MakeHost, sqlite_url: str, options: dict[str, Any], message: str
) -> None:
    app = make_host(sqlite_url)
    with app.app_context(), pytest.raises(ValueError, match=message):
        reports.funnel(JANUARY, STEPS, **options)
