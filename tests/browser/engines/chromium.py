"""Chromium, by Playwright."""

from __future__ import annotations

import importlib.util
import os
import shutil
from ctypes.util import find_library
from typing import Any, Literal, Self

from tests.browser.engines.engine import PATIENCE_SECONDS, Button, Engine, Modifier, Tab
from tests.support import need

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is not localhost, so that the page has no secure context. No other name is found.
    "--host-resolver-rules=MAP shop.example 127.0.0.1, MAP * ~NOTFOUND,"
    " EXCLUDE 127.0.0.*, EXCLUDE localhost",
]


def path() -> str:
    """Return where Chromium is, or skip the test."""
    need(importlib.util.find_spec("playwright"), "playwright", "pip install -e '.[test]'")
    need(find_library("atomic"), "libatomic, for playwright's Node", "apt-get install libatomic1")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    need(found, "Chromium", "apt-get install chromium, or set CHROMIUM to its path")
    assert found is not None
    return found


class ChromiumTab(Tab):
    def __init__(self, page: Any) -> None:
        self._page = page

    def open(self, address: str) -> None:
        self._page.goto(address)

    def run(self, script: str, *arguments: Any) -> Any:
        return run_in(self._page, script, arguments)

    def run_in_frame(self, script: str, *arguments: Any) -> Any:
        return run_in(self._page.frames[1], script, arguments)

    def press(self, key: Literal["Enter", " "], times: int = 1) -> None:
        for _ in range(times):
            self._page.keyboard.down(key)
        self._page.keyboard.up(key)

    def close(self) -> None:
        self._page.close()

    def _click_at(
        self, x: int, y: int, button: Button, modifiers: tuple[Modifier, ...], times: int
    ) -> None:
        for key in modifiers:
            self._page.keyboard.down(key)
        self._page.mouse.click(x, y, button=button, click_count=times)
        for key in modifiers:
            self._page.keyboard.up(key)


def run_in(frame: Any, script: str, arguments: tuple[Any, ...]) -> Any:
    return frame.evaluate(
        f"list => (function () {{ {script} }}).apply(null, list)", list(arguments)
    )


class Chromium(Engine):
    name = "chromium"

    def __init__(self, browser: Any, stop: Any) -> None:
        self._browser = browser
        self._stop = stop
        self._profile = self._new_profile()

    @classmethod
    def start(cls) -> Self:
        executable = path()
        from playwright.sync_api import sync_playwright

        running = sync_playwright().start()
        browser = running.chromium.launch(executable_path=executable, args=ARGUMENTS)
        return cls(browser, running.stop)

    @classmethod
    def around(cls, browser: Any) -> Self:
        """Use a browser that somebody else started, and will end."""
        return cls(browser, lambda: None)

    def quit(self) -> None:
        self._profile.close()
        self._stop()

    def new_tab(self) -> ChromiumTab:
        return ChromiumTab(self._profile.new_page())

    def tabs(self) -> list[ChromiumTab]:
        return [ChromiumTab(page) for page in self._profile.pages]

    def close_tabs(self) -> None:
        self._profile.close()
        self._profile = self._new_profile()

    def _new_profile(self) -> Any:
        profile = self._browser.new_context()
        profile.set_default_timeout(PATIENCE_SECONDS * 1000)
        return profile
