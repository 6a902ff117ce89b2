"""A client and a session may send a limited number of events. The others are answered 429."""

from __future__ import annotations

import pytest

pytest.importorskip("limits", reason="needs limits: pip install -e '.[test]'")

import subprocess
import sys
import threading
from collections.abc import Callable

from flask import Flask
from structlog.testing import capture_logs
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from tcs_events import ConfigError
from tcs_events.event import Outcome
from tcs_events.intake import rate_limits
from tcs_events.intake.rate_limits import network_of
from tcs_events.intake.windows import MemoryWindows
from tcs_events.wsgi import EventsMiddleware
from tests import spoofing
from tests.conftest import MakeHost
from tests.support import ROOT, URL, card_click, post, stored
from tests.test_settings import message_for

MakeLimited = Callable[..., Flask]
SPOOFED = 10_000


@pytest.fixture(params=["view", "middleware"])
def limited(request: pytest.FixtureRequest, make_host: MakeHost, sqlite_url: str) -> MakeLimited:
    def make(**settings: object) -> Flask:
        config = {f"TCS_EVENTS_{name.upper()}": value for name, value in settings.items()}
        app = make_host(sqlite_url, **config)
        if request.param == "middleware":
            app.wsgi_app = EventsMiddleware(app)
        return app

    return make


def batch(app: Flask, *events: dict[str, object]) -> TestResponse:
    return app.test_client().post(f"{URL}/batch", json={"events": list(events)})


def outcomes(app: Flask) -> dict[tuple[Outcome, str], int]:
    return app.extensions["tcs_events"].counters.counted().outcomes


def test_what_is_too_much_from_one_client_is_to_be_sent_again(limited: MakeLimited) -> None:
    app = limited(client_limit="2/hour")
    with capture_logs() as logs:
        answers = [post(app, session_id=f"session {number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 3600
    assert answers[2].json == {
        "errors": {"_schema": ["Too many events from one client. Send it again later."]}
    }
    [entry] = [entry for entry in logs if entry["event"] == "tcs_events.event_limited"]
    assert entry == {"event": "tcs_events.event_limited", "by": "client", "log_level": "info"}
    assert outcomes(app) == {(Outcome.ACCEPTED, ""): 2, (Outcome.LIMITED, "client"): 1}
    assert len(stored(app)) == 2


def test_other_clients_are_not_in_it(limited: MakeLimited) -> None:
    client = limited(client_limit="1/hour").test_client()
    for address, status in (("10.0.0.1", 202), ("10.0.0.1", 429), ("10.0.0.2", 202)):
        environ = {"REMOTE_ADDR": address}
        assert client.post(URL, json=card_click(), environ_base=environ).status_code == status


def test_a_visitor_has_a_whole_network_of_ipv6(limited: MakeLimited) -> None:
    client = limited(client_limit="1/hour").test_client()
    for address, status in (("2001:db8::1", 202), ("2001:db8::2", 429), ("2001:db8:0:1::1", 202)):
        environ = {"REMOTE_ADDR": address}
        assert client.post(URL, json=card_click(), environ_base=environ).status_code == status


def test_a_session_has_a_limit_of_its_own(limited: MakeLimited) -> None:
    app = limited(session_limit="1/hour")
    statuses = [post(app, session_id=session).status_code for session in ("a", "a", "b")]
    assert statuses == [202, 429, 202]
    assert outcomes(app)[Outcome.LIMITED, "session"] == 1


def test_identify_counts_as_an_event(limited: MakeLimited) -> None:
    app = limited(client_limit="1/hour")
    body = {"session_id": "visitor-1", "email": "ada@example.com"}
    statuses = [app.test_client().post(f"{URL}/identify", json=body).status_code for _ in range(2)]
    assert statuses == [202, 429]


def test_events_are_counted_and_not_requests(limited: MakeLimited) -> None:
    app = limited(client_limit="4/hour")
    assert batch(app, *[card_click()] * 3).status_code == 202
    assert [post(app).status_code for _ in range(2)] == [202, 429]
    assert outcomes(app) == {(Outcome.ACCEPTED, ""): 4, (Outcome.LIMITED, "client"): 1}


def test_a_batch_dearer_than_the_limit_is_taken_whole_and_waited_for(limited: MakeLimited) -> None:
    app = limited(client_limit="4/hour")
    assert batch(app, *[card_click()] * 50).status_code == 202
    refused = batch(app, *[card_click()] * 50)
    assert refused.status_code == 429
    # 50 count as less than 4 when 46/50 of the next hour are over.
    assert int(refused.headers["Retry-After"]) > 3000
    assert outcomes(app) == {(Outcome.ACCEPTED, ""): 50, (Outcome.LIMITED, "client"): 50}


def test_a_batch_with_one_session_too_many_is_counted_to_no_session(limited: MakeLimited) -> None:
    app = limited(session_limit="1/hour")
    assert post(app, session_id="spent").status_code == 202
    mixed = [card_click(session_id="fresh"), card_click(session_id="spent")]
    assert batch(app, *mixed).status_code == 429
    assert post(app, session_id="fresh").status_code == 202


def test_made_up_sessions_push_no_client_out(
    limited: MakeLimited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MemoryWindows", lambda: MemoryWindows(max_keys=3))
    client = limited(client_limit="5/hour", session_limit="99/hour").test_client()

    def statuses(address: str) -> list[int]:
        return [
            client.post(
                URL,
                json=card_click(session_id=f"made up {number}"),
                environ_base={"REMOTE_ADDR": address},
            ).status_code
            for number in range(5)
        ]

    assert statuses("192.0.2.1") == [202] * 5
    assert statuses("192.0.2.2") == [202] * 5
    assert statuses("192.0.2.1") == [429] * 5


def test_counting_in_memory_starts_no_timer(
    limited: MakeLimited, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Timer] = []
    monkeypatch.setattr(threading.Timer, "start", started.append)
    app = limited(client_limit="1/hour", session_limit="1/hour")
    assert [post(app).status_code for _ in range(2)] == [202, 429]
    assert started == []


def test_ten_thousand_claimed_addresses_are_one_client(limited: MakeLimited) -> None:
    app = limited(client_limit="100/day")
    with capture_logs():
        counted = spoofing.statuses(app, SPOOFED, spoofing.claimed)
    assert counted == {202: 100, 429: SPOOFED - 100}


def test_a_limiter_that_believed_the_header_would_let_them_all_through(
    limited: MakeLimited,
) -> None:
    """The control of the test above: it notices a limiter that can be bypassed."""
    app = limited(client_limit="100/day")
    assert spoofing.statuses(app, 300, spoofing.believed) == {202: 300}


def test_with_proxy_fix_the_hop_that_the_proxy_wrote_counts(limited: MakeLimited) -> None:
    app = limited(client_limit="100/day")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
    with capture_logs():
        counted = spoofing.statuses(app, 1000, spoofing.through_proxy)
    assert counted == {202: 2 * 100, 429: 800}


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::6", "2001:db8:1:3::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.2", "192.0.2.2"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix:", "unix:"),
        ("192.0.2.1:4711", "192.0.2.1:4711"),
        ("\udcff:", "\udcff:"),
    ],
)
def test_an_ipv6_network_is_one_client(address: str, client: str) -> None:
    assert network_of(address) == client


