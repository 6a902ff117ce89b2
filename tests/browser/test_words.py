"""The dashboard of a host whose word for an item is as long as a word may be."""

from __future__ import annotations

from typing import Any

from tcs_events import EventType
from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import PAGES
from tcs_events.event_types.roles import WORD_MAX_LENGTH
from tcs_events.roles import Click, FilterChange, Search
from tests.conftest import MakeHost

LONG = "w" * WORD_MAX_LENGTH
TYPES = [
    EventType("asked", role=Search(query="text", word=(LONG, LONG))),
    EventType("opened", role=Click(item="id")),
    EventType("narrowed", role=FilterChange(filter="name", value="to")),
]
CATALOGUE = [f"nr-{number}" for number in range(30)]
SCREENS = {1360: 800, 390: 844, 320: 640}


def test_a_long_word_widens_no_page(make_host: MakeHost, sqlite_url: str, page: Any) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_EVENT_TYPES=TYPES)
    app.register_blueprint(create_dashboard(lambda: True, catalogue=CATALOGUE))
    client = app.test_client()

    def answer(route: Any) -> None:
        found = client.get(route.request.url.removeprefix("http://rooms.example"), buffered=True)
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.data)

    page.route("http://rooms.example/**", answer)
    for width, height in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        for path in [*(each.path for each in PAGES.values()), "/tables/exposure"]:
            page.goto(f"http://rooms.example/insights{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        assert LONG in page.content()
