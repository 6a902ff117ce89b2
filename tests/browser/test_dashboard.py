"""Somebody reads the dashboard of a demo that has had visitors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tcs_events.dashboard.pages import PAGES
from tcs_events.demo import create_app
from tcs_events.demo.experts import EXPERTS
from tcs_events.host import registration_of
from tests.browser.conftest import Complaints, Site, serving
from tests.dashboard.visitors import fill, noon_today, visit, visitors
from tests.patience import be_patient
from tests.support import ROOT, need

DEMO = "tcs_events.demo:create_app()"
AXE = ROOT / "frontend_snippets" / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"
MORE = [
    "/insights/activity?unit=hour&days=7",
    "/insights/activity?unit=week&days=90",
    "/insights/timeline?session=visitor-0007",
    "/insights/timeline?email=ada@example.com",
    "/insights/paths?direction=before&depth=5&collapse=yes",
    "/insights/funnel?within=7d&break_down=result_count",
    "/insights/retention?unit=day",
    "/insights/retention?type=sage_query&where=result_count>0",
    "/insights/explore?type=card_click&by=context&measure=visits&interval=week",
    "/insights/tables/exposure",
    "/insights/tables/latest_visitors",
    "/insights/activity?type=card_click&where=context%3Dgrid&who=new&period=all",
]
ADDRESSES = [*(f"/insights{page.path}" for page in PAGES.values()), *MORE]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A demo whose visitors have clicked, searched and filtered, one of them with evil in mind."""
    folder = tmp_path_factory.mktemp("demo")
    sqlite_url = f"sqlite:///{folder}/demo.db"
    with pytest.MonkeyPatch.context() as patch:
        be_patient(patch)
        store_visits(create_app(sqlite_url))
    with serving(folder) as serve:
        yield serve(DEMO, sqlite_url)


def store_visits(app: Flask) -> None:
    at = noon_today()
    ids = [expert["username"] for expert in EXPERTS]
    evil = [
        visit(
            f"{HOSTILE[:50]}{place}",
            event_type,
            at,
            (1 << 90) + place,
            query_text=HOSTILE,
            expert_id=HOSTILE,
            expert_ids=[HOSTILE],
            context=HOSTILE,
            filter=HOSTILE,
            value=HOSTILE,
            filters={HOSTILE: HOSTILE},
            result_count=0,
        )
        for place, event_type in enumerate(
            ["sage_query", "card_click", "filter_change", HOSTILE] * 3
        )
    ]
    evil = [event._replace(event_type=event.event_type[:50]) for event in evil]
    known = {"visitor-0007": "ada@example.com"}
    fill(app, [*visitors(200, 30, at, ids), *evil], known)
    with app.app_context():
        registration_of(app).refresher.refresh()  # a page stops counting after some seconds
        app.extensions["sqlalchemy"].engine.dispose()
    app.extensions["tcs_events"].close()


def test_all_pages_are_read_without_a_complaint(
    site: Site, page: Any, complaints: Complaints
) -> None:
    """No error, and nothing that the pages' own content security policy forbids."""
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for address in [*ADDRESSES, f"/insights/timeline?session={HOSTILE[:50]}0"]:
        answer = page.goto(site.url + address)
        assert answer.status == 200
        assert page.locator("h1").count() == 1
        assert page.locator("main img, main script, main a[href^=javascript]").count() == 0
        assert complaints == [], address
    assert dialogs == []


def test_every_link_leads_somewhere(site: Site, page: Any) -> None:
    to_visit, seen = [f"{site.url}/insights/"], set()
    while to_visit:
        link = to_visit.pop()
        if link in seen or len(seen) > 150:
            continue
        seen.add(link)
        answer = page.request.get(link)
        assert answer.status == 200, link
        if "text/html" in answer.headers["content-type"]:
            page.goto(link)
            to_visit += page.eval_on_selector_all(
                "a[href]", "links => links.map(link => link.href.split('#')[0])"
            )
    assert len(seen) > 60


def test_the_demo_leads_to_its_dashboard_and_on(site: Site, page: Any) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Insights").click()
    page.wait_for_url("**/insights/**")
    page.get_by_role("link", name="90 days").click()
    page.get_by_role("navigation").get_by_role("link", name="Unmet demand").click()
    page.wait_for_url("**/insights/gaps?days=90")
    assert page.locator("[aria-current=page]").inner_text() == "Unmet demand"
    page.get_by_label("From").fill("2026-01-01")
    page.get_by_label("to", exact=True).fill("2026-01-31")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/insights/gaps?from=2026-01-01&to=2026-01-31")
    assert "Nothing yet" in page.locator("main").inner_text()


