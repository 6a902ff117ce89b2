"""The filters of the page of retention, on each kind of database: first visits that meet them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tcs_events.dashboard import create_dashboard
from tests.conftest import MakeHost
from tests.dashboard.conftest import WholeAnswers
from tests.dashboard.visitors import fill, visit

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
PERIOD = {"from": "2026-03-02", "to": "2026-03-04", "unit": "day"}
PLANS: list[Any] = ["pro", "free", None, "Pro", 7, "7"]
"""The plan of each visitor. The visitor of number n comes back after a day if n is even."""


@pytest.fixture
def client(make_host: MakeHost, database_url: str) -> FlaskClient:
    app: Flask = make_host(database_url, TCS_EVENTS_EVENT_TYPES=["sign_up", "booking_done"])
    app.register_blueprint(create_dashboard(lambda: True))
    app.test_client_class = WholeAnswers
    events = []
    for number, plan in enumerate(PLANS):
        session, payload = f"visitor-{number}", {"plan": plan, "price": number / 2}
        events.append(visit(session, "sign_up", MONDAY, 10 * number + 1, **payload))
        if number % 2 == 0:
            later = MONDAY + timedelta(days=1)
            events.append(visit(session, "booking_done", later, 10 * number + 2, plan="pro"))
    early = visit("early", "sign_up", MONDAY - timedelta(days=9), 100, plan="pro")
    fill(app, [*events, early, visit("early", "sign_up", MONDAY, 101, plan="pro")])
    return app.test_client()


def cohorts(client: FlaskClient, **asked: object) -> list[tuple[str, list[int]]]:
    answer = client.get("/insights/api/retention.json", query_string={**PERIOD, **asked})
    assert answer.status_code == 200, answer.text
    return [(row["starts_on"], row["returned"]) for row in answer.get_json()["answer"]["retention"]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [("2026-03-02", [6, 3, 0])]),
        ({"type": "sign_up"}, [("2026-03-02", [6, 3, 0])]),
        ({"type": "booking_done"}, [("2026-03-03", [3, 0])]),
        ({"type": "sign_up", "where": "plan=pro"}, [("2026-03-02", [1, 1, 0])]),
        ({"type": "sign_up", "where": "plan!=pro"}, [("2026-03-02", [5, 2, 0])]),
        ({"type": "sign_up", "where": "plan=null"}, [("2026-03-02", [1, 1, 0])]),
        ({"type": "sign_up", "where": "plan=7"}, [("2026-03-02", [1, 1, 0])]),
        ({"type": "sign_up", "where": ["price>=1", "price<2"]}, [("2026-03-02", [2, 1, 0])]),
        ({"type": "sign_up", "where": "price>99"}, []),
        (
            {"type": "sign_up", "where": "price>=1", "returning": "booking_done[plan=pro]"},
            [("2026-03-02", [4, 2, 0])],
        ),
        ({"where": "price>=1"}, [("2026-03-02", [4, 2, 0])]),
    ],
)
def test_cohorts_begin_with_the_first_event_that_meets_the_filters(
    client: FlaskClient, asked: dict[str, object], expected: list[tuple[str, list[int]]]
) -> None:
    assert cohorts(client, **asked) == expected
    page = client.get("/insights/retention", query_string={**PERIOD, **asked})
    assert page.status_code == 200
    size = expected[0][1][0] if expected else None
    assert (f'<td class="number">{size}</td>' in page.text) == (size is not None)
    csv = client.get("/insights/csv/retention.csv", query_string={**PERIOD, **asked})
    assert len(csv.text.splitlines()) == 1 + len(expected)
