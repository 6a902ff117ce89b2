"""nginx that is told of `/api/events/` turns a POST to `/api/events` into a redirect, and a GET."""

from __future__ import annotations

from pathlib import Path

from tests.browser.engines.engine import Tab
from tests.browser.tracker.acting import pass_time, pass_time_until, queued, track
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.nginx import nginx
from tests.browser.tracker.pages import TAG, page
from tests.browser.tracker.site import Site
from tests.support import free_port

WITH_SLASH = "location /api/events/ {{ proxy_pass http://127.0.0.1:{}; }}"
WITHOUT_SLASH = "location /api/events {{ proxy_pass http://127.0.0.1:{}; }}"


def test_an_event_is_kept_until_the_proxy_lets_it_through(
    site: Site, tab: Tab, tmp_path: Path
) -> None:
    site.before = CLOCK
    port = free_port()
    with nginx(tmp_path, port, site.port, WITH_SLASH.format(site.port)) as address:
        tab.open(address)
        track(tab, 1)
        assert tab.wait_for("flying === 0")
        pass_time(tab, 30)
    with nginx(tmp_path, port, site.port, WITHOUT_SLASH.format(site.port)) as address:
        tab.open(address)
        assert pass_time_until(tab, site, 1) == [1]
        assert queued(tab) == []
        assert site.numbers() == [1]


def test_an_endpoint_with_a_trailing_slash_is_served_without_a_redirect(
    site: Site, tab: Tab, tmp_path: Path
) -> None:
    tag = TAG.replace("<script", '<script data-endpoint="/api/events/"')
    site.serve("/", page(head=tag))
    with nginx(tmp_path, free_port(), site.port, WITH_SLASH.format(site.port)) as address:
        tab.open(address)
        track(tab, 1)
        tab.run("tcsEvents.identify('ada@example.com')")
        assert site.wait_for_numbers(1) == [1]
        posts = {post.path.rstrip("/"): post.status for post in site.wait_for_posts(2)}
        assert posts == {"/api/events": 202, "/api/events/identify": 202}
