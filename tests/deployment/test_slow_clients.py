"""200 connections that get no further, and visitors beside them."""

from __future__ import annotations

import contextlib

from tests.deployment.servers import App
from tests.deployment.stalled import good_requests, stalled
from tests.deployment.wire import connect, events_body, read_answers, request

GOOD = 100
CONNECTIONS = 100
"""The documented `limit_conn`."""


def test_behind_nginx_slow_clients_keep_nobody_waiting(behind_nginx: App) -> None:
    before = len(behind_nginx.sessions())
    with stalled(behind_nginx.port, 200) as held:
        answers, _ = good_requests(behind_nginx.port, GOOD)
        assert held() == 200
    assert answers == [[202]] * GOOD
    assert sorted(behind_nginx.sessions()[before:]) == sorted(f"good {n}" for n in range(GOOD))


def test_without_nginx_a_few_slow_clients_have_all_threads(direct: App) -> None:
    """The control of the test above: slow clients do stall an app that nothing stands before."""
    assert good_requests(direct.port, 4)[0] == [[202]] * 4
    with stalled(direct.port, 8):
        answers, _ = good_requests(direct.port, 4, seconds=3)
        assert answers == [[]] * 4


def test_nginx_lets_one_address_have_so_many_connections(behind_nginx: App) -> None:
    unfinished = request(body=events_body("stalled"))[:-5]
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(connect(behind_nginx.port, "127.0.2.1")).sendall(unfinished)
        answers = []
        for source in ("127.0.2.1", "127.0.2.2"):
            client = stack.enter_context(connect(behind_nginx.port, source))
            client.sendall(request(body=events_body()))
            answers.append(read_answers(client).statuses)
    assert answers == [[429], [202]]
