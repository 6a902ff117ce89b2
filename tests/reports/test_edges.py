"""Questions at the edges: one day, a day to come, a type that nobody has declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from tcs_events import reports
from tcs_events.errors import UnknownEventType
from tcs_events.event import Event
from tcs_events.reports import Period
from tests.conftest import MakeHost
from tests.reports.support import append

NOW = datetime.now(UTC)
TODAY = NOW.date()
ONE_DAY = Period(TODAY, TODAY)
TO_COME = Period(TODAY + timedelta(days=400), TODAY + timedelta(days=400))

OF_A_TYPE: dict[str, Callable[[Period, str], Any]] = {
    "visitors": reports.visitors,
    "explore": reports.explore,
    "properties": reports.properties,
    "paths": reports.paths,
    "funnel": lambda period, name: reports.funnel(period, [reports.step(name)]),
    "funnel over days": lambda period, name: reports.funnel(period, [reports.step(name)], "7d"),
    "retention": lambda period, name: reports.retention(period, "day", event_type=name),
    "returning": lambda period, name: reports.retention(period, "day", reports.step(name)),
}
OF_ALL: dict[str, Callable[[Period], Any]] = {
    "activity": reports.activity,
    "total_activity": reports.total_activity,
    "top_queries": reports.top_queries,
    "top_items": reports.top_items,
    "unmet_demand": reports.unmet_demand,
    "exposure": reports.exposure,
    "dead_end_values": reports.dead_end_values,
    "dead_end_combinations": reports.dead_end_combinations,
    "visitors": reports.visitors,
    "retention": reports.retention,
}


@pytest.fixture(autouse=True)
def host(make_host: MakeHost, database_url: str) -> Iterator[Flask]:
    app = make_host(database_url)
    with app.app_context():
        payload = {"expert_id": "ada", "context": "grid"}
        append(app, [Event(uuid4(), "ada", "card_click", payload, None, NOW, NOW)])
        yield app


def test_one_day_is_a_period() -> None:
    found = reports.visitors(ONE_DAY)
    assert (found.visitors, found.new, found.returning) == (1, 1, 0)
    assert (found.visits, found.events) == (1, 1)
    assert [row.day for row in found.by_day] == [TODAY]
    assert [row.event_type for row in found.by_type] == ["card_click"]
    assert reports.visitors(ONE_DAY, "card_click").visitors == 1
    assert reports.paths(ONE_DAY, "card_click").visits == 1


def test_of_a_day_to_come_there_is_nothing() -> None:
    found = reports.visitors(TO_COME)
    assert (found.visitors, found.new, found.returning, found.visits, found.events) == (0,) * 5
    assert [(row.day, row.visitors) for row in found.by_day] == [(TO_COME.first, 0)]
    assert found.by_type == []


@pytest.mark.parametrize("name", OF_ALL)
@pytest.mark.parametrize("period", [ONE_DAY, TO_COME], ids=["one day", "to come"])
def test_every_question_can_be_asked_of_such_a_day(name: str, period: Period) -> None:
    OF_ALL[name](period)


@pytest.mark.parametrize("name", OF_A_TYPE)
@pytest.mark.parametrize("period", [ONE_DAY, TO_COME], ids=["one day", "to come"])
def test_so_can_those_about_a_type(name: str, period: Period) -> None:
    OF_A_TYPE[name](period, "card_click")


@pytest.mark.parametrize("name", OF_A_TYPE)
def test_a_type_that_is_neither_declared_nor_stored_is_named(name: str) -> None:
    with pytest.raises(UnknownEventType, match=r"card_clik.*did you mean card_click"):
        OF_A_TYPE[name](ONE_DAY, "card_clik")


@pytest.mark.parametrize("name", OF_A_TYPE)
def test_a_type_that_is_stored_and_not_declared_is_counted(host: Flask, name: str) -> None:
    append(host, [Event(uuid4(), "bo", "old_name", {"a": 1}, None, NOW, NOW)])
    OF_A_TYPE[name](ONE_DAY, "old_name")
    assert reports.visitors(ONE_DAY, "old_name").visitors == 1
