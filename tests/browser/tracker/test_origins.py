"""Who may read an answer, as Chromium sees it: a page that is on the list, and one that is not."""

from __future__ import annotations

from typing import Any

from tests.browser.tracker.conftest import FailingSite

POST_JSON = """async url => {
    const body = JSON.stringify({event_type: "card_click", session_id: location.host});
    const headers = {"Content-Type": "application/json"};
    try {
        const answer = await fetch(url, {method: "POST", headers, body});
        return [answer.status, await answer.json()];
    } catch (error) {
        return [0, error.name];
    }
}"""


def test_a_listed_page_posts_json_and_reads_the_202_and_no_other_page_does(
    site: FailingSite, page: Any
) -> None:
    endpoint = f"{site.url}/api/events"
    page.goto(f"{site.elsewhere}/next")
    assert page.evaluate(POST_JSON, endpoint) == [202, {"status": "accepted"}]
    assert [event["session_id"] for event in site.events()] == [site.elsewhere.split("//")[1]]

    page.goto(f"http://localhost:{site.port}/next")
    assert page.evaluate(POST_JSON, endpoint) == [0, "TypeError"]
    assert len(site.events()) == 1  # its preflight was not answered, and nothing was sent
