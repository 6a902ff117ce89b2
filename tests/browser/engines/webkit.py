"""WebKit, by WebKitGTK's own driver and its small browser, on a screen that nobody sees."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from tests.browser.engines import actions
from tests.browser.engines.engine import PATIENCE_SECONDS, Button, Modifier, OneProfile, Tab
from tests.support import need

INSTALL = "apt-get install webkit2gtk-driver xvfb"


def browser_path() -> str:
    """Return where WebKitGTK's browser is, or skip the test."""
    found = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"))
    need(found, "WebKitGTK's MiniBrowser", INSTALL)
    return str(found[0])


@contextlib.contextmanager
def screen() -> Iterator[str]:
    """Run an X server without a screen; give the name of its display."""
    need(shutil.which("Xvfb"), "Xvfb", INSTALL)
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb ended before it had a display"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


class WebKitTab(Tab):
    def __init__(self, driver: Any, handle: str) -> None:
        self._driver = driver
        self._handle = handle

    def open(self, address: str) -> None:
        self._here().get(address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._here().execute_script(script, *arguments)

    def run_in_frame(self, script: str, *arguments: Any) -> Any:
        self._here().switch_to.frame(0)
        try:
            return self._driver.execute_script(script, *arguments)
        finally:
            self._driver.switch_to.default_content()

    def press(self, key: Literal["Enter", " "], times: int = 1) -> None:
        self._here().execute("actions", {"actions": actions.press(key, times)})

    def close(self) -> None:
        keep_one_open(self._driver)
        self._here().close()

    def _click_at(
        self, x: int, y: int, button: Button, modifiers: tuple[Modifier, ...], times: int
    ) -> None:
        clicks = actions.click(x, y, button, modifiers, times)
        self._here().execute("actions", {"actions": clicks})

    def _here(self) -> Any:
        self._driver.switch_to.window(self._handle)
        return self._driver


def keep_one_open(driver: Any) -> None:
    """Open a tab where there is only one left: without one the browser would end."""
    if len(driver.window_handles) == 1:
        driver.switch_to.window(driver.window_handles[0])
        driver.switch_to.new_window("tab")


class WebKit(OneProfile):
    name = "webkit"

    def __init__(self, driver: Any, resources: contextlib.ExitStack) -> None:
        self._driver = driver
        self._resources = resources
        super().__init__()

    @classmethod
    def start(cls) -> Self:
        browser = browser_path()
        driver_path = shutil.which("WebKitWebDriver")
        need(driver_path, "WebKitWebDriver", INSTALL)
        need(importlib.util.find_spec("selenium"), "selenium", "pip install -e '.[test]'")
        from selenium.webdriver.webkitgtk.options import Options
        from selenium.webdriver.webkitgtk.service import Service
        from selenium.webdriver.webkitgtk.webdriver import WebDriver

        with contextlib.ExitStack() as stack:
            home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            environment = {
                **os.environ,
                "DISPLAY": stack.enter_context(screen()),
                "GDK_BACKEND": "x11",
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "NO_AT_BRIDGE": "1",  # there is no accessibility bus to ask
                "HOME": home,
                "XDG_RUNTIME_DIR": home,
            }
            options = Options()
            options.binary_location = browser
            options.add_argument("--automation")
            service = Service(driver_path, log_output=subprocess.DEVNULL, env=environment)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of selenium, about itself
                driver = WebDriver(options=options, service=service)
            stack.callback(driver.quit)
            driver.set_page_load_timeout(PATIENCE_SECONDS)
            driver.set_script_timeout(PATIENCE_SECONDS)
            return cls(driver, stack.pop_all())

    def quit(self) -> None:
        self._resources.close()

    def _handles(self) -> list[str]:
        handles: list[str] = self._driver.window_handles
        return handles

    def _open(self) -> str:
        self._driver.switch_to.window(self._driver.window_handles[0])
        self._driver.switch_to.new_window("tab")
        handle: str = self._driver.current_window_handle
        return handle

    def _tab(self, handle: str) -> WebKitTab:
        return WebKitTab(self._driver, handle)
