"""What a visitor's page is made to do, and what it holds."""

from __future__ import annotations

from tests.browser.engines.engine import PATIENCE_SECONDS, Tab, wait_until
from tests.browser.tracker.site import Site

FENCE = 999


def track(tab: Tab, *numbers: int) -> None:
    """Call the tracker once for each number, all in one go."""
    tab.run(
        "arguments[0].forEach(number => tcsEvents.trackEvent('card_click', {number}))",
        list(numbers),
    )


QUEUED = """
    return Object.entries(localStorage).filter(([key]) => key.startsWith("tcs_"))
        .flatMap(([, value]) => [...value.matchAll(/number\\W+(\\d+)/g)].map(found => +found[1]))
        .sort((one, other) => one - other);
"""


def queued(tab: Tab) -> list[int]:
    """Return the numbers of the events that are stored in the browser, not acknowledged yet."""
    numbers: list[int] = tab.run(QUEUED)
    return numbers


def wait_until_all_is_sent(tab: Tab, seconds: float = PATIENCE_SECONDS) -> bool:
    """Return whether the queue became empty in time."""
    return wait_until(lambda: queued(tab) == [], seconds)


def numbers_once_settled(site: Site, tab: Tab) -> list[int]:
    """Return the numbers of the rows once nothing more comes of what the page has done.

    An event of the test's own is sent after all others, and stored; by then the page has sent what
    it had to send, and has its answers. That event is left out.
    """
    track(tab, FENCE)
    assert wait_until(lambda: FENCE in site.numbers()), "the event that ends the test never came"
    assert tab.wait_for("flying === 0")
    assert wait_until_all_is_sent(tab)
    numbers = site.numbers()
    numbers.remove(FENCE)
    return numbers


def pass_time(tab: Tab, seconds: int) -> None:
    """Let time pass on a page with `CLOCK`, and give what it sends the time to be answered."""
    for _ in range(seconds):
        tab.run("clock.advance(1000)")
        assert tab.wait_for("flying === 0")


def pass_time_until(tab: Tab, site: Site, count: int, seconds: int = 900) -> list[int]:
    """Let time pass until there are `count` rows; return their numbers."""
    for _ in range(seconds):
        if len(site.events()) >= count:
            break
        pass_time(tab, 1)
    return site.numbers()


def complaints(tab: Tab) -> list[list[str]]:
    """Return what the pages of a tab threw, wrote as an error, or were forbidden."""
    said: list[list[str]] = tab.run("return self.said ?? []")
    return [[kind, words] for kind, words in said if kind in {"error", "thrown", "forbidden"}]


def warnings(tab: Tab) -> list[str]:
    """Return what the pages of a tab wrote to the console as a warning."""
    said: list[list[str]] = tab.run("return self.said")
    return [words for kind, words in said if kind == "warn"]
