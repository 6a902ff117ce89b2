"""What the host's own code records is stored as if a browser had sent it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from marshmallow import Schema, fields
from structlog.testing import capture_logs

from tcs_events import (
    BodyTooLarge,
    ConfigError,
    DatabaseMissing,
    EventInvalid,
    EventType,
    StoreUnavailable,
    TcsEventsError,
    UserEvent,
    UserEventRejection,
    create_blueprint,
    event_accepted,
    event_rejected,
    events_bp,
    track,
)
from tests.conftest import MakeHost
from tests.support import need_module, post, stored
from tests.tracking.conftest import MakeShop, Shop

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Booking(Schema):
    price = fields.Decimal(required=True)
    arrival = fields.Date()


BOOKING = create_blueprint(event_types=[EventType("booking_done", Booking), "room_opened"])


def outcomes(app: Flask) -> dict[tuple[str, str], int]:
    counted = app.extensions["tcs_events"].counters.counted()
    return {(str(outcome), why): count for (outcome, why), count in counted.outcomes.items()}


def request(app: Flask, headers: dict[str, str] | None = None, **arguments: Any) -> UUID | None:
    """Record an event in a request to the host."""
    with app.test_request_context(headers=headers):
        return track("card_click", {"of": "view"}, **arguments)


def test_an_event_is_stored_as_that_of_a_browser(shop: Shop) -> None:
    event_id = uuid4()
    assert post(shop.app, payload={"of": "browser"}, email="ada@example.com").status_code == 202
    with shop.app.app_context(), capture_logs() as lines:
        assert (
            track(
                "card_click",
                {"of": "python"},
                session_id="visitor-1",
                email="ada@example.com",
                event_id=event_id,
            )
            == event_id
        )
        browser, python = UserEvent.query.order_by(UserEvent.id)
        for name in ("session_id", "event_type", "email"):
            assert getattr(python, name) == getattr(browser, name)
        assert python.payload == {"of": "python"}
        assert python.event_id == event_id
        assert python.created_at == python.received_at
        assert shop.outcomes() == {("accepted", ""): 2}
    assert lines == [
        {
            "event": "tcs_events.event_accepted",
            "log_level": "info",
            "event_type": "card_click",
            "event_id": str(event_id),
        }
    ]


def test_an_event_is_stored_once(shop: Shop) -> None:
    event_id = str(uuid4())
    with shop.app.app_context():
        for _ in range(2):
            assert track("card_click", session_id="s", event_id=event_id) == UUID(event_id)
    assert len(shop.rows()) == 1
    assert shop.outcomes() == {("accepted", ""): 1, ("duplicate", ""): 1}


def test_the_session_of_the_request_is_found(shop: Shop) -> None:
    request(shop.app, {"X-TCS-Session-ID": "by-header", "Cookie": "tcs_session_id=by-cookie"})
    request(shop.app, {"Cookie": "tcs_session_id=by-cookie"})
    request(shop.app, {"Cookie": "tcs_session_id=by-cookie"}, session_id="by-argument")
    sessions = [row["session_id"] for row in shop.rows()]
    assert sessions == ["by-header", "by-cookie", "by-argument"]


def test_a_request_without_a_session_stores_nothing(shop: Shop) -> None:
    """Its visitor may not have consented. That must not break the first page of each visitor."""
    with capture_logs() as lines:
        assert request(shop.app) is None
    assert shop.rows() == []
    assert shop.outcomes() == {("opted_out", "no_session"): 1}
    [warning] = [line for line in lines if line["log_level"] == "warning"]
    assert warning["event"] == "tcs_events.session_missing"
    assert "X-TCS-Session-ID" in warning["remedy"]
    shop.app.testing = False
    with capture_logs() as lines:
        assert request(shop.app) is None
    assert [line for line in lines if line["log_level"] == "warning"] == []


def test_without_a_request_a_missing_session_is_an_error(shop: Shop) -> None:
    with shop.app.app_context(), pytest.raises(EventInvalid) as caught:
        track("card_click")
    assert caught.value.errors == {
        "session_id": ["Outside a request, pass the visitor's session: `session_id=...`."]
    }
    assert shop.outcomes() == {("invalid", "session_id"): 1}


@pytest.mark.parametrize(
    ("headers", "reason"), [({"Sec-GPC": "1"}, "gpc"), ({"DNT": "1"}, "dnt")], ids=["gpc", "dnt"]
)
def test_a_visitor_who_opted_out_stays_so(
    make_shop: MakeShop, sqlite_url: str, headers: dict[str, str], reason: str
) -> None:
    shop = make_shop(sqlite_url, TCS_EVENTS_RESPECT_DNT=True)
    named = {**headers, "X-TCS-Session-ID": "visitor"}
    assert request(shop.app, named) is None
    assert request(shop.app, named, session_id="visitor") is None
    by_id = {**headers, "X-TCS-Session-ID": str(UUID(int=7))}
    assert request(shop.app, by_id, session_id=UUID(int=7)) is None
    assert request(shop.app, headers, session_id="visitor") is None
    assert request(shop.app, named, after_commit=True) is None
    assert shop.rows() == []
    assert shop.outcomes() == {("opted_out", reason): 5}
    # The request is that of somebody else, such as one of the host's staff.
    assert request(shop.app, named, session_id="another visitor") is not None
    with shop.app.app_context():
        assert track("card_click", session_id="visitor") is not None


def test_a_crawler_is_screened_by_its_own_session(make_shop: MakeShop, sqlite_url: str) -> None:
    need_module("crawleruseragents")
    shop = make_shop(sqlite_url, TCS_EVENTS_BOTS="drop")
    crawler = {"User-Agent": GOOGLEBOT}
    assert request(shop.app, {**crawler, "X-TCS-Session-ID": "crawler"}) is None
    assert shop.outcomes() == {("bot", "crawler"): 1}
    # A service that reports a payment is a crawler by its user agent, and names a visitor.
    assert request(shop.app, crawler, session_id="visitor") is not None


def test_no_limit_applies(make_shop: MakeShop, sqlite_url: str) -> None:
    need_module("limits")
    shop = make_shop(
        sqlite_url, TCS_EVENTS_CLIENT_LIMIT="1 per hour", TCS_EVENTS_SESSION_LIMIT="1 per hour"
    )
    for _ in range(3):
        assert request(shop.app, {"X-TCS-Session-ID": "visitor"}) is not None
    assert post(shop.app).status_code == 202
    assert post(shop.app).status_code == 429


def test_payloads_are_scrubbed(make_shop: MakeShop, sqlite_url: str) -> None:
    shop = make_shop(sqlite_url, TCS_EVENTS_SCRUB_FIELDS=["note"])
    with shop.app.app_context():
        track("card_click", {"of": "x", "note": "ada@example.com"}, session_id="s")
        [found] = UserEvent.query
        assert "ada@example.com" not in found.payload["note"]


def test_an_address_that_is_none_is_left_out(shop: Shop) -> None:
    with shop.app.app_context():
        assert track("card_click", session_id="s", email="nobody") is not None
        assert UserEvent.query.one().email is None
    assert shop.app.extensions["tcs_events"].counters.counted().notes == {"emails_left_out": 1}


def test_python_values_are_written_as_text(make_shop: MakeShop, sqlite_url: str) -> None:
    shop = make_shop(sqlite_url, BOOKING)
    room_id = UUID(int=7)
    payload = {
        "room_id": room_id,
        "price": Decimal("120.50"),
        "arrival": date(2026, 12, 24),
        "at": datetime(2026, 12, 24, 18, tzinfo=UTC),
        "tags": ("sea", "näh"),
    }
    with shop.app.app_context():
        track("room_opened", payload, session_id="s")
        track(
            "booking_done",
            {"price": Decimal("120.50"), "arrival": date(2026, 12, 24)},
            session_id="s",
        )
        opened, done = UserEvent.query.order_by(UserEvent.id)
        assert opened.payload == {
            "room_id": str(room_id),
            "price": "120.50",
            "arrival": "2026-12-24",
            "at": "2026-12-24T18:00:00+00:00",
            "tags": ["sea", "näh"],
        }
        assert done.payload == {"price": "120.50", "arrival": "2026-12-24"}


class Colour(Enum):
    RED = "red"


ENUM = "Is an Enum. Pass its `name` or its `value`, as the schema takes it."
HOLDS_ITSELF: dict[str, Any] = {}
HOLDS_ITSELF["of"] = HOLDS_ITSELF
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an unknown type": (
        {"event_type": "unheard_of"},
        {"event_type": ["Must be one of: booking_done, room_opened."]},
    ),
    "a missing field": (
        {"event_type": "booking_done"},
        {"payload": {"price": ["Missing data for required field."]}},
    ),
    "a payload that is a list": ({"payload": ["x"]}, {"payload": ["Not a valid mapping type."]}),
    "a set": (
        {"payload": {"a": {"tags": {1}}}},
        {"payload": {"a": {"tags": ["Is a set, which has no form in JSON."]}}},
    ),
    "an Enum": (
        {"payload": {"a": [0, Colour.RED]}},
        {"payload": {"a": {1: [ENUM]}}},
    ),
    "a key": (
        {"payload": {(1, 2): 3}},
        {"payload": {"(1, 2)": ["Is a key of type tuple. Keys must be texts."]}},
    ),
    "a payload that holds itself": (
        {"payload": HOLDS_ITSELF},
        {"payload": ["Holds itself, or is nested too deep."]},
    ),
    "half an emoji": (
        {"payload": {"a": "\ud83d"}},
        {"_schema": ["The body holds half of a surrogate pair."]},
    ),
    "not a number": (
        {"payload": {"a": float("nan")}},
        {"_schema": ["The body is not valid JSON: NaN is not a number."]},
    ),
    "a session that is none": (
        {"session_id": "   "},
        {"session_id": ["Must be printable characters, and not only spaces."]},
    ),
    "an id that is none": ({"event_id": "7"}, {"event_id": ["Not a valid UUID."]}),
    "a time without a zone": (
        {"at": datetime(2026, 1, 1)},
        {"at": ["Is no time with a time zone, such as `datetime.now(UTC)`."]},
    ),
}
NO_JSON = {
    "a set",
    "an Enum",
    "a key",
    "a payload that holds itself",
    "not a number",
    "a time without a zone",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_allowed_is_refused(make_shop: MakeShop, sqlite_url: str, name: str) -> None:
    changes, errors = REFUSED[name]
    shop = make_shop(sqlite_url, BOOKING, TCS_EVENTS_KEEP_REJECTED=10)
    heard: list[Any] = []
    arguments = {"event_type": "room_opened", "session_id": "s", **changes}

    def receiver(app: Flask, sent: object, errors: object) -> None:
        heard.append(errors)

    with event_rejected.connected_to(receiver, sender=shop.app), shop.app.app_context():
        with pytest.raises(EventInvalid) as caught:
            track(**arguments)
        assert caught.value.errors == errors
        for mode in ("debug", "production"):
            shop.app.testing, shop.app.debug = False, mode == "debug"
            if shop.app.debug:
                with pytest.raises(EventInvalid):
                    track(**arguments)
                continue
            with capture_logs() as lines:
                assert track(**arguments) is None
            [line] = lines
            assert line["event"] == "tcs_events.event_invalid"
            assert line["fields"] == list(errors)
        # One that is no JSON cannot be stored later either.
        assert UserEventRejection.query.count() == (0 if name in NO_JSON else 3)
    reason = min(errors).removeprefix("_")
    assert shop.outcomes() == {("invalid", reason): 3}
    assert heard == [errors] * 3
    assert shop.rows() == []


def test_what_is_no_json_has_a_path_and_a_code(shop: Shop) -> None:
    payload = {"a": [0, {"b": {1, 2}}]}
    with shop.app.app_context(), pytest.raises(EventInvalid) as caught:
        track("card_click", payload, session_id="s")
    message = "Is a set, which has no form in JSON."
    assert caught.value.details == [{"path": "payload.a[1].b", "code": "type", "message": message}]
    with shop.app.app_context(), pytest.raises(EventInvalid) as caught:
        track("card_click")
    [detail] = caught.value.details
    assert (detail["path"], detail["code"]) == ("session_id", "required")


def test_a_payload_has_the_limit_of_a_body(make_shop: MakeShop, sqlite_url: str) -> None:
    shop = make_shop(sqlite_url, TCS_EVENTS_MAX_BODY_BYTES=2000)
    with shop.app.app_context():
        assert track("card_click", {"of": "x" * 1700}, session_id="s") is not None
        with pytest.raises(BodyTooLarge):
            track("card_click", {"of": "x" * 2000}, session_id="s")
    assert shop.outcomes() == {("accepted", ""): 1, ("invalid", "too_large"): 1}


def test_the_time_is_kept_to_the_microsecond(shop: Shop) -> None:
    at = datetime.now(UTC) - timedelta(days=2, microseconds=1)
    with shop.app.app_context():
        track("card_click", session_id="s", at=at)
        track("card_click", session_id="s", at=datetime.now(UTC) + timedelta(days=1))
        past, future = UserEvent.query.order_by(UserEvent.id)
        assert past.created_at.replace(tzinfo=UTC) == at
        assert future.created_at == future.received_at
    notes = shop.app.extensions["tcs_events"].counters.counted().notes
    assert notes == {"ages_corrected": 1}


def test_receivers_are_told(shop: Shop) -> None:
    heard: list[Any] = []

    def receiver(app: Flask, event: Any) -> None:
        heard.append(event.payload)

    with event_accepted.connected_to(receiver, sender=shop.app), shop.app.app_context():
        track("card_click", {"of": "python"}, session_id="s")
    assert heard == [{"of": "python"}]


def without_a_table(make_shop: MakeShop, url: str) -> Flask:
    return make_shop(url, create=False).app


def without_a_database(make_shop: MakeShop, url: str) -> Flask:
    app = Flask("host")
    app.register_blueprint(events_bp)
    return app


def without_the_blueprint(make_shop: MakeShop, url: str) -> Flask:
    return Flask("host")


BROKEN: list[tuple[Callable[[MakeShop, str], Flask], type[TcsEventsError], str, str]] = [
    (without_a_table, StoreUnavailable, "table_missing", "tcs_events.table_missing"),
    (without_a_database, DatabaseMissing, "misconfigured", "tcs_events.database_missing"),
    (without_the_blueprint, ConfigError, "", "tcs_events.misconfigured"),
]


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize(("make", "error", "reason", "line"), BROKEN)
def test_a_host_that_is_not_set_up(
    make_shop: MakeShop,
    sqlite_url: str,
    make: Callable[[MakeShop, str], Flask],
    error: type[TcsEventsError],
    reason: str,
    line: str,
    after_commit: bool,
) -> None:
    app = make(make_shop, sqlite_url)
    with app.app_context(), capture_logs() as lines:
        for mode in ("production", "testing", "debug"):
            app.testing, app.debug = mode == "testing", mode == "debug"
            if mode == "production":
                assert track("card_click", session_id="s", after_commit=after_commit) is None
            else:
                with pytest.raises(error):
                    track("card_click", session_id="s", after_commit=after_commit)
    assert line in [each["event"] for each in lines]
    assert all(each.get("remedy") for each in lines if each["event"] == line)
    if reason:
        assert outcomes(app) == {("failed", reason): 3}


def test_an_error_in_a_schema_of_the_host_breaks_no_page(
    make_shop: MakeShop, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop(sqlite_url)
    reader = shop.app.extensions["tcs_events"].reader

    def fail(*_: object) -> None:
        raise ZeroDivisionError("about ada@example.com")

    monkeypatch.setattr(reader, "_load", fail)
    monkeypatch.setattr(reader, "_precheck", fail)
    with shop.app.app_context():
        with pytest.raises(ZeroDivisionError):
            track("card_click", session_id="s")
        shop.app.testing = False
        with capture_logs() as lines:
            assert track("card_click", session_id="s") is None
        shop.app.debug = True
        shop.db.session.add(shop.order())
        with pytest.raises(ZeroDivisionError):
            track("card_click", session_id="s", after_commit=True)
    [line] = lines
    assert line["event"] == "tcs_events.track_failed"
    assert line["reason"] == "ZeroDivisionError"
    assert "ada@example.com" not in str(line)
    assert shop.outcomes() == {("failed", "error"): 3}


def test_it_says_that_it_needs_an_app_context(shop: Shop) -> None:
    caught: list[Exception] = []

    def task() -> None:
        try:
            track("card_click", session_id="s")
        except ConfigError as error:
            caught.append(error)

    with shop.app.app_context():
        thread = threading.Thread(target=task)
        thread.start()
        thread.join()
    assert "with app.app_context():" in str(caught[0])


def test_a_command_of_the_host_records(shop: Shop) -> None:
    @shop.app.cli.command("import-orders")
    def import_orders() -> None:
        track("card_click", {"of": "command"}, session_id="s")

    result = shop.app.test_cli_runner().invoke(args=["import-orders"])
    assert result.exit_code == 0, result.output
    assert shop.recorded() == ["command"]


def test_each_app_records_into_its_own_database(make_host: MakeHost, tmp_path: Any) -> None:
    apps = [make_host(f"sqlite:///{tmp_path}/{name}.db") for name in "ab"]
    with apps[0].app_context(), apps[1].app_context():
        track("card_click", {"of": "b"}, session_id="s")
    assert [len(stored(app)) for app in apps] == [0, 1]
