"""The React kit on its marketplace page, built for production, in StrictMode: rows are counted."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Site
from tests.support import ROOT, need

SNIPPETS = ROOT / "frontend_snippets"
CARD = ".cards .card-link"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marketplace page as a host would serve it."""
    need(shutil.which("npm"), "Node 20 or later", "https://nodejs.org, or apt-get install npm")
    need((SNIPPETS / "node_modules").is_dir(), "npm packages", "npm ci --prefix frontend_snippets")
    folder = tmp_path_factory.mktemp("marketplace")
    subprocess.run(
        ["npm", "run", "marketplace:build", "--", "--outDir", str(folder), "--emptyOutDir"],
        cwd=SNIPPETS,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder


class Market:
    """The page in a browser, and what its visit has stored."""

    def __init__(self, site: Site, page: Any) -> None:
        self.site = site
        self.page = page

    def open(self) -> None:
        self.page.goto(f"{self.site.url}/market/")
        self.page.locator(CARD).first.wait_for()

    def payloads(self, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the payloads of a type once there are `count`, and no more come in a while."""
        self._wait_for(event_type, count)
        self.page.wait_for_timeout(1_500)
        return self._payloads(event_type)

    def _wait_for(self, event_type: str, count: int) -> None:
        for _ in range(1_200):
            if len(self._payloads(event_type)) >= count:
                return
            self.page.wait_for_timeout(50)

    def _payloads(self, event_type: str) -> list[dict[str, Any]]:
        return [
            json.loads(event["payload"])
            for event in self.site.events()
            if event["event_type"] == event_type
        ]

    def types(self) -> list[str]:
        """Return the types in the order in which they were stored, impressions left out."""
        types = [event["event_type"] for event in self.site.events()]
        return [one for one in types if one != "card_impression"]


@pytest.fixture
def market(
    serve: Callable[..., Site],
    dist: Path,
    sqlite_url: str,
    page: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Market:
    monkeypatch.setenv("MARKETPLACE_DIST", str(dist))
    market = Market(serve("tests.browser.marketplace_host:create_app()", sqlite_url), page)
    market.open()
    return market


def test_ten_letters_in_a_second_are_one_event_with_the_settled_count(market: Market) -> None:
    market.page.get_by_label("Search experts").press_sequentially("accessible", delay=90)
    [change] = market.payloads("filter_change")
    shown = market.page.locator(CARD).count()
    assert change == {
        "filter": "query",
        "value": "accessible",
        "filters": {"query": "accessible"},
        "result_count": shown,
    }


def test_a_slider_dragged_through_forty_places_is_one_event_at_its_release(market: Market) -> None:
    page = market.page
    box = page.get_by_label("Highest hourly rate").bounding_box()
    middle, right = box["y"] + box["height"] / 2, box["x"] + box["width"] - 8
    page.mouse.move(right, middle)
    page.mouse.down()
    for step in range(1, 41):
        page.mouse.move(right - step * box["width"] / 60, middle)
    assert "filter_change" not in market.types()
    page.mouse.move(right - box["width"] / 2, middle + 300)  # beside the slider
    page.mouse.up()
    [change] = market.payloads("filter_change")
    assert change["filter"] == "rate_max"
    assert (
        change["value"]
        == change["filters"]["rate_max"]
        == int(page.get_by_label("Highest hourly rate").input_value())
    )
    assert change["result_count"] == page.locator(CARD).count()


def test_a_slider_moved_by_keys_is_an_event_for_what_was_shown(market: Market) -> None:
    slider = market.page.get_by_label("Highest hourly rate")
    slider.press("ArrowLeft")
    [change] = market.payloads("filter_change")
    assert change["value"] == int(slider.input_value())


def test_each_handle_of_the_slider_has_events_of_its_own(market: Market) -> None:
    page = market.page
    lowest = page.get_by_label("Lowest hourly rate")
    box = lowest.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, middle)
    page.mouse.down()
    for step in range(1, 21):
        page.mouse.move(box["x"] + 8 + step * 3, middle)
    page.mouse.up()
    [change] = market.payloads("filter_change")
    assert (change["filter"], change["value"]) == ("rate_min", int(lowest.input_value()))
    assert change["filters"] == {"rate_min": change["value"]}
    assert 0 < change["result_count"] == page.locator(CARD).count() < 60
    page.get_by_label("Highest hourly rate").press("ArrowLeft")
    [_, change] = market.payloads("filter_change", 2)
    assert change["filter"] == "rate_max"
    assert set(change["filters"]) == {"rate_min", "rate_max"}


def test_composed_text_is_an_event_once_it_is_committed(market: Market) -> None:
    page = market.page
    keyboard = page.context.new_cdp_session(page)
    page.get_by_label("Search experts").focus()
    for composed in ("a", "ac", "acc"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": composed, "selectionStart": len(composed), "selectionEnd": len(composed)},
        )
    page.wait_for_timeout(2_000)
    assert market.types() == []
    keyboard.send("Input.insertText", {"text": "accessible"})
    [change] = market.payloads("filter_change")
    assert change["value"] == page.get_by_label("Search experts").input_value() == "accessible"
    assert change["result_count"] == page.locator(CARD).count()


def test_a_tag_is_an_event_each_time_it_is_toggled(market: Market) -> None:
    tag = market.page.locator(".filters label:has(input[type=checkbox])").first
    tag.click()
    [on] = market.payloads("filter_change")
    tag.click()
    [_, off] = market.payloads("filter_change", 2)
    assert on["filter"] == off["filter"] == "tags"
    assert on["filters"] == {"tags": [on["value"]]}
    assert off["filters"] == {}
    assert on["result_count"] < off["result_count"] == market.page.locator(CARD).count()


def test_a_click_on_a_card_is_stored_before_the_profile_opens(market: Market) -> None:
    card = market.page.locator(CARD).nth(2)
    username = card.get_attribute("href").rsplit("=", 1)[1]
    card.click()
    market.page.wait_for_url(f"**expert={username}")
    market.page.get_by_role("link", name="All experts").wait_for()
    assert market.payloads("card_click") == [{"expert_id": username, "context": "grid"}]


def test_a_card_opened_in_a_new_tab_is_a_click_too(market: Market) -> None:
    with market.page.context.expect_page() as opened:
        market.page.locator(CARD).first.click(modifiers=["Control"])
    opened.value.close()
    assert len(market.payloads("card_click")) == 1


def test_sage_answers_and_its_cards_count_as_its_own(market: Market) -> None:
    page = market.page
    page.locator(".filters label:has(input[type=checkbox])").first.click()
    [change] = market.payloads("filter_change")
    page.get_by_role("textbox", name="Ask Sage").fill("someone for flask")
    page.get_by_role("button", name="Send").click()
    [ask] = market.payloads("sage_query")
    found = page.locator(".found .card-link")
    assert ask["query_text"] == "someone for flask"
    assert ask["function_called"] == "search_experts"
    assert ask["filters"] == change["filters"]
    assert ask["result_count"] == len(ask["expert_ids"])
    assert [link.get_attribute("href").rsplit("=", 1)[1] for link in found.all()] == ask[
        "expert_ids"
    ][: found.count()]

    page.get_by_role("textbox", name="Ask Sage").fill("up to 80 euros")
    page.get_by_role("button", name="Send").click()
    assert market.payloads("sage_query", 2)[1]["function_called"] == "apply_filters"

    page.locator(".found .card-link").last.click()
    [click] = market.payloads("card_click")
    assert click["context"] == "sage_panel"
    assert market.types() == ["filter_change", "sage_query", "sage_query", "card_click"]


def test_a_card_that_was_in_view_is_an_impression_once(market: Market) -> None:
    seen = market.payloads("card_impression", 2)
    positions = [impression["position"] for impression in seen]
    assert len(positions) == len(set(positions))
    assert 1 <= len(seen) < market.page.locator(CARD).count()
    assert all(impression["context"] == "grid" for impression in seen)
    market.page.reload()
    market.page.locator(CARD).first.wait_for()
    assert len(market.payloads("card_impression", len(seen))) == len(seen)
    market.page.locator(CARD).last.scroll_into_view_if_needed()
    later = market.payloads("card_impression", len(seen) + 1)
    ids = [impression["expert_id"] for impression in later]
    assert len(ids) == len(set(ids)) > len(seen)


def seen_on(market: Market, style: str, later: str | None = None) -> list[dict[str, Any]]:
    """Return the impressions of a fresh visit whose cards have a style, or get another later on."""
    page = market.page
    # The page's policy forbids style elements, but not a script's own sheet.
    page.add_init_script(
        """
        self.restyle = (rule) => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(rule);
            document.adoptedStyleSheets = [sheet];
        };
        sessionStorage.removeItem("tcs_seen");
        """
        f"restyle({style!r});"
    )
    before = len(market.payloads("card_impression", 1))
    market.open()
    page.wait_for_timeout(2_500)
    if later is not None:
        assert len(market.payloads("card_impression", before)) == before
        page.evaluate("rule => restyle(rule)", later)
    page.evaluate("document.querySelector('.cards').scrollIntoView()")
    return market.payloads("card_impression", before + 1)[before:]


def test_a_card_much_taller_than_the_screen_is_seen(market: Market) -> None:
    tall = ".cards > li, .cards .card { height: 6000px }"
    seen = seen_on(market, tall)
    assert {impression["position"] for impression in seen} == {1, 2}  # the first row


def test_a_card_is_seen_once_it_has_grown_to_have_a_height(market: Market) -> None:
    flat = ".cards .card { height: 0; padding: 0; border: 0; overflow: hidden; display: block }"
    seen = seen_on(market, flat, later="")
    assert len(seen) >= 2


def test_a_card_that_grows_beyond_the_screen_is_still_seen(market: Market) -> None:
    low = ".cards .card { margin-top: 2000px }"
    seen = seen_on(market, low, later=".cards > li, .cards .card { height: 6000px }")
    assert {impression["position"] for impression in seen} == {1, 2}


def test_a_card_is_seen_that_is_larger_than_the_box_it_scrolls_in(market: Market) -> None:
    boxed = ".cards > li { height: 90px; overflow: hidden } .cards .card { height: 1000px }"
    assert len(seen_on(market, boxed)) >= 2


def test_the_page_is_started_by_one_command(serve: Callable[..., Site], sqlite_url: str) -> None:
    """`npm run marketplace` against the demo host: the page is there, and finds the host."""
    import os
    import urllib.request

    from tests.browser.conftest import wait_until_served
    from tests.support import free_port

    site = serve("tcs_events.demo:create_app()", sqlite_url)
    port = free_port()
    page = subprocess.Popen(
        ["npm", "run", "marketplace", "--", "--port", str(port), "--host", "127.0.0.1"],
        cwd=SNIPPETS,
        env={**os.environ, "TCS_EVENTS_DEMO_URL": site.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_served(f"http://127.0.0.1:{port}/", page)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/experts") as answer:
            assert len(json.load(answer)["experts"]) >= 60
    finally:
        os.killpg(page.pid, 15)
        page.wait()
