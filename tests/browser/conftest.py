"""Real Chromium against a real WSGI server with a real database behind it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.browser.engines.chromium import ARGUMENTS, path
from tests.support import ROOT, free_port, need


class Site:
    """A host on a server of its own: its port, and what its database holds."""

    def __init__(self, port: int, engine: Engine) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._engine = engine

    def events(self) -> list[dict[str, Any]]:
        """Return the stored events, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                text("SELECT event_type, session_id, payload FROM user_events ORDER BY id")
            )
            return [dict(row) for row in rows.mappings()]

    def wait_for_events(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        """Return the events once there are `count` of them, or what there is after `seconds`."""
        deadline = time.monotonic() + seconds
        while len(self.events()) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.events()


def wait_until_served(url: str, server: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=1).close()
            return
        time.sleep(0.1)
    raise TimeoutError(url)


def start_gunicorn(
    factory: str, port: int, folder: Path, **environment: str
) -> subprocess.Popen[bytes]:
    """Start gunicorn in a process group of its own; its log is in `folder`."""
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    # One worker: several would race to make the tables.
    command += ["--workers", "1", "--threads", "8", "--log-level", "warning", factory]
    with (folder / f"server-{port}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@contextmanager
def serving(folder: Path) -> Iterator[Callable[..., Site]]:
    """Give a function that serves an app factory with gunicorn, and end its servers at last."""
    need(importlib.util.find_spec("gunicorn"), "gunicorn", "pip install -e '.[test]'")
    with contextlib.ExitStack() as stack:

        def start(factory: str, database_url: str, **environment: str) -> Site:
            port = free_port()
            environment["TCS_EVENTS_DEMO_DATABASE_URI"] = database_url
            server = start_gunicorn(factory, port, folder, **environment)
            stack.callback(server.wait)
            stack.callback(server.terminate)
            engine = create_engine(database_url)
            stack.callback(engine.dispose)
            site = Site(port, engine)
            wait_until_served(site.url, server)
            return site

        yield start


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Serve an app factory with gunicorn: `serve("tcs_events.demo:create_app()", url)`."""
    with serving(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    return path()


@pytest.fixture(scope="session")
def playwright(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Any, chromium: str) -> Iterator[Any]:
    browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
    yield browser
    browser.close()


class Complaints(list[str]):
    """What a page threw, or wrote to its console as an error."""

    def listen_to(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.append(f"thrown: {error}"))
        page.on("console", lambda said: self.append(said.text) if said.type == "error" else None)


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(browser: Any, complaints: Complaints) -> Iterator[Any]:
    """A page in a browser profile of its own. The test fails if the page complains."""
    context = browser.new_context()
    context.set_default_timeout(120_000)  # milliseconds, for a busy machine
    page = context.new_page()
    complaints.listen_to(page)
    yield page
    context.close()
    assert complaints == []
