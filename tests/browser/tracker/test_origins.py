"""Who may read an answer, as browsers see it: a page that is on the list, and one that is not."""

from __future__ import annotations

from tests.browser.engines.engine import Tab
from tests.browser.tracker.site import Site

POST_JSON = """
    const [url] = arguments;
    const body = JSON.stringify({event_type: "card_click", session_id: location.host});
    const headers = {"Content-Type": "application/json"};
    self.outcome = undefined;
    fetch(url, {method: "POST", headers, body})
        .then(async answer => { outcome = [answer.status, await answer.json()]; })
        .catch(error => { outcome = [0, error.name]; });
"""


def test_a_listed_page_posts_json_and_reads_the_202_and_no_other_page_does(
    site: Site, tab: Tab
) -> None:
    endpoint = f"{site.elsewhere}/api/events"
    tab.open(f"{site.elsewhere}/next")
    listed_origin = f"{site.url}/api/events"
    assert post_json(tab, listed_origin) == [202, {"status": "accepted"}]
    assert [event["session_id"] for event in site.events()] == [site.elsewhere.split("//")[1]]

    tab.open(f"{site.url}/next")
    assert post_json(tab, endpoint) == [0, "TypeError"]
    assert len(site.events()) == 1  # its preflight was not answered, and nothing was sent


def post_json(tab: Tab, address: str) -> object:
    tab.run(POST_JSON, address)
    assert tab.wait_for("outcome !== undefined")
    return tab.run("return outcome")
