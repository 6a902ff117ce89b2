"""How the pages lead to each other, and what they leave out."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from tcs_events.dashboard.page import GROUPS
from tcs_events.dashboard.pages import PAGES
from tests.dashboard.visitors import EXPERTS


def test_the_menu_has_every_page_once_in_its_group(empty: FlaskClient) -> None:
    html = empty.get("/insights/activity").text
    menu = html[html.index("<nav") : html.index("</nav>")]
    assert re.findall(r"<p [^>]*>([^<]*)</p>", menu) == list(GROUPS)
    links = re.findall(r"<a [^>]*>([^<]*)</a>", menu)
    assert links == [
        page.link for group in GROUPS for page in PAGES.values() if page.group == group
    ]
    assert sorted(links) == sorted(page.link for page in PAGES.values())
    assert re.findall(r'aria-current="page">([^<]*)', menu) == ["Activity"]


def test_an_empty_period_reports_no_findings(filled: FlaskClient) -> None:
    """The catalogue's items were not unwanted then: nobody was there to want them."""
    then = "from=2025-01-01&to=2025-01-31"
    overview = filled.get(f"/insights/?{then}").text
    assert "go unnoticed" not in overview
    exposure = filled.get(f"/insights/exposure?{then}").text
    assert "no event was stored in this period" in exposure
    assert [expert for expert in EXPERTS if expert in overview + exposure] == []
    assert "go unnoticed" in filled.get("/insights/").text
    assert "expert-" in filled.get("/insights/exposure").text


def test_a_timeline_of_nobody_lists_the_latest_visitors(filled: FlaskClient) -> None:
    html = filled.get("/insights/timeline").text
    links = re.findall(r'href="(/insights/timeline\?[^"]*session=(visitor-\d+))"', html)
    assert len(links) == 25
    html = filled.get(links[0][0].replace("&amp;", "&")).text
    assert f'value="{links[0][1]}"' in html
    assert "latest visitors" not in html


def test_a_timeline_folds_days_and_payloads(filled: FlaskClient) -> None:
    html = filled.get("/insights/timeline?session=visitor-0007").text
    days = re.findall(r'<details class="day"( open)?>\s*<summary><h2>([^<]*)</h2>', html)
    assert len(days) > 2
    assert [is_open for is_open, _ in days[-2:]] == [" open"] * 2
    assert not any(is_open for is_open, _ in days[:-2])
    folded = html.count('<details class="happened">')
    assert folded == html.count('<dl class="payload">') > 0


def test_every_cell_of_a_card_has_its_title(filled: FlaskClient) -> None:
    """On a phone the heading row is gone, and each cell says what it is."""
    html = filled.get("/insights/top").text
    grid = html[html.index('class="scroll grid') :]
    body = grid[grid.index("<tbody>") : grid.index("</tbody>")]
    headings = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', grid[: grid.index("<tbody>")])
    for row in body.split("</tr>")[:-1]:
        assert re.findall('data-title="([^"]*)"', row) == headings[1:]


def test_a_session_leads_to_its_timeline_wherever_it_is(filled: FlaskClient) -> None:
    for path in ("live", "tables/latest_visitors", "tables/timeline?email=ada@example.com"):
        html = filled.get(f"/insights/{path}").text.split('class="scroll grid')[1]
        body = html[html.index("<tbody>") : html.index("</tbody>")]
        named = re.findall(r"visitor-\d+</span>", body)
        linked = re.findall(r"timeline\?[^\"]*session=visitor-\d+", body)
        assert len(named) == len(linked) > 0