@pytest.mark.parametrize("address", ["", "\udcff:", "::", "x" * 5000])
def test_no_address_is_an_error(limited: MakeLimited, address: str) -> None:
    client = limited(client_limit="1/hour").test_client()
    environ = {"REMOTE_ADDR": address}
    statuses = [
        client.post(URL, json=card_click(), environ_base=environ).status_code for _ in range(2)
    ]
    assert statuses == [202, 429]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"TCS_EVENTS_CLIENT_LIMIT": "plenty"},
            "TCS_EVENTS_CLIENT_LIMIT must be a limit such as '600/minute' or None, not 'plenty'.",
        ),
        (
            {"TCS_EVENTS_CLIENT_LIMIT": 600},
            "TCS_EVENTS_CLIENT_LIMIT must be a limit such as '600/minute' or None, not 600.",
        ),
        (
            {"TCS_EVENTS_SESSION_LIMIT": "1/second;9/minute"},
            "TCS_EVENTS_SESSION_LIMIT must be a limit such as '600/minute' or None, not"
            " '1/second;9/minute'.",
        ),
        (
            {"TCS_EVENTS_SESSION_LIMIT": "0/minute"},
            "TCS_EVENTS_SESSION_LIMIT must allow at least one event, not '0/minute'.",
        ),
        (
            {"TCS_EVENTS_LIMIT_STORAGE": "memcached://:password@cache"},
            "TCS_EVENTS_LIMIT_STORAGE must be 'memory://', or begin with one of: redis://,"
            " rediss://, redis+unix://.",
        ),
        (
            {"TCS_EVENTS_LIMIT_STORAGE": "redis://:password@cache:port/0"},
            "TCS_EVENTS_LIMIT_STORAGE is not a Redis URL, such as 'redis://127.0.0.1:6379/0'.",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_limit_that_cannot_work_stops_the_app(config: dict, message: str) -> None:
    assert message_for(config) == message


@pytest.mark.parametrize(
    ("module", "config", "message"),
    [
        (
            "limits",
            {"TCS_EVENTS_CLIENT_LIMIT": "600/minute"},
            "TCS_EVENTS_CLIENT_LIMIT needs limits: pip install 'tcs-events[limits]'.",
        ),
        (
            "redis",
            {"TCS_EVENTS_LIMIT_STORAGE": "redis://127.0.0.1/0"},
            "TCS_EVENTS_LIMIT_STORAGE needs redis: pip install 'tcs-events[redis]'.",
        ),
    ],
)
def test_a_missing_extra_stops_the_app_and_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, config: dict, message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert message_for(config) == message


def test_redis_without_a_secret_key_is_refused(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(
        sqlite_url,
        TESTING=True,
        TCS_EVENTS_CLIENT_LIMIT="1/hour",
        TCS_EVENTS_LIMIT_STORAGE="redis://127.0.0.1:1/0",
    )
    with pytest.raises(ConfigError, match=r"Set app\.secret_key, the same in all processes"):
        post(app)


REGISTERING = """
import sys, threading
from flask import Flask
from tcs_events import events_bp
app = Flask("host")
app.config.update({config})
app.register_blueprint(events_bp)
assert threading.active_count() == 1, threading.enumerate()
print([name for name in ("limits", "redis") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("config", "imported"),
    [({}, []), ({"TCS_EVENTS_CLIENT_LIMIT": "600/minute"}, ["limits"])],
    ids=["without", "with"],
)
def test_what_is_not_used_is_not_imported_and_no_thread_is_started(
    config: dict[str, object], imported: list[str]
) -> None:
    code = REGISTERING.format(config=config)
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.stderr) == (repr(imported), "")
