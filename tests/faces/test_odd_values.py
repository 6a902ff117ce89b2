"""An event with a wrong clock or an invalid e-mail address is stored all the same."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tcs_events.wsgi import EventsMiddleware
from tests.conftest import MakeHost
from tests.support import URL, card_click, stored

SEVEN_DAYS_MS = 7 * 24 * 3600 * 1000
AGES: dict[str, int] = {  # as it stands in the body, and what it means
    "-1": 0,
    "-0.5": 0,
    "-0.0": 0,
    str(-(2**53) - 7): 0,
    "-1e300": 0,
    str(SEVEN_DAYS_MS + 1): SEVEN_DAYS_MS,
    str(2**53): SEVEN_DAYS_MS,
    str(10**30): SEVEN_DAYS_MS,
    "1e21": SEVEN_DAYS_MS,
    "1e400": SEVEN_DAYS_MS,
    "12.5": 12,
    "604800000.7": SEVEN_DAYS_MS,
    "5.0": 5,
    "null": 0,
    "true": 0,
    '"5000"': 0,
    '""': 0,
    r'"\u0000"': 0,
    r'"\ud800"': 0,
    "[7]": 0,
    "{}": 0,
    "[" * 40 + "]" * 40: 0,
    f"[{2**60}]": 0,
}
NO_ADDRESSES: list[str] = [
    '""',
    '" "',
    '"ada"',
    '"ada@"',
    '"@example.com"',
    '"ada@example"',
    '"a@b@example.com"',
    '"ada@example.com\\n"',
    '"ada@exam ple.com"',
    '"mailto:ada@example.com"',
    '"Ada <ada@example.com>"',
    '"ada@example.com, bob@example.com"',
    json.dumps("a" * 310 + "@example.com"),
    r'"ada\u0000@example.com"',
    r'"\ud83d@example.com"',
    "7",
    str(2**60),
    "true",
    "false",
    '["ada@example.com"]',
    '{"address": "ada@example.com"}',
    "[" * 40 + "]" * 40,
]


@pytest.fixture(params=["view", "middleware"])
def app(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> Flask:
    app = make_host(sqlite_url)
    if request.param == "middleware":
        app.wsgi_app = EventsMiddleware(app)
    return app


def body(field: str, text: str, **changes: object) -> str:
    """Return a valid event with a field whose JSON is the given text."""
    event = json.dumps(card_click(**changes))
    return f'{event[:-1]}, "{field}": {text}}}'


def age(row: dict[str, Any]) -> timedelta:
    happened, received = (datetime.fromisoformat(row[n]) for n in ("created_at", "received_at"))
    return received - happened


def notes(app: Flask) -> dict[str, int]:
    found: dict[str, int] = app.extensions["tcs_events"].counters.counted().notes
    return found


@pytest.mark.parametrize("text", AGES)
def test_an_age_that_no_clock_can_mean_is_clamped(app: Flask, text: str) -> None:
    answer = app.test_client().post(URL, data=body("age_ms", text))
    assert (answer.status_code, answer.json) == (202, {"status": "accepted"})
    [row] = stored(app)
    assert age(row) == timedelta(milliseconds=AGES[text])
    assert json.loads(row["payload"]) == card_click()["payload"]
    assert notes(app) == {"ages_corrected": 1}


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_an_address_that_is_none_is_left_out(app: Flask, text: str) -> None:
    answer = app.test_client().post(URL, data=body("email", text))
    assert (answer.status_code, answer.json) == (202, {"status": "accepted"})
    [row] = stored(app)
    assert row["email"] is None
    assert json.loads(row["payload"]) == card_click()["payload"]
    assert notes(app) == {"emails_left_out": 1}


def test_good_values_are_not_counted(app: Flask) -> None:
    for changes in (
        {},
        {"email": None},
        {"email": "ada@example.com"},
        {"age_ms": 0},
        {"age_ms": SEVEN_DAYS_MS},
    ):
        assert app.test_client().post(URL, json=card_click(**changes)).status_code == 202
    assert notes(app) == {}


def test_in_a_batch_too(app: Flask) -> None:
    events = [body("age_ms", text) for text in AGES] + [body("email", t) for t in NO_ADDRESSES]
    for start in range(0, len(events), 20):
        batch = f'{{"events": [{",".join(events[start : start + 20])}]}}'
        answer = app.test_client().post(f"{URL}/batch", data=batch)
        assert (answer.status_code, answer.json["rejected"]) == (202, [])
    assert len(stored(app)) == len(events)
    assert notes(app) == {"ages_corrected": len(AGES), "emails_left_out": len(NO_ADDRESSES)}


def test_a_repeat_keeps_the_time_of_the_first(app: Flask) -> None:
    an_id = "5d3a4c1e-8c54-4f0c-9f6e-0d6a3f1f2b11"
    for text in ("1000", "1e21"):
        answer = app.test_client().post(URL, data=body("age_ms", text, event_id=an_id))
        assert answer.status_code == 202
    [row] = stored(app)
    assert age(row) == timedelta(seconds=1)


@pytest.mark.parametrize("text", AGES)
def test_who_a_session_belongs_to_is_kept_with_any_age(app: Flask, text: str) -> None:
    sent = f'{{"session_id": "s", "email": "ada@example.com", "age_ms": {text}}}'
    before = datetime.now(UTC)
    assert app.test_client().post(f"{URL}/identify", data=sent).status_code == 202
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        with engine.connect() as connection:
            [row] = connection.exec_driver_sql("SELECT * FROM user_event_identities").mappings()
    assert age(dict(row)) == timedelta(milliseconds=AGES[text])
    assert datetime.fromisoformat(row["received_at"]).replace(tzinfo=UTC) >= before
    assert notes(app) == {"ages_corrected": 1}


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_identify_without_an_address_has_nothing_to_keep(app: Flask, text: str) -> None:
    answer = app.test_client().post(
        f"{URL}/identify", data=f'{{"session_id": "s", "email": {text}}}'
    )
    assert answer.status_code == 422
    assert set(answer.json["errors"]) <= {"email", "_schema"}


@pytest.mark.parametrize("field", ["payload", "session_id", "event_id"])
def test_what_else_is_wrong_is_refused_all_the_same(app: Flask, field: str) -> None:
    for text in (r'"\u0000"', str(2**60), "[" * 40 + "]" * 40):
        changes = {field: ...}
        sent = body(field, text, email="", **changes)  # type: ignore[arg-type]
        assert app.test_client().post(URL, data=sent).status_code == 422
    assert stored(app) == []
    assert notes(app) == {}


def test_python_s_own_infinities_mean_no_time_either() -> None:
    from tcs_events.event_types.schemas import known_age_ms

    assert known_age_ms(math.nan) == 0
    assert known_age_ms(math.inf) == SEVEN_DAYS_MS
    assert known_age_ms(-math.inf) == 0


def test_the_notes_are_told_to_whoever_watches(app: Flask) -> None:
    prometheus_client = pytest.importorskip(
        "prometheus_client", reason="needs prometheus-client: pip install -e '.[prometheus]'"
    )
    from tcs_events.prometheus import register_metrics

    registry = prometheus_client.CollectorRegistry()
    register_metrics(app, registry)
    app.test_client().post(URL, json=card_click(email="", age_ms=-1))
    for note in ("emails_left_out", "ages_corrected"):
        value = registry.get_sample_value("tcs_events_notes_total", {"note": note})
        assert value == 1
