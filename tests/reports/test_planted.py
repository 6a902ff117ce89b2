"""The reports find in a simulated month exactly what was planted in it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select

from tcs_events import reports
from tcs_events.demo import create_app, wishes
from tcs_events.demo.models import Expert, experts_by_name
from tcs_events.demo.planted import Planted
from tcs_events.demo.simulate import Month, simulate, store
from tcs_events.event import Event
from tcs_events.host import registration_of
from tcs_events.reports import ExpertExposure, Period, Rung, UnmetDemand
from tests.reports import truth
from tests.reports.truth import World

END = datetime(2025, 6, 17, 15, 20, tzinfo=UTC)
JUNE = Period(END.date() - timedelta(days=29), END.date())
VISITORS = 300
ALL = 1_000
UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def app(database_url: str, close_later: list[Flask]) -> Flask:
    app = create_app(database_url)
    close_later.append(app)
    return app


def month_of(seed: int) -> Month:
    return simulate(experts_by_name(), VISITORS, end=END, zone=UTC_ZONE, seed=seed)


def demand() -> dict[str, UnmetDemand]:
    return {row.query: row for row in reports.unmet_demand(JUNE, ALL)}


@pytest.mark.parametrize(
    ("database_url", "seed"),
    [("sqlite", 1), ("postgresql", 2), ("mariadb", 3), ("postgresql", 4), ("sqlite", 5)],
    indirect=["database_url"],
)
def test_what_was_planted_is_found_and_nothing_else(app: Flask, seed: int) -> None:
    with app.app_context():
        month = month_of(seed)
        store(month)
        registration_of(app).refresher.refresh(rebuild=True)
        check_demand(month.planted)
        check_dead_ends(month.planted)
        check_exposure(month.planted)
        check_explore(month.planted)
        check_visits(month)
        check_bookings(month.planted)


def check_demand(planted: Planted) -> None:
    """Whatever is said to be missing is a gap or a typo, and only a typo was asked anew."""
    rows = demand()
    missing = {query: row.not_available for query, row in rows.items() if row.not_available}
    assert missing == planted.gaps | planted.typos
    asked_anew = {query for query in missing if rows[query].reformulated}
    assert asked_anew == planted.typos.keys()
    assert all(rows[typo].reformulated == count for typo, count in planted.typos.items())
    hidden = {query: row.hidden_by_filter for query, row in rows.items() if row.hidden_by_filter}
    assert hidden == planted.hidden_by_filter


def check_explore(planted: Planted) -> None:
    """The values of a filter that left nothing are those of changes without a result."""
    for name in {name for name, _ in planted.dead_values}:
        where = {"filter": name, "result_count": 0}
        answer = reports.explore(
            JUNE, "filter_change", "value", where, measure="visits", interval="week", limit=100
        )
        dead = {value: count for (of, value), count in planted.dead_values.items() if of == name}
        assert {row.value: row.number for row in answer.rows} == dead
        assert all(sum(number or 0 for number in row.series) == row.number for row in answer.rows)


def check_dead_ends(planted: Planted) -> None:
    values = reports.dead_end_values(JUNE, ALL)
    assert {(row.filter, row.value): row.dead for row in values} == planted.dead_values
    assert [(row.filter, row.value) for row in values if row.share == 1] == [
        planted.always_dead_value
    ]
    assert {
        tuple(sorted((name, json.dumps(value)) for name, value in row.value.items())): row.dead
        for row in reports.dead_end_combinations(JUNE, ALL)
    } == planted.dead_combinations


def check_exposure(planted: Planted) -> None:
    found = reports.exposure(JUNE, select(Expert.username))
    by_rung: dict[Rung | None, set[str]] = {}
    for expert in found.experts:
        by_rung.setdefault(expert.rung, set()).add(expert.expert_id)
    assert by_rung[Rung.NEVER_RETURNED] == planted.never_returned
    assert by_rung[Rung.NEVER_FIRST] == planted.never_first
    assert by_rung[Rung.NEVER_CLICKED] == planted.never_clicked
    assert by_rung[Rung.UNDER_CLICKED] == planted.under_clicked
    experts: dict[str, ExpertExposure] = {expert.expert_id: expert for expert in found.experts}
    assert all(experts[name].seen for name in planted.never_clicked)
    assert all(experts[name].clicked for name in planted.under_clicked)


def has_found(event: Event) -> bool:
    return event.event_type == "sage_query" and (event.payload["result_count"] or 0) > 0


def has_clicked(event: Event) -> bool:
    return event.event_type == "card_click"


def check_visits(month: Month) -> None:
    planted = month.planted
    steps = [reports.step("sage_query[result_count>0]"), reports.step("card_click")]
    reached = [row.sessions for row in reports.funnel(JUNE, steps)]
    assert reached[0] == planted.funnel[0]
    # What was planted are clicks of the same visit. Some come back the next day, within 24 hours.
    assert reached == truth.funnel(World(UTC_ZONE, month.events), JUNE, [has_found, has_clicked])
    assert reached[1] >= planted.funnel[1]
    totals = reports.total_activity(JUNE)
    assert (totals[""].events, totals[""].sessions) == (len(month.events), planted.visits)
    assert planted.persons
    for email, sessions in planted.persons.items():
        theirs = [event for event in month.events if event.session_id in sessions]
        timeline = reports.person_timeline(email, limit=len(theirs) + 1)
        assert [row.at for row in timeline] == [event.created_at for event in theirs]
        assert {row.session_id for row in timeline} == sessions


def check_bookings(planted: Planted) -> None:
    """Some book more than a week later, and some on another device."""
    steps = [reports.step("account_created"), reports.step("expert_booked")]
    found = reports.funnel(JUNE, steps, "7d", break_down="plan")
    by_plan = {part.value: [row.visitors for row in part.steps] for part in found.broken_down}
    assert by_plan == {plan: list(counts) for plan, counts in planted.booked_by_plan.items()}
    persons = reports.funnel(JUNE, steps, "7d", "person").steps[1].persons
    assert persons == planted.booked_as_persons
    visitors = found.steps[1].visitors
    longer = reports.funnel(JUNE, steps, "90d").steps[1].visitors
    assert visitors is not None
    assert longer is not None
    assert persons is not None
    assert 0 < visitors < longer
    assert persons > visitors


def test_every_kind_of_truth_is_planted(app: Flask) -> None:
    with app.app_context():
        planted = month_of(seed=1).planted
    for name in Planted.__dataclass_fields__:
        assert getattr(planted, name), name
    assert len(planted.never_clicked) == len(planted.under_clicked) == 2
    assert max(map(len, planted.persons.values())) > 1  # somebody has two devices
    assert len(list(planted.summary())) == 11


def test_the_same_seed_and_end_give_the_same_month_and_others_another(app: Flask) -> None:
    with app.app_context():
        month, again, other = month_of(1), month_of(1), month_of(2)
    assert month == again
    assert {event.event_id for event in month.events}.isdisjoint(
        event.event_id for event in other.events
    )


def test_a_month_that_is_stored_twice_is_there_once(app: Flask) -> None:
    with app.app_context():
        month = month_of(1)
        store(month)
        store(month)
        assert reports.total_activity(JUNE)[""].events == len(month.events)


def test_visitors_come_by_day_and_less_at_weekends(app: Flask) -> None:
    with app.app_context():
        events = month_of(1).events
    per_weekday = [0] * 7
    for event in events:
        assert END - timedelta(days=30) < event.created_at <= END
        assert 8 <= event.created_at.hour <= 22
        per_weekday[event.created_at.weekday()] += 1
    assert max(per_weekday[5:]) < min(per_weekday[:5])


@pytest.mark.parametrize(("visitors", "days"), [(299, 30), (300, 0)])
def test_too_small_a_month_is_refused(app: Flask, visitors: int, days: int) -> None:
    arguments: dict[str, Any] = {"end": END, "zone": UTC_ZONE, "days": days}
    with app.app_context(), pytest.raises(ValueError, match="at least 300 visitors"):
        simulate(experts_by_name(), visitors, **arguments)


def test_the_marketplace_has_what_is_wished_for_and_not_what_is_a_gap(app: Flask) -> None:
    with app.app_context():
        sage = wishes.Sage(experts_by_name())
    for query in (*wishes.OFTEN, *wishes.SELDOM, *wishes.TYPOS.values()):
        assert sage.answer(query).expert_ids, query
    for query in (*wishes.GAPS, *wishes.TYPOS):
        assert not sage.answer(query).expert_ids, query
    for query, rate_max in wishes.TOO_DEAR.items():
        assert sage.answer(query).expert_ids, query
        assert not sage.answer(query, rate_max=rate_max).expert_ids, query
    assert not sage.answer("", rate_max=wishes.DEAD_RATE).expert_ids
    assert not sage.answer("", wishes.DEAD_TAGS).expert_ids
    for tag in (*wishes.DEAD_TAGS, *wishes.TAGS):
        assert sage.answer("", [tag]).expert_ids, tag


def test_the_demo_is_filled_from_the_command_line(tmp_path: Path) -> None:
    database = tmp_path / "demo.db"
    command = [sys.executable, "-m", "tcs_events.demo", "--no-serve", "--database", str(database)]
    ran = subprocess.run(
        [*command, "--visitors", "300"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "Not available  " in ran.stdout
    with closing(sqlite3.connect(database)) as connection:
        [stored] = connection.execute("SELECT count(*) FROM user_events").fetchone()
        [counted] = connection.execute("SELECT sum(events) FROM user_event_rollup_days").fetchone()
    assert f"{stored} events of 300 visitors in 30 days" in ran.stdout
    assert counted == stored > 1_000


def test_too_few_visitors_are_refused_in_words(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tcs_events.demo", "--no-serve", "--visitors", "5"]
    ran = subprocess.run(
        [*command, "--database", str(tmp_path / "demo.db")],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 1
    assert ran.stderr == "Cannot simulate: it takes at least 300 visitors and one day\n"
