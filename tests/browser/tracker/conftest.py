"""A visitor's browser with the built tracker, and a server that can be told to misbehave."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select

from tcs_events import UserEvent
from tests.browser.conftest import Site, start_gunicorn, wait_until_served
from tests.browser.tracker.faults import Faults
from tests.support import free_port, need

HOST = "tests.browser.tracker.host:create_app()"


class FailingSite(Site):
    """A site whose server has faults, and can be started again."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__(free_port(), engine)
        self.faults = Faults(folder)
        self.elsewhere = f"http://shop.example:{self.port}"
        """The same pages on another origin, and on another site."""
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        database_url = self._engine.url.render_as_string(hide_password=False)
        self._server = start_gunicorn(
            HOST,
            self.port,
            self._folder,
            DATABASE_URL=database_url,
            FAULTS=str(self._folder),
            ELSEWHERE=self.elsewhere,
        )
        wait_until_served(self.url, self._server)

    def stop(self) -> None:
        assert self._server is not None
        self._server.terminate()
        self._server.wait()

    def wait_until_killed(self) -> None:
        assert self._server is not None
        assert self._server.wait(timeout=20) < 0

    def events(self) -> list[dict[str, Any]]:
        """Return the rows of `user_events`, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(UserEvent.__table__).order_by(UserEvent.id))
            return [dict(row) for row in rows.mappings()]

    def numbers(self) -> list[int]:
        """Return the number in the payload of each row, in order of the numbers."""
        return sorted(event["payload"]["number"] for event in self.events())

    def wait_for_numbers(self, count: int, seconds: float = 10) -> list[int]:
        """Return the numbers once there are `count` rows, or what there is after `seconds`."""
        self.wait_for_events(count, seconds)
        return self.numbers()

    def wait_for_requests(self, count: int, seconds: float = 10) -> list[dict[str, Any]]:
        """Return what the endpoint was sent once it is `count` requests, at the latest then."""
        wait_until(lambda: len(self.faults.received()) >= count, seconds)
        return self.faults.received()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether `condition` became true in time."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def track(page: Any, *numbers: int) -> None:
    """Call the tracker once for each number, all in one go."""
    page.evaluate(
        "numbers => numbers.forEach(n => tcsEvents.trackEvent('card_click', {number: n}))",
        list(numbers),
    )


def queued(page: Any) -> list[list[Any]]:
    """Return what is stored of the events that are not acknowledged, oldest first."""
    entries: list[list[Any]] = page.evaluate(
        """Object.keys(localStorage).filter(key => key.startsWith("tcs_e_")).sort()
            .map(key => JSON.parse(localStorage[key]))"""
    )
    return entries


@pytest.fixture
def start_site(tmp_path: Path) -> Iterator[Callable[[str], FailingSite]]:
    """Start a site on a database: `start_site(url)`."""
    need(importlib.util.find_spec("gunicorn"), "gunicorn", "pip install -e '.[test]'")
    with contextlib.ExitStack() as stack:

        def start(database_url: str) -> FailingSite:
            engine = create_engine(database_url)
            stack.callback(engine.dispose)
            site = FailingSite(engine, tmp_path)
            site.start()
            stack.callback(site.stop)
            return site

        yield start


@pytest.fixture
def site(start_site: Callable[[str], FailingSite], sqlite_url: str) -> FailingSite:
    return start_site(sqlite_url)


@pytest.fixture
def new_profile(browser: Any) -> Iterator[Callable[..., Any]]:
    """Make a browser profile. The test fails where one of its pages throws or complains."""
    thrown: list[str] = []
    profiles: list[Any] = []

    def make(**options: Any) -> Any:
        profile = browser.new_context(**options)
        profiles.append(profile)
        listen(profile, thrown)
        return profile

    yield make
    for profile in profiles:
        profile.close()
    assert thrown == []


NOISE = ("Failed to load resource", "Access to fetch")
"""What Chromium itself says of a request that fails, whoever handles the failure."""


def listen(profile: Any, thrown: list[str]) -> None:
    """Collect what pages throw, or write to their consoles as an error."""

    def on_console(said: Any) -> None:
        if said.type == "error" and not said.text.startswith(NOISE):
            thrown.append(said.text)

    profile.on("weberror", lambda error: thrown.append(f"thrown: {error.error}"))
    profile.on("console", on_console)


@pytest.fixture
def profile(new_profile: Callable[..., Any]) -> Any:
    return new_profile()


@pytest.fixture
def page(profile: Any) -> Any:
    """A page in a profile of its own, not on any site yet."""
    return profile.new_page()
