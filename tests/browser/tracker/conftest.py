"""A visitor's browser, of each engine, and a site that can be told to misbehave."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.engines.chromium import Chromium
from tests.browser.engines.engine import Engine, Tab
from tests.browser.engines.firefox import Firefox
from tests.browser.engines.webkit import WebKit
from tests.browser.tracker.acting import complaints
from tests.browser.tracker.site import Site, new_site

# setup.cfg asks for the lists of ad blockers on these machines only: elsewhere they are no wheel.
HAS_LISTS = sys.version_info < (3, 12) and platform.machine() == "x86_64"
collect_ignore_glob = [] if HAS_LISTS else ["test_ad_blocker*.py"]


@pytest.fixture(scope="session", params=["chromium", "firefox", "webkit"])
def running_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One browser for all tests of its engine."""
    engine: Engine
    if request.param == "chromium":
        engine = Chromium.around(request.getfixturevalue("browser"))
    else:
        engine = {"firefox": Firefox, "webkit": WebKit}[request.param].start()
    yield engine
    engine.quit()


@pytest.fixture
def engine(running_engine: Engine) -> Iterator[Engine]:
    """A browser with no page in it. The test fails where one of its pages complains."""
    yield running_engine
    complained = [complaint for tab in running_engine.tabs() for complaint in complaints(tab)]
    running_engine.close_tabs()
    assert complained == []


@pytest.fixture
def tab(engine: Engine) -> Tab:
    """A tab that is not on any site yet."""
    return engine.new_tab()


@pytest.fixture
def start_site(make_host: Any) -> Iterator[Callable[..., Site]]:
    """Start a site on a database: `start_site(url, **settings)`."""
    sites: list[Site] = []

    def start(database_url: str, **settings: object) -> Site:
        sites.append(new_site(make_host, database_url, **settings))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


@pytest.fixture
def site(start_site: Callable[..., Site], sqlite_url: str) -> Site:
    """A site on SQLite."""
    return start_site(sqlite_url)
