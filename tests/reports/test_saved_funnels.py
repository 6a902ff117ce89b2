"""Funnels are saved by name, and asked again on the page and by the command."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from tcs_events import reports
from tcs_events.dashboard import create_dashboard
from tcs_events.reports import SavedFunnel
from tests.cli.asking import MARCH, ask, click, lines, query, run, save
from tests.conftest import MakeHost

STEPS = [
    reports.step("sage_query[filters.rate_max=90, result_count>0]"),
    reports.step('card_click[context in ["a", "b, c"]]'),
]


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Flask:
    app = make_host(database_url)
    app.register_blueprint(create_dashboard(lambda: True))
    return app


def test_what_is_saved_is_there_until_it_is_replaced_or_deleted(host: Flask) -> None:
    with host.app_context():
        assert reports.saved_funnels() == []
        name = "Straße ✓"
        week = reports.save_funnel(name, STEPS, timedelta(days=7), "person", "filters.tags")
        assert week == SavedFunnel(name, tuple(STEPS), "7d", "person", "filters.tags")
        # A collation of the database may take these for the same name. They are three.
        others = ["STRASSE ✓", "straße ✓"]
        for other in others:
            reports.save_funnel(other, STEPS[:1])
        saved = reports.saved_funnels()
        assert [each.name for each in saved] == [others[0], name, others[1]]
        assert saved[1] == week
        reports.save_funnel(name, STEPS[1:], "12h")
        assert [each.within for each in reports.saved_funnels()] == [None, "12h", None]
        assert reports.delete_funnel(name)
        assert not reports.delete_funnel(name)
        assert [each.name for each in reports.saved_funnels()] == others


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "'' is not a name for a funnel"),
        ({"name": "a\nb"}, "is not a name for a funnel"),
        ({"name": " a"}, "is not a name for a funnel"),
        ({"name": "a" * 101}, "is not a name for a funnel"),
        ({"name": "\ud800"}, "is not a name for a funnel"),
        ({"steps": []}, "a funnel has at least one step"),
        ({"within": "1y"}, "'1y' is not a time"),
        ({"per": "person"}, "need the time allowed"),
        ({"within": "7d", "break_down": "["}, "is not a valid field"),
    ],
)
def test_what_cannot_be_saved_is_refused_in_words(
    make_host: MakeHost, sqlite_url: str, arguments: dict[str, Any], message: str
) -> None:
    with make_host(sqlite_url).app_context(), pytest.raises(ValueError, match=message):
        reports.save_funnel(**{"name": "a", "steps": STEPS, **arguments})


def test_there_are_at_most_a_hundred(make_host: MakeHost, sqlite_url: str) -> None:
    with make_host(sqlite_url).app_context():
        for number in range(100):
            reports.save_funnel(f"funnel {number}", STEPS)
        with pytest.raises(ValueError, match="100 funnels are saved already"):
            reports.save_funnel("one more", STEPS)
        reports.save_funnel("funnel 7", STEPS[:1])
        assert len(reports.saved_funnels()) == 100


def test_the_page_links_to_them(host: Flask) -> None:
    with host.app_context():
        reports.save_funnel("<b>by rate</b>", STEPS[:1], "30d", "person", "filters.rate_max")
    client = host.test_client()
    page = client.get("/insights/funnel?days=7").text
    assert "<b>by rate</b>" not in page
    [link] = re.findall(r'<a href="([^"]*)"[^>]*>&lt;b&gt;by rate', page)
    link = html.unescape(link)
    assert parse_qs(urlsplit(link).query) == {
        "step": [str(STEPS[0])],
        "within": ["30d"],
        "per": ["person"],
        "break_down": ["filters.rate_max"],
        "days": ["7"],
    }
    shown = client.get(link)
    assert shown.status_code == 200
    assert 'aria-current="true">&lt;b&gt;by rate' in shown.text


def test_the_command_saves_lists_asks_and_deletes_them(host: Flask) -> None:
    save(host, query("rust", "visitor-1", "ada"), click("ada", "visitor-1"))
    asked = ("sage_query", "card_click", "--within", "7d")
    assert lines(host, "funnels") == ["No funnel is saved."]
    assert "searches" in run(host, "funnels", "--save", "searches", *asked).stdout
    assert ask(host, "funnels") == {
        "rows": [
            {
                "name": "searches",
                "steps": ["sage_query", "card_click"],
                "within": "7d",
                "per": "visitor",
                "break_down": None,
            }
        ]
    }
    assert ask(host, "funnel", "--saved", "searches", *MARCH) == ask(host, "funnel", *asked, *MARCH)
    [of_visits] = ask(host, "funnels", "--save", "searches", "sage_query")["rows"]
    assert (of_visits["within"], of_visits["per"]) == (None, "visit")
    for wrong in (
        ["funnel", "--saved", "nothing"],
        ["funnel", "--saved", "searches", "card_click"],
        ["funnels", "card_click"],
        ["funnels", "--save", "empty"],
        ["funnels", "--delete", "nothing"],
        ["funnels", "--delete", "searches", "--save", "x", "card_click"],
    ):
        assert run(host, *wrong).exit_code == 2
    assert lines(host, "funnels", "--delete", "searches") == ["No funnel is saved."]
