"""200 connections that get no further, and visitors beside them."""

from __future__ import annotations

from tests.deployment.servers import App
from tests.deployment.stalled import good_requests, stalled

GOOD = 100


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
