"""Firefox, by Marionette: Debian has no geckodriver, which only translates for it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any, Literal, Self

from tests.browser.engines import actions
from tests.browser.engines.engine import PATIENCE_SECONDS, Button, Modifier, OneProfile, Tab
from tests.support import free_port, need

PREFERENCES = {
    # A name that is not localhost, so that the page has no secure context.
    "network.dns.localDomains": "shop.example",
    # All that is not on this machine goes to a proxy that is not there: no request leaves.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.0/8, shop.example",
    # And what Firefox would ask for by itself is switched off.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.search.update": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.blocklist.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "geo.provider.network.url": "",
    "media.gmp-manager.updateEnabled": False,
    "messaging-system.rsexperimentloader.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.http.speculative-parallel-limit": 0,
    "network.prefetch-next": False,
    "nimbus.rollouts.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "data:,",
    "toolkit.telemetry.unified": False,
    # Tabs that a page opens are tabs, and stay in the background as those of other engines do.
    "browser.link.open_newwindow": 3,
    "browser.tabs.loadInBackground": True,
}


def path() -> str:
    """Return where Firefox is, or skip the test."""
    found = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    need(found, "Firefox", "apt-get install firefox-esr, or set FIREFOX to its path")
    need(
        importlib.util.find_spec("marionette_driver"),
        "marionette-driver",
        "pip install -e '.[test]'",
    )
    assert found is not None
    return found


class FirefoxTab(Tab):
    def __init__(self, browser: Any, handle: str) -> None:
        self._browser = browser
        self._handle = handle

    def open(self, address: str) -> None:
        self._here().navigate(address)

    def run(self, script: str, *arguments: Any) -> Any:
        return run_in(self._here(), script, arguments)

    def run_in_frame(self, script: str, *arguments: Any) -> Any:
        self._here().switch_to_frame(0)
        try:
            return run_in(self._browser, script, arguments)
        finally:
            self._browser.switch_to_frame()

    def press(self, key: Literal["Enter", " "], times: int = 1) -> None:
        self._in_front().actions.perform(actions.press(key, times))

    def close(self) -> None:
        keep_one_open(self._browser)
        self._here().close()

    def _click_at(
        self, x: int, y: int, button: Button, modifiers: tuple[Modifier, ...], times: int
    ) -> None:
        self._in_front().actions.perform(actions.click(x, y, button, modifiers, times))

    def _here(self) -> Any:
        self._browser.switch_to_window(self._handle, focus=False)
        return self._browser

    def _in_front(self) -> Any:
        self._browser.switch_to_window(self._handle, focus=True)
        return self._browser


def run_in(browser: Any, script: str, arguments: tuple[Any, ...]) -> Any:
    """Run a script among the page's own globals.

    Marionette gives every script new ones, `Date` and `Array` among them. Only where the page's
    policy forbids it to make functions of texts, these have to do.
    """
    wrapped = f"""
        let action;
        try {{ action = new window.Function(arguments[0]); }}
        catch {{ action = function () {{ {script} }}; }}
        return action.apply(null, window.JSON.parse(arguments[1]));
    """
    return browser.execute_script(wrapped, [script, json.dumps(arguments)], sandbox=None)


def keep_one_open(browser: Any) -> None:
    """Open a tab where there is only one left: without one the browser would end."""
    if len(browser.window_handles) == 1:
        browser.open(type="tab", focus=True)


class Firefox(OneProfile):
    name = "firefox"

    def __init__(self, browser: Any, log_folder: str) -> None:
        self._browser = browser
        self._log_folder = log_folder
        super().__init__()

    @classmethod
    def start(cls) -> Self:
        executable, log_folder = path(), tempfile.mkdtemp(prefix="tcs_events_firefox_")
        with warnings.catch_warnings():
            # Of packages that it brings, about others that those bring.
            warnings.simplefilter("ignore")
            from marionette_driver.marionette import Marionette

            browser = Marionette(
                bin=executable,
                port=free_port(),
                headless=True,
                prefs=PREFERENCES,
                # A folder. A file of this name would be removed first, even /dev/null.
                gecko_log=log_folder,
            )
            browser.start_session()
        browser.timeout.page_load = PATIENCE_SECONDS
        browser.timeout.script = PATIENCE_SECONDS
        return cls(browser, log_folder)

    def quit(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._browser.quit()
            self._browser.cleanup()
        shutil.rmtree(self._log_folder, ignore_errors=True)

    def _handles(self) -> list[str]:
        handles: list[str] = self._browser.window_handles
        return handles

    def _open(self) -> str:
        self._browser.switch_to_window(self._browser.window_handles[0], focus=False)
        handle: str = self._browser.open(type="tab", focus=True)["handle"]
        return handle

    def _tab(self, handle: str) -> FirefoxTab:
        return FirefoxTab(self._browser, handle)

    @contextlib.contextmanager
    def preferences(self, changes: dict[str, Any]) -> Iterator[None]:
        """Change preferences, for pages that are opened from now on."""
        with self._browser.using_prefs(changes):
            yield