def test_the_keyboard_reaches_the_period(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/insights/gaps")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        if reached[-1] == "7 days":
            break
    assert reached[0] == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/insights/gaps?days=7")


def test_the_pages_work_without_javascript(site: Site, browser: Any) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}/insights/funnel")
        page.locator("select[name=step_type]").last.select_option("filter_change")
        page.locator("select[name=within]").select_option("7d")
        page.locator(".choose button").click()
        assert page.locator(".funnel li").count() == 3
        assert "within=7d" in page.url
        page.goto(f"{site.url}/insights/timeline")
        page.locator("input[name=session]").fill("visitor-0007")
        page.locator(".search button").click()
        assert page.get_by_text("From here on the visitor is known").count() == 1


def test_a_bar_says_what_it_is_under_the_pointer(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/insights/")
    page.locator(".chart .slot").last.hover()
    assert "so far: " in page.locator(".tip").inner_text()


def test_a_bar_and_a_row_narrow_down(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/insights/activity?days=7")
    page.locator(".chart .slot").last.click()
    page.wait_for_url("**/insights/activity?from=*")
    assert "by hour" in page.locator("main h2").first.inner_text()  # a single day is by hour
    page.goto(f"{site.url}/insights/activity?days=7")
    types = page.get_by_role("region", name="Rows of By event type")
    types.get_by_role("link", name="card_click", exact=True).click()
    assert page.locator(".chip > span").all_inner_texts() == ["type is card_click"]
    page.get_by_role("link", name="Take away the filter").click()
    assert page.locator(".chip").count() == 0


def test_a_filter_is_added_with_the_form_and_stays(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/insights/live")
    page.get_by_text("Add a filter").click()
    page.get_by_label("Event type").select_option("sage_query")
    page.locator(".narrow").get_by_role("button", name="Show").click()
    assert page.locator(".chip").count() == 1
    page.get_by_role("navigation").get_by_role("link", name="Activity").click()
    page.wait_for_url("**/insights/activity?*type=sage_query*")
    assert "sage_query by day" in page.locator("main").inner_text()


def test_the_live_page_reads_again_until_it_is_paused(site: Site, page: Any) -> None:
    page.clock.install()
    page.goto(f"{site.url}/insights/live")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("document.querySelector('[data-live] .value').textContent = 'old'")
    with page.expect_response("**/insights/live"):
        page.clock.run_for(5000)
    page.wait_for_function("document.querySelector('[data-live] .value').textContent != 'old'")
    assert page.locator(".chart .slot title").count() == 0  # the tooltips are ours again
    page.get_by_role("button", name="Pause").click()
    count = len(asked)
    page.clock.run_for(30_000)
    assert len(asked) == count == 1
    page.get_by_role("button", name="Go on").click()
    with page.expect_response("**/insights/live"):
        page.clock.run_for(5000)


def test_a_printed_page_has_the_answer_alone(site: Site, page: Any) -> None:
    page.goto(f"{site.url}/insights/activity?days=7")
    page.emulate_media(media="print")
    for hidden in (".rail", ".picker form", ".arrows", ".narrow", ".more", ".tabs"):
        assert not page.locator(hidden).first.is_visible()
    assert page.locator(".spans a").all_inner_texts().count("7 days") == 1
    assert page.get_by_text("7 days", exact=True).is_visible()
    assert not page.get_by_text("30 days", exact=True).is_visible()
    assert page.locator(".chart").first.is_visible()


def test_a_table_is_cards_on_a_phone(site: Site, page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{site.url}/insights/top")
    rows = page.locator(".grid").first.locator("tbody tr")
    assert rows.count() > 6
    assert [rows.nth(place).is_visible() for place in (5, 6)] == [True, False]
    titles = "cell => getComputedStyle(cell, '::before').content"
    assert page.locator(".grid td").first.evaluate(titles).startswith('"Visits')
    assert page.evaluate("document.documentElement.scrollHeight") < 3000


@pytest.mark.parametrize("width", [1360, 390, 320])
def test_no_page_is_wider_than_the_screen(site: Site, page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for address in ADDRESSES:
        page.goto(site.url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(site: Site, page: Any, scheme: str) -> None:
    need(AXE.exists(), "axe-core", "npm ci --prefix frontend_snippets")
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if scheme == "dark":  # where colours are other ones, and nothing else
        options["runOnly"] = ["color-contrast"]
    page.emulate_media(color_scheme=scheme)
    for address in ADDRESSES:
        page.goto(site.url + address)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.evaluate(Path(AXE).read_text())
        # Without what passed, which takes ten times as long to fetch as the check itself.
        run = "options => axe.run(options).then(found => found.violations)"
        faults = page.evaluate(run, options)
        assert [
            (fault["id"], [node["target"] for node in fault["nodes"]]) for fault in faults
        ] == [], address
