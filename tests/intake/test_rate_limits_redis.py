"""Limits counted in Redis, also while Redis is killed, hung or full."""

from __future__ import annotations

import pytest

pytest.importorskip("limits", reason="needs limits: pip install -e '.[test]'")

import contextlib
import socket
import threading
from typing import Any

from flask import Flask
from structlog.testing import capture_logs

from tcs_events.intake import rate_limits
from tests.conftest import MakeHost
from tests.redis_server import RedisServer
from tests.support import URL, card_click, post

SECRET = "made up"


def make_limited(make_host: MakeHost, url: str, redis_server: RedisServer, **more: Any) -> Flask:
    return make_host(
        url,
        SECRET_KEY=SECRET,
        TCS_EVENTS_LIMIT_STORAGE=redis_server.url,
        **{"TCS_EVENTS_CLIENT_LIMIT": "3/hour", **more},
    )


@pytest.fixture
def app(make_host: MakeHost, sqlite_url: str, redis_server: RedisServer) -> Flask:
    return make_limited(make_host, sqlite_url, redis_server)


def statuses(app: Flask, posts: int) -> list[int]:
    return [post(app).status_code for _ in range(posts)]


def unavailable(app: Flask) -> int:
    notes: dict[str, int] = app.extensions["tcs_events"].counters.counted().notes
    return notes.get("limits_unavailable", 0)


def skip_the_back_off(app: Flask) -> None:
    app.extensions["tcs_events"].limits._quiet_until = 0.0


def test_apps_with_the_same_secret_count_together(
    app: Flask, make_host: MakeHost, sqlite_url: str, redis_server: RedisServer
) -> None:
    other = make_limited(make_host, sqlite_url, redis_server)
    assert [post(one).status_code for one in (app, other, app, other)] == [202, 202, 202, 429]


def test_redis_holds_no_address_no_session_and_forgets_soon(
    make_host: MakeHost, sqlite_url: str, redis_server: RedisServer
) -> None:
    app = make_limited(make_host, sqlite_url, redis_server, TCS_EVENTS_SESSION_LIMIT="9/hour")
    environ = {"REMOTE_ADDR": "192.0.2.77"}
    app.test_client().post(URL, json=card_click(session_id="of ada"), environ_base=environ)
    with redis_server.client() as client:
        keys = sorted(client.keys())
        assert [key[:22] for key in keys] == [b"tcs_events:{client:3/3", b"tcs_events:{session:9/"]
        everything = b" ".join([*keys, *client.mget(keys)])
        for key in keys:
            assert 0 < client.ttl(key) <= 2 * 3600
    assert b"192.0.2.77" not in everything
    assert b"of ada" not in everything


def test_another_secret_makes_other_hashes(
    app: Flask, make_host: MakeHost, sqlite_url: str, redis_server: RedisServer
) -> None:
    other = make_host(
        sqlite_url,
        SECRET_KEY="another",
        TCS_EVENTS_LIMIT_STORAGE=redis_server.url,
        TCS_EVENTS_CLIENT_LIMIT="3/hour",
    )
    post(app)
    post(other)
    with redis_server.client() as client:
        assert len(client.keys()) == 2


class TestRedisFails:
    """Events are worth more than limits: they are stored, and nobody waits long."""

    @pytest.fixture(autouse=True)
    def _spent(self, app: Flask, redis_server: RedisServer) -> None:
        assert statuses(app, 4) == [202, 202, 202, 429]

    def test_killed_and_back(self, app: Flask, redis_server: RedisServer) -> None:
        redis_server.kill()
        with capture_logs() as logs:
            assert statuses(app, 10) == [202] * 10
            skip_the_back_off(app)
            assert statuses(app, 10) == [202] * 10
        [entry] = [entry for entry in logs if entry["log_level"] == "error"]
        assert entry == {
            "event": "tcs_events.limits_unavailable",
            "reason": "ConnectionError",
            "remedy": "see that Redis is running, is reachable and has free memory; until then"
            " nothing is limited",
            "log_level": "error",
        }
        assert unavailable(app) == 20
        redis_server.start()
        skip_the_back_off(app)
        with capture_logs() as logs:
            assert statuses(app, 5) == [202, 202, 202, 429, 429]
        assert [entry["event"] for entry in logs].count("tcs_events.limits_available") == 1
        assert unavailable(app) == 20

    def test_hung(
        self, app: Flask, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[object] = []
        ask = rate_limits._wait_seconds
        monkeypatch.setattr(
            rate_limits, "_wait_seconds", lambda *what: (asked.append(what), ask(*what))[1]
        )
        monkeypatch.setattr(rate_limits, "BACK_OFF_SECONDS", 600.0)
        redis_server.freeze()
        assert statuses(app, 50) == [202] * 50
        assert unavailable(app) == 50
        assert len(asked) == 1  # the others have not waited for it
        skip_the_back_off(app)
        assert statuses(app, 50) == [202] * 50
        assert len(asked) == 2
        redis_server.thaw()
        skip_the_back_off(app)
        assert statuses(app, 2) == [429, 429]

    def test_full(self, app: Flask, redis_server: RedisServer) -> None:
        with redis_server.client() as client:
            client.config_set("maxmemory", "1")
        environ = {"REMOTE_ADDR": "192.0.2.2"}
        with capture_logs() as logs:
            answers = [
                app.test_client().post(URL, json=card_click(), environ_base=environ).status_code
                for _ in range(6)
            ]
        assert answers == [202] * 6
        assert [entry["event"] for entry in logs].count("tcs_events.limits_unavailable") == 1
        with redis_server.client() as client:
            client.config_set("maxmemory", "0")
        skip_the_back_off(app)
        assert statuses(app, 1) == [429]

    def test_someone_elses_value_under_our_key(self, app: Flask, redis_server: RedisServer) -> None:
        with redis_server.client() as client:
            [key] = client.keys()
            client.delete(key)
            client.lpush(key, "not a number")
        assert statuses(app, 5) == [202] * 5


def test_many_sessions_in_a_batch_wait_no_longer_than_one_check(
    make_host: MakeHost,
    sqlite_url: str,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "CHECK_SECONDS", 0.0)
    app = make_limited(make_host, sqlite_url, redis_server, TCS_EVENTS_SESSION_LIMIT="1/hour")
    events = [card_click(session_id=f"visitor-{number}") for number in range(50)]
    answer = app.test_client().post(f"{URL}/batch", json={"events": events})
    assert answer.status_code == 202
    assert unavailable(app) > 0
    with redis_server.client() as client:
        assert len(client.keys("*session*")) <= 1


def test_what_hangs_up_is_not_asked_twice(make_host: MakeHost, sqlite_url: str) -> None:
    connections = 0

    def hang_up() -> None:
        nonlocal connections
        with contextlib.suppress(OSError):
            while True:
                connection, _ = port.accept()
                connections += 1
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as port:
        thread = threading.Thread(target=hang_up)
        thread.start()
        app = make_host(
            sqlite_url,
            SECRET_KEY=SECRET,
            TCS_EVENTS_LIMIT_STORAGE=f"redis://127.0.0.1:{port.getsockname()[1]}/0",
            TCS_EVENTS_CLIENT_LIMIT="3/hour",
        )
        assert post(app).status_code == 202
        assert (connections, unavailable(app)) == (1, 1)
        port.shutdown(socket.SHUT_RDWR)
        thread.join()
