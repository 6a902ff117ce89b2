"""A founder's five questions about the booking site, answered on the dashboard by clicks alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from tcs_events import create_blueprint
from tcs_events.event import Event
from tests.browser.conftest import Site, serving
from tests.browser.founder import Founder, number, visits
from tests.browser.test_tutorial import PASSWORD, BookingSite
from tests.reports.support import fill
from tests.support import need_module
from tests.tutorial import EVENT_TYPES, shown_command, write_site

MOST_ACTS = 5
"""The most clicks and choices to an answer, from the first page of the dashboard."""
NOW = datetime.now(UTC)
EVENTS = visits(NOW)
FIRST_DAY = NOW.date() - timedelta(days=29)
LAST_30_DAYS = [event for event in EVENTS if event.created_at.date() >= FIRST_DAY]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The booking site, with visitors and a member of its staff."""
    for module in ("celery", "flask_login"):
        need_module(module)
    folder = tmp_path_factory.mktemp("rooms")
    url = f"sqlite:///{folder}/rooms.db"
    write_site(folder)
    with (folder / "config.py").open("a") as config:
        config.write("\nTCS_EVENTS_REPORT_TIMEOUT_MS = 100_000  # for a busy machine\n")
    booking = BookingSite(folder, url, "")
    booking.run(shown_command("create-tables"))
    booking.add_user("ada@example.com", "--staff")
    app, db = Flask(__name__), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    app.register_blueprint(create_blueprint(event_types=EVENT_TYPES))
    with app.app_context():
        fill(app, EVENTS)
        db.engine.dispose()
    app.extensions["tcs_events"].close()
    with serving(folder) as serve:
        yield serve("app:app", url, **booking.environment)


@pytest.fixture
def founder(site: Site, page: Any) -> Founder:
    """A founder who has logged in, and so is on the first page of the dashboard."""
    page.goto(f"{site.url}/login")
    page.get_by_label("E-mail").fill("ada@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/insights/")
    return Founder(page)


def of_type(events: Sequence[Event], event_type: str) -> list[Event]:
    return [event for event in events if event.event_type == event_type]


def test_how_many_bookings_of_each_plan(founder: Founder) -> None:
    founder.follow("booking_done")
    founder.choose("Measure", "events")
    founder.show()
    bookings = Counter(event.payload["plan"] for event in of_type(LAST_30_DAYS, "booking_done"))
    shown = {plan: number(cells[0]) for plan, cells in founder.rows("Rows of the values").items()}
    assert shown == {**bookings, "Total": bookings.total()}
    assert founder.acts <= MOST_ACTS


def test_the_revenue_of_each_room_by_week(founder: Founder) -> None:
    founder.follow("booking_done")
    founder.choose("Property", "room_id")
    founder.choose("Measure", "sum(price)")
    founder.choose("Over time", "by week")
    founder.show()
    revenue: Counter[tuple[date, str]] = Counter()
    for event in of_type(LAST_30_DAYS, "booking_done"):
        day = event.created_at.date()
        monday = max(day - timedelta(days=day.weekday()), FIRST_DAY)
        revenue[monday, event.payload["room_id"]] += event.payload["price"]
        revenue[monday, "All values"] += event.payload["price"]
    table = founder.page.get_by_role("region", name="sum(price) by room_id and week")
    _, *rooms = table.locator("thead th").all_inner_texts()
    shown = {
        (datetime.strptime(week.removesuffix(" so far"), "%d %b %Y"), room): cell
        for week, cells in founder.rows("sum(price) by room_id and week").items()
        for room, cell in zip(rooms, cells, strict=True)
    }
    in_numbers = {(week.date(), room): number(cell) for (week, room), cell in shown.items()}
    assert {place: cell for place, cell in in_numbers.items() if cell} == revenue
    assert table.is_visible()
    assert founder.acts <= MOST_ACTS


def test_the_paths_that_most_visits_take(founder: Founder) -> None:
    founder.go_to("Paths")
    founder.choose("Event type", "room_opened")
    founder.show()
    paths: Counter[str] = Counter()
    in_order = sorted(LAST_30_DAYS, key=lambda event: (event.session_id, event.created_at))
    for _, visit in groupby(in_order, lambda event: (event.session_id, event.created_at.date())):
        types = [event.event_type for event in visit]
        if "room_opened" in types:
            after = types[types.index("room_opened") + 1 :]
            steps = after[:3] if len(after) >= 3 else [*after, "(end of the visit)"]
            paths[" → ".join(steps)] += 1
    shown = {path: number(cells[0]) for path, cells in founder.rows("Rows of Paths").items()}
    assert shown == paths
    assert founder.acts <= MOST_ACTS


def test_the_searches_that_found_nothing(founder: Founder) -> None:
    founder.go_to("Unmet demand")
    asked = {
        (event.payload["text"].strip().lower(), event.session_id, event.created_at.date())
        for event in of_type(LAST_30_DAYS, "search")
        if event.payload["found"] == 0
    }
    in_vain = Counter(query for query, _, _ in asked)
    rows = founder.rows("Rows of Queries without an answer")
    titles = founder.page.locator("thead th").all_inner_texts()
    column = titles.index("Not available") - 1
    assert {query: n for query, cells in rows.items() if (n := number(cells[column]))} == in_vain
    assert len(in_vain) == 3
    assert founder.acts <= MOST_ACTS

    founder.follow("moon")
    searches = [
        event
        for event in of_type(LAST_30_DAYS, "search")
        if "moon" in event.payload["text"].lower()
    ]
    visits = {(event.session_id, event.created_at.date()) for event in searches}
    shown = founder.rows("Rows of the values")
    assert shown["Total"][0] == f"{len(visits)}" == shown["0"][0]
    assert shown["Total"][-1] == f"{len(searches)}"


def test_who_signs_up_and_books_within_30_days_by_plan(founder: Founder) -> None:
    founder.follow("sign_up")
    founder.follow("a funnel from sign_up, by plan")
    founder.choose_step(2, "booking_done")
    founder.show()
    signed_up: Counter[str] = Counter()
    booked: Counter[str] = Counter()
    for sign_up in of_type(LAST_30_DAYS, "sign_up"):
        plan = sign_up.payload["plan"]
        signed_up[plan] += 1
        booked[plan] += any(
            booking.session_id == sign_up.session_id
            and timedelta() < booking.created_at - sign_up.created_at <= timedelta(days=30)
            for booking in of_type(EVENTS, "booking_done")
        )
    rows = founder.rows("Steps by plan")
    shown = {plan: (number(cells[0]), number(cells[1])) for plan, cells in rows.items()}
    assert shown == {plan: (signed_up[plan], booked[plan]) for plan in signed_up}
    assert sum(booked.values()) > 5
    assert founder.acts <= MOST_ACTS
