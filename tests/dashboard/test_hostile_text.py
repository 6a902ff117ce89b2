"""What a browser has sent is text, on a page as in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tcs_events import UserEvent
from tcs_events.dashboard import create_dashboard
from tcs_events.dashboard.pages import TABLES
from tcs_events.dashboard.table import csv_bytes
from tcs_events.reports.columns import Column
from tests.conftest import MakeHost
from tests.dashboard.addresses import addresses, page_paths
from tests.dashboard.conftest import WholeAnswers
from tests.dashboard.visitors import fill, noon_today, visit

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</title></svg><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)//",
    "\u202eevil\u2066",
    "\uff21" * 300,
    "a" * 3000,
    "--><!--",
    "&lt;b&gt;",
]
TAGS = {"script", "img", "svg", "b", "iframe", "base", "object"}


class Elements(HTMLParser):
    """The elements of a page, their attributes included."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def hostile(make_host: MakeHost, sqlite_url: str) -> FlaskClient:
    app = make_host(sqlite_url, TCS_EVENTS_MIN_SESSIONS=1)
    app.register_blueprint(create_dashboard(lambda: True, catalogue=MARKUP))
    at = noon_today() - timedelta(days=1)
    events = []
    for number, bad in enumerate(MARKUP):
        session, start = bad[:64], number * 10 + (1 << 90)
        events += [
            visit(
                session,
                "sage_query",
                at,
                start,
                email=f"{bad[:60]}@x.example",
                query_text=bad,
                result_count=0,
                expert_ids=[bad],
                filters={bad: bad},
            ),
            visit(session, "card_click", at, start + 1, expert_id=bad, context=bad),
            visit(
                session,
                "filter_change",
                at,
                start + 2,
                filter=bad,
                value=bad,
                filters={bad: [bad]},
                result_count=0,
            ),
            visit(session, bad[:50], at, start + 3, **{bad: bad}),
        ]
    fill(app, events)
    app.test_client_class = WholeAnswers
    return app.test_client()


def hostile_addresses(app: Flask) -> list[tuple[str, dict[str, object]]]:
    every: list[tuple[str, dict[str, object]]] = [(address, {}) for address in addresses(app)]
    for bad in MARKUP:
        if bad.isprintable():
            every += [
                ("/insights/timeline", {"session": bad[:64]}),
                ("/insights/timeline", {"email": f"{bad[:60]}@x.example"}),
                ("/insights/tables/timeline", {"session": bad[:64]}),
            ]
        every += [
            ("/insights/explore", {"type": "card_click", "by": bad[:400]}),
            ("/insights/explore", {"type": "sage_query", "by": "query_text", "measure": bad[:400]}),
            ("/insights/explore", {"type": "sage_query", "by": "query_text"}),
            ("/insights/funnel", {"step": bad[:400]}),
            ("/insights/paths", {"type": bad[:50]}),
            ("/insights/paths", {"where": bad[:400]}),
            ("/insights/retention", {"returning": bad[:400]}),
            ("/insights/gaps", {"days": bad[:10]}),
            ("/insights/activity", {"unit": bad}),
        ]
    return every


def test_no_text_becomes_an_element_or_a_link(hostile: FlaskClient) -> None:
    shown, braces = 0, 0
    for address, query in hostile_addresses(hostile.application):
        answer = hostile.get(address, query_string=query)
        assert answer.status_code in (200, 400, 404), (address, query)
        if answer.mimetype != "text/html":
            continue
        shown += answer.text.count("alert(1)")
        braces += answer.text.count("{{ 7*7 }}")
        for tag, attributes in Elements(answer.text).found:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            assert tag not in TAGS - {"script", "svg", "b"}
            if tag == "script":
                assert attributes["src"] == "/insights/static/insights.js"
            for name in ("href", "src", "action"):
                target = attributes.get(name) or "/"
                assert target.startswith(("/insights", "data:image/svg+xml,", "#")) or target == "/"
    assert shown > 100
    assert braces > 20


def test_no_text_is_long_enough_to_swell_a_page(hostile: FlaskClient) -> None:
    for path in page_paths():
        assert len(hostile.get(path).data) < 400_000


FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    *(f"{sign}1" for sign in FULL_WIDTH),
]


@pytest.mark.parametrize(
    "formula", [*FORMULAS, '=HYPERLINK("http://x.example";"a")', "=cmd|' /C'!A0"]
)
def test_no_cell_of_a_csv_file_is_a_formula(formula: str) -> None:
    class Row:
        name = formula

    text = csv_bytes((Column("name", "", ""),), [Row()]).decode("utf-8-sig")
    [_, [cell]] = csv.reader(io.StringIO(text, newline=""))
    assert cell == f"'{formula}"


ASKED = {"timeline": "session==s", "funnel": "step==1"}


def test_stored_formulas_are_text_in_every_csv_file(make_host: MakeHost, sqlite_url: str) -> None:
    app = make_host(sqlite_url, TCS_EVENTS_MIN_SESSIONS=1)
    app.register_blueprint(create_dashboard(lambda: True))
    at = noon_today()
    events = []
    for number, bad in enumerate(FORMULAS):
        start = number * 10 + (1 << 90)
        events += [
            visit("=s", "sage_query", at, start, query_text=bad, result_count=0, expert_ids=[bad]),
            visit("=s", "card_click", at, start + 1, expert_id=bad, context=bad),
            visit(
                "=s",
                "filter_change",
                at,
                start + 2,
                filter=bad,
                value=bad,
                filters={bad: bad},
                result_count=0,
            ),
            visit("=s", f"={number}", at, start + 3),
        ]
    fill(app, events)
    client, cells = app.test_client(), 0
    for table in TABLES:
        answer = client.get(f"/insights/csv/{table}.csv?{ASKED.get(table, '')}")
        assert answer.status_code == 200
        for row in csv.reader(io.StringIO(answer.text, newline="")):
            for cell in row:
                cells += cell.startswith("'")
                assert not cell.startswith(tuple("=+-@\t\r\n" + FULL_WIDTH))
    assert cells > 50


def test_json_is_strict_whatever_is_stored(make_host: MakeHost, sqlite_url: str) -> None:
    """A host may write events itself, with what no browser could have sent."""
    import json

    app = make_host(sqlite_url)
    app.register_blueprint(create_dashboard(lambda: True))
    with app.app_context():
        db = app.extensions["sqlalchemy"]
        payload = {"nan": float("nan"), "half": "\ud800"}
        db.session.add(UserEvent(session_id="s", event_type="odd", payload=payload))
        db.session.commit()
    client = app.test_client()
    answer = client.get("/insights/api/timeline.json?session=s")
    said = json.loads(answer.data, parse_constant=pytest.fail)
    assert said["answer"]["timeline"][0]["payload"] == {"nan": None, "half": "\ud800"}
    assert client.get("/insights/timeline?session=s").status_code == 200
    assert client.get("/insights/csv/timeline.csv?session=s").status_code == 200
