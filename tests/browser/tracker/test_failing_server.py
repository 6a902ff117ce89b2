"""What a server refuses for now, or takes without an answer, is stored once in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.browser.conftest import start_gunicorn, wait_until_served
from tests.browser.engines.engine import PATIENCE_SECONDS, Tab
from tests.browser.tracker.acting import (
    pass_time,
    pass_time_until,
    queued,
    track,
    wait_until_all_is_sent,
)
from tests.browser.tracker.browsers import CLOCK
from tests.browser.tracker.site import Site
from tests.support import free_port, need_module

RETRY_AFTER_SECONDS = 6
"""Longer than the tracker waits by itself after a first failure."""
A_MINUTE = 60


def test_events_wait_out_a_server_that_is_busy_and_arrive_once(site: Site, tab: Tab) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=RETRY_AFTER_SECONDS)
    track(tab, 1)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()
    track(tab, 2, 3)
    tab.click("button")
    pass_time(tab, RETRY_AFTER_SECONDS - 1)
    assert site.events() == []

    assert pass_time_until(tab, site, 4) == [1, 1, 2, 3]
    assert wait_until_all_is_sent(tab)
    assert site.numbers() == [1, 1, 2, 3]


def test_an_event_that_is_refused_for_good_is_dropped_and_holds_nothing_up(
    site: Site, tab: Tab
) -> None:
    site.before = CLOCK
    tab.open(site.url)
    site.faults.refuse(retry_after=1)
    track(tab, 1)
    tab.run("tcsEvents.trackEvent('no_such_type', {number: 2})")
    track(tab, 3)
    site.wait_for_posts(1)
    assert tab.wait_for("flying === 0")
    site.faults.end()

    assert pass_time_until(tab, site, 2) == [1, 3]
    assert wait_until_all_is_sent(tab)
    answered = [post for post in site.faults.posts if post.status != 503]
    sent = Counter(event["payload"]["number"] for post in answered for event in post.events)
    assert sent == {1: 1, 2: 1, 3: 1}


class Dying:
    """A site on a server of its own, which is killed once it has stored an event."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._database_url, self._folder = database_url, folder
        self._database = create_engine(database_url)
        self.start(dies=True)

    def start(self, *, dies: bool) -> None:
        host = "tests.browser.tracker.dying_host:create_app()"
        environment = {"DATABASE_URL": self._database_url, "DIES": str(int(dies))}
        self._server = start_gunicorn(host, self.port, self._folder, **environment)
        wait_until_served(self.url, self._server, PATIENCE_SECONDS)

    def wait_until_killed(self) -> None:
        assert self._server.wait(timeout=PATIENCE_SECONDS) < 0

    def numbers(self) -> list[int]:
        with self._database.connect() as connection:
            rows = connection.execute(text("SELECT payload FROM user_events ORDER BY id"))
            return sorted(as_object(row.payload)["number"] for row in rows)

    def close(self) -> None:
        self._database.dispose()
        self._server.terminate()
        self._server.wait()


def as_object(payload: Any) -> Any:
    import json

    return json.loads(payload) if isinstance(payload, str) else payload


@pytest.fixture
def dying(database_url: str, tmp_path: Path) -> Iterator[Dying]:
    need_module("gunicorn")
    site = Dying(database_url, tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize(
    ("running_engine", "database_url"),
    [
        ("chromium", "sqlite"),
        ("chromium", "postgresql"),
        ("firefox", "sqlite"),
        ("webkit", "sqlite"),
    ],
    indirect=True,
)
def test_an_event_whose_server_is_killed_between_commit_and_answer_is_stored_once(
    dying: Dying, tab: Tab
) -> None:
    tab.open(dying.url)
    track(tab, 1)
    dying.wait_until_killed()
    assert dying.numbers() == [1]
    assert queued(tab) == [1]

    dying.start(dies=False)
    track(tab, 2)
    pass_time(tab, A_MINUTE)
    assert queued(tab) == []
    assert dying.numbers() == [1, 2]
